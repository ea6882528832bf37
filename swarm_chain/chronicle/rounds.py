"""A swarm's rounds, as its events tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from swarm_chain.types import (
    AbortReason,
    Address,
    BlockNumber,
    Digest,
    Event,
    NodeRegistered,
    NodeRemoved,
    NodeResumed,
    NodeSuspended,
    ResultAttested,
    RoundAborted,
    RoundFinalized,
    RoundNumber,
    RoundOpened,
    SwarmConfig,
    SwarmInfo,
    UpdateCommitted,
    UpdateRevealed,
)


class Outcome(StrEnum):
    """Where a round stands."""

    FINALIZED = "finalized"
    ABORTED = "aborted"
    RUNNING = "running"


@dataclass(kw_only=True, slots=True)
class Round:
    """One round. `members` are the nodes that were expected in it; `attested` holds each node's last word."""

    number: RoundNumber
    base: Digest
    quorum: int
    opened_in: BlockNumber
    members: frozenset[Address]
    committed: set[Address] = field(default_factory=set)
    reveals: dict[Address, UpdateRevealed] = field(default_factory=dict)
    attested: dict[Address, Digest] = field(default_factory=dict)
    end: RoundFinalized | RoundAborted | None = None

    @property
    def outcome(self) -> Outcome:
        """Where it stands."""
        if self.end is None:
            return Outcome.RUNNING
        return Outcome.FINALIZED if isinstance(self.end, RoundFinalized) else Outcome.ABORTED

    @property
    def result(self) -> Digest | None:
        """What it was finalised with."""
        return self.end.result if isinstance(self.end, RoundFinalized) else None

    @property
    def abort_reason(self) -> AbortReason | None:
        """Why it ended without a result."""
        return self.end.reason if isinstance(self.end, RoundAborted) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chronicle:
    """A swarm's rounds at one block, in their order. `labels` are of every node there ever was, joined first first."""

    chain_id: int
    contract: Address
    config: SwarmConfig
    head: Digest
    labels: Mapping[Address, str]
    rounds: tuple[Round, ...]

    @property
    def finalized(self) -> tuple[Round, ...]:
        """The rounds that ended in a result."""
        return tuple(one for one in self.rounds if one.outcome is Outcome.FINALIZED)

    @property
    def results(self) -> Mapping[RoundNumber, Digest]:
        """The agreed models, by round; the genesis is round 0."""
        genesis = {RoundNumber(0): self.config.genesis_digest}
        return genesis | {one.number: one.end.result for one in self.rounds if isinstance(one.end, RoundFinalized)}

    def rounds_from(self, base: Digest) -> tuple[Round, ...]:
        """The rounds that started from a result: one, after those that were aborted."""
        return tuple(one for one in self.rounds if one.base == base)


def tell(*, chain_id: int, contract: Address, swarm: SwarmInfo, events: Sequence[Event]) -> Chronicle:
    """The rounds that events in the chain's order make."""
    teller = _Teller()
    for event in events:
        teller.apply(event)
    return Chronicle(
        chain_id=chain_id,
        contract=contract,
        config=swarm.config,
        head=swarm.head,
        labels=teller.labels,
        rounds=tuple(teller.rounds.values()),
    )


class _Teller:
    """What was told so far."""

    def __init__(self) -> None:
        self.labels: dict[Address, str] = {}
        self.rounds: dict[RoundNumber, Round] = {}
        self._active: set[Address] = set()

    def apply(self, event: Event) -> None:
        match event:
            case NodeRegistered():
                self.labels[event.node] = event.label
                self._active.add(event.node)
            case NodeResumed():
                self._active.add(event.node)
            case NodeSuspended() | NodeRemoved():
                self._active.discard(event.node)
            case RoundOpened():
                self._open(event)
            case _:
                self._advance(event)

    def _open(self, event: RoundOpened) -> None:
        # A change of membership takes effect with the next round: those active when one opens are expected in it.
        self.rounds[event.round] = Round(
            number=event.round,
            base=event.base,
            quorum=event.quorum,
            opened_in=event.block_number,
            members=frozenset(self._active),
        )

    def _advance(self, event: Event) -> None:
        round_ = self.rounds.get(getattr(event, "round", RoundNumber(0)))
        if round_ is None:
            return
        match event:
            case UpdateCommitted():
                round_.committed.add(event.node)
            case UpdateRevealed():
                round_.reveals[event.node] = event
            case ResultAttested():
                round_.attested[event.node] = event.result
            case RoundFinalized() | RoundAborted():
                round_.end = event
