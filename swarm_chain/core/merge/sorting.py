"""Sorting each column of a block by comparing whole rows: a network, without the comparisons that nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.merge.scratch import Scratch

Rows = NDArray[Any]
_SCRATCH = Scratch()


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two places of which the first is to hold the lower values. One side may be all that is asked for."""

    first: int
    second: int
    lower: bool
    upper: bool


def ranked(rows: Sequence[Rows] | Rows, ranks: Sequence[int]) -> list[Rows]:
    """The rows of these ranks, counted from the lowest, of each column sorted; `rows` stay as they are.

    What is given lasts until the same thread sorts again. The numbers must be finite. Zero has two signs that compare
    equal: the result has the positive one.
    """
    places = _Places(rows)
    for one in _network(len(rows), tuple(sorted(set(ranks)))):
        places.compare(one)
    found = {rank: places.take(rank) for rank in ranks}
    for row in found.values():
        if row.dtype.kind == "f":
            row += row.dtype.type(0)
    return [found[rank] for rank in ranks]


class _Places:
    """Rows in places. The first comparison of a row reads it where it lies: nothing is copied before."""

    def __init__(self, rows: Sequence[Rows] | Rows) -> None:
        self._rows: list[Rows] = list(rows)
        self._is_ours = [False] * len(rows)
        self._free = list(_SCRATCH.array("rows", (len(rows) + 1, len(rows[0])), rows[0].dtype))

    def compare(self, one: _Comparison) -> None:
        low, high = self._rows[one.first], self._rows[one.second]
        was_ours = self._is_ours[one.first]
        if one.lower:
            self._put(one.first, np.minimum(low, high, out=self._free.pop()))
        if one.upper:
            into = high if self._is_ours[one.second] else self._free.pop()
            self._put(one.second, np.maximum(low, high, out=into))
        elif self._is_ours[one.second]:
            self._free.append(high)
        if was_ours:
            self._free.append(low)

    def take(self, place: int) -> Rows:
        """A row of ours that has what is in the place."""
        if not self._is_ours[place]:
            into = self._free.pop()
            into[...] = self._rows[place]
            self._put(place, into)
        return self._rows[place]

    def _put(self, place: int, row: Rows) -> None:
        self._rows[place], self._is_ours[place] = row, True


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
