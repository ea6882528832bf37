"""The mean of the updates, each counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.rule import Distances, Weighing, WeighingRule


@dataclass(frozen=True, kw_only=True)
class Mean(WeighingRule):
    """Every node counts the same, whatever it says about its samples."""

    name: ClassVar[str] = "mean"
    needs_distances: ClassVar[bool] = False

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        return Weighing(updates=shares)
