"""What stores keep of a swarm, round by round, and which rounds can be re-executed from that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import Document, Reason, ResultDocument, UpdateDocument
from swarm_chain.core.retention import Past, Read, files_named
from swarm_chain.errors import Malformed
from swarm_chain.types import RoundNumber

D = TypeVar("D", bound=Document)

WEIGHED = frozenset({Reason.MALFORMED, Reason.SHAPE_MISMATCH, Reason.NON_FINITE, Reason.DUPLICATE, Reason.REJECTED})
"""Reasons that only the weights of an update can show again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundPins:
    """A round's documents, and the files that those of them name which can be read.

    `is_final`: it has a result. `needs` is what its merge is re-executed from; None where that is not known.
    """

    round: RoundNumber
    is_final: bool
    documents: frozenset[Cid]
    files: frozenset[Cid]
    needs: frozenset[Cid] | None

    def can_be_reexecuted(self, pinned: Collection[Cid]) -> bool:
        """Whether all that it takes is among what is pinned."""
        return self.needs is not None and self.needs <= frozenset(pinned)


def pins_by_round(past: Past, read: Read) -> tuple[RoundPins, ...]:
    """What there is to keep of each round, in their order; `read` gives documents that are here."""
    rounds: dict[RoundNumber, list[Cid]] = {RoundNumber(0): [past.task]}
    for filed in past.filed:
        rounds.setdefault(filed.round, []).append(filed.cid)
    reader = _Reader(past, read)
    return tuple(reader.round(number, cids) for number, cids in sorted(rounds.items()))


def everything(rounds: Sequence[RoundPins]) -> frozenset[Cid]:
    """All documents and files of some rounds."""
    return frozenset().union(*(one.documents | one.files for one in rounds))


class _Reader:
    def __init__(self, past: Past, read: Read) -> None:
        self._past, self._read = past, read
        self._data: dict[Cid, bytes | None] = {}

    def round(self, number: RoundNumber, cids: Sequence[Cid]) -> RoundPins:
        files = {file for cid in cids if (data := self._get(cid)) for file in files_named(cid, data)}
        is_final = number in self._past.results
        needs = self._needs(self._past.results[number]) if is_final and number else None
        return RoundPins(
            round=number,
            is_final=is_final,
            documents=frozenset(cids),
            files=frozenset(files),
            needs=needs,
        )

    def _needs(self, result: Cid) -> frozenset[Cid] | None:
        """The base and the updates of a result, with their files; None where a document is not here."""
        document = self._document(result, ResultDocument)
        base = self._document(document.base, ResultDocument) if document and document.base else None
        if document is None or base is None or document.base is None:
            return None
        needed = {result, document.base, base.weights, *((base.state,) if base.state else ())}
        try:
            return frozenset(needed.union(*(self._of(cid) for cid in _judged(document))))
        except LookupError:
            return None

    def _of(self, cid: Cid) -> tuple[Cid, ...]:
        """An update and its weights. Raises `LookupError` where the document is not here."""
        if self._get(cid) is None:
            raise LookupError
        update = self._document(cid, UpdateDocument)
        return (cid, update.weights) if update else (cid,)

    def _document(self, cid: Cid, kind: type[D]) -> D | None:
        data = self._get(cid)
        try:
            return kind.decode(data) if data is not None else None
        except Malformed:
            return None

    def _get(self, cid: Cid) -> bytes | None:
        if cid not in self._data:
            self._data[cid] = self._read(cid)
        return self._data[cid]


def _judged(document: ResultDocument) -> Iterator[Cid]:
    """The updates whose weights were looked at."""
    yield from (one.update for one in document.included)
    yield from (one.update for one in document.excluded if one.reason in WEIGHED)


def rounds_in_words(numbers: Sequence[RoundNumber]) -> str:
    """Numbers of rounds as people say them.

    >>> rounds_in_words([RoundNumber(1), RoundNumber(2), RoundNumber(3), RoundNumber(7)])
    '1 to 3, 7'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
