"""How far updates are from each other and from the base, and from points made of them: all that rules decide by.

A point is written as the parts of the updates in it; the rest is the base. All distances follow from the products of
the updates minus the base, each with each, so that what looks at whole models works with a few numbers an update.
Measured from the base and not from each other: what is far away then has large numbers only where it is looked at
itself, and hides nothing in those of the others. Sums are in a fixed order, or exactly rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64


@dataclass(frozen=True, eq=False)
class Distances:
    """What follows from `products`, whose rows and columns are updates in node order."""

    products: Float64

    @classmethod
    def unknown(cls, count: int) -> Distances:
        """For rules that look at none: zeros."""
        return cls(np.zeros((count, count)))

    @property
    def count(self) -> int:
        """Number of updates."""
        return len(self.products)

    def norms(self) -> list[float]:
        """How far each update is from the base."""
        # Of mixed updates that cancel each other, what is rounded can come out below zero.
        return [math.sqrt(max(value, 0.0)) for value in self.products.diagonal().tolist()]

    def between(self) -> list[list[float]]:
        """The squared distances from each update to each."""
        own = self.products.diagonal()
        squared = np.maximum((own[:, None] + own[None, :]) - 2.0 * self.products, 0.0)
        np.fill_diagonal(squared, 0.0)
        found: list[list[float]] = squared.tolist()
        return found

    def to_point(self, parts: Sequence[float]) -> list[float]:
        """How far each update is from the point of these parts."""
        point = np.array(parts, np.float64)[:, None]
        along = product(self.products, point)
        within = product(point.T, along)[0, 0]
        squared = (self.products.diagonal() - 2.0 * along[:, 0]) + within
        found: list[float] = np.sqrt(np.maximum(squared, 0.0)).tolist()
        return found

    def mixed(self, rows: Float64) -> Distances:
        """Those of the points whose parts are `rows`, the base's last."""
        parts = rows[:, :-1]
        return Distances(product(product(parts, self.products), parts.T))


def product(left: Float64, right: Float64) -> Float64:
    """The matrix product, added up in the order of the inner index: BLAS's order is the machine's."""
    total: Float64 = np.zeros((left.shape[0], right.shape[1]))
    for place in range(left.shape[1]):
        total += left[:, place : place + 1] * right[place : place + 1, :]
    return total


def lower_middle(values: Sequence[float]) -> float:
    """The middle value; of an even number, the lower middle one, which more than half of the honest can be below."""
    return sorted(values)[(len(values) - 1) // 2]
