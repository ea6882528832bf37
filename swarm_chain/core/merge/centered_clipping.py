"""The mean of the updates' differences from a centre, each cut to a radius (Karimireddy, He and Jaggi, 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.distances import lower_middle
from swarm_chain.core.merge.rule import Distances, Weighing, WeighingRule, at_least, within


@dataclass(frozen=True, kw_only=True)
class CenteredClipping(WeighingRule):
    """Moves a centre `iterations` times, from the base on; no update moves it by more than its part of `radius`.

    A `radius` of 0 is the median of the updates' distances from the centre, found anew each time.
    """

    name: ClassVar[str] = "centered_clipping"
    iterations: int = 3
    radius: float = 0.0

    def __post_init__(self) -> None:
        within("iterations of the merge rule centered_clipping", self.iterations, 1, 10_000, "pass e.g. 3")
        at_least("radius of the merge rule centered_clipping", self.radius, 0, "pass a distance, or 0 for the median")

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        count = distances.count
        parts, base = [0.0] * count, 1.0
        for _ in range(self.iterations):
            apart = distances.to_point(parts)
            radius = self.radius or lower_middle(apart)
            kept = [1.0 if one <= radius else radius / one for one in apart]
            stays = 1.0 - math.fsum(kept) / count
            parts = [stays * part + one / count for part, one in zip(parts, kept, strict=True)]
            base = stays * base
        return Weighing(updates=tuple(parts), base=base)
