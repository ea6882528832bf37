"""The median of the updates, element by element (Yin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.ranked_rule import RankedRule


@dataclass(frozen=True, kw_only=True)
class CoordinateMedian(RankedRule):
    """The middle value; of an even number, the mean of the two in the middle. Holds while most nodes are honest."""

    name: ClassVar[str] = "coordinate_median"

    def ranks(self, count: int) -> tuple[int, int]:
        return (count - 1) // 2, count // 2
