"""Sums of squares and products that no float overflows: of any numbers that weights can hold.

Squares of numbers far from 1 leave what a float can hold. So each block of numbers is divided by a power of two near
its largest, which changes no digit, and sums remember the powers.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_HUGE: Final = 2.0**1022
"""Above it, the difference of two numbers may be more than a float can hold."""


class ScaledSum:
    """A sum of numbers, each times a power of two."""

    def __init__(self) -> None:
        self._parts: list[tuple[float, int]] = []

    def add(self, value: float, exponent: int) -> None:
        """Adds value * 2**exponent."""
        if value:
            self._parts.append((value, exponent))

    def total(self) -> tuple[float, int]:
        """The sum, as a number and the exponent of the power of two that it is times."""
        exponent = max((each for _, each in self._parts), default=0)
        return math.fsum(math.ldexp(value, each - exponent) for value, each in self._parts), exponent

    def root(self) -> float:
        """The square root of the sum, whose exponents are all even; infinite beyond what a float can hold."""
        value, exponent = self.total()
        return grown(math.sqrt(value), exponent // 2)


def scaled(values: Floats) -> tuple[Floats, int]:
    """The numbers, none above 1, and the exponent of the power of two that they were divided by."""
    exponent = math.frexp(float(np.abs(values).max()))[1]
    found: Floats = np.ldexp(values, -exponent)
    return found, exponent


def scaled_difference(x: Floats, y: Floats) -> tuple[Floats, int]:
    """What was added to x to get y, as `scaled` gives it."""
    if max(float(np.abs(x).max()), float(np.abs(y).max())) < _HUGE:
        return scaled(y - x)
    half, exponent = scaled(np.ldexp(y, -1) - np.ldexp(x, -1))
    return half, exponent + 1


def dot(x: Floats, y: Floats) -> float:
    """The sum of products."""
    return float(np.dot(x, y))


def grown(value: float, exponent: int) -> float:
    """value * 2**exponent; infinite beyond what a float can hold."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.inf


def cosine_of(products: ScaledSum, squares_a: ScaledSum, squares_b: ScaledSum) -> float | None:
    """The cosine between two vectors, by the sums of their products and squares; None where one of them is zero."""
    (product, by), (square_a, by_a), (square_b, by_b) = products.total(), squares_a.total(), squares_b.total()
    if not square_a or not square_b:
        return None
    return within(math.ldexp(product / math.sqrt(square_a) / math.sqrt(square_b), by - (by_a + by_b) // 2))


def within(cosine: float) -> float:
    """A cosine, where sums that were rounded led out of its range."""
    return min(1.0, max(-1.0, cosine))


def float64(block: NDArray[Any]) -> Floats:
    """Numbers of any format that weights can have; whole ones above 2**53 are rounded."""
    return block.astype(np.float64)
