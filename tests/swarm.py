"""A whole swarm in one process: real agents, journals and merges over the in-memory chain and store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.adapters.memory import MemoryChain, MemoryStore
from swarm_chain.adapters.torch_trainer import TorchTrainer
from swarm_chain.agent.activity import Activity
from swarm_chain.agent.agent import Agent
from swarm_chain.agent.announcing import Stores
from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.convergence import Convergence
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Policy
from swarm_chain.agent.pruning import Pruning
from swarm_chain.core import unixfs, weights
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import (
    MergeSettings,
    ResultDocument,
    ShippedSource,
    TaskDocument,
    UpdateDocument,
    UpdateSettings,
    genesis,
    read,
)
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.core.spool import Spool
from swarm_chain.errors import BlockNotFound, DataError
from swarm_chain.genesis import Genesis, make_genesis, put_genesis, same_task
from swarm_chain.ports import MAX_BLOCK, Chain, Progress, Trainer, UpdateStore
from swarm_chain.tasks import Task
from swarm_chain.types import (
    AddNode,
    Address,
    Digest,
    Metrics,
    Parameters,
    RoundNumber,
    Samples,
    Seconds,
    SwarmConfig,
    TrainingOutcome,
)

ADMIN = Address(b"\xad" * 20)
Array = NDArray[Any]


class Fault(Enum):
    """Ways in which a node misbehaves."""

    SILENT = auto()
    WRONG_SHAPE = auto()
    NOT_FINITE = auto()
    COPIED = auto()


class CountingTrainer:
    """Adds a node's own number to every parameter: what each node contributed can be read off the result."""

    def __init__(self, step: float, samples: int) -> None:
        self.step = step
        self.count = samples
        self.trainings: list[RoundNumber] = []
        self.broken = False

    def samples(self) -> Samples:
        self._require_data()
        return Samples(self.count)

    def _require_data(self) -> None:
        if self.broken:
            raise DataError("row 17 does not parse")

    def train(
        self, base: Parameters, *, memory: Parameters, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        self._require_data()
        on_progress(0.5)
        self.trainings.append(round_number)
        moved = {name: (array + self.step).astype(array.dtype) for name, array in base.items()}
        return TrainingOutcome(
            parameters=moved,
            samples=Samples(self.count),
            base_metrics=self.evaluate(base, memory=memory),
            local_metrics=self.evaluate(moved, memory=memory),
        )

    def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
        self._require_data()
        return {"sum": float(sum(np.asarray(array, np.float64).sum() for array in parameters.values()))}


class FaultyTrainer(CountingTrainer):
    """A trainer whose node is broken, or lies."""

    def __init__(self, step: float, samples: int, fault: Fault) -> None:
        super().__init__(step, samples)
        self.fault = fault

    def train(
        self, base: Parameters, *, memory: Parameters, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        outcome = super().train(base, memory=memory, round_number=round_number, on_progress=on_progress)
        return replace(outcome, parameters={name: self._spoil(array) for name, array in outcome.parameters.items()})

    def _spoil(self, array: Array) -> Array:
        if self.fault is Fault.WRONG_SHAPE:
            return np.zeros(7, array.dtype)
        if self.fault is Fault.NOT_FINITE:
            return np.full_like(array, np.nan)
        return array


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

    def publish(self, publication: Publication) -> None:
        self.written += [cid for cid, _ in publication.blocks()]
        self._store.publish(publication)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        if cid in self.hidden:
            raise BlockNotFound(f"{cid} is hidden from this node")
        return self._store.get(cid, max_bytes=max_bytes)

    def has(self, cid: Cid) -> bool:
        return cid not in self.hidden and self._store.has(cid)

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        return self._store.pinned(cids)

    def prune(self, retention: Retention) -> None:
        self._store.prune(retention)


@dataclass
class Node:
    """One node of the swarm, and everything a test may look at or break."""

    account: Address
    chain: MemoryChain
    store: PartialStore
    trainer: Any
    folder: Path
    agent: Agent
    journal: Journal
    activities: list[Activity] = field(default_factory=list)


def swarm_config(task: TaskDocument, genesis_digest: Digest, *, is_sealed: bool) -> SwarmConfig:
    return SwarmConfig(
        task_digest=task.digest(),
        genesis_digest=genesis_digest,
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

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 4,
        is_sealed: bool = True,
        faults: Mapping[int, Fault] | None = None,
        policies: Mapping[int, Policy] | None = None,
        merge: MergeSettings | None = None,
    ) -> None:
        self.folder = folder
        self.merge = merge or MergeSettings(rule="mean")
        self.policies = dict(policies or {})
        self.faults = dict(faults or {})
        self.shared = self._shared()
        made = self._genesis()
        put_genesis(made, self.shared)
        self.task = made.task
        self.chain = MemoryChain(self._config(swarm_config(self.task, made.result.digest(), is_sealed=is_sealed)))
        self.nodes = [self.join(index) for index in range(nodes)]

    def _config(self, config: SwarmConfig) -> SwarmConfig:
        """What is fixed for the swarm's life."""
        return config

    def _shared(self) -> UpdateStore:
        """Where the swarm's first documents are."""
        return MemoryStore()

    def _store(self, account: Address, folder: Path) -> UpdateStore:
        """What a node writes to and reads from."""
        return self.shared

    def _genesis(self) -> Genesis:
        parameters = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float32)}
        task, data = replace(task_of(parameters), merge=self.merge), weights.encode(parameters)
        file = unixfs.import_bytes(data)
        return Genesis(task=task, result=genesis(task, weights=file.cid, size=file.size), weights=data)

    def join(self, index: int, trainer: Trainer | None = None) -> Node:
        account = Address(bytes([index + 1]) * 20)
        self.chain.as_account(ADMIN).send(AddNode(node=account, label=f"node {index}"))
        trainer = trainer or self._trainer(index)
        return self.start(account, trainer, self.folder / str(index), self.policies.get(index))

    def _trainer(self, index: int) -> Trainer:
        """Node 3 moves parameters by 1,000 on 40 samples; one that copies moves them like node 0."""
        fault = self.faults.get(index)
        step, samples = 10.0 ** (0 if fault is Fault.COPIED else index), 10 * (index + 1)
        return CountingTrainer(step, samples) if fault is None else FaultyTrainer(step, samples, fault)

    def start(self, account: Address, trainer: Trainer, folder: Path, policy: Policy | None = None) -> Node:
        """A node's agent over its folder: as after a start, or a kill and a start."""
        chain, store = self.chain.as_account(account), PartialStore(self._store(account, folder))
        journal = Journal(
            folder / "journal.sqlite", chain_id=chain.chain_id, coordinator=chain.coordinator, account=account
        )
        activities: list[Activity] = []
        policy = policy or Policy(spread=0.0)
        stores, pruning = self.stores(account), self.pruning(account)
        parts = (self.task, chain, store, trainer, folder, journal, policy, activities)
        agent = wire(*parts, stores=stores, pruning=pruning)
        return Node(account, chain, store, trainer, folder, agent, journal, activities)

    def stores(self, account: Address) -> Stores | None:
        """What a node's agent announces: nothing here."""
        return None

    def pruning(self, account: Address) -> Pruning | None:
        """What a node's agent lets go of: nothing here."""
        return None

    def restart(self, node: Node) -> Node:
        """The same node after `kill -9`: everything in memory is gone."""
        node.journal.close()
        index = self.nodes.index(node)
        self.nodes[index] = self.start(node.account, node.trainer, node.folder, self.policies.get(index))
        return self.nodes[index]

    def run(self, *, rounds: int, steps: int = 1000) -> None:
        """Turns until so many rounds are finalised."""
        self.run_until(lambda: self.chain.look().swarm.finalized_rounds >= rounds, steps=steps)

    def run_until(self, is_done: Callable[[], bool], *, steps: int = 1000) -> None:
        """Turns until something is so, looked at after every step of a node."""
        for _ in range(steps):
            for node in self.awake():
                if is_done():
                    return
                node.agent.step()
            self.chain.advance(1)
        raise AssertionError(f"not finished after {steps} turns: {self.chain.look().round}")

    def awake(self) -> list[Node]:
        """The nodes that are not silent."""
        return [node for index, node in enumerate(self.nodes) if self.faults.get(index) is not Fault.SILENT]

    def head(self) -> ResultDocument:
        """The head's document, as any stranger reads it."""
        return read(self.shared.get, self.chain.look().swarm.head, ResultDocument)

    def head_value(self) -> float:
        """The number that all of the head's parameters have: nodes add to it what is theirs."""
        values = {float(value) for array in self.parameters_of(self.head()).values() for value in array.reshape(-1)}
        (value,) = values
        return value

    def parameters_of(self, document: ResultDocument | UpdateDocument) -> Parameters:
        """The tensors behind a result or an update, as any stranger reads them."""
        file = unixfs.File(cid=document.weights, size=document.bytes)
        return weights.decode(b"".join(unixfs.read(self.shared.get, file)))

    def updates(self) -> list[UpdateDocument]:
        """The updates that the head's merge included, by their nodes."""
        return [read(self.shared.get, one.update.digest, UpdateDocument) for one in self.head().included]


class TorchSwarm(Swarm):
    """A swarm that trains a task with torch, a node for each of the data."""

    def __init__(self, folder: Path, make_task: Callable[[], Task], data: Sequence[str], **options: Any) -> None:
        self.make_task, self.data = make_task, data
        super().__init__(folder, nodes=len(data), **options)

    def _genesis(self) -> Genesis:
        return make_genesis(self.make_task(), MergeSettings(rule="weighted_mean"))

    def _trainer(self, index: int) -> Trainer:
        return TorchTrainer(same_task(self.make_task(), self.task, self.shared.get), self.data[index])

    def restart(self, node: Node) -> Node:
        """As after a kill; the trainer with its task is a new one too."""
        node.trainer = self._trainer(self.nodes.index(node))
        return super().restart(node)


def task_of(parameters: Parameters) -> TaskDocument:
    return TaskDocument(
        name="counting",
        source=ShippedSource(name="counting", version="1"),
        model=weights.model_digest(weights.specs_of(parameters)),
        training={"epochs": 1},
        merge=MergeSettings(rule="mean"),
        update=UpdateSettings(max_bytes=1 << 20),
    )


def wire(
    task: TaskDocument,
    chain: Chain,
    store: UpdateStore,
    trainer: Trainer,
    folder: Path,
    journal: Journal,
    policy: Policy,
    activities: list[Activity],
    clock: Callable[[], float] | None = None,
    *,
    stores: Stores | None = None,
    pruning: Pruning | None = None,
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
        stores=stores,
        pruning=pruning,
        sleep=lambda _: None,
        clock=clock or (lambda: float(chain.look().now)),
    )
