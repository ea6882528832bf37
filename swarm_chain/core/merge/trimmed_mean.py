"""The mean of the updates without the outermost, element by element (Yin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import MOST_UPDATES, within


@dataclass(frozen=True, kw_only=True)
class TrimmedMean(RankedRule):
    """Leaves out the `f` lowest and the `f` highest values of each element. Holds against `f` dishonest nodes."""

    name: ClassVar[str] = "trimmed_mean"
    f: int

    def __post_init__(self) -> None:
        within("f of the merge rule trimmed_mean", self.f, 0, MOST_UPDATES, "pass how many to leave out at each end")

    @property
    def minimum_updates(self) -> int:
        return 2 * self.f + 1

    def ranks(self, count: int) -> range:
        return range(self.f, count - self.f)
