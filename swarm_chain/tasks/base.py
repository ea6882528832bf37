"""A task: what a swarm's model is, its data, one local training, and evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import ShippedSource
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import DataError, TaskError
from swarm_chain.ports import Progress
from swarm_chain.tasks.batches import batches, count, moved
from swarm_chain.tasks.dealing import Share, share_of, split_off
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.metrics import classification_metrics, group_metrics
from swarm_chain.tasks.optimizers import make_optimizer
from swarm_chain.tasks.training import fit
from swarm_chain.types import Parameters

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.utils.data import Dataset

EVALUATION_BATCH = 1024
"""Examples evaluated at once; batches bound memory, and change no metric of the tasks that ship."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeData:
    """One node's examples: what it trains on, and what it keeps aside to judge models by. Disjoint."""

    training: Dataset[Any]
    held_out: Dataset[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """What a model said of some examples, what it should have said, and which of them are in which group."""

    outputs: Tensor
    targets: Tensor
    groups: Mapping[str, Tensor]

    @classmethod
    def joined(cls, several: Sequence[Self]) -> Self:
        """Those of several models, each on examples of its own, as if one had made them."""
        import torch

        return cls(
            outputs=torch.cat([one.outputs for one in several]),
            targets=torch.cat([one.targets for one in several]),
            groups={name: torch.cat([one.groups[name] for one in several]) for name in several[0].groups},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A data set dealt out to nodes. No example is in two parts, and none of `test` in any."""

    parts: tuple[NodeData, ...]
    pooled: NodeData
    test: Dataset[Any]


class Task(ABC):
    """What is trained, on what, and how. Subclasses give a model, a dataset and a loss; the rest has a default.

    Everything a training depends on is the hyper-parameters, the data, `memory` and torch's seeded random numbers:
    same of these, same parameters and round, same outcome.
    """

    name: ClassVar[str]
    """How people call it. Without one, the class's own name."""
    version: ClassVar[str] = "1"
    defaults: ClassVar[Hyperparameters] = Hyperparameters()
    data_example: ClassVar[str] = "PATH"
    """What `open_data` takes, for people who give none."""
    held_out_share: ClassVar[float] = 0.2
    """About how much of `dataset` is held out to judge models by."""
    classes: ClassVar[tuple[str, ...]] = ()
    """Names of the classes by their numbers, where the task is to tell such apart: two for yes or no."""
    group_minimum: ClassVar[int] = 10
    """Examples that a group must have for metrics of its own."""
    private: ClassVar[tuple[str, ...]] = ()
    """Tensors that never leave their node, as patterns of names in the model's state dict: `head.*`."""
    frozen: ClassVar[tuple[str, ...]] = ()
    """Tensors that nobody trains: all nodes get them once, and no update holds them."""
    source_code: ClassVar[bytes | None] = None
    """The file that a task was loaded from; None for one that ships."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Names a task that has no name of its own."""
        super().__init_subclass__(**options)
        if not isinstance(vars(cls).get("name"), str):
            cls.name = cls.__name__

    def __init__(self, hyperparameters: Hyperparameters | None = None) -> None:
        self.hyperparameters = hyperparameters or self.defaults
        self.memory: dict[str, Tensor] = {}
        """What a node's training keeps for its next one, by names of its choice. It never leaves the node."""
        self.frozen_parameters: Parameters = {}
        """The frozen tensors, where a swarm brings its own; else they are as `model` makes them."""

    def seeded(self, seed: int) -> Self:
        """The same task, started from another seed."""
        return type(self)(replace(self.hyperparameters, seed=seed))

    @property
    def source(self) -> ShippedSource | Cid:
        """What a task document says of where the task comes from."""
        if self.source_code is not None:
            return import_bytes(self.source_code).cid
        return ShippedSource(name=self.name, version=self.version)

    @property
    def device(self) -> torch.device:
        """Where models are trained. Raises `TaskError` for a device that is not there."""
        from swarm_chain.tasks.devices import find_device

        return find_device(self.hyperparameters.device)

    @abstractmethod
    def model(self) -> Module:
        """A new model. Torch's random numbers are seeded when this is called, so its parameters are the task's."""

    @abstractmethod
    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """One number to make smaller, averaged over the examples."""

    def dataset(self, data: str) -> Dataset[Any]:
        """All of a node's examples, read anew: pairs of input and target. `data` is what its configuration says.

        Raises `DataError`. A task that overrides `open_data` needs none.
        """
        raise TaskError(f"the task {self.name} says nothing about its data: give it a method `dataset` or `open_data`")

    def open_data(self, data: str) -> NodeData:
        """A node's examples, what to train on apart from what to judge by: chosen by content, in `held_out_share`.

        `data` may end in `#part=0,of=3,seed=0`, where several nodes share a data set. Raises `DataError`.
        """
        share = Share.parse(data)
        training, held_out = split_off(share_of(self.dataset(share.data), share), self.held_out_share)
        return self.prepare(NodeData(training=training, held_out=held_out))

    def prepare(self, data: NodeData) -> NodeData:
        """What is done to a node's examples by what it has to train on, such as `standardised`: nothing.

        Not for `dataset`, where each new row would change all inputs, and so which of them are held out.
        """
        return data

    def located(self, data: str) -> str:
        """The same data, found from any folder where they are a file or a folder. Raises `DataError`."""
        return data if data == self.data_example else str(Share.parse(data).absolute())

    def predict(self, model: Module, inputs: Any) -> Any:
        """What a model says of a batch's inputs: several are given by name, or in their order."""
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, list | tuple) else model(inputs)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """How good the outputs are, by name. One that is undefined for these examples is NaN.

        `loss`; and where the task has `classes`, what there is to say of two, or of more.
        """
        found = {"loss": float(self.loss(outputs, targets))}
        if self.classes:
            found |= classification_metrics(outputs, targets, self.classes, self.group_minimum)
        return found

    def groups(self, inputs: Any) -> dict[str, Tensor]:
        """Groups that are measured by themselves too: which of the inputs are in each, by its name."""
        return {}

    def optimizer(self, model: Module) -> Optimizer:
        """What steps the model's parameters, as the hyper-parameters name it; made anew in every round."""
        return make_optimizer(self.hyperparameters, model.parameters())

    def train(self, model: Module, examples: Dataset[Any], on_progress: Progress) -> None:
        """One round's training, in place: `epochs` passes over the examples in a random order.

        The model is on `device`. One that overrides this calls `on_progress` between batches.
        """
        fit(self, model, examples, on_progress)

    def predictions(self, model: Module, examples: Dataset[Any]) -> Predictions:
        """What a model says of examples, dropout off, nothing learnt. Raises `DataError` where there are none."""
        import torch

        if count(examples) == 0:
            raise DataError("no examples to evaluate on: hold some out")
        model.eval()
        device = self.device
        outputs: list[Tensor] = []
        targets: list[Tensor] = []
        groups: list[dict[str, Tensor]] = []
        with torch.no_grad():
            for inputs, wanted in batches(examples, EVALUATION_BATCH, range(count(examples))):
                outputs.append(self.predict(model, moved(inputs, device)).cpu())
                targets.append(wanted)
                groups.append(self.groups(inputs))
        joined = {name: torch.cat([each[name] for each in groups]) for name in groups[0]}
        return Predictions(outputs=torch.cat(outputs), targets=torch.cat(targets), groups=joined)

    def measure(self, found: Predictions) -> dict[str, float]:
        """The metrics of all examples, and of each group."""
        by_group = group_metrics(
            found.groups, self.group_minimum, lambda rows: self.metrics(found.outputs[rows], found.targets[rows])
        )
        return {**self.metrics(found.outputs, found.targets), **by_group}

    def evaluate(self, model: Module, examples: Dataset[Any]) -> dict[str, float]:
        """The metrics of a model on examples. Raises `DataError` where there are none."""
        return self.measure(self.predictions(model, examples))


class SplitTask(Task):
    """A task that brings its own data set, which a demo or a measurement can deal out to nodes."""

    part_file: ClassVar[str] = "data.npz"
    """Name of the file that a node's part is written to."""
    usual_nodes: ClassVar[int] = 4
    """How many nodes a demo has, unless told."""
    alone_at_best: ClassVar[bool] = False
    """Whether a node's own model is measured after its best epoch, as if it knew when to stop, not after the last."""
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
