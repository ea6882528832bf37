"""Weighted sums of updates, column by column in registers: `adding.weighted_sum`, compiled."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from swarm_chain.core.merge.compiled.vectors import (
    DOUBLE,
    FLOAT,
    LANES,
    SIZE,
    beyond,
    clamp,
    fetch_early,
    lanes_of,
    load,
    put,
    same,
    spread,
    strict,
)

_AHEAD = 1024
"""Bytes after which a row is asked for, before it is needed."""


def _sum(lanes: int) -> Any:
    """Writes the sum of rows, each times its part, to `lanes` columns of `out`.

    The rows' addresses are at `rows`, their parts at `parts`; the columns are `offset` bytes on in each row.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def add(typing: Any, rows: Any, parts: Any, count: Any, offset: Any, largest: Any, out: Any, at: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            begins, shares, length, start, most, found, column = arguments
            wide = lanes_of(DOUBLE, lanes)
            # A negative zero changes no number that is added to it, not even the sign of a zero.
            total = cgutils.alloca_once_value(builder, same(wide, -0.0))
            with cgutils.for_range(builder, length) as loop:
                place = builder.mul(loop.index, ir.Constant(SIZE, 8))
                row = builder.add(load(builder, builder.add(begins, place), SIZE), start)
                fetch_early(builder, beyond(builder, row, _AHEAD))
                part = spread(builder, load(builder, builder.add(shares, place), DOUBLE), lanes)
                term = builder.fmul(builder.fpext(load(builder, row, lanes_of(FLOAT, lanes)), wide), part)
                builder.store(builder.fadd(builder.load(total), term), total)
            values = clamp(builder, builder.load(total), most)
            put(context, builder, signature.args[5], found, column, values)
            return context.get_dummy_value()

        return types.void(rows, parts, types.int64, types.int64, types.float64, out, types.int64), made

    return add


_sum_of_lanes, _sum_of_one = _sum(LANES), _sum(1)


@strict
def weighted_sum(addresses, start, parts, largest, out):
    """The sum of rows from an element on, each times its part, in order."""
    rows, shares, count = addresses.ctypes.data, parts.ctypes.data, len(addresses)
    whole = len(out) - len(out) % LANES
    for at in range(0, whole, LANES):
        _sum_of_lanes(rows, shares, count, 4 * (start + at), largest, out, at)
    for at in range(whole, len(out)):
        _sum_of_one(rows, shares, count, 4 * (start + at), largest, out, at)
