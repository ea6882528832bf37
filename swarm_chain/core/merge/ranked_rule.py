"""What the median and the trimmed mean have in common: the mean of some ranks of each element."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.adding import weighted_sum
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.sorting import ranked


class RankedRule(Rule):
    """The mean of the values of some ranks, added up from the lowest on."""

    takes_rows: ClassVar[bool] = True

    @abstractmethod
    def ranks(self, count: int) -> Sequence[int]:
        """The ranks of that many values, counted from the lowest; one that comes twice counts twice."""

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        kept = ranked(updates, self.ranks(len(updates)))
        # Divided before they are added: the sum of two large numbers may be none.
        return weighted_sum(kept, (1 / len(kept),) * len(kept))
