"""The mean of the updates, each counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.weighted_mean import add_up


@dataclass(frozen=True, kw_only=True)
class Mean(Rule):
    """Every node counts the same, whatever it says about its samples."""

    name: ClassVar[str] = "mean"

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        return add_up(updates, shares)
