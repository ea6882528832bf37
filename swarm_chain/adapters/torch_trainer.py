"""A node's training with torch, the same bits every time."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import torch
from torch.nn import Module
from torch.utils.data import Dataset

from swarm_chain.adapters.torch_parameters import load_parameters, parameters_of, require_finite
from swarm_chain.errors import DataError
from swarm_chain.ports import Progress
from swarm_chain.tasks.base import NodeData, Task
from swarm_chain.tasks.batches import count
from swarm_chain.types import Metrics, Parameters, RoundNumber, Samples, TrainingOutcome

log = logging.getLogger(__name__)

_LOOK_AT_DATA = "look for extreme values in the data, or give the task a lower learning rate"

# Torch's random numbers and settings are the process's: one training at a time.
_torch_settings = threading.RLock()


class TorchTrainer:
    """A `Trainer` for a task and a node's data: what its configuration says, or examples at hand.

    Data given as text are read anew in every round. Same data, base, task and round give the same outcome, bit for
    bit, on the same machine with the same torch.
    """

    def __init__(self, task: Task, data: str | NodeData) -> None:
        self._task = task
        self._data = data

    def samples(self) -> Samples:
        """Training examples there are now, at least 1. Raises `DataError`."""
        return Samples(count(self._open().training))

    def train(self, base: Parameters, *, round_number: RoundNumber, on_progress: Progress) -> TrainingOutcome:
        """Parameters trained from `base`. `on_progress` is called between batches, and may raise to stop."""
        data = self._open()
        with _repeatable(self._task.hyperparameters.seed, round_number):
            model = _model_with(self._task, base)
            base_metrics = _score(self._task, model, data.held_out)
            self._task.train(model, data.training, on_progress)
            parameters = parameters_of(model)
            require_finite(parameters, what="the parameters trained here", advice=_LOOK_AT_DATA)
            local_metrics = _score(self._task, model, data.held_out)
        return TrainingOutcome(
            parameters=parameters,
            samples=Samples(count(data.training)),
            base_metrics=base_metrics,
            local_metrics=local_metrics,
        )

    def evaluate(self, parameters: Parameters) -> Metrics:
        """Metrics of `parameters` on this node's held-out data."""
        return score(self._task, parameters, self._open().held_out)

    def _open(self) -> NodeData:
        data = self._task.open_data(self._data) if isinstance(self._data, str) else self._data
        if count(data.training) == 0:
            raise DataError(f"{self._task.name} found no training example in {self._data}: add data")
        return data


def initial_parameters(task: Task) -> Parameters:
    """The parameters a task's model starts from: a function of its seed, for one version of torch."""
    with _repeatable(task.hyperparameters.seed, 0):
        return parameters_of(task.model())


def score(task: Task, parameters: Parameters, examples: Dataset[Any]) -> Metrics:
    """Metrics of `parameters` on any examples; none where there are none."""
    with _repeatable(task.hyperparameters.seed, 0):
        return _score(task, _model_with(task, parameters), examples)


def _model_with(task: Task, parameters: Parameters) -> Module:
    require_finite(parameters, what="the parameters to start from", advice="start from another model")
    model = task.model()
    load_parameters(model, parameters)
    return model


def _score(task: Task, model: Module, examples: Dataset[Any]) -> Metrics:
    """Metrics that are numbers; the log says which are not."""
    if count(examples) == 0:
        log.warning("no held-out examples: no metrics")
        return {}
    metrics = task.evaluate(model, examples)
    undefined = [name for name, value in metrics.items() if not math.isfinite(value)]
    if undefined:
        log.warning("not a number for these %d held-out examples: %s", count(examples), ", ".join(undefined))
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


@contextmanager
def _repeatable(seed: int, round_number: int) -> Iterator[None]:
    """Torch on one thread, with deterministic algorithms and its own random numbers; all put back afterwards.

    Sums depend on how many threads share them, so there is one. Nodes of a swarm on one machine want that too.
    """
    with _torch_settings, torch.random.fork_rng(devices=[]):
        threads, was_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(_seed(seed, round_number))
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was_deterministic)
            torch.set_num_threads(threads)


def _seed(seed: int, round_number: int) -> int:
    """A 64-bit seed for one round; 0 is for the initial parameters. Far apart for neighbouring seeds and rounds."""
    return int.from_bytes(sha256(f"swarm-chain training {seed} {round_number}".encode()).digest()[:8], "big")
