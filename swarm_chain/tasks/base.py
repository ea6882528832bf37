"""A task: what a swarm's model is, its data, one local training, and evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from swarm_chain.core.documents import ShippedSource
from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks.batches import batches, count
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.metrics import group_metrics

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.utils.data import Dataset

Progress = Callable[[float], None]
"""Told how much of a training is done, from 0.0 to 1.0, between batches. May raise to stop it."""

EVALUATION_BATCH = 1024
"""Examples evaluated at once; batches bound memory, and change no metric of the tasks that ship."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeData:
    """One node's examples: what it trains on, and what it keeps aside to judge models by. Disjoint."""

    training: Dataset[Any]
    held_out: Dataset[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A data set dealt out to nodes. No example is in two parts, and none of `test` in any."""

    parts: tuple[NodeData, ...]
    pooled: NodeData
    test: Dataset[Any]


class Task(ABC):
    """What is trained, on what, and how. Subclasses give a model, data and a loss; the rest has a default.

    Everything a training depends on is the hyper-parameters, the data and torch's seeded random numbers:
    same data, parameters and round, same outcome.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    defaults: ClassVar[Hyperparameters] = Hyperparameters()
    data_example: ClassVar[str] = "PATH"
    """What `open_data` takes, for people who give none."""
    group_minimum: ClassVar[int] = 10
    """Examples that a group must have for metrics of its own."""

    def __init__(self, hyperparameters: Hyperparameters | None = None) -> None:
        self.hyperparameters = hyperparameters or self.defaults

    def seeded(self, seed: int) -> Self:
        """The same task, started from another seed."""
        return type(self)(replace(self.hyperparameters, seed=seed))

    @property
    def source(self) -> ShippedSource:
        """What a task document says of where the task comes from."""
        return ShippedSource(name=self.name, version=self.version)

    @abstractmethod
    def model(self) -> Module:
        """A new model. Torch's random numbers are seeded when this is called, so its parameters are the task's."""

    @abstractmethod
    def open_data(self, data: str) -> NodeData:
        """A node's examples, read anew. `data` is what its configuration says. Raises `DataError`."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """One number to make smaller, averaged over the examples."""

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """How good the outputs are, by name. One that is undefined for these examples is NaN."""
        return {"loss": float(self.loss(outputs, targets))}

    def groups(self, inputs: Tensor) -> dict[str, Tensor]:
        """Groups that are measured by themselves too: which of the inputs are in each, by its name."""
        return {}

    def optimizer(self, model: Module) -> Optimizer:
        """What steps the model's parameters; made anew in every round."""
        from torch.optim import SGD

        settings = self.hyperparameters
        return SGD(model.parameters(), lr=settings.learning_rate, momentum=settings.momentum)

    def train(self, model: Module, examples: Dataset[Any], on_progress: Progress) -> None:
        """One round's training, in place: `epochs` passes over the examples in a random order."""
        import torch

        settings, optimizer = self.hyperparameters, self.optimizer(model)
        total = settings.epochs * count(examples)
        done = 0
        model.train()
        for _ in range(settings.epochs):
            order = torch.randperm(count(examples)).tolist()
            for inputs, targets in batches(examples, settings.batch_size, order):
                optimizer.zero_grad()
                self.loss(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                done += len(inputs)
                on_progress(done / total)

    def evaluate(self, model: Module, examples: Dataset[Any]) -> dict[str, float]:
        """The metrics of a model on examples, dropout off, nothing learnt. Raises `DataError` where there are none."""
        import torch

        if count(examples) == 0:
            raise DataError("no examples to evaluate on: hold some out")
        model.eval()
        outputs: list[Tensor] = []
        targets: list[Tensor] = []
        groups: list[dict[str, Tensor]] = []
        with torch.no_grad():
            for inputs, wanted in batches(examples, EVALUATION_BATCH, range(count(examples))):
                outputs.append(model(inputs))
                targets.append(wanted)
                groups.append(self.groups(inputs))
        return self._measure(torch.cat(outputs), torch.cat(targets), groups)

    def _measure(self, outputs: Tensor, targets: Tensor, groups: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """The metrics of all examples, and of each group; `groups` are those of each batch."""
        import torch

        joined = {name: torch.cat([batch[name] for batch in groups]) for name in groups[0]}
        by_group = group_metrics(joined, self.group_minimum, lambda rows: self.metrics(outputs[rows], targets[rows]))
        return {**self.metrics(outputs, targets), **by_group}


class SplitTask(Task):
    """A task that brings its own data set, which a demo or a measurement can deal out to nodes."""

    part_file: ClassVar[str] = "data.npz"
    """Name of the file that a node's part is written to."""
    takes_sources: ClassVar[bool] = False
    """Whether the data set may lie elsewhere: `dealing` says where."""
    sources: tuple[str, ...] = ()
    """Where the data set lies, where it is given; none for the task's own."""

    def dealing(self, sources: Sequence[str]) -> Self:
        """The same task, dealing out what lies at `sources`. Raises `TaskError` where it deals out its own alone."""
        raise TaskError(f"{self.name} deals out its own data: leave the data away, or give each node's")

    @abstractmethod
    def split(self, nodes: int, seed: int) -> Split:
        """The data set dealt out to nodes. Same numbers, same split. Raises `DataError` for too many nodes."""

    @abstractmethod
    def write_part(self, path: Path, part: int, *, nodes: int, seed: int) -> None:
        """Writes one node's part as a file that `open_data` reads."""
