"""The mean of the updates, each counted by its samples: federated averaging (McMahan et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.rule import Distances, Weighing, WeighingRule


@dataclass(frozen=True, kw_only=True)
class WeightedMean(WeighingRule):
    """Sum of share times update. Best where nodes are honest; one node can move it as far as its share allows."""

    name: ClassVar[str] = "weighted_mean"
    uses_samples: ClassVar[bool] = True
    needs_distances: ClassVar[bool] = False

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        return Weighing(updates=shares)
