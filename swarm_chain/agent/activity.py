"""What an agent says about itself: to a log, a live display, a status file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from swarm_chain.types import Metrics


class Health(StrEnum):
    """Whether a node does its part."""

    GOOD = "good"
    TROUBLED = "troubled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """What a node does now.

    `does` is one of: adopting, training, staging, publishing, committing, revealing, submitting, merging, attesting,
    opening, closing, waiting, suspending, resuming, stopped. `progress` runs from 0.0 to 1.0 while it trains.
    `base_metrics` and `local_metrics` are those of its newest update. `note` is for people.
    """

    does: str
    round: int
    note: str = ""
    progress: float | None = None
    samples: int | None = None
    base_metrics: Metrics = field(default_factory=dict)
    local_metrics: Metrics = field(default_factory=dict)
    health: Health = Health.GOOD

    def document(self) -> Mapping[str, Any]:
        """Names to values, for JSON."""
        return asdict(self)


OnActivity = Callable[[Activity], None]
