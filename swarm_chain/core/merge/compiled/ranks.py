"""Medians and trimmed means of updates, or of sums of these, by a sorting network in registers: `sorting`, compiled."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from swarm_chain.core.merge.compiled.vectors import (
    DOUBLE,
    FLOAT,
    LANES,
    clamp,
    lanes_of,
    load,
    put,
    same,
    spread,
    strict,
)
from swarm_chain.core.merge.sorting import middle, plan

_MIXED_SUMS = 16 * 1024
"""What sums of a tile take, however many there are: so it has fewer columns where they are more."""


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, address: Any) -> Any:
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), made


def _mean_of_ranks(element: ir.Type, lanes: int) -> Any:
    """Writes the mean of the middle ranks of rows to `lanes` columns, none of which leaves the registers before.

    The rows begin at `base` + `rows[i]` * `scale`; `kept` is as long as there are ranks to keep. Both are tuples: their
    lengths are part of their types, and what is compiled is one network without a loop, for these.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def mean(
        typing: Any, rows: Any, base: Any, scale: Any, kept: Any, part: Any, largest: Any, out: Any, at: Any
    ) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places, start, factor, _, share, most, found, column = arguments
            begins = [builder.extract_value(places, row) for row in range(len(rows))]
            addresses = [builder.add(start, builder.mul(begin, factor)) for begin in begins]
            values = [load(builder, address, lanes_of(element, lanes)) for address in addresses]
            total = clamp(builder, _added(builder, _sorted(builder, values, len(kept)), share, lanes), most)
            put(context, builder, signature.args[6], found, column, total)
            return context.get_dummy_value()

        return types.void(rows, base, scale, kept, part, largest, out, at), made

    return mean


def _sorted(builder: Any, values: Sequence[Any], kept: int) -> list[Any]:
    held = dict(enumerate(values))
    ranks = middle(len(values), kept)
    planned = plan(len(values), ranks)
    for compare, first, second, into in planned.steps:
        one, other = held[first], held[second]
        is_less = builder.fcmp_ordered("<", one, other)
        higher = compare is np.maximum
        held[into] = builder.select(is_less, other, one) if higher else builder.select(is_less, one, other)
    return [held[planned.found[rank]] for rank in ranks]


def _added(builder: Any, rows: Sequence[Any], part: Any, lanes: int) -> Any:
    """The sum of ranks, whose zeros lose their sign before it, each times a part."""
    wide, total = lanes_of(DOUBLE, lanes), None
    for row in rows:
        exact = row if row.type == wide else builder.fpext(row, wide)
        term = builder.fmul(builder.fadd(exact, same(wide, 0.0)), spread(builder, part, lanes))
        total = term if total is None else builder.fadd(total, term)
    return total


_mean_of_floats, _mean_of_float = (_mean_of_ranks(FLOAT, lanes) for lanes in (LANES, 1))
_mean_of_sums, _mean_of_sum = (_mean_of_ranks(DOUBLE, lanes) for lanes in (LANES // 2, 1))


@strict
def _term(row, part, out):
    for column in range(len(out)):
        out[column] = np.float64(row[column]) * part


@strict
def _add_term(row, part, out):
    for column in range(len(out)):
        out[column] += np.float64(row[column]) * part


def ranked_mean(addresses, start, kept, largest, out):
    """The mean of the middle ranks, as many as `kept` is long."""
    _ranked_mean(tuple(addresses.tolist()), start, kept, largest, out)


@strict
def _ranked_mean(rows, start, kept, largest, out):
    part, whole = 1 / len(kept), len(out) - len(out) % LANES
    for at in range(0, whole, LANES):
        _mean_of_floats(rows, 4 * (start + at), 1, kept, part, largest, out, at)
    for at in range(whole, len(out)):
        _mean_of_float(rows, 4 * (start + at), 1, kept, part, largest, out, at)


@strict
def mixed_ranked_mean(addresses, start, additions, parts, places, kept, largest, out):
    """The same of sums of rows, as `WeightedSums` plans them: row, start or -1, and into, with the parts beside."""
    count, part, lanes = len(places), 1 / len(kept), LANES // 2
    tile = max(1, _MIXED_SUMS // count // lanes) * lanes
    sums = np.empty(max(_MIXED_SUMS, count * tile))[: count * tile].reshape(count, tile)
    for at in range(0, len(out), tile):
        width = min(tile, len(out) - at)
        sums[:] = 0.0
        for number in range(len(additions)):
            row, before, into = additions[number]
            values = carray(_pointer(addresses[row] + 4 * (start + at)), (width,), np.float32)
            if before < 0:
                _term(values, parts[number], sums[into, :width])
                continue
            if before != into:
                sums[into, :width] = sums[before, :width]
            _add_term(values, parts[number], sums[into, :width])
        whole = width - width % lanes
        for column in range(0, whole, lanes):
            _mean_of_sums(places, sums.ctypes.data + 8 * column, 8 * tile, kept, part, largest, out, at + column)
        for column in range(whole, width):
            _mean_of_sum(places, sums.ctypes.data + 8 * column, 8 * tile, kept, part, largest, out, at + column)
