"""The update that is nearest to its neighbours (Blanchard et al., 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.rule import MOST_UPDATES, Distances, Weighing, WeighingRule, within


@dataclass(frozen=True, kw_only=True)
class Krum(WeighingRule):
    """One of the updates as it is: the one with the least sum of squared distances to its n - `f` - 2 nearest."""

    name: ClassVar[str] = "krum"
    f: int

    def __post_init__(self) -> None:
        within("f of the merge rule krum", self.f, 0, MOST_UPDATES, "pass how many nodes may be dishonest")

    @property
    def minimum_updates(self) -> int:
        return self.f + 3

    @property
    def safe_updates(self) -> int:
        return 2 * self.f + 3

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        return equal_parts(nearest(distances, self.f)[:1], distances.count)


def nearest(distances: Distances, f: int) -> list[int]:
    """The updates by how near they are to their neighbours; of two that are as near, the lower address is first."""
    neighbours = distances.count - f - 2
    scores = []
    for place, row in enumerate(distances.between()):
        others = sorted(row[:place] + row[place + 1 :])
        scores.append((math.fsum(others[:neighbours]), place))
    return [place for _, place in sorted(scores)]


def equal_parts(chosen: list[int], count: int) -> Weighing:
    """The mean of the chosen updates."""
    parts = [0.0] * count
    for place in chosen:
        parts[place] = 1 / len(chosen)
    return Weighing(updates=tuple(parts))
