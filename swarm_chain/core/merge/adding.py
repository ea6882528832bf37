"""Adding rows up in float64, in their order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.scratch import Scratch

Row = NDArray[Any]
_SCRATCH = Scratch()


def weighted_sum(rows: Sequence[Row], parts: Sequence[float]) -> Float64:
    """The sum of the rows, each times its part, in order. A row whose part is zero is not looked at.

    It lasts until the same thread adds up again.
    """
    total: Float64 = _SCRATCH.array("total", (len(rows[0]),), np.float64)
    is_empty = True
    for row, part in zip(rows, parts, strict=True):
        if part == 0.0:
            continue
        if is_empty:
            _times(row, part, total)
        else:
            total += _times(row, part, _term(len(row)))
        is_empty = False
    if is_empty:
        total[...] = 0.0
    return total


class WeightedSums:
    """Several sums as `weighted_sum` gives them, of the same rows; what some of them begin with is added up once.

    `additions` has a line for each: the row, the sum that it is added to (-1 where to nothing), and where that goes;
    `parts` is what the row is multiplied by, and `places` where each sum is at the end.
    """

    def __init__(self, parts: Float64) -> None:
        """A row of `parts` for each sum."""
        steps = _Steps(numbers=array("q"), parts=array("d"))
        self.places = tuple(_plan(parts.tolist(), steps))
        self.additions = np.array(steps.numbers).reshape(-1, 3)
        self.parts: Float64 = np.array(steps.parts)
        self._empty = set(self.places) - set(self.additions[:, 2].tolist())

    def of(self, rows: Sequence[Row]) -> list[Float64]:
        """The sums, in their order, some of them perhaps one array. They last until the same thread adds up again."""
        sums: Float64 = _SCRATCH.array("sums", (len(self.places), len(rows[0])), np.float64)
        known: tuple[int, float] | None = None
        for (row, start, into), part in zip(self.additions.tolist(), self.parts.tolist(), strict=True):
            if known != (row, part):
                term, known = _times(rows[row], part, _term(len(rows[0]))), (row, part)
            if start < 0:
                sums[into] = term
            else:
                np.add(sums[start], term, out=sums[into])
        for place in self._empty:
            sums[place] = 0.0
        return [sums[place] for place in self.places]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Steps:
    """Additions, three numbers each, and their parts; there may be hundreds."""

    numbers: array[int]
    parts: array[float]


@dataclass(frozen=True, slots=True)
class _Group:
    """Sums that are the same so far, and where that is; -1 where nothing was added yet."""

    members: tuple[int, ...]
    place: int


def _plan(parts: Sequence[Sequence[float]], steps: _Steps) -> list[int]:
    """In which place each sum is at the end; what to add in which order is written to `steps`."""
    groups, free = [_Group(tuple(range(len(parts))), -1)], list(range(len(parts)))
    for row in range(len(parts[0])):
        after: list[_Group] = []
        for group in groups:
            after += _split(group, [one[row] for one in parts], row, free, steps)
        groups = after
    places = [0] * len(parts)
    for group in groups:
        place = free.pop() if group.place < 0 else group.place
        for member in group.members:
            places[member] = place
    return places


def _split(group: _Group, column: Sequence[float], row: int, free: list[int], steps: _Steps) -> Iterator[_Group]:
    """The groups that one becomes by the next row, whose parts of each sum are `column`."""
    by_part: dict[float, list[int]] = {}
    for member in group.members:
        by_part.setdefault(column[member], []).append(member)
    # Those that go on where the sum is come last: the others start from what it was.
    ordered = sorted(by_part.items(), key=lambda item: item[0] == 0.0)
    for number, (part, members) in enumerate(ordered):
        if part == 0.0:
            yield _Group(tuple(members), group.place)
            continue
        is_last = number == len(ordered) - 1
        into = group.place if is_last and group.place >= 0 else free.pop()
        steps.numbers.extend((row, group.place, into))
        steps.parts.append(part)
        yield _Group(tuple(members), into)


def _times(row: Row, part: float, out: Float64) -> Float64:
    # Casting assignment: every float format is a subset of float64.
    out[...] = row
    out *= part
    return out


def _term(length: int) -> Float64:
    found: Float64 = _SCRATCH.array("term", (length,), np.float64)
    return found
