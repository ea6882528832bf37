"""The products of updates minus the base, each with each: `gram`, compiled."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from swarm_chain.core.merge.compiled.vectors import (
    DOUBLE,
    FLOAT,
    INT,
    LANES,
    SIZE,
    beyond,
    clamp,
    fetch_early,
    has_wide_registers,
    lanes_of,
    load,
    same,
    spread,
    store,
    strict,
)
from swarm_chain.core.merge.gram import CHUNK, MANTISSA

_TILE = 5 * 1024
"""Numbers of a tile: what the nearest cache holds. Where there are more rows it has fewer columns."""
_LEAST_TILE = 128
"""Columns of a tile for which it pays to fetch the sums of all products, and to put them back."""
_SIDE, _SUMS = (5, 8) if has_wide_registers() else (3, 4)
"""Rows whose products with as many others are added up at once, and sums of each: what the registers hold."""
_LARGEST = np.float32(np.finfo(np.float32).max)
_LEAST = np.float32(2.0**-100)
_WHOLE = 1.5 * 2.0**52
"""Added and taken away again, it leaves the nearest whole number, ties to even."""


def _difference(builder: Any, update: Any, base: Any, lanes: int) -> Any:
    kind = lanes_of(FLOAT, lanes)
    return builder.fsub(load(builder, update, kind), load(builder, base, kind))


def _largest_difference(lanes: int) -> Any:
    """The largest of some differences without their signs, as bits: these are in the same order as the numbers.

    Of `count` columns, a multiple of `lanes`.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def find(typing: Any, update: Any, base: Any, count: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = lanes_of(INT, lanes)
            found = cgutils.alloca_once_value(builder, same(kind, 0))
            with cgutils.for_range(builder, builder.udiv(arguments[2], ir.Constant(SIZE, lanes))) as loop:
                offset = builder.mul(loop.index, ir.Constant(SIZE, 4 * lanes))
                update, base = (builder.add(address, offset) for address in arguments[:2])
                bits = builder.bitcast(_difference(builder, update, base, lanes), kind)
                positive, known = builder.and_(bits, same(kind, 0x7FFFFFFF)), builder.load(found)
                larger = builder.icmp_signed(">", positive, known)
                builder.store(builder.select(larger, positive, known), found)
            values = builder.load(found)
            largest = builder.extract_element(values, ir.Constant(INT, 0))
            for lane in range(1, lanes):
                other = builder.extract_element(values, ir.Constant(INT, lane))
                largest = builder.select(builder.icmp_signed(">", other, largest), other, largest)
            return largest

        return types.int32(types.int64, types.int64, types.int64), made

    return find


def _make_whole(lanes: int) -> Any:
    """Writes differences times a step as whole numbers to `out`, of `count` columns, a multiple of `lanes`."""

    @intrinsic  # type: ignore[untyped-decorator]
    def make(typing: Any, update: Any, base: Any, step: Any, out: Any, count: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            largest, whole = ir.Constant(FLOAT, float(_LARGEST)), same(lanes_of(DOUBLE, lanes), _WHOLE)
            with cgutils.for_range(builder, builder.udiv(arguments[4], ir.Constant(SIZE, lanes))) as loop:
                offset = builder.mul(loop.index, ir.Constant(SIZE, 4 * lanes))
                update, base = (builder.add(address, offset) for address in arguments[:2])
                if lanes > 1:
                    # What the next chunk has here: it comes while this one is multiplied.
                    fetch_early(builder, beyond(builder, update, 4 * CHUNK))
                values = clamp(builder, _difference(builder, update, base, lanes), largest)
                values = builder.fmul(values, spread(builder, arguments[2], lanes))
                exact = builder.fpext(values, lanes_of(DOUBLE, lanes))
                place = builder.add(arguments[3], builder.mul(offset, ir.Constant(SIZE, 2)))
                store(builder, builder.fsub(builder.fadd(exact, whole), whole), place)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.float32, types.int64, types.int64), made

    return make


def _add_products(*, triangle: bool) -> Any:
    """Adds products of some rows with others to `sums`, or of rows with themselves and those below.

    They stay in registers until the tile ends. Rows of `width` columns follow each other, and are whole numbers: no
    order and no fused operation changes sums of such below 2**53. Each product has several sums; a line of them is
    `line` bytes.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def add(typing: Any, rows: Any, others: Any, width: Any, sums: Any, line: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows, others, width, sums, line = arguments
            kind = lanes_of(DOUBLE, _SUMS)
            places = [(row, other) for other in range(_SIDE) for row in range(other + 1 if triangle else _SIDE)]
            addresses = {
                (row, other): beyond(
                    builder,
                    builder.add(sums, builder.mul(line, ir.Constant(SIZE, row))),
                    8 * _SUMS * other,
                )
                for row, other in places
            }
            totals = {
                place: cgutils.alloca_once_value(builder, load(builder, addresses[place], kind)) for place in places
            }
            with cgutils.for_range(builder, builder.udiv(width, ir.Constant(SIZE, _SUMS))) as loop:
                offset = builder.mul(loop.index, ir.Constant(SIZE, 8 * _SUMS))
                left, right = (_column(builder, builder.add(begin, offset), width, kind) for begin in (rows, others))
                for row, other in places:
                    term = builder.fmul(left[row], right[other], flags=("contract",))
                    total = builder.load(totals[row, other])
                    builder.store(builder.fadd(total, term, flags=("contract",)), totals[row, other])
            for place in places:
                store(builder, builder.load(totals[place]), addresses[place])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, types.int64, types.int64), made

    return add


def _column(builder: Any, begin: Any, width: Any, kind: ir.Type) -> list[Any]:
    """Some numbers of each row, which follow each other."""
    row = builder.mul(width, ir.Constant(SIZE, 8))
    return [
        load(builder, builder.add(begin, builder.mul(row, ir.Constant(SIZE, number))), kind) for number in range(_SIDE)
    ]


_largest_of_lanes, _largest_of_one = _largest_difference(LANES), _largest_difference(1)
_whole_lanes, _whole_one = _make_whole(LANES), _make_whole(1)
_add_square, _add_triangle = _add_products(triangle=False), _add_products(triangle=True)


@strict
def _largest(update, base, length):
    whole = length - length % LANES
    bits = _largest_of_lanes(update, base, whole)
    bits = max(bits, _largest_of_one(update + 4 * whole, base + 4 * whole, length - whole))
    return min(np.int32(bits).view(np.float32), _LARGEST)


@strict
def _put_whole(update, base, step, out, length):
    whole = length - length % LANES
    _whole_lanes(update, base, step, out, whole)
    _whole_one(update + 4 * whole, base + 4 * whole, step, out + 8 * whole, length - whole)


@strict
def _add_tile(rows, sums):
    """Adds each row's products with itself and those below, and some with those above."""
    count, width = rows.shape
    line = 8 * _SUMS * count
    for first in range(0, count, _SIDE):
        one, place = rows.ctypes.data + 8 * width * first, sums.ctypes.data + first * (line + 8 * _SUMS)
        _add_triangle(one, one, width, place, line)
        for second in range(first + _SIDE, count, _SIDE):
            _add_square(one, one + 8 * width * (second - first), width, place + 8 * _SUMS * (second - first), line)


@strict
def products(addresses, base, start, stop, out):
    """The products of each chunk of updates minus the base, as `gram` has them."""
    count = len(addresses)
    padded = -(-count // _SIDE) * _SIDE
    tile = max(_LEAST_TILE, _TILE // padded // LANES * LANES)
    rows, sums = np.zeros((padded, tile)), np.empty((padded, padded, _SUMS))
    steps, scales = np.empty(count, np.float32), np.empty(count)
    for chunk in range(len(out)):
        at = start + chunk * CHUNK
        length, bits, found = min(CHUNK, stop - at), MANTISSA, out[chunk]
        while (1 << (MANTISSA - bits)) < length:
            bits -= 1
        bits //= 2
        for place in range(count):
            largest = _largest(addresses[place] + 4 * at, base + 4 * at, length)
            exponent = math.frexp(np.float64(largest))[1]
            counts = largest >= _LEAST
            steps[place] = math.ldexp(1.0, bits - exponent) if counts else 0.0
            scales[place] = math.ldexp(1.0, exponent - bits) if counts else 0.0
        sums[:] = 0.0
        for offset in range(0, length, tile):
            width, begin = min(tile, length - offset), 4 * (at + offset)
            for place in range(count):
                _put_whole(addresses[place] + begin, base + begin, steps[place], rows[place].ctypes.data, width)
                rows[place, width:] = 0.0
            _add_tile(rows, sums)
        for first in range(count):
            for second in range(first, count):
                found[first, second] = (sums[first, second].sum() * scales[first]) * scales[second]
                found[second, first] = found[first, second]
