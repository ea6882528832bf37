"""What a report on a swarm holds: rounds, who took part, metrics by site, gas and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from swarm_chain.audit import GasUse, Verdict
from swarm_chain.chronicle import Outcome
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import TaskDocument
from swarm_chain.core.metrics import compared_metric
from swarm_chain.core.traffic import Traffic
from swarm_chain.types import Address, BlockNumber, Digest, Gas, Metrics, RoundNumber, SwarmConfig, Timestamp


class Part(StrEnum):
    """What became of a node in a round that it was expected in."""

    INCLUDED = "included"
    EXCLUDED = "excluded"
    REVEALED = "revealed"
    COMMITTED = "committed"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taking:
    """One node in one round. REVEALED: it did, and there is no result, or its document cannot be had.

    `put` are the bytes of its update's document and weights, None where that is unknown. `fetched` are those of its
    peers' updates as far as known, for one that revealed. `metrics` are its own model's, on what it holds out.
    """

    node: Address
    part: Part
    reason: str | None = None
    weight: int | None = None
    samples: int | None = None
    put: int | None = None
    fetched: int | None = None
    metrics: Metrics = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundEntry:
    """One round. `gas` is that of all transactions in it; `attested` counts equal attestations to its result."""

    number: RoundNumber
    outcome: Outcome
    abort_reason: str | None
    base: Digest
    result: Digest | None
    opened_at: Timestamp | None
    ended_at: Timestamp | None
    quorum: int
    attested: int
    gas: Gas
    nodes: tuple[Taking, ...]

    def count(self, part: Part) -> int:
        """How many nodes had that part in it."""
        return sum(one.part is part for one in self.nodes)

    @property
    def seconds(self) -> int | None:
        """How long it took, on the chain's clock."""
        return None if self.opened_at is None or self.ended_at is None else self.ended_at - self.opened_at

    @property
    def put(self) -> int:
        """Bytes of all its updates, as far as known."""
        return sum(one.put or 0 for one in self.nodes)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultEntry:
    """An agreed model, round 0's being the genesis, and how it did at each site that has measured it.

    `here` are the sites that say so in no document yet: their agents run on this machine.
    """

    round: RoundNumber
    digest: Digest
    sites: Mapping[Address, Metrics]
    here: frozenset[Address] = frozenset()

    def of(self, name: str) -> dict[Address, float]:
        """One metric, site by site."""
        return {node: metrics[name] for node, metrics in self.sites.items() if name in metrics}


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalAgent:
    """What a node's agent on this machine says of itself: the bytes it counted, and the newest result it scored.

    `data_bytes` is the size of its data, None where that is unknown.
    """

    traffic: Traffic
    data_bytes: int | None = None
    head: Digest | None = None
    head_metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A swarm at one block. `task` is None where its document cannot be had.

    `origin` is the result of an earlier swarm that its genesis starts from, if any that is known.

    `verdict` is that of an audit which somebody else made, if any: a report judges nothing.
    """

    chain_id: int
    contract: Address
    block_number: BlockNumber
    block_hash: bytes
    block_time: Timestamp
    config: SwarmConfig
    task: TaskDocument | None
    origin: Cid | None
    head: Digest
    active_nodes: int
    labels: Mapping[Address, str]
    rounds: tuple[RoundEntry, ...]
    results: tuple[ResultEntry, ...]
    gas: tuple[GasUse, ...]
    problems: tuple[str, ...] = ()
    verdict: Verdict | None = None
    agents: Mapping[Address, LocalAgent] = field(default_factory=dict)

    @property
    def finalized(self) -> int:
        """Rounds that ended in a result."""
        return sum(one.outcome is Outcome.FINALIZED for one in self.rounds)

    @property
    def measured(self) -> tuple[ResultEntry, ...]:
        """The results that some site has measured."""
        return tuple(one for one in self.results if one.sites)

    @property
    def head_round(self) -> RoundNumber | None:
        """The round that the head came from."""
        return next((one.round for one in reversed(self.results) if one.digest == self.head), None)

    @property
    def compared(self) -> str | None:
        """The metric that results and sites are compared by: one that all sites of the newest measured result have."""
        newest = self.measured[-1:]
        return compared_metric(newest[0].sites.values()) if newest else None

    @property
    def gas_total(self) -> int:
        """Gas of all transactions that the contract recorded something in."""
        return sum(use.gas for use in self.gas)
