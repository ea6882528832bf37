"""Sorting each column of a block by comparing whole rows: a network, without the comparisons that nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two places of which the first is to hold the lower values. One side may be all that is asked for."""

    first: int
    second: int
    lower: bool
    upper: bool


def ranked(rows: Rows, ranks: Sequence[int]) -> list[Rows]:
    """The rows of these ranks, counted from the lowest, of each column sorted; `rows` are overwritten.

    The numbers must be finite. Zero has two signs that compare equal: the result has the positive one.
    """
    if rows.dtype.kind == "f":
        rows += rows.dtype.type(0)
    places, spare = list(rows), np.empty_like(rows[0])
    for one in _network(len(rows), tuple(sorted(set(ranks)))):
        low, high = places[one.first], places[one.second]
        if one.lower and one.upper:
            np.minimum(low, high, out=spare)
            np.maximum(low, high, out=high)
            places[one.first], spare = spare, low
        elif one.lower:
            np.minimum(low, high, out=low)
        else:
            np.maximum(low, high, out=high)
    return [places[rank] for rank in ranks]


@lru_cache(maxsize=64)
def _network(count: int, ranks: tuple[int, ...]) -> tuple[_Comparison, ...]:
    """The comparisons that give these ranks: what no later one or rank needs is left out, from the end on."""
    needed, kept = set(ranks), []
    for first, second in reversed(list(_batcher(count))):
        lower, upper = first in needed, second in needed
        if lower or upper:
            kept.append(_Comparison(first, second, lower, upper))
            needed |= {first, second}
    return tuple(reversed(kept))


def _batcher(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's merge exchange sort of any number of places (Knuth, volume 3, algorithm 5.2.2 M)."""
    top = 1 << max(count - 1, 0).bit_length() >> 1
    step = top
    while step > 0:
        far, offset, distance = top, 0, step
        while True:
            yield from ((place, place + distance) for place in range(count - distance) if place & step == offset)
            if far == step:
                break
            distance, far, offset = far - step, far >> 1, step
        step >>= 1
