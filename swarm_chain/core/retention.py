"""What a swarm's stores have to keep, and what they may let go of: the weights of old rounds, and nothing else.

A round can be re-executed while its base and its updates are there. Documents stay for ever: they are small, and the
record is the product.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from swarm_chain.core.cids import Cid, Codec, document_cid, parse_cid
from swarm_chain.core.documents import (
    FROZEN_WEIGHTS,
    Document,
    Reason,
    ResultDocument,
    TaskDocument,
    UpdateDocument,
    decode,
)
from swarm_chain.core.links import links_of
from swarm_chain.errors import InvalidCid, Malformed
from swarm_chain.types import Address, Digest, Event, RoundFinalized, RoundNumber, UpdateRevealed

Read = Callable[[Cid], bytes | None]
"""A document's bytes, where they are here."""
D = TypeVar("D", bound=Document)

JUDGED = frozenset({Reason.NON_FINITE, Reason.DUPLICATE, Reason.REJECTED})
"""Reasons for which an update is left out though its weights are weights of the swarm's model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """What stores may let go of.

    `files` were named by documents of old rounds and are not by any other of the swarm's. `judged` are those of them
    that are surely weights of this swarm: of the others there is only a peer's word, which may name anything. `old` are
    the documents of old rounds, `documents` all of the swarm that are here, `kept` the files that must stay, `lost` the
    rounds that can no longer be re-executed: those up to the one whose result is `base`.
    """

    base: RoundNumber
    files: frozenset[Cid]
    judged: frozenset[Cid]
    old: frozenset[Cid]
    documents: frozenset[Cid]
    kept: frozenset[Cid]
    lost: tuple[RoundNumber, ...]


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Filed:
    """A document of a swarm's history: an update of a round, or its result."""

    round: RoundNumber
    is_result: bool
    cid: Cid


class Past:
    """A swarm's documents by round, as its events tell them; those of round 0 are what it started from."""

    def __init__(self, *, task: Digest, genesis: Digest) -> None:
        self.task = document_cid(task)
        self.filed = [Filed(round=RoundNumber(0), is_result=True, cid=document_cid(genesis))]
        self.results = {RoundNumber(0): document_cid(genesis)}

    def add(self, events: Iterable[Event]) -> None:
        """Takes in what happened since. Events that come again change nothing."""
        known = set(self.filed)
        for event in events:
            found = _filed(event)
            if found is not None and found not in known:
                insort(self.filed, found)
                known.add(found)
                if found.is_result:
                    self.results[found.round] = found.cid

    def base(self, keep: int) -> RoundNumber:
        """The round whose result the last `keep` rounds start from: what is older than that is not needed for them.

        Where there are not as many, it is round 0.
        """
        rounds = sorted(self.results)
        return rounds[max(len(rounds) - 1 - keep, 0)]

    def is_old(self, filed: Filed, base: RoundNumber) -> bool:
        """Whether a document's files are not needed to re-execute rounds after `base`."""
        return filed.round < base or (filed.round == base and not filed.is_result)


class Keeper:
    """Says what stores may let go of as rounds go by, where the last `keep` rounds are to be re-executable.

    `read` gives documents that are here. `own` are accounts whose updates' weights are believed to be weights.
    """

    def __init__(self, past: Past, *, keep: int, read: Read, own: Collection[Address] = ()) -> None:
        self._past, self._keep, self._own = past, keep, own
        self._read = read
        self._done: RoundNumber | None = None
        self._files: dict[Cid, frozenset[Cid]] = {}

    def done(self, retention: Retention) -> None:
        """Notes that stores have let go of that."""
        self._done = retention.base

    def due(self) -> Retention | None:
        """What may go now; None where nothing may that is not `done`."""
        base = self._past.base(self._keep)
        if base == self._done or base == 0:
            return None
        old = [filed for filed in self._past.filed if self._past.is_old(filed, base)]
        new = [filed for filed in old if self._done is None or not self._past.is_old(filed, self._done)]
        stays = {filed.cid for filed in self._past.filed} - {filed.cid for filed in old} | {self._past.task}
        kept = frozenset().union(*map(self._files_of, stays))
        files = frozenset().union(*(self._files_of(filed.cid) for filed in new)) - kept
        return Retention(
            base=base,
            files=files,
            judged=files & frozenset(self._judged(new)),
            old=frozenset(filed.cid for filed in old),
            documents=frozenset(cid for cid in (*stays, *(filed.cid for filed in old)) if cid in self._files),
            kept=kept,
            lost=tuple(number for number in sorted(self._past.results) if 0 < number <= base),
        )

    def _files_of(self, cid: Cid) -> frozenset[Cid]:
        if cid not in self._files:
            data = self._read(cid)
            if data is None:
                return frozenset()
            self._files[cid] = frozenset(files_named(cid, data))
        return self._files[cid]

    def _judged(self, filed: Iterable[Filed]) -> Iterator[Cid]:
        """The files of results, and of updates whose weights a result says to be of the swarm's model, or are ours."""
        for one in filed:
            if one.is_result:
                yield from self._files_of(one.cid)
                continue
            update = self._document(one.cid, UpdateDocument)
            if update is not None and (update.node in self._own or one.cid in self._judged_in(one.round)):
                yield update.weights

    def _judged_in(self, round_number: RoundNumber) -> frozenset[Cid]:
        cid = self._past.results.get(round_number)
        result = self._document(cid, ResultDocument) if cid else None
        if result is None:
            return frozenset()
        excluded = (one.update for one in result.excluded if one.reason in JUDGED)
        return frozenset((*(one.update for one in result.included), *excluded))

    def _document(self, cid: Cid, kind: type[D]) -> D | None:
        data = self._read(cid)
        try:
            return kind.decode(data) if data is not None else None
        except Malformed:
            return None


def files_named(cid: Cid, data: bytes) -> Iterator[Cid]:
    """The files that a document links to, or names; none for what is no document.

    A task names the tensors that nobody trains in its settings, where no link can stand.
    """
    try:
        yield from (link for link in links_of(cid, data) if link.codec is not Codec.DAG_CBOR)
        document = decode(data)
        if isinstance(document, TaskDocument) and FROZEN_WEIGHTS in document.training:
            yield parse_cid(str(document.training[FROZEN_WEIGHTS]))
    except (Malformed, InvalidCid):
        return


def base_of(document: bytes) -> Cid | None:
    """The result that an update or a result starts from; None for a genesis of its own, and for what is neither."""
    found = _decoded(document)
    return found.base if isinstance(found, ResultDocument | UpdateDocument) else None


def unjudged(document: bytes) -> tuple[Cid, ...]:
    """The updates that a result names without that anybody has judged what they link to; none for what is no result."""
    found = _decoded(document)
    excluded = found.excluded if isinstance(found, ResultDocument) else ()
    return tuple(one.update for one in excluded if one.reason not in JUDGED)


def _decoded(document: bytes) -> Document | None:
    try:
        return decode(document)
    except Malformed:
        return None


def _filed(event: Event) -> Filed | None:
    if isinstance(event, RoundFinalized):
        return Filed(round=event.round, is_result=True, cid=document_cid(event.result))
    if isinstance(event, UpdateRevealed):
        return Filed(round=event.round, is_result=False, cid=document_cid(event.digest))
    return None
