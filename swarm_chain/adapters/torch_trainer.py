"""A node's training with torch, the same bits every time."""

from __future__ import annotations

import logging
import math
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torch.utils.data import Dataset, Subset

from swarm_chain.adapters.torch_parameters import (
    check_same,
    load_parameters,
    parameters_of,
    require_finite,
    tied_names,
    to_array,
    to_tensor,
)
from swarm_chain.core.fields import MAX_ENTRIES, is_name
from swarm_chain.core.metrics import TEST_SAMPLES
from swarm_chain.errors import DataError, SwarmChainError, TaskError
from swarm_chain.ports import Progress
from swarm_chain.tasks.base import NodeData, Predictions, Task
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.layers import Layers
from swarm_chain.types import Metrics, Parameters, RoundNumber, Samples, TrainingOutcome

log = logging.getLogger(__name__)

_LOOK_AT_DATA = "look for extreme values in the data, or give the task a lower learning rate"

PRIVATE: Final = "private/"
REMEMBERED: Final = "task/"
"""What the names in a node's memory begin with: of its model's private tensors, and of what its task keeps."""
CPU: Final = torch.device("cpu")
NOTHING: Final[Parameters] = MappingProxyType({})

# Torch's random numbers and settings are the process's: one training at a time.
_torch_settings = threading.RLock()


class TorchTrainer:
    """A `Trainer` for a task and a node's data: what its configuration says, or examples at hand.

    Data given as text are read anew in every round. Same data, base, memory, task and round give the same outcome, bit
    for bit, on the same machine with the same torch.
    """

    def __init__(self, task: Task, data: str | NodeData) -> None:
        self._task = task
        self._data = data

    def samples(self) -> Samples:
        """Training examples there are now, at least 1. Raises `DataError`."""
        return Samples(count(self._open().training))

    def check(self) -> None:
        """Returns if there is something to train on, and the task can measure its model on a batch of it.

        Raises `DataError`, with where in the task it failed, and `TaskError` for a metric that is no number.
        """
        task, examples = self._task, self._open().training
        some = Subset(examples, range(min(task.hyperparameters.batch_size, count(examples))))
        with _repeatable(task, 0):
            module = TaskModel(task, initial_parameters(task), NOTHING).module
            try:
                _require_numbers(task.evaluate(module, some))
            except SwarmChainError:
                raise
            except Exception as error:
                said = f"{type(error).__name__}: {error}".rstrip(".: ")
                raise DataError(
                    f"the task {task.name} cannot use {self._data}: {said}; check that the data are such as it takes",
                    details="".join(traceback.format_tb(error.__traceback__)),
                ) from error

    def train(
        self, base: Parameters, *, memory: Parameters = NOTHING, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        """Parameters trained from `base`. `on_progress` is called between batches, and may raise to stop."""
        task, data = self._task, self._open()
        with _repeatable(task, round_number):
            model = TaskModel(task, base, memory)
            base_metrics = model.score(data.held_out)
            model.train(data.training, on_progress)
            local_metrics = model.score(data.held_out)
            return TrainingOutcome(
                parameters=model.shared(),
                samples=Samples(count(data.training)),
                base_metrics=base_metrics,
                local_metrics=local_metrics,
                memory=model.memory(),
            )

    def evaluate(self, parameters: Parameters, *, memory: Parameters = NOTHING) -> Metrics:
        """Metrics of `parameters` on this node's held-out data."""
        return score(self._task, parameters, self._open().held_out, memory=memory)

    def _open(self) -> NodeData:
        data = self._task.open_data(self._data) if isinstance(self._data, str) else self._data
        if count(data.training) == 0:
            raise DataError(f"{self._task.name} found no training example in {self._data}: add data")
        return data


def initial_parameters(task: Task) -> Parameters:
    """The shared parameters a task's model starts from: a function of its seed, for one version of torch."""
    return initial_tensors(task)[0]


def initial_tensors(task: Task) -> tuple[Parameters, Parameters]:
    """What a task's model starts from: the shared tensors, and the frozen ones."""
    with _repeatable(task, 0, CPU):
        module = task.model()
    found, layers = parameters_of(module), layers_of(task, module)
    return _picked(found, layers.shared), _picked(found, layers.frozen)


def layers_of(task: Task, module: Module) -> Layers:
    """Which of a module's tensors a task shares. Raises `TaskError` for patterns that do not fit the module."""
    return Layers.of(module.state_dict().keys(), private=task.private, frozen=task.frozen, tied=tied_names(module))


def tied_tensors(task: Task) -> list[frozenset[str]]:
    """Names that mean one tensor of a task's model."""
    with _repeatable(task, 0, CPU):
        return tied_names(task.model())


def score(task: Task, parameters: Parameters, examples: Dataset[Any], *, memory: Parameters = NOTHING) -> Metrics:
    """Metrics of `parameters` on any examples; none where there are none."""
    with _repeatable(task, 0):
        return TaskModel(task, parameters, memory).score(examples)


def score_together(task: Task, sites: Sequence[tuple[Parameters, Parameters, Dataset[Any]]]) -> Metrics:
    """Metrics over all examples of several nodes, each predicted with the parameters and the memory given for it."""
    with _repeatable(task, 0):
        found = [
            task.predictions(TaskModel(task, parameters, memory).module, examples)
            for parameters, memory, examples in sites
            if count(examples)
        ]
        if not found:
            return {}
        joined = Predictions.joined(found)
        return _numbers(task.measure(joined), len(joined.targets))


def module_of(task: Task, parameters: Parameters, *, memory: Parameters = NOTHING) -> Module:
    """A task's model with these parameters, on the processor. Raises `ShapeMismatch`, `NotFinite`."""
    with _repeatable(task, 0, CPU):
        return TaskModel(task, parameters, memory, CPU).module


class TaskModel:
    """A task's model put together of a swarm's parameters, the frozen ones, and what the node remembers.

    On `device`, or where the task trains.
    """

    def __init__(
        self, task: Task, parameters: Parameters, memory: Parameters, device: torch.device | None = None
    ) -> None:
        require_finite(parameters, what="the parameters to start from", advice="start from another model")
        self._task, self.module = task, task.model()
        own = parameters_of(self.module)
        self._layers = layers_of(task, self.module)
        # What no swarm brings and no training left behind is as the task's seed makes it, in every round.
        start = _at_start(task) if task.private or task.frozen else own
        self._frozen = task.frozen_parameters or _picked(start, self._layers.frozen)
        private = _named(memory, PRIVATE) or _picked(start, self._layers.private)
        check_same(_picked(own, self._layers.shared), parameters)
        load_parameters(self.module, {**parameters, **self._frozen, **private})
        task.memory = {name: to_tensor(array) for name, array in _named(memory, REMEMBERED).items()}
        self.module.to(device or task.device)

    def train(self, examples: Dataset[Any], on_progress: Progress) -> None:
        """Trains what is not frozen, in place. Raises `NotFinite`, and what the task's training does."""
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name not in self._layers.frozen)
        # As a new model is, for loops that count on it: evaluating the base turned it off.
        self.module.train()
        self._task.train(self.module, examples, on_progress)
        # Statistics of a frozen layer move in training all the same.
        found = parameters_of(self.module)
        load_parameters(self.module, {**found, **self._frozen})
        require_finite(found, what="the parameters trained here", advice=_LOOK_AT_DATA)

    def score(self, examples: Dataset[Any]) -> Metrics:
        """Metrics that are numbers; the log says which are not. None where there are no examples."""
        if count(examples) == 0:
            log.warning("no held-out examples: no metrics")
            return {}
        return _numbers(self._task.evaluate(self.module, examples), count(examples))

    def shared(self) -> Parameters:
        """What goes into an update."""
        return _picked(parameters_of(self.module), self._layers.shared)

    def memory(self) -> Parameters:
        """What stays on the node for its next training."""
        private = _picked(parameters_of(self.module), self._layers.private)
        kept = dict(_remembered(name, tensor) for name, tensor in self._task.memory.items())
        return {PRIVATE + name: array for name, array in private.items()} | kept


def _at_start(task: Task) -> Parameters:
    """All tensors of a task's model as its seed makes them. Whoever deploys need not have the device of the nodes."""
    with _repeatable(task, 0, CPU):
        return parameters_of(task.model())


def _picked(parameters: Parameters, names: frozenset[str]) -> Parameters:
    return {name: array for name, array in parameters.items() if name in names}


def _named(memory: Parameters, prefix: str) -> Parameters:
    return {name.removeprefix(prefix): array for name, array in memory.items() if name.startswith(prefix)}


def _remembered(name: object, tensor: object) -> tuple[str, NDArray[Any]]:
    """What a task keeps, as a node's memory has it. Raises `TaskError` for what is no tensor."""
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        raise TaskError(f"the task's memory holds {name!r}, a {type(tensor).__name__}: keep tensors there, by names")
    return REMEMBERED + name, to_array(name, tensor)


def _numbers(metrics: Mapping[str, float], samples: int) -> Metrics:
    """Metrics that are numbers, with the examples behind them. Raises `TaskError` for what is none at all."""
    _require_numbers(metrics)
    undefined = [name for name, value in metrics.items() if not math.isfinite(value)]
    if undefined:
        log.warning("not a number for these %d held-out examples: %s", samples, ", ".join(undefined))
    found = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    if bad := [name for name in found if not is_name(name)]:
        raise TaskError(f"metrics have names of printable ASCII, at most 256 characters, and {bad[0]!r} is none")
    if len(found) >= MAX_ENTRIES:
        raise TaskError(f"{len(found)} metrics: an update has room for {MAX_ENTRIES - 1}; measure fewer groups")
    return found | {TEST_SAMPLES: float(samples)}


def _require_numbers(metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TaskError(f"the metric {name} is {value!r}, of type {type(value).__name__}: give a float")


@contextmanager
def _repeatable(task: Task, round_number: int, device: torch.device | None = None) -> Iterator[None]:
    """Torch on one thread, with deterministic algorithms and its own random numbers; all put back afterwards.

    Sums depend on how many threads share them, so there is one. Nodes of a swarm on one machine want that too.
    """
    device = device or task.device
    gpus = [torch.cuda.current_device()] if device.type == "cuda" else []
    with _torch_settings, torch.random.fork_rng(devices=gpus):
        threads, was_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        was_warning = torch.is_deterministic_algorithms_warn_only_enabled()
        torch.set_num_threads(1)
        # On a GPU some operations have no such algorithm at all: a training that differs is better than none.
        torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
        # Those of a GPU are put back only where the training is there.
        seed = torch.manual_seed if gpus or device.type == "mps" else torch.default_generator.manual_seed
        seed(_seed(task.hyperparameters.seed, round_number))
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was_deterministic, warn_only=was_warning)
            torch.set_num_threads(threads)


def _seed(seed: int, round_number: int) -> int:
    """A 64-bit seed for one round; 0 is for the initial parameters. Far apart for neighbouring seeds and rounds."""
    return int.from_bytes(sha256(f"swarm-chain training {seed} {round_number}".encode()).digest()[:8], "big")
