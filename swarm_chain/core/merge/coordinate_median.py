"""The median of the updates, element by element (Yin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.adding import weighted_sum
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.sorting import ranked


@dataclass(frozen=True, kw_only=True)
class CoordinateMedian(Rule):
    """The middle value; of an even number, the mean of the two in the middle. Holds while most nodes are honest."""

    name: ClassVar[str] = "coordinate_median"
    takes_rows: ClassVar[bool] = True

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        count = len(updates)
        low, high = ranked(updates, ((count - 1) // 2, count // 2))
        # Halved before they are added: the sum of two large numbers may be none.
        return weighted_sum((low, high), (0.5, 0.5))
