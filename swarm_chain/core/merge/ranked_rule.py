"""What the median and the trimmed mean have in common: the mean of some ranks of each element."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.adding import weighted_sum
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.sorting import ranked
from swarm_chain.errors import MergeError


class RankedRule(Rule):
    """The mean of the values of some ranks, added up from the lowest on."""

    takes_rows: ClassVar[bool] = True

    @abstractmethod
    def ranks(self, count: int) -> Sequence[int]:
        """The ranks of that many values, counted from the lowest; one that comes twice counts twice."""

    def checked_ranks(self, count: int) -> tuple[int, ...]:
        """The same, once they were seen to be ranks of that many. Raises `MergeError`."""
        with blamed_on(type(self)):
            found = tuple(self.ranks(count))
        if not found or not all(type(rank) is int and 0 <= rank < count for rank in found):
            raise MergeError(f"the merge rule {self.name} gave {found} as ranks of {count} values; use another rule")
        return found

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        kept = ranked(updates, self.checked_ranks(len(updates)))
        # Divided before they are added: the sum of two large numbers may be none.
        return weighted_sum(kept, (1 / len(kept),) * len(kept))
