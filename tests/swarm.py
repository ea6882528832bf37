"""A whole swarm in one process: real agents, journals and merges over the in-memory chain and store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import numpy as np

from swarm_chain.adapters.memory import MemoryChain, MemoryStore
from swarm_chain.agent.activity import Activity
from swarm_chain.agent.agent import Agent, Policy
from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.convergence import Convergence
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal
from swarm_chain.core import unixfs, weights
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import MergeSettings, ShippedSource, TaskDocument, UpdateSettings, genesis
from swarm_chain.core.spool import Spool
from swarm_chain.errors import BlockNotFound
from swarm_chain.ports import MAX_BLOCK, Chain, Progress, UpdateStore
from swarm_chain.types import (
    AddNode,
    Address,
    Metrics,
    Parameters,
    RoundNumber,
    Samples,
    Seconds,
    SwarmConfig,
    TrainingOutcome,
)

ADMIN = Address(b"\xad" * 20)


class Fault(Enum):
    """Ways in which a node misbehaves."""

    NONE = auto()
    SILENT = auto()
    NOT_FINITE = auto()
    WRONG_SHAPE = auto()
    MISSING_BLOCKS = auto()
    COPIED = auto()


class CountingTrainer:
    """Adds a node's own number to every parameter: what each node contributed can be read off the result."""

    def __init__(self, step: float, samples: int) -> None:
        self.step = step
        self.count = samples
        self.trainings: list[RoundNumber] = []

    def samples(self) -> Samples:
        return Samples(self.count)

    def train(self, base: Parameters, *, round_number: RoundNumber, on_progress: Progress) -> TrainingOutcome:
        on_progress(0.5)
        self.trainings.append(round_number)
        moved = {name: (array + self.step).astype(array.dtype) for name, array in base.items()}
        return TrainingOutcome(
            parameters=moved,
            samples=Samples(self.count),
            base_metrics=self.evaluate(base),
            local_metrics=self.evaluate(moved),
        )

    def evaluate(self, parameters: Parameters) -> Metrics:
        return {"sum": float(sum(np.asarray(array, np.float64).sum() for array in parameters.values()))}


class WrongShapeTrainer(CountingTrainer):
    def train(self, base: Parameters, *, round_number: RoundNumber, on_progress: Progress) -> TrainingOutcome:
        outcome = super().train(base, round_number=round_number, on_progress=on_progress)
        wrong = {name: np.zeros((7,), np.float32) for name in outcome.parameters}
        return TrainingOutcome(
            parameters=wrong, samples=outcome.samples, base_metrics=outcome.base_metrics, local_metrics={}
        )


class NotFiniteTrainer(CountingTrainer):
    def train(self, base: Parameters, *, round_number: RoundNumber, on_progress: Progress) -> TrainingOutcome:
        outcome = super().train(base, round_number=round_number, on_progress=on_progress)
        wrong = {name: np.full_like(array, np.nan) for name, array in outcome.parameters.items()}
        return TrainingOutcome(
            parameters=wrong, samples=outcome.samples, base_metrics=outcome.base_metrics, local_metrics={}
        )


class PartialStore:
    """A store from which some blocks cannot be had; which ones may change."""

    def __init__(self, store: UpdateStore) -> None:
        self._store = store
        self.hidden: set[Cid] = set()
        self.written: list[Cid] = []

    @property
    def name(self) -> str:
        return self._store.name

    @property
    def is_writable(self) -> bool:
        return True

    def put(self, cid: Cid, data: bytes) -> None:
        self.written.append(cid)
        self._store.put(cid, data)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        if cid in self.hidden:
            raise BlockNotFound(f"{cid} is hidden from this node")
        return self._store.get(cid, max_bytes=max_bytes)

    def has(self, cid: Cid) -> bool:
        return cid not in self.hidden and self._store.has(cid)


@dataclass
class Node:
    """One node of the swarm, and everything a test may look at or break."""

    account: Address
    chain: MemoryChain
    store: PartialStore
    trainer: CountingTrainer
    folder: Path
    agent: Agent
    journal: Journal
    activities: list[Activity] = field(default_factory=list)


def swarm_config(task: TaskDocument, genesis_digest: bytes, *, is_sealed: bool = True) -> SwarmConfig:
    from swarm_chain.types import Digest

    return SwarmConfig(
        task_digest=task.digest(),
        genesis_digest=Digest(genesis_digest),
        is_sealed=is_sealed,
        quorum_bps=5001,
        min_updates=2,
        initial_window=Seconds(60),
        min_window=Seconds(10),
        max_window=Seconds(600),
        reveal_window=Seconds(30),
        merge_window=Seconds(60),
        absence_limit=2,
        open_registration=False,
        admin=ADMIN,
    )


class Swarm:
    """Nodes that are stepped by hand, one after another, on a clock that only the test moves."""

    def __init__(self, folder: Path, *, nodes: int = 4, is_sealed: bool = True, rule: str = "mean") -> None:
        self.folder = folder
        self.shared = MemoryStore()
        parameters = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float32)}
        self.task = task_of(parameters, rule)
        file = unixfs.import_bytes(weights.encode(parameters), self.shared.put)
        result = genesis(self.task, weights=file.cid, size=file.size)
        for document in (self.task, result):
            self.shared.put(document.cid(), document.encode())
        self.chain = MemoryChain(swarm_config(self.task, result.digest(), is_sealed=is_sealed))
        self.nodes = [self.join(index) for index in range(nodes)]

    def join(self, index: int, trainer: CountingTrainer | None = None, policy: Policy | None = None) -> Node:
        account = Address(bytes([index + 1]) * 20)
        self.chain.as_account(ADMIN).send(AddNode(node=account, label=f"node {index}"))
        trainer = trainer or CountingTrainer(step=10.0**index, samples=10 * (index + 1))
        return self.start(account, trainer, self.folder / str(index), policy)

    def start(self, account: Address, trainer: CountingTrainer, folder: Path, policy: Policy | None = None) -> Node:
        """A node's agent over its folder: as after a start, or a kill and a start."""
        chain, store = self.chain.as_account(account), PartialStore(self.shared)
        journal = Journal(
            folder / "journal.sqlite", chain_id=chain.chain_id, coordinator=chain.coordinator, account=account
        )
        activities: list[Activity] = []
        agent = wire(self.task, chain, store, trainer, folder, journal, policy or Policy(spread=0.0), activities)
        return Node(account, chain, store, trainer, folder, agent, journal, activities)

    def restart(self, node: Node) -> Node:
        """The same node after `kill -9`: everything in memory is gone."""
        node.journal.close()
        again = self.start(node.account, node.trainer, node.folder)
        self.nodes[self.nodes.index(node)] = again
        return again

    def run(self, *, rounds: int, without: Mapping[int, Fault] | None = None, steps: int = 400) -> None:
        """Steps every node in turn until so many rounds are finalised, a second of the clock each time round."""
        for _ in range(steps):
            if self.chain.look().swarm.finalized_rounds >= rounds:
                return
            for index, node in enumerate(self.nodes):
                if index not in (without or {}):
                    node.agent.step()
            self.chain.advance(1)
        raise AssertionError(f"not finished after {steps} steps: {self.chain.look().round}")

    def head(self) -> tuple[object, Parameters]:
        """The head's document and tensors, as any stranger reads them."""
        from swarm_chain.core.documents import ResultDocument, read

        document = read(self.shared.get, self.chain.look().swarm.head, ResultDocument)
        data = b"".join(unixfs.read(self.shared.get, unixfs.File(cid=document.weights, size=document.bytes)))
        return document, weights.decode(data)


def task_of(parameters: Parameters, rule: str) -> TaskDocument:
    return TaskDocument(
        name="counting",
        source=ShippedSource(name="counting", version="1"),
        model=weights.model_digest(weights.specs_of(parameters)),
        training={"epochs": 1},
        merge=MergeSettings(rule=rule),
        update=UpdateSettings(max_bytes=1 << 20),
    )


def wire(
    task: TaskDocument,
    chain: Chain,
    store: UpdateStore,
    trainer: CountingTrainer,
    folder: Path,
    journal: Journal,
    policy: Policy,
    activities: list[Activity],
) -> Agent:
    spool = Spool(folder / "spool", store.get)
    heads = Heads(task=task, store=store, spool=spool, journal=journal)
    contribution = Contribution(
        task=task, chain=chain, store=store, trainer=trainer, spool=spool, heads=heads, journal=journal
    )
    return Agent(
        chain=chain,
        trainer=trainer,
        journal=journal,
        heads=heads,
        contribution=contribution,
        convergence=Convergence(task=task, chain=chain, store=store, spool=spool, heads=heads),
        policy=policy,
        on_activity=activities.append,
        sleep=lambda _: None,
    )


__all__ = ["ADMIN", "CountingTrainer", "Fault", "NotFiniteTrainer", "Swarm", "WrongShapeTrainer", "document_cid"]
