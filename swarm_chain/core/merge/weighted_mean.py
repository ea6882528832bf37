"""The mean of the updates, each counted by its samples: federated averaging (McMahan et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.rule import Rule


@dataclass(frozen=True, kw_only=True)
class WeightedMean(Rule):
    """Sum of share times update. Best where nodes are honest; one node can move it as far as its share allows."""

    name: ClassVar[str] = "weighted_mean"
    uses_samples: ClassVar[bool] = True

    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        return add_up(updates, shares)


def add_up(rows: Float64, shares: tuple[float, ...]) -> Float64:
    """The rows' sum, each times its share, added in the order of the rows; the rows are overwritten."""
    total: Float64 = rows[0]
    total *= shares[0]
    for row, share in zip(rows[1:], shares[1:], strict=True):
        row *= share
        total += row
    return total
