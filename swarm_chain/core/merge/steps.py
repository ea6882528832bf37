"""What can be done with a merge: a step from the base that remembers earlier ones (Reddi et al., 2021).

What a step carries on is as many tensors as the model has of floats, or twice as many: float32, or float64 for those.
Every operation is one of IEEE 754's own, square root included; each state is rounded before it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from swarm_chain.core.dtypes import DTYPES, Float64
from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge.rule import at_least, parameters_of
from swarm_chain.core.weights import Specs, TensorSpec
from swarm_chain.errors import MergeError


class Step(ABC):
    """An optimiser's step. `kinds` names what it remembers of each tensor."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]

    @property
    def parameters(self) -> dict[str, Scalar]:
        """Its parameters by name."""
        return parameters_of(self)

    @abstractmethod
    def remember(self, kind: str, before: Float64, change: Float64) -> Float64:
        """What is remembered of a kind, from what was and the merge minus the base."""

    @abstractmethod
    def taken(self, base: Float64, memory: Sequence[Float64]) -> Float64:
        """The new parameters, from what is remembered now, in the order of `kinds`."""

    def specs(self, model: Specs) -> Specs:
        """The tensors of its state, for a model's."""
        floats = [spec for spec in model if DTYPES[spec.dtype].is_float]
        return tuple(sorted(state_spec(kind, spec) for kind in self.kinds for spec in floats))


@dataclass(frozen=True, kw_only=True)
class Momentum(Step):
    """Goes on in the direction of earlier rounds: v = beta v + change; base + rate v (Hsu, Qi and Brown, 2019)."""

    name: ClassVar[str] = "momentum"
    kinds: ClassVar[tuple[str, ...]] = ("momentum",)
    step_rate: float = 1.0
    step_beta: float = 0.9

    def __post_init__(self) -> None:
        _check_rate(self.step_rate)
        _check_beta("step_beta", self.step_beta)

    def remember(self, kind: str, before: Float64, change: Float64) -> Float64:
        return self.step_beta * before + change

    def taken(self, base: Float64, memory: Sequence[Float64]) -> Float64:
        return base + self.step_rate * memory[0]


@dataclass(frozen=True, kw_only=True)
class Adam(Step):
    """Large where changes are steady, small where they are not: base + rate m / (sqrt(v) + epsilon)."""

    name: ClassVar[str] = "adam"
    kinds: ClassVar[tuple[str, ...]] = ("first", "second")
    step_rate: float = 0.01
    step_beta: float = 0.9
    step_beta2: float = 0.99
    step_epsilon: float = 0.001

    def __post_init__(self) -> None:
        _check_rate(self.step_rate)
        _check_beta("step_beta", self.step_beta)
        _check_beta("step_beta2", self.step_beta2)
        at_least("step_epsilon of the step adam", self.step_epsilon, 1e-30, "pass a small number above zero")

    def remember(self, kind: str, before: Float64, change: Float64) -> Float64:
        beta, new = (self.step_beta, change) if kind == "first" else (self.step_beta2, change * change)
        return beta * before + (1.0 - beta) * new

    def taken(self, base: Float64, memory: Sequence[Float64]) -> Float64:
        first, second = memory
        return base + (self.step_rate * first) / (np.sqrt(np.maximum(second, 0.0)) + self.step_epsilon)


STEPS: Mapping[str, type[Step]] = {kind.name: kind for kind in (Momentum, Adam)}


def state_spec(kind: str, spec: TensorSpec) -> TensorSpec:
    """The tensor in which a kind of memory of a tensor is kept."""
    return TensorSpec(f"{kind}/{spec.name}", "F64" if spec.dtype == "F64" else "F32", spec.shape)


def _check_rate(rate: float) -> None:
    at_least("step_rate of a merge", rate, 1e-30, "pass how far to go, 1 for all of it")


def _check_beta(name: str, beta: float) -> None:
    if not 0.0 <= beta < 1.0:
        raise MergeError(f"{name} of a merge is {beta}; pass what is kept of earlier rounds, from 0 to below 1")
