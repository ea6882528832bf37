"""What a swarm is compared with: each node alone, and all data pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from swarm_chain.ports import Trainer
from swarm_chain.types import Metrics, Parameters, RoundNumber, TrainingOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Baselines:
    """Metrics on the same test examples: of each node's own model, and of one trained on everybody's data."""

    alone: tuple[Metrics, ...]
    pooled: Metrics


def measure_baselines(
    nodes: Sequence[Trainer],
    pooled: Trainer,
    *,
    initial: Parameters,
    rounds: int,
    score: Callable[[Parameters], Metrics],
) -> Baselines:
    """Scores of training without a swarm, from the same initial parameters, for as many epochs as in one."""
    return Baselines(
        alone=tuple(score(train_alone(node, initial, rounds=rounds)) for node in nodes),
        pooled=score(train_alone(pooled, initial, rounds=rounds)),
    )


def train_alone(trainer: Trainer, initial: Parameters, *, rounds: int) -> Parameters:
    """Parameters after `rounds` rounds in a row on one trainer's data, nothing merged in between."""
    parameters = initial
    for outcome in alone_rounds(trainer, initial, rounds=rounds):
        parameters = outcome.parameters
    return parameters


def alone_rounds(trainer: Trainer, initial: Parameters, *, rounds: int) -> Iterator[TrainingOutcome]:
    """What each of `rounds` rounds in a row gives on one trainer's data, nothing merged in between."""
    parameters, memory = initial, dict[str, Any]()
    for number in range(1, rounds + 1):
        outcome = trainer.train(
            parameters, memory=memory, round_number=RoundNumber(number), on_progress=lambda done: None
        )
        parameters, memory = outcome.parameters, dict(outcome.memory)
        yield outcome
