"""What a training is told besides model and data; part of a swarm's task document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from swarm_chain.core.documents import FROZEN_WEIGHTS
from swarm_chain.core.fields import Scalar, is_text
from swarm_chain.errors import TaskError

OPTIMIZERS: Final = ("sgd", "adam", "adamw")
DEVICES: Final = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Final = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """One training's settings. A task that needs more of them subclasses this and adds fields with defaults.

    `seed` fixes the initial parameters and the order of examples; `epochs` are passes over a node's data in one round.
    `keep_optimizer` lets an optimiser's state live on from round to round, on its node. `device` `auto` is a GPU where
    there is one. `precision` below float32 is mixed: parameters stay as the model has them.

    >>> Hyperparameters(epochs=2).document()["epochs"]
    2
    """

    seed: int = 0
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.05
    momentum: float = 0.0
    weight_decay: float = 0.0
    optimizer: str = "sgd"
    keep_optimizer: bool = False
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Refuses values of another type, and values that no training can use."""
        for field in fields(self):
            _check_field(field.name, type(field.default))
            self._check_type(field.name, type(field.default), getattr(self, field.name))
        self._require(0 <= self.seed < 2**63, "seed", "from 0 to 2**63 - 1")
        self._require(self.epochs >= 1, "epochs", "at least 1")
        self._require(self.batch_size >= 1, "batch_size", "at least 1")
        self._require(self.learning_rate > 0, "learning_rate", "above 0")
        self._require(0 <= self.momentum < 1, "momentum", "at least 0 and below 1")
        self._require(self.momentum == 0 or self.optimizer == "sgd", "momentum", f"of 0: {self.optimizer} has its own")
        self._require(self.weight_decay >= 0, "weight_decay", "at least 0")
        for name, known in (("optimizer", OPTIMIZERS), ("device", DEVICES), ("precision", PRECISIONS)):
            self._require(getattr(self, name) in known, name, f"of {', '.join(known)}")

    def document(self) -> dict[str, Scalar]:
        """Names to values, as they stand in a task document."""
        return asdict(self)

    @classmethod
    def from_document(cls, training: Mapping[str, Any]) -> Self:
        """The settings that a task document holds. Raises `TaskError` for a name missing or unknown."""
        names = {field.name for field in fields(cls)}
        if wrong := sorted(names ^ set(training)):
            raise TaskError(
                f"hyper-parameters missing or unknown: {', '.join(wrong)}; "
                f"this task has {', '.join(sorted(names))}: install the version of the task that the swarm uses"
            )
        return cls(**training)

    def _check_type(self, name: str, wanted: type, value: object) -> None:
        """Lets an int stand for a float, and nothing else."""
        if wanted is float and type(value) is int:
            object.__setattr__(self, name, float(value))
        elif type(value) is not wanted:
            raise TaskError(f"hyper-parameter {name} is {value!r}: give a value of type {wanted.__name__}")
        if isinstance(value, str) and not is_text(value):
            raise TaskError(f"hyper-parameter {name} is {value[:80]!r}: give at most 4096 characters, all printable")
        if isinstance(value, float) and not math.isfinite(value):
            raise TaskError(f"hyper-parameter {name} is {value!r}: give a finite number")

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise TaskError(f"hyper-parameter {name} is {getattr(self, name)!r}: give a value {wanted}")


def _check_field(name: str, kind: type) -> None:
    """Returns if a document can hold a setting with a default of that type. Raises `TaskError`."""
    if kind not in (bool, int, float, str):
        raise TaskError(f"hyper-parameter {name} needs a default that is a number, a text, or true or false")
    if name == FROZEN_WEIGHTS:
        raise TaskError(f"hyper-parameter {name} stands for the frozen tensors in documents: call yours otherwise")
