"""One node's part in agreeing on a round's result: fetch, verify, merge, publish the result, attest, converge."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from swarm_chain.agent.gathering import Get, Time, gather
from swarm_chain.agent.heads import Heads
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import Reason, ResultDocument, TaskDocument
from swarm_chain.core.judge import (
    Base,
    BuiltResult,
    Reveal,
    RoundFacts,
    build_result,
    judge_document,
    judge_updates,
)
from swarm_chain.core.publication import Publication
from swarm_chain.core.rounds import FIRST_WORD, LAST_WORD, Candidate, choose_result
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import File
from swarm_chain.errors import Malformed, MalformedFile, StoreError
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.types import (
    ZERO_DIGEST,
    Address,
    BlockNumber,
    ChainView,
    Digest,
    Event,
    ResultAttested,
    RoundClosed,
    UpdateCommitted,
    UpdateRevealed,
)

log = logging.getLogger(__name__)

REORGANISED = 32
"""Blocks by which a chain may go back and tell another story."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Built:
    """A result this node computed, and which nodes' bytes it did without."""

    digest: Digest
    included: int
    unavailable: frozenset[Address]
    document: bytes
    files: tuple[Cid, ...]
    merged: tuple[Publication, ...]


class _Round:
    """What this node knows of the running round: all of it can be had again from chain and stores."""

    def __init__(self, facts: RoundFacts, base: Base) -> None:
        self.facts = facts
        self.base = base
        self.nodes = frozenset(reveal.node for reveal in facts.reveals)
        self.missing = self.nodes
        self.tries: Counter[Address] = Counter()
        self.why: dict[Address, str] = {}
        self.built: dict[Digest, _Built] = {}
        self.refused: set[Digest] = set()
        self.mine: _Built | None = None

    def built_without(self, unavailable: frozenset[Address]) -> _Built | None:
        return next((one for one in self.built.values() if one.unavailable == unavailable), None)


class Convergence:
    """Merges running rounds, and says which result to attest to."""

    def __init__(self, *, task: TaskDocument, chain: Chain, store: UpdateStore, spool: Spool, heads: Heads) -> None:
        self._task = task
        self._chain = chain
        self._store = store
        self._spool = spool
        self._heads = heads
        self._round: _Round | None = None
        self._since: BlockNumber | None = None  # no later round has events before this block

    def advance(self, view: ChainView) -> Digest | None:
        """The result to attest to now, published and served; None to leave things as they are.

        Raises what stores do, where the base or what it was made from cannot be had.
        """
        events = self._chain.events(from_block=self._since, round_number=view.round.round)
        if not _is_whole(events, view):
            return None  # An endpoint that lags behind the one that was looked at.
        self._since = BlockNumber(max(events[0].block_number - REORGANISED, 0))
        round_ = self._enter(view, events)
        self._merge_own(round_, view)
        attestations = _attestations(events)
        if view.node.attested_round == view.round.round or _elapsed(view) >= LAST_WORD:
            self._reexecute_one(round_, view, attestations)
        wanted = self._choose(round_, view, attestations)
        if wanted is not None:
            self._publish(round_.built[wanted])
        return wanted

    def _choose(self, round_: _Round, view: ChainView, attestations: Counter[Digest]) -> Digest | None:
        candidates = {digest: _candidate(one, attestations) for digest, one in round_.built.items()}
        allowed = {digest for digest, one in round_.built.items() if _is_enough(one.unavailable, view)}
        mine = round_.mine
        return choose_result(
            elapsed=_elapsed(view),
            mine=candidates[mine.digest] if mine is not None and mine.digest in allowed else None,
            is_complete=mine is not None and not mine.unavailable,
            attested=_attested(view, candidates),
            candidates=[candidates[digest] for digest in allowed],
        )

    # ------------------------------------------------------------------------------------------------------ the facts

    def _enter(self, view: ChainView, events: Sequence[Event]) -> _Round:
        """What is known of the running round, begun anew when the chain tells another story than before."""
        facts = self._facts(view, events)
        if self._round is None or self._round.facts != facts:
            head = self._heads.head(view.round.base)
            self._round = _Round(facts, Base(document=head.document, weights=head.weights))
        return self._round

    def _facts(self, view: ChainView, events: Sequence[Event]) -> RoundFacts:
        return RoundFacts(
            chain=self._chain.chain_id,
            contract=self._chain.coordinator,
            round=view.round.round,
            base=view.round.base,
            reveals=reveals_in(events),
        )

    # -------------------------------------------------------------------------------------------------------- results

    def _merge_own(self, round_: _Round, view: ChainView) -> None:
        """Builds this node's own result once all bytes are here, or when it is time to do without some."""
        if round_.mine is not None and not round_.mine.unavailable:
            return
        missing = self._missing(round_, view)
        if missing and _elapsed(view) < FIRST_WORD:
            return
        round_.mine = round_.built_without(missing) or self._build(round_, missing)

    def _missing(self, round_: _Round, view: ChainView) -> frozenset[Address]:
        """The nodes whose update could not be had so far, after each was tried again; the least tried first."""
        reveals = [one for one in round_.facts.reveals if one.node in round_.missing]
        reveals.sort(key=lambda one: (round_.tries[one.node], one.order))
        failed = gather(reveals, self._store.get, partial(self._fetch, round_.facts), Time.of(view))
        round_.tries.update(failed.keys())
        for node, why in failed.items() - round_.why.items():
            log.info("round %d: the update of 0x%s is not here yet: %s", round_.facts.round, node.hex(), why)
        round_.why |= failed
        facts = replace(round_.facts, reveals=tuple(reveals))
        judged = judge_updates(
            task=self._task, base=round_.base, facts=facts, library=self._spool, withheld=failed.keys()
        )
        round_.missing = frozenset(one.reveal.node for one in judged if one.reason is Reason.UNAVAILABLE)
        return round_.missing

    def _fetch(self, facts: RoundFacts, reveal: Reveal, get: Get) -> None:
        """Puts all of an update into the spool, unless its document says that it does not count. Raises as `get`."""
        library = self._spool.through(get)
        judged = judge_document(library.document(reveal.digest), reveal, facts, self._task)
        if judged.document is not None and judged.reason is None:
            with suppress(MalformedFile):
                library.weights(File(cid=judged.document.weights, size=judged.document.bytes))

    def _reexecute_one(self, round_: _Round, view: ChainView, attestations: Counter[Digest]) -> None:
        """Computes the most attested result that was not looked at yet: one a look, whatever strangers attest to."""
        for digest, _ in sorted(attestations.items(), key=lambda item: (-item[1], item[0])):
            if digest not in round_.built and digest not in round_.refused and self._reexecute(round_, view, digest):
                return

    def _reexecute(self, round_: _Round, view: ChainView, digest: Digest) -> bool:
        """Whether a result that somebody attests to was computed: its document says how, if the bytes can be had."""
        try:
            document = documents.read(self._store.get, digest, ResultDocument)
        except StoreError:
            return False  # It is asked for again at the next look.
        except Malformed as error:
            return self._refuse(round_, digest, str(error))
        without = frozenset(one.node for one in document.excluded if one.reason is Reason.UNAVAILABLE)
        known = round_.built_without(without)
        if known is not None:
            return self._refuse(round_, digest, f"it should have been {document_cid(known.digest)}")
        if not without <= round_.nodes or not _is_enough(without, view):
            return self._refuse(round_, digest, "it does without nodes that it must not leave out")
        if not self._missing(round_, view) <= without:
            return False
        built = self._build(round_, without)
        if built.unavailable == without and built.digest != digest:
            self._refuse(round_, digest, f"it should have been {document_cid(built.digest)}")
        return True

    def _build(self, round_: _Round, without: frozenset[Address]) -> _Built:
        result = build_result(
            task=self._task,
            base=round_.base,
            facts=round_.facts,
            library=self._spool,
            out=self._spool.scratch,
            withheld=without,
        )
        if result.document.included:
            self._adopt(result)
        built = _built(result, self._merged(result))
        round_.built[built.digest] = built
        for one in result.judgements:
            if one.reason is not None:
                node, why = one.reveal.node, one.detail
                if one.reason is Reason.UNAVAILABLE:
                    why = round_.why.get(node, why)
                log.warning("round %d leaves out 0x%s: %s (%s)", round_.facts.round, node.hex(), one.reason, why)
        return built

    def _merged(self, result: BuiltResult) -> tuple[Publication, ...]:
        """The updates that went into a result, as they lie here."""
        return tuple(
            Publication(document=self._spool.document(one.reveal.digest), files=(one.weights,))
            for one in result.judgements
            if one.reason is None and one.weights is not None
        )

    def _adopt(self, result: BuiltResult) -> None:
        """Keeps the files of a result that was merged here."""
        document = result.document
        self._spool.adopt(result.weights, File(cid=document.weights, size=document.bytes))
        if result.state is not None and document.state is not None:
            self._spool.adopt(result.state, File(cid=document.state, size=result.state.stat().st_size))

    def _refuse(self, round_: _Round, digest: Digest, why: str) -> bool:
        round_.refused.add(digest)
        log.warning("round %d: the attested result %s is wrong: %s", round_.facts.round, document_cid(digest), why)
        return False

    def _publish(self, built: _Built) -> None:
        """Serves a result; what it was made from is served since it was fetched."""
        files = tuple(map(self._spool.path, built.files))
        self._store.publish(Publication(document=built.document, files=files, merged=built.merged))


def _is_whole(events: Sequence[Event], view: ChainView) -> bool:
    """Whether these are all reveals of the round: the contract counted as many, and closed it."""
    reveals = sum(isinstance(event, UpdateRevealed) for event in events)
    return reveals == view.round.reveals and any(isinstance(event, RoundClosed) for event in events)


def reveals_in(events: Iterable[Event]) -> tuple[Reveal, ...]:
    """A round's updates as its events show them; in a direct swarm submissions order them, elsewhere commits."""
    order: dict[Address, int] = {}
    revealed: list[UpdateRevealed] = []
    for event in events:
        if isinstance(event, UpdateCommitted):
            order[event.node] = len(order)
        elif isinstance(event, UpdateRevealed):
            order.setdefault(event.node, len(order))
            revealed.append(event)
    return tuple(
        Reveal(node=event.node, digest=event.digest, samples=event.samples, order=order[event.node])
        for event in revealed
    )


def _built(result: BuiltResult, merged: tuple[Publication, ...]) -> _Built:
    state = result.document.state if result.state is not None else None
    return _Built(
        digest=result.document.digest(),
        included=len(result.document.included),
        unavailable=frozenset(result.unavailable),
        document=result.document.encode(),
        files=tuple(cid for cid in (result.document.weights, state) if cid is not None),
        merged=merged,
    )


def _attestations(events: Iterable[Event]) -> Counter[Digest]:
    """How many nodes attest to each result now; each node's last word counts."""
    latest = {event.node: event.result for event in events if isinstance(event, ResultAttested)}
    return Counter(latest.values())


def _candidate(built: _Built, attestations: Counter[Digest]) -> Candidate:
    return Candidate(result=built.digest, included=built.included, attestations=attestations[built.digest])


def _attested(view: ChainView, candidates: dict[Digest, Candidate]) -> Candidate | None:
    """What this node attests to; a result it cannot compute any more counts as one without updates."""
    attested = view.node.attested
    if attested == ZERO_DIGEST or view.node.attested_round != view.round.round:
        return None
    return candidates.get(attested) or Candidate(result=attested, included=0, attestations=1)


def _elapsed(view: ChainView) -> float:
    window = max(view.round.deadline - view.round.phase_started_at, 1)
    return (view.now - view.round.phase_started_at) / window


def _is_enough(unavailable: frozenset[Address], view: ChainView) -> bool:
    """Whether a result does without so few updates that it may be attested to."""
    return view.round.reveals - len(unavailable) >= max(view.swarm.config.min_updates, view.round.quorum)
