"""Sorting each column of a block by comparing whole rows: a network, without the comparisons that nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    planned = plan(len(rows), ranks)
    # The first comparison of a row reads it where it lies: nothing is copied before.
    held = [*rows, *_SCRATCH.array("rows", (planned.own, len(rows[0])), rows[0].dtype)]
    for compare, first, second, into in planned.steps:
        compare(held[first], held[second], out=held[into])
    found = {rank: held[place] for rank, place in planned.found.items()}
    for row in found.values():
        if row.dtype.kind == "f":
            row += row.dtype.type(0)
    return [found[rank] for rank in ranks]


def plan(count: int, ranks: Sequence[int]) -> Plan:
    """What finds these ranks of so many rows."""
    return _planned(count, tuple(sorted(set(ranks))))


def middle(count: int, kept: int) -> tuple[int, ...]:
    """As many ranks of so many rows, the median's or those of a trimmed mean. Two may be one, twice."""
    if kept == 2:
        return (count - 1) // 2, count // 2
    first = (count - kept) // 2
    return tuple(range(first, first + kept))


# ------------------------------------------------------------------------------------------------------------- planning


Step = tuple[np.ufunc, int, int, int]
"""The lower or the higher of two rows, and which row that is written to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do with rows: those given come first, then `own` more to write to. `found` are the ranks' rows.

    No step writes to a row that it reads.
    """

    steps: tuple[Step, ...]
    own: int
    found: Mapping[int, int]


class _Planning:
    """Which row holds what, comparison by comparison. What was given is never written to."""

    def __init__(self, count: int) -> None:
        self._count, self._made = count, count
        self._rows, self._free = list(range(count)), list[int]()
        self._steps: list[Step] = []

    def compare(self, one: _Comparison) -> None:
        low, high = self._rows[one.first], self._rows[one.second]
        if one.lower:
            self._rows[one.first] = self._put(np.minimum, low, high)
        if one.upper:
            self._rows[one.second] = self._put(np.maximum, low, high)
        self._free += [row for row in (high, low) if row >= self._count]

    def done(self, ranks: Sequence[int]) -> Plan:
        for rank in ranks:
            if (row := self._rows[rank]) < self._count:
                self._rows[rank] = self._put(np.minimum, row, row)
        found = {rank: self._rows[rank] for rank in ranks}
        return Plan(steps=tuple(self._steps), own=self._made - self._count, found=found)

    def _put(self, compare: np.ufunc, first: int, second: int) -> int:
        """The row that is written to: one of ours that nobody needs, the last one used, which the cache still has."""
        if not self._free:
            self._free.append(self._made)
            self._made += 1
        into = self._free.pop()
        self._steps.append((compare, first, second, into))
        return into


@lru_cache(maxsize=64)
def _planned(count: int, ranks: tuple[int, ...]) -> Plan:
    planning = _Planning(count)
    for one in _network(count, ranks):
        planning.compare(one)
    return planning.done(ranks)


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
