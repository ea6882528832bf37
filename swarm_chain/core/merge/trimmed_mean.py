"""The mean of the updates without the outermost, element by element (Yin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.adding import weighted_sum
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.sorting import ranked
from swarm_chain.errors import MergeError


@dataclass(frozen=True, kw_only=True)
class TrimmedMean(Rule):
    """Leaves out the `f` lowest and the `f` highest values of each element. Holds against `f` dishonest nodes."""

    name: ClassVar[str] = "trimmed_mean"
    takes_rows: ClassVar[bool] = True
    f: int

    def __post_init__(self) -> None:
        if self.f < 0:
            raise MergeError(f"f of the merge rule trimmed_mean is {self.f}; pass how many to leave out at each end")

    @property
    def minimum_updates(self) -> int:
        return 2 * self.f + 1

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        kept = ranked(updates, range(self.f, len(updates) - self.f))
        return weighted_sum(kept, (1 / len(kept),) * len(kept))
