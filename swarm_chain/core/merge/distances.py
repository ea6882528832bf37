"""How far updates are from each other and from the base, and from points made of them: all that rules decide by.

A point is written as parts of the updates and of the base that add up to one. Then its distances follow from theirs,
and what looks at whole models works with a few numbers an update. Sums are in a fixed order, or exactly rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64


@dataclass(frozen=True, eq=False)
class Distances:
    """Squared distances between the updates, in node order, and the base, which comes last."""

    squared: Float64

    @classmethod
    def of_products(cls, products: Float64) -> Distances:
        """From the products of the updates minus the base, each with each."""
        count = len(products)
        squared: Float64 = np.zeros((count + 1, count + 1))
        own = products.diagonal()
        squared[:count, :count] = np.maximum((own[:, None] + own[None, :]) - 2.0 * products, 0.0)
        squared[:count, count] = squared[count, :count] = own
        np.fill_diagonal(squared, 0.0)
        return cls(squared)

    @classmethod
    def unknown(cls, count: int) -> Distances:
        """For rules that look at none: zeros."""
        return cls(np.zeros((count + 1, count + 1)))

    @property
    def count(self) -> int:
        """Number of updates."""
        return len(self.squared) - 1

    def norms(self) -> list[float]:
        """How far each update is from the base."""
        return [math.sqrt(value) for value in self.squared[: self.count, self.count].tolist()]

    def between(self) -> list[list[float]]:
        """The squared distances from each update to each."""
        found: list[list[float]] = self.squared[: self.count, : self.count].tolist()
        return found

    def to_point(self, parts: Sequence[float]) -> list[float]:
        """How far each update is from the point of these parts, the base's last."""
        point = np.array(parts, np.float64)[:, None]
        along = product(self.squared, point)
        within = 0.5 * product(point.T, along)[0, 0]
        return np.sqrt(np.maximum(along[: self.count, 0] - within, 0.0)).tolist()  # type: ignore[no-any-return]

    def mixed(self, rows: Float64) -> Distances:
        """Those of the points whose parts are `rows`, and of the base."""
        count = len(rows)
        along = product(rows, self.squared)
        inner = product(along, rows.T)
        own = 0.5 * inner.diagonal()
        squared: Float64 = np.zeros((count + 1, count + 1))
        squared[:count, :count] = np.maximum((inner - own[:, None]) - own[None, :], 0.0)
        squared[:count, count] = squared[count, :count] = np.maximum(along[:, -1] - own, 0.0)
        np.fill_diagonal(squared, 0.0)
        return Distances(squared)


def product(left: Float64, right: Float64) -> Float64:
    """The matrix product, added up in the order of the inner index: BLAS's order is the machine's."""
    total: Float64 = np.zeros((left.shape[0], right.shape[1]))
    for place in range(left.shape[1]):
        total += left[:, place : place + 1] * right[place : place + 1, :]
    return total


def lower_middle(values: Sequence[float]) -> float:
    """The middle value; of an even number, the lower middle one, which more than half of the honest can be below."""
    return sorted(values)[(len(values) - 1) // 2]
