"""The line of results behind a swarm's head, newest first, like a Git history.

Each result links to the one before it. A genesis may link to a result of an earlier swarm: the line goes on there,
beside that swarm's own chain where it can be asked, and from documents alone where not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from swarm_chain.chronicle import Read, Round
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.errors import Malformed, ResultMismatch, StoreError
from swarm_chain.models.reading import GENESIS, SwarmReading, check_result, round_of
from swarm_chain.models.scores import Scores, scores_by, scores_of
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Address, Digest, RoundNumber, Timestamp

MAX_SWARMS: Final = 64
"""Swarms one after the other that are followed: a line that somebody made longer was made to keep us busy."""

Elsewhere = Callable[[int, Address], SwarmReading | None]
"""Another swarm's reading, by its chain's id and its contract; None where that chain cannot be asked here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One result of the line, with what its document, its chain and later updates say of it.

    `swarm` is its chain's id and contract; None for a genesis that only a later swarm links to. `is_on_chain` says that
    its chain was asked, and has it. `problem` says why there is no document, or what is doubtful about it. `aborted`
    are the rounds that started from it and ended without a result.
    """

    digest: Digest
    round: RoundNumber | None
    swarm: tuple[int, Address] | None
    is_on_chain: bool
    document: ResultDocument | None = None
    problem: str | None = None
    ended: Round | None = None
    finalized_at: Timestamp | None = None
    aborted: tuple[Round, ...] = ()
    scores: Scores = field(default_factory=Scores)
    labels: Mapping[Address, str] = field(default_factory=dict)

    @property
    def cid(self) -> Cid:
        """The CID of its document."""
        return document_cid(self.digest)

    @property
    def attestations(self) -> int | None:
        """How many had attested to it when the round ended."""
        return getattr(self.ended.end, "attestations", None) if self.ended else None


def line_of(
    reading: SwarmReading, elsewhere: Elsewhere = lambda chain_id, contract: None, *, start: Digest | None = None
) -> Iterator[Entry]:
    """The results from the head, or from one of the swarm's results, back to where the first swarm started.

    Raises `ResultMismatch` where a document does not say what its chain or its place in the line says, and what chains
    do. What stores lack, and what is doubtful about an earlier swarm, is no error: entries say so. Where no chain tells
    how it goes on, the line ends there.
    """
    return _Walk(reading, elsewhere).entries(start or reading.chronicle.head)


class _Walk:
    """One walk back. `_reading` is that of the swarm at hand; None where only documents tell of it."""

    def __init__(self, reading: SwarmReading, elsewhere: Elsewhere) -> None:
        self._reading: SwarmReading | None = reading
        self._store: UpdateStore = reading.store
        self._elsewhere = elsewhere
        self._swarms = 1
        self._doubt: str | None = None

    def entries(self, start: Digest) -> Iterator[Entry]:
        digest: Digest | None = start
        later: ResultDocument | None = None
        while digest is not None:
            entry = self._of_chain(self._reading, digest) if self._reading else self._of_documents(digest, later)
            yield entry
            later, digest = entry.document, self._before(entry)

    def _of_chain(self, reading: SwarmReading, digest: Digest) -> Entry:
        chronicle = reading.chronicle
        number = next(number for number, known in chronicle.results.items() if known == digest)
        read = reading.library.result(digest)
        if read.document:
            check_result(read.document, chronicle, number)
        ended = round_of(chronicle, number)
        return Entry(
            digest=digest,
            round=number,
            swarm=(chronicle.chain_id, chronicle.contract),
            is_on_chain=True,
            document=read.document,
            problem=read.problem,
            ended=ended,
            finalized_at=reading.finalized_at(ended),
            aborted=tuple(one for one in chronicle.rounds_from(digest) if one.abort_reason is not None),
            scores=scores_of(digest, chronicle, reading.library),
            labels=chronicle.labels,
        )

    def _of_documents(self, digest: Digest, later: ResultDocument | None) -> Entry:
        read = self._read(digest)
        document = read.document
        if document is None:
            return Entry(digest=digest, round=None, swarm=None, is_on_chain=False, problem=read.problem)
        if later is not None and later.round != GENESIS:
            _check_order(document, later)
        return Entry(
            digest=digest,
            round=document.round,
            swarm=_swarm_of(document) or (_swarm_of(later) if later and later.round != GENESIS else None),
            is_on_chain=False,
            document=document,
            problem=self._doubt,
            scores=scores_by(later, self._store.get) if later else Scores(),
        )

    # ------------------------------------------------------------------------------------------------------- one before

    def _before(self, entry: Entry) -> Digest | None:
        """The result before; the walk is then in the swarm that it is of."""
        if entry.round == GENESIS:
            base = entry.document.base if entry.document else None
            return None if base is None else self._cross(base.digest)
        if entry.ended is not None:
            return entry.ended.base
        return entry.document.base.digest if entry.document and entry.document.base else None

    def _cross(self, link: Digest) -> Digest | None:
        """Goes on in an earlier swarm."""
        self._swarms += 1
        if self._swarms > MAX_SWARMS:
            return None
        document = self._read(link).document
        swarm = _swarm_of(document)
        found = self._elsewhere(*swarm) if swarm else None
        is_its = found is not None and document is not None and found.chronicle.results.get(document.round) == link
        self._reading = found if is_its else None
        self._doubt = None if found is None or is_its else "the contract that it names has no such result of that round"
        return link

    def _read(self, digest: Digest) -> Read[ResultDocument]:
        try:
            return Read(document=documents.read(self._store.get, digest, ResultDocument))
        except (StoreError, Malformed) as error:
            return Read(problem=str(error))


def _swarm_of(document: ResultDocument | None) -> tuple[int, Address] | None:
    if document is None or document.chain is None or document.contract is None:
        return None
    return document.chain, document.contract


def _check_order(document: ResultDocument, later: ResultDocument) -> None:
    """A result's base is of the same swarm and an earlier round, or its genesis."""
    is_earlier = document.round < later.round and document.task == later.task
    if not is_earlier or _swarm_of(document) not in (None, _swarm_of(later)):
        raise ResultMismatch(
            f"the result of round {later.round} ({later.cid()}) links to {document.cid()} as the one before it, "
            "which is none of its swarm's earlier ones; run `swarm-chain audit`"
        )
