"""The median of the updates, element by element (Yin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.sorting import sort_rows


@dataclass(frozen=True, kw_only=True)
class CoordinateMedian(Rule):
    """The middle value; of an even number, the mean of the two in the middle. Holds while most nodes are honest."""

    name: ClassVar[str] = "coordinate_median"

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        sort_rows(updates)
        count = len(updates)
        low, high = updates[(count - 1) // 2], updates[count // 2]
        # Halved before they are added: the sum of two large numbers may be none.
        middle: Float64 = 0.5 * low + 0.5 * high
        return middle
