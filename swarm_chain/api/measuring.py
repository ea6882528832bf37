"""How good a model is on a node's own held-out data: as its user measures it, or as its task does."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import SupportsFloat

from torch.nn import Module

from swarm_chain.adapters.torch_trainer import TorchTrainer
from swarm_chain.api.held import HeldModel
from swarm_chain.core.fields import MAX_ENTRIES, is_name
from swarm_chain.errors import ContributionError
from swarm_chain.tasks.base import NodeData, Task
from swarm_chain.types import Metrics, Parameters

log = logging.getLogger(__name__)

Evaluate = Callable[[Module], Mapping[str, SupportsFloat]]
"""The user's own evaluation of a module, by names of metrics."""


class Examples:
    """A node's data, as its task takes them: text that is read anew each time, or examples at hand."""

    def __init__(self, task: Task, data: str | NodeData) -> None:
        """Raises `DataError` for data that cannot be used."""
        self._task = task
        self._data = data
        self.trainer = TorchTrainer(task, data)
        self.trainer.samples()

    def open(self) -> NodeData:
        """The examples. Raises `DataError`."""
        return self._task.open_data(self._data) if isinstance(self._data, str) else self._data


class Measure:
    """Metrics of models: by the user's function, else by the task on the node's data, else none."""

    def __init__(self, held: HeldModel, *, evaluate: Evaluate | None, examples: Examples | None) -> None:
        self._held = held
        self._evaluate = evaluate
        self._trainer = None if examples is None else examples.trainer

    @property
    def is_there(self) -> bool:
        """Whether there is anything to measure by."""
        return self._evaluate is not None or self._trainer is not None

    def base(self, parameters: Parameters, memory: Parameters) -> Metrics:
        """Metrics of the swarm's parameters, which the held module may have afterwards."""
        if self._evaluate is not None:
            self._held.take(parameters)
            return self._by_user(self._held.module, self._evaluate)
        return {} if self._trainer is None else self._trainer.evaluate(parameters, memory=memory)

    def trained(self, module: Module, shared: Parameters, memory: Parameters) -> Metrics:
        """Metrics of a module, whose tensors these are."""
        if self._evaluate is not None:
            return self._by_user(module, self._evaluate)
        return {} if self._trainer is None else self._trainer.evaluate(shared, memory=memory)

    def _by_user(self, module: Module, evaluate: Evaluate) -> Metrics:
        with _same_modes(module):
            found = evaluate(module)
        return checked_metrics(found, by="evaluate gave")


def checked_metrics(metrics: Mapping[str, SupportsFloat], *, by: str = "metrics are") -> Metrics:
    """Metrics as an update can hold them; one that is NaN or infinite is left out, and logged.

    Raises `ContributionError`, naming the metric, for a name or a value that none can have.
    """
    if not isinstance(metrics, Mapping):
        kind = type(metrics).__name__
        raise ContributionError(f"{by} {kind}: give names and numbers, as in {{'accuracy': 0.93}}")
    found: dict[str, float] = {}
    for name, value in metrics.items():
        number = _number(name, value)
        if math.isfinite(number):
            found[name] = number
        else:
            log.warning("the metric %s is %s, and is left out", name, number)
    if len(found) > MAX_ENTRIES:
        raise ContributionError(f"{len(found)} metrics: an update has room for {MAX_ENTRIES}; give fewer")
    return found


def _number(name: object, value: SupportsFloat) -> float:
    if not is_name(name):
        raise ContributionError(f"{str(name)[:80]!r} cannot be a metric's name: use printable ASCII, 256 characters")
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # torch's, for more than one element
        raise ContributionError(f"the metric {name} is {str(value)[:80]!r}, which is no number: give one") from None


@contextmanager
def _same_modes(module: Module) -> Iterator[None]:
    """Puts back which parts of a module were training."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
