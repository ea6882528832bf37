"""From values to places in a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

TICKS: Final = 5
"""About how many numbers stand beside an axis."""
FAR: Final = 1000
"""Times the usual distance from the median, from which on a value is left out of an axis: one node may say anything."""
HUGE: Final = 1e100
"""What is no measurement of anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Values from `low` to `high`, drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn; at the nearest end where it lies beyond."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value is on the axis."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Round numbers from low to high: about five."""
        step = _round_step((self.high - self.low) / TICKS)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def scale_of(values: Sequence[float], *, start: float, end: float) -> Scale:
    """A scale with room for all values but those very far from the others."""
    usual = _usual(values)
    low, high = min(usual), max(usual)
    largest = max(abs(low), abs(high))
    # Where all are about the same, the axis shows how large they are, and not how the last digits differ.
    room = (high - low) / 20 if high - low > largest / 1e6 else largest / 20 or 0.05
    floor = 0.0 if low >= 0 else -math.inf
    ceiling = 1.0 if low >= 0 and high <= 1 else math.inf
    return _to_ticks(Scale(low=max(low - room, floor), high=min(high + room, ceiling), start=start, end=end))


def _to_ticks(scale: Scale) -> Scale:
    """The scale, made a little longer, so that it begins and ends with one of its round numbers."""
    step = _round_step((scale.high - scale.low) / TICKS)
    low, high = math.floor(scale.low / step + 1e-9) * step, math.ceil(scale.high / step - 1e-9) * step
    return Scale(low=low, high=high, start=scale.start, end=scale.end)


def _usual(values: Sequence[float]) -> Sequence[float]:
    """The values without those that are far from the others, or huge."""
    sane = [value for value in values if abs(value) < HUGE] or [0.0]
    middle = median(sane)
    typical = max(median(abs(value - middle) for value in sane), abs(middle) / 100, 0.01)
    return [value for value in sane if abs(value - middle) <= FAR * typical] or [middle]


def _round_step(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten.

    >>> _round_step(0.03), _round_step(7)
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
