"""What `adding`, `sorting` and `gram` do to float32, compiled by Numba where that is installed: the same bits, sooner.

NumPy goes over a block once for each operation and asks for the interpreter's lock each time; this goes over it once,
in tiles that fit a core's nearest cache or in registers alone, without the lock. Every operation is the one that NumPy
does, in its order. Imported by `kernels` alone, which compares it with NumPy before it is used.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from swarm_chain.core.merge.gram import CHUNK, MANTISSA
from swarm_chain.core.merge.sorting import middle, plan

_TILE = 1024
_PRODUCT_TILE = 512
"""Columns at a time: a dozen rows of them are what the nearest cache holds."""
_BLOCK = 4
"""Rows whose products with as many others are added up at once."""
_LANES = 16
"""Columns that are sorted at once: of float32, the widest register."""
_MIXED_SUMS = 16 * 1024
"""What sums of a tile take, however many there are: so it has fewer columns where they are more."""
_LARGEST = np.float32(np.finfo(np.float32).max)
_LEAST = np.float32(2.0**-100)
_WHOLE = 1.5 * 2.0**52
"""Added and taken away again, it leaves the nearest whole number, ties to even."""
_SIGN = np.int32(0x7FFFFFFF)

_strict = njit(nogil=True, cache=True)


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, address: Any) -> Any:
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), made


# ------------------------------------------------------------------------------------------------------------ the parts


@_strict
def _term(row, part, out):
    for column in range(len(out)):
        out[column] = np.float64(row[column]) * part


@_strict
def _add_term(row, part, out):
    for column in range(len(out)):
        out[column] += np.float64(row[column]) * part


@_strict
def _round(total, largest, out):
    """Writes a sum as it is to float64, and to the nearest float32, beyond the largest of which is that."""
    for column in range(len(out)):
        value = total[column]
        value = largest if value > largest else value
        value = -largest if value < -largest else value
        out[column] = value


# ---------------------------------------------------------------------------------------------------------- the ranks


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
            pointers = [builder.inttoptr(address, _lanes_of(element, lanes).as_pointer()) for address in addresses]
            values = [builder.load(pointer, align=4) for pointer in pointers]
            total = _clamped(builder, _added(builder, _sorted(builder, values, len(kept)), share, lanes), most, lanes)
            array = context.make_array(signature.args[6])(context, builder, found)
            _store(builder, total, builder.gep(array.data, [column]), lanes)
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
    wide, total = _lanes_of(ir.DoubleType(), lanes), None
    for row in rows:
        exact = row if row.type == wide else builder.fpext(row, wide)
        term = builder.fmul(builder.fadd(exact, ir.Constant(wide, [0.0] * lanes)), _spread(builder, part, lanes))
        total = term if total is None else builder.fadd(total, term)
    return total


def _clamped(builder: Any, total: Any, largest: Any, lanes: int) -> Any:
    most = _spread(builder, largest, lanes)
    least = builder.fneg(most)
    total = builder.select(builder.fcmp_ordered(">", total, most), most, total)
    return builder.select(builder.fcmp_ordered("<", total, least), least, total)


def _store(builder: Any, total: Any, place: Any, lanes: int) -> None:
    element = place.type.pointee
    kind = _lanes_of(element, lanes)
    value = total if total.type == kind else builder.fptrunc(total, kind)
    builder.store(value, builder.bitcast(place, kind.as_pointer()), align=4)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    row, index = ir.Constant(_lanes_of(value.type, lanes), ir.Undefined), ir.IntType(32)
    first = builder.insert_element(row, value, ir.Constant(index, 0))
    return builder.shuffle_vector(first, row, ir.Constant(ir.VectorType(index, lanes), [0] * lanes))


def _lanes_of(element: ir.Type, lanes: int) -> ir.VectorType:
    return ir.VectorType(element, lanes)


_mean_of_floats, _mean_of_float = (_mean_of_ranks(ir.FloatType(), lanes) for lanes in (_LANES, 1))
_mean_of_sums, _mean_of_sum = (_mean_of_ranks(ir.DoubleType(), lanes) for lanes in (_LANES // 2, 1))


# ---------------------------------------------------------------------------------------------------------- the kernels


@_strict
def weighted_sum(addresses, start, parts, largest, out):
    """The sum of rows from an element on, each times its part, in order."""
    total = np.empty(_TILE)
    for at in range(0, len(out), _TILE):
        width = min(_TILE, len(out) - at)
        for place in range(len(addresses)):
            row = carray(_pointer(addresses[place] + 4 * (start + at)), (width,), np.float32)
            if place == 0:
                _term(row, parts[place], total[:width])
            else:
                _add_term(row, parts[place], total[:width])
        _round(total[:width], largest, out[at : at + width])


def ranked_mean(addresses, start, kept, largest, out):
    """The mean of the middle ranks, as many as `kept` is long."""
    _ranked_mean(tuple(addresses.tolist()), start, kept, largest, out)


@_strict
def _ranked_mean(rows, start, kept, largest, out):
    part, whole = 1 / len(kept), len(out) - len(out) % _LANES
    for at in range(0, whole, _LANES):
        _mean_of_floats(rows, 4 * (start + at), 1, kept, part, largest, out, at)
    for at in range(whole, len(out)):
        _mean_of_float(rows, 4 * (start + at), 1, kept, part, largest, out, at)


@_strict
def mixed_ranked_mean(addresses, start, additions, parts, places, kept, largest, out):
    """The same of sums of rows, as `WeightedSums` plans them: row, start or -1, and into, with the parts beside."""
    count, part, lanes = len(places), 1 / len(kept), _LANES // 2
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


@_strict
def _largest_difference(update, base):
    # As whole numbers: compilers will not reorder a float's maximum, and numbers without sign compare as their bits.
    found = np.int32(0)
    for column in range(len(update)):
        found = max(found, np.float32(update[column] - base[column]).view(np.int32) & _SIGN)
    return min(np.int32(found).view(np.float32), _LARGEST)


@_strict
def _make_whole(update, base, step, out):
    for column in range(len(update)):
        value = update[column] - base[column]
        value = _LARGEST if value > _LARGEST else value
        value = -_LARGEST if value < -_LARGEST else value
        out[column] = (np.float64(value * step) + _WHOLE) - _WHOLE


@intrinsic  # type: ignore[untyped-decorator]
def _add_block(typing: Any, one: Any, other: Any, total: Any, line: Any) -> Any:
    """Adds the products of a block of rows with each of another, which stay in registers until the tile ends.

    Of whole numbers below 2**53, which no order and no fused operation changes.
    """

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, size = ir.VectorType(ir.DoubleType(), _LANES // 2), ir.IntType(64)
        zero = ir.Constant(kind, [0.0] * kind.count)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(_BLOCK)] for _ in range(_BLOCK)]
        with cgutils.for_range(builder, ir.Constant(size, _PRODUCT_TILE // kind.count)) as loop:
            offset = builder.mul(loop.index, ir.Constant(size, 8 * kind.count))
            left, right = (
                [
                    _loaded(
                        builder,
                        builder.add(builder.add(rows, offset), ir.Constant(size, row * 8 * _PRODUCT_TILE)),
                        kind,
                    )
                    for row in range(_BLOCK)
                ]
                for rows in arguments[:2]
            )
            for row, value in zip(sums, left, strict=True):
                for place, factor in zip(row, right, strict=True):
                    term = builder.fmul(value, factor, flags=("contract",))
                    builder.store(builder.fadd(builder.load(place), term, flags=("contract",)), place)
        for number, row in enumerate(sums):
            for column, place in enumerate(row):
                start = builder.add(arguments[2], builder.mul(arguments[3], ir.Constant(size, number)))
                address = builder.add(start, ir.Constant(size, 8 * column))
                _add_lanes(builder, builder.load(place), address)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), made


def _loaded(builder: Any, address: Any, kind: ir.Type) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=4)


def _add_lanes(builder: Any, values: Any, address: Any) -> None:
    pointer = builder.inttoptr(address, ir.DoubleType().as_pointer())
    total = builder.load(pointer)
    for lane in range(values.type.count):
        total = builder.fadd(total, builder.extract_element(values, ir.Constant(ir.IntType(32), lane)))
    builder.store(total, pointer)


@_strict
def _add_products(rows, total):
    """Adds each row's products with itself and those below, and some with those above."""
    count = len(rows)
    values, found = rows.ctypes.data, total.ctypes.data
    for first in range(0, count, _BLOCK):
        for second in range(first, count, _BLOCK):
            one, other = values + first * 8 * _PRODUCT_TILE, values + second * 8 * _PRODUCT_TILE
            _add_block(one, other, found + 8 * (first * count + second), 8 * count)


@_strict
def products(addresses, base, start, stop, out):
    """The products of each chunk of updates minus the base, as `gram` has them."""
    count = len(addresses)
    padded = -(-count // _BLOCK) * _BLOCK
    rows, total = np.zeros((padded, _PRODUCT_TILE)), np.empty((padded, padded))
    steps, scales = np.empty(count, np.float32), np.empty(count)
    for chunk in range(len(out)):
        at = start + chunk * CHUNK
        length, bits, found = min(CHUNK, stop - at), MANTISSA, out[chunk]
        while (1 << (MANTISSA - bits)) < length:
            bits -= 1
        bits //= 2
        for place in range(count):
            update = carray(_pointer(addresses[place] + 4 * at), (length,), np.float32)
            largest = _largest_difference(update, carray(_pointer(base + 4 * at), (length,), np.float32))
            exponent = math.frexp(np.float64(largest))[1]
            counts = largest >= _LEAST
            steps[place] = math.ldexp(1.0, bits - exponent) if counts else 0.0
            scales[place] = math.ldexp(1.0, exponent - bits) if counts else 0.0
        total[:] = 0.0
        for offset in range(0, length, _PRODUCT_TILE):
            width = min(_PRODUCT_TILE, length - offset)
            reference = carray(_pointer(base + 4 * (at + offset)), (width,), np.float32)
            for place in range(count):
                update = carray(_pointer(addresses[place] + 4 * (at + offset)), (width,), np.float32)
                _make_whole(update, reference, steps[place], rows[place, :width])
                rows[place, width:] = 0.0
            _add_products(rows, total)
        for first in range(count):
            for second in range(first, count):
                found[first, second] = (total[first, second] * scales[first]) * scales[second]
                found[second, first] = found[first, second]
