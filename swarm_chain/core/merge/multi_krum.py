"""The mean of the updates that are nearest to their neighbours (Blanchard et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.krum import equal_parts, nearest
from swarm_chain.core.merge.rule import MOST_UPDATES, Distances, Weighing, WeighingRule, within


@dataclass(frozen=True, kw_only=True)
class MultiKrum(WeighingRule):
    """The mean of the `m` updates that Krum would choose first."""

    name: ClassVar[str] = "multi_krum"
    f: int
    m: int

    def __post_init__(self) -> None:
        within("f of the merge rule multi_krum", self.f, 0, MOST_UPDATES, "pass how many nodes may be dishonest")
        within("m of the merge rule multi_krum", self.m, 1, MOST_UPDATES, "pass how many updates to keep")

    @property
    def minimum_updates(self) -> int:
        return max(self.f + 3, self.m)

    @property
    def safe_updates(self) -> int:
        # Of n updates, n - f are honest: more than these cannot be kept without a dishonest one.
        return max(2 * self.f + 3, self.m + self.f)

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        return equal_parts(nearest(distances, self.f)[: self.m], distances.count)
