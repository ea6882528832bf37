"""A trainer that trains nothing: it hands the training over to the user's own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarm_chain.ports import Progress
from swarm_chain.types import Metrics, Parameters, RoundNumber, Samples, TrainingOutcome

Measure = Callable[[Parameters, Parameters], Metrics]
"""Metrics of parameters, with what the node keeps from round to round, on its held-out data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A training that the agent wants: for which round, and from which parameters."""

    round: RoundNumber
    base: Parameters


class TrainingWantedError(Exception):
    """Ends the agent's step where it wants a training. No error: a signal to whoever steps the agent."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(f"round {wanted.round} wants a training")
        self.wanted = wanted


class HandingTrainer:
    """A `Trainer` whose training is somebody else's: it raises `TrainingWantedError` instead."""

    def __init__(self, measure: Measure) -> None:
        self.count = Samples(0)
        self._measure = measure

    def samples(self) -> Samples:
        """The examples behind the last contribution of this process; 0 before the first."""
        return self.count

    def train(
        self, base: Parameters, *, memory: Parameters, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        """Raises `TrainingWantedError`."""
        raise TrainingWantedError(Wanted(round=round_number, base=base))

    def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
        """Metrics of `parameters`, as the user measures them."""
        return self._measure(parameters, memory)
