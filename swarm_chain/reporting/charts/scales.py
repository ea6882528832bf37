"""From values to places in a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

TICKS: Final = 5
"""About how many numbers stand beside an axis."""
FAR: Final = 1000
"""Times the usual distance from the median, from which on a value is left out of an axis: one node may say anything."""
HUGE: Final = 1e100
"""What is no measurement of anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Values from `low` to `high`, drawn from `start` to `end`; `step` lies between two of its round numbers."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def at(self, value: float) -> float:
        """Where a value is drawn; at the nearest end where it lies beyond."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value is on the axis."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Round numbers from low to high: about five."""
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [place * self.step for place in range(first, last + 1)]


def scale_of(values: Sequence[float], *, start: float, end: float) -> Scale:
    """A scale with room for all values but those very far from the others."""
    usual = _usual(values)
    low, high = min(usual), max(usual)
    largest = max(abs(low), abs(high))
    # Where all are about the same, the axis shows how large they are, and not how the last digits differ.
    room = (high - low) / 20 if high - low > largest / 1e6 else largest / 20 or 0.05
    floor = 0.0 if low >= 0 else -math.inf
    ceiling = 1.0 if low >= 0 and high <= 1 else math.inf
    low, high = max(low - room, floor), min(high + room, ceiling)
    step = round_step((high - low) / TICKS)
    # A little longer, so that it begins and ends with a round number.
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low=low, high=high, start=start, end=end, step=step)


def _usual(values: Sequence[float]) -> Sequence[float]:
    """The values without those that are far from the others, or huge."""
    sane = np.array([value for value in values if abs(value) < HUGE] or [0.0])
    middle = float(np.median(sane))
    distances = np.abs(sane - middle)
    typical = max(float(np.median(distances)), abs(middle) / 100, 0.01)
    kept: list[float] = sane[distances <= FAR * typical].tolist()
    return kept or [middle]


def round_step(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten.

    >>> round_step(0.03), round_step(7)
    (0.05, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * 0.999999)


def thinned(count: int, most: int) -> list[int]:
    """At most about `most` of so many places, evenly spaced, the last always among them.

    >>> thinned(10, 4)
    [0, 3, 6, 9]
    """
    step = max(1, math.ceil(count / most))
    places = list(range(0, count, step))
    if places and places[-1] != count - 1:
        places.append(count - 1)
    return places
