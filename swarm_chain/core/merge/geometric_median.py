"""The point whose distances to the updates have the least sum (Pillutla, Kakade and Harchaoui, 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.distances import lower_middle
from swarm_chain.core.merge.rule import Distances, Weighing, WeighingRule, within

_LEAST = 2.0**-500


@dataclass(frozen=True, kw_only=True)
class GeometricMedian(WeighingRule):
    """Weiszfeld's iteration, smoothed, from the base on. Holds while most nodes are honest.

    `iterations` is their largest number: it ends when the weights are the same twice. A distance below `smoothing`
    times the updates' median distance from the base counts as that.
    """

    name: ClassVar[str] = "geometric_median"
    iterations: int = 100
    smoothing: float = 1e-6

    def __post_init__(self) -> None:
        within("iterations of the merge rule geometric_median", self.iterations, 1, 10_000, "pass e.g. 100")
        within("smoothing of the merge rule geometric_median", self.smoothing, 1e-12, 1, "pass a small part, like 1e-6")

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        apart = distances.norms()
        least = max(self.smoothing * lower_middle(apart), _LEAST)
        parts: list[float] = []
        for _ in range(self.iterations):
            before, parts = parts, _parts(apart, least)
            if parts == before:
                break
            apart = distances.to_point(parts)
        return Weighing(updates=tuple(parts))


def _parts(apart: list[float], least: float) -> list[float]:
    # Scaled by the nearest, so that nothing overflows.
    nearest = max(min(apart), least)
    closeness = [nearest / max(one, least) for one in apart]
    total = math.fsum(closeness)
    return [one / total for one in closeness]
