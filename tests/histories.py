"""Histories of swarms, honest and forged, made call by call on any kind of chain.

A quorum that colludes can attest to anything: `Script.round` takes what it would change, and lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.agent.convergence import reveals_in
from swarm_chain.core import merge as merging
from swarm_chain.core import weights
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import (
    Included,
    MergeSettings,
    ResultDocument,
    ShippedSource,
    TaskDocument,
    UpdateDocument,
    UpdateSettings,
    genesis,
)
from swarm_chain.core.judge import Base, RoundFacts, build_result
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import File, import_bytes, import_file
from swarm_chain.core.unixfs import read as read_file
from swarm_chain.ports import UpdateStore
from swarm_chain.types import (
    Address,
    Attest,
    CloseRound,
    Digest,
    Event,
    OpenRound,
    RegisterNode,
    RoundNumber,
    Samples,
    Seconds,
    SubmitUpdate,
    SwarmConfig,
)
from tests.chains import CONFIG, World, commit, reveal, signer

Array = NDArray[Any]
Parameters = dict[str, Array]

LABELS = ("admin", "anna", "bert", "cleo", "dora")
START: Mapping[str, Array] = {
    "bn.batches": np.array([5], np.int64),
    "dense.bias": np.zeros(3, np.float32),
    "dense.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
}


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a node reveals, and what lies behind it."""

    parameters: Parameters
    document: UpdateDocument
    samples: int


@dataclass(frozen=True, kw_only=True)
class Made:
    """A result as an honest node would have it, ready to be forged."""

    document: ResultDocument
    parameters: Parameters


def task_document(
    merge: MergeSettings | None = None, *, start: Mapping[str, Array] = START, max_bytes: int = 4096
) -> TaskDocument:
    """A task whose model has the tensors of `start`."""
    return TaskDocument(
        name="tiny",
        source=ShippedSource(name="tiny", version="1"),
        model=weights.model_digest(weights.specs_of(start)),
        training={"epochs": 1},
        merge=merge or MergeSettings(rule="weighted_mean"),
        update=UpdateSettings(max_bytes=max_bytes),
    )


class Script:
    """Plays a swarm's part on a chain: `nodes` nodes, which are accounts 1, 2, …; account 0 is the admin."""

    def __init__(
        self,
        deployed: Callable[[SwarmConfig], World],
        *,
        store: UpdateStore | None = None,
        nodes: int = 3,
        task: TaskDocument | None = None,
        start: Mapping[str, Array] = START,
        base: Digest | None = None,
        **settings: Any,
    ) -> None:
        """`base` is the result of an earlier swarm that the genesis links to: `start` are then its parameters."""
        self.store = store or MemoryStore()
        self.task = task or task_document()
        file = self.keep(start)
        link = None if base is None else document_cid(base)
        first = genesis(self.task, weights=file.cid, size=file.size, base=link)
        self.put(self.task)
        self.genesis = self.put(first)
        config = replace(CONFIG, task_digest=self.task.digest(), genesis_digest=self.genesis, absence_limit=20)
        self.config = replace(config, **settings)
        self.world = deployed(self.config)
        self.nodes = list(range(1, nodes + 1))
        self.results: list[Digest] = []
        for node in self.nodes:
            self.join(node)

    # ------------------------------------------------------------------------------------------------------ documents

    def put(self, document: Any) -> Digest:
        """Keeps a document."""
        data = document.encode()
        digest: Digest = document.digest()
        self.store.put(document_cid(digest), data)
        return digest

    def keep(self, parameters: Mapping[str, Array]) -> File:
        """Keeps weights."""
        return import_bytes(weights.encode(parameters), self.store.put)

    def parameters_of(self, result: Digest) -> Parameters:
        """A result's tensors."""
        document = self.result(result)
        file = File(cid=document.weights, size=document.bytes)
        found = weights.decode(b"".join(read_file(self.store.get, file)))
        return {name: array.copy() for name, array in found.items()}

    def result(self, digest: Digest) -> ResultDocument:
        """A result's document."""
        return ResultDocument.decode(self.store.get(document_cid(digest)))

    # ----------------------------------------------------------------------------------------------------- membership

    def join(self, node: int) -> None:
        """A node joins by itself."""
        self.world.chain(node).send(RegisterNode(label=LABELS[node]))

    @staticmethod
    def address(node: int) -> Address:
        """A node's account."""
        return signer(node).address

    # --------------------------------------------------------------------------------------------------------- rounds

    @property
    def number(self) -> RoundNumber:
        """The running or last round."""
        return self._look().round.round

    def events(self) -> Sequence[Event]:
        """All events so far."""
        return self.world.chain(None).events()

    def round(
        self,
        *,
        nodes: Iterable[int] | None = None,
        parameters: Mapping[int, Callable[[Parameters], Parameters]] | None = None,
        update: Mapping[int, Callable[[UpdateDocument], UpdateDocument]] | None = None,
        samples_on_chain: Mapping[int, int] | None = None,
        withheld: Iterable[int] = (),
        unpublished: Iterable[int] = (),
        include_all: bool = False,
        forge: Callable[[Made], ResultDocument] | None = None,
    ) -> Digest:
        """A finalised round. What is honest unless told: the updates' tensors, their documents, the samples on chain,
        the result. Updates of `withheld` nodes are left out as unavailable; those `unpublished` reach no store; with
        `include_all` every update is merged, whatever is wrong with it."""
        updates = self.submit(
            nodes=nodes,
            parameters=parameters,
            update=update,
            samples_on_chain=samples_on_chain,
            unpublished=frozenset(unpublished),
        )
        made = self.merge_all(updates) if include_all else self.merge(withheld)
        result = self.put(forge(made) if forge else made.document)
        self.attest(result, updates)
        return result

    def submit(
        self,
        *,
        nodes: Iterable[int] | None = None,
        parameters: Mapping[int, Callable[[Parameters], Parameters]] | None = None,
        update: Mapping[int, Callable[[UpdateDocument], UpdateDocument]] | None = None,
        samples_on_chain: Mapping[int, int] | None = None,
        unpublished: frozenset[int] = frozenset(),
    ) -> dict[int, Update]:
        """Opens a round and lets nodes submit: ends in merging."""
        taking_part = list(self.nodes if nodes is None else nodes)
        self.world.chain(taking_part[0]).send(OpenRound())
        updates = {
            node: self._update(node, (parameters or {}).get(node), (update or {}).get(node)) for node in taking_part
        }
        for node, one in updates.items():
            if node not in unpublished:
                self.keep(one.parameters)
                self.put(one.document)
        said = {node: (samples_on_chain or {}).get(node, one.samples) for node, one in updates.items()}
        self._submit(updates, said)
        return updates

    def _submit(self, updates: Mapping[int, Update], samples: Mapping[int, int]) -> None:
        number = self.number
        digests = {node: one.document.digest() for node, one in updates.items()}
        is_everybody = len(updates) == self._look().round.expected
        if self.config.is_sealed:
            for node, digest in digests.items():
                commit(self.world.chain(node), number, digest, samples[node])
            if not is_everybody:
                self.close_late()
            for node, digest in digests.items():
                reveal(self.world.chain(node), number, digest, samples[node])
            return
        for node, digest in digests.items():
            call = SubmitUpdate(round=number, digest=digest, samples=Samples(samples[node]))
            self.world.chain(node).send(call)
        if not is_everybody:
            self.close_late()

    def _update(
        self,
        node: int,
        change: Callable[[Parameters], Parameters] | None,
        document: Callable[[UpdateDocument], UpdateDocument] | None,
    ) -> Update:
        trained = trained_by(node, self.parameters_of(self._look().round.base))
        trained = change(trained) if change else trained
        file = import_bytes(weights.encode(trained))
        honest = UpdateDocument(
            chain=self.world.chain(None).chain_id,
            contract=self.world.chain(None).coordinator,
            round=self.number,
            node=self.address(node),
            base=document_cid(self._look().round.base),
            weights=file.cid,
            bytes=file.size,
            samples=Samples(100 * node),
            base_metrics={"accuracy": 0.5},
            local_metrics={"accuracy": 0.75},
        )
        made = document(honest) if document else honest
        return Update(parameters=trained, document=made, samples=100 * node)

    def facts(self) -> RoundFacts:
        """What the chain says of the running round."""
        reader = self.world.chain(None)
        events = reader.events(round_number=self.number)
        return RoundFacts(
            chain=reader.chain_id,
            contract=reader.coordinator,
            round=self.number,
            base=self._look().round.base,
            reveals=reveals_in(events),
        )

    def merge(self, withheld: Iterable[int] = ()) -> Made:
        """The running round's result, as it must be."""
        facts = self.facts()
        with TemporaryDirectory() as folder:
            library = Spool(Path(folder) / "spool", self.store.get)
            base = self.result(facts.base)
            built = build_result(
                task=self.task,
                base=Base(document=base, weights=library.weights(File(cid=base.weights, size=base.bytes))),
                facts=facts,
                library=library,
                out=Path(folder) / "merged",
                withheld=[self.address(node) for node in withheld],
            )
            import_file(built.weights, self.store.put)
            if built.state is not None:
                import_file(built.state, self.store.put)
            return Made(document=built.document, parameters=weights.load(built.weights))

    def merge_all(self, updates: Mapping[int, Update]) -> Made:
        """The merge of all updates, judged by nobody."""
        honest = self.merge().document
        by_node = {self.address(node): one for node, one in updates.items()}
        with TemporaryDirectory() as folder:
            contributions = []
            for reveal_ in self.facts().reveals:
                path = Path(folder) / reveal_.node.hex()
                weights.save(by_node[reveal_.node].parameters, path)
                one = merging.Contribution(node=reveal_.node, weights=path, samples=reveal_.samples)
                contributions.append(one)
            merged = merging.merge(
                contributions,
                rule=merging.rule_of(self.task.merge),
                max_samples=self.task.merge.max_samples,
                max_share_bps=self.task.merge.max_share_bps,
                out=Path(folder) / "merged",
            )
            assert merged is not None
            import_file(Path(folder) / "merged", self.store.put)
            included = tuple(
                Included(node=one.node, update=document_cid(one.digest), weight=merged.weights[one.node])
                for one in sorted(self.facts().reveals, key=lambda one: one.node)
            )
            document = replace(honest, weights=merged.file.cid, bytes=merged.file.size, included=included, excluded=())
            return Made(document=document, parameters=weights.load(Path(folder) / "merged"))

    def attest(self, result: Digest, nodes: Iterable[int]) -> None:
        """As many as are a quorum attest."""
        quorum = self._look().round.quorum
        for node in list(nodes)[:quorum]:
            self.world.chain(node).send(Attest(round=self.number, result=result))
        self.results.append(result)

    def close_late(self) -> None:
        """Lets the running phase's deadline pass, and closes it."""
        self.world.wait(self._look().round.deadline - self.world.now)
        self.world.chain(self.nodes[0]).send(CloseRound(round=self.number))

    def _look(self) -> Any:
        return self.world.chain(None).look()


def trained_by(node: int, base: Mapping[str, Array]) -> Parameters:
    """What a node makes of a base: every tensor moved by its own step."""
    return {name: (array + np.asarray(node, array.dtype)).astype(array.dtype) for name, array in base.items()}


def changed(made: Made, name: str, place: tuple[int, ...], change: Callable[[Any], Any]) -> Parameters:
    """A result's tensors, one element of them changed."""
    parameters = {key: array.copy() for key, array in made.parameters.items()}
    parameters[name][place] = change(parameters[name][place])
    return parameters


SHORT = {
    "initial_window": Seconds(120),
    "min_window": Seconds(60),
    "max_window": Seconds(600),
    "reveal_window": Seconds(60),
    "merge_window": Seconds(60),
}
