"""A swarm in one process, whose rounds are judged and merged by the code that agents and audits run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import TaskDocument, UpdateDocument
from swarm_chain.core.judge import Base, BuiltResult, Reveal, RoundFacts, build_result
from swarm_chain.core.merge import Recipe
from swarm_chain.core.weights import load
from swarm_chain.genesis import Genesis, make_genesis, merge_settings
from swarm_chain.lab.shelf import Shelf
from swarm_chain.tasks.base import Task
from swarm_chain.types import Address, Parameters, RoundNumber, Samples

CHAIN: Final = 31337
CONTRACT: Final = Address(bytes(20))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sent:
    """What a node submits."""

    node: Address
    parameters: Parameters
    samples: Samples


class Swarm:
    """The head, and the documents and weights behind it."""

    def __init__(self, task: Task, rule: Recipe, folder: Path) -> None:
        made: Genesis = make_genesis(task, merge_settings(rule))
        self._task: TaskDocument = made.task
        self._shelf = Shelf(folder)
        self._round = 0
        self._shelf.add(made.result)
        path = folder / "genesis"
        path.write_bytes(made.weights)
        self._head = Base(document=made.result, weights=self._shelf.adopt(path))

    @property
    def round(self) -> RoundNumber:
        """The round that is next."""
        return RoundNumber(self._round + 1)

    @property
    def head(self) -> Cid:
        """The head's weights."""
        return self._head.document.weights

    def parameters(self) -> Parameters:
        """The head's model."""
        return load(self._head.weights)

    def merge(self, sent: Sequence[Sent]) -> BuiltResult:
        """One round's result, which is the head from now on. Updates are submitted in their order.

        Raises `MergeError`, and then the head stays.
        """
        reveals = tuple(self._revealed(one, order) for order, one in enumerate(sent))
        facts = RoundFacts(
            chain=CHAIN,
            contract=CONTRACT,
            round=self.round,
            base=self._head.document.digest(),
            reveals=reveals,
        )
        out = self._shelf.folder / "merged"
        built = build_result(task=self._task, base=self._head, facts=facts, library=self._shelf, out=out)
        weights = self._shelf.adopt(built.weights) if built.weights == out else built.weights
        if built.state is not None and built.state.parent == out.parent and built.state.name.startswith(out.name):
            self._shelf.adopt(built.state)
        self._shelf.add(built.document)
        self._head, self._round = Base(document=built.document, weights=weights), self._round + 1
        return built

    def _revealed(self, one: Sent, order: int) -> Reveal:
        file = self._shelf.add_weights(one.parameters)
        document = UpdateDocument(
            chain=CHAIN,
            contract=CONTRACT,
            round=self.round,
            node=one.node,
            base=self._head.document.cid(),
            weights=file.cid,
            bytes=file.size,
            samples=one.samples,
            base_metrics={},
            local_metrics={},
        )
        return Reveal(node=one.node, digest=self._shelf.add(document), samples=one.samples, order=order)
