"""How long an agent runs, and how eager it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from swarm_chain.core.metrics import is_lower_better
from swarm_chain.types import Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What a metric has to come to: at least `bound`; at most, where less of it is better.

    >>> Condition(metric="loss", bound=0.5, is_ceiling=True).is_met({"loss": 0.25})
    True
    """

    metric: str
    bound: float
    is_ceiling: bool = False

    @classmethod
    def of(cls, metric: str, bound: float) -> Self:
        """That it gets as good as `bound`, in the direction in which its name says that it gets better."""
        return cls(metric=metric, bound=bound, is_ceiling=is_lower_better(metric))

    def is_met(self, metrics: Metrics) -> bool:
        """Whether it has; not where the metric is missing."""
        value = metrics.get(self.metric)
        if value is None:
            return False
        return value <= self.bound if self.is_ceiling else value >= self.bound


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What whoever starts an agent decides.

    `rounds`: end when the swarm has finalised so many since deployment. `until`: end when a metric of the head, on this
    node's held-out data, is so good. `min_new_samples`: sit rounds out until there are so many more than in the last
    update. `confirmations`: blocks on top of a round's revealing before an update is published. `poll` and `spread`:
    seconds between looks, and the longest that calls which anyone can make are put off.
    """

    rounds: int | None = None
    until: Condition | None = None
    min_new_samples: int = 0
    confirmations: int = 0
    poll: float = 1.0
    spread: float = 4.0
