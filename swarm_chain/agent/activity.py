"""What an agent says about itself: to a log, a live display, a status file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from swarm_chain.types import Digest, Metrics


class Health(StrEnum):
    """Whether a node does its part."""

    GOOD = "good"
    TROUBLED = "troubled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """What a node does now, and what it knows of models so far.

    `does` is one of: adopting, training, staging, publishing, committing, revealing, submitting, merging, attesting,
    opening, closing, waiting, scoring, suspending, resuming, announcing, stopped. `progress` runs from 0.0 to 1.0
    while it trains or scores. `samples`, `base_metrics` and `local_metrics` are of its newest training, for the round
    `trained_round`, which took `training_seconds`, where that is known. `head` is the newest agreed model it scored,
    `head_round` the round it came from, 0 for the genesis. `note` is for people.
    """

    does: str
    round: int
    note: str = ""
    progress: float | None = None
    samples: int | None = None
    base_metrics: Metrics = field(default_factory=dict)
    local_metrics: Metrics = field(default_factory=dict)
    trained_round: int | None = None
    training_seconds: float | None = None
    head: Digest | None = None
    head_round: int | None = None
    head_metrics: Metrics = field(default_factory=dict)
    health: Health = Health.GOOD

    def document(self) -> Mapping[str, Any]:
        """Names to values, for JSON."""
        return {**asdict(self), "head": None if self.head is None else "0x" + self.head.hex()}


OnActivity = Callable[[Activity], None]
