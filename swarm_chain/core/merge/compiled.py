"""What `adding`, `sorting` and `gram` do to float32, compiled by Numba where that is installed: the same bits, sooner.

NumPy goes over a block once for each operation and asks for the interpreter's lock each time; this goes over it once,
in tiles that fit a core's nearest cache, without the lock. Every operation is the one that NumPy does, in its order.
Imported by `kernels` alone, which compares it with NumPy before it is used.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from swarm_chain.core.merge.gram import CHUNK, MANTISSA

_TILE = 1024
_PRODUCT_TILE = 512
"""Columns at a time: a dozen rows of them are what the nearest cache holds."""
_RANKED_BYTES = 64 * 1024
_MIXED_BYTES = 128 * 1024
"""What rows of a tile take, however many there are: so it has fewer columns where they are more."""
_LARGEST = np.float32(np.finfo(np.float32).max)
_LEAST = np.float32(2.0**-100)
_WHOLE = 1.5 * 2.0**52
"""Added and taken away again, it leaves the nearest whole number, ties to even."""
_SIGN = np.int32(0x7FFFFFFF)

_strict = njit(nogil=True, cache=True)
_exact = njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
"""For sums of whole numbers below 2**53, which no order and no fused operation changes."""


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, address: Any) -> Any:
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), made


# ------------------------------------------------------------------------------------------------------------ the parts


@_strict
def _lower(one, other, out):
    for column in range(len(out)):
        a, b = one[column], other[column]
        out[column] = a if a < b else b


@_strict
def _higher(one, other, out):
    for column in range(len(out)):
        a, b = one[column], other[column]
        out[column] = b if a < b else a


@_strict
def _term(row, part, out):
    for column in range(len(out)):
        out[column] = np.float64(row[column]) * part


@_strict
def _add_term(row, part, out):
    for column in range(len(out)):
        out[column] += np.float64(row[column]) * part


@_strict
def _add_ranks(own, found, part, total):
    """The sum of rows of ranks, whose zeros lose their sign before it, each times a part."""
    for place in range(len(found)):
        row = own[found[place]]
        for column in range(len(total)):
            value = (np.float64(row[column]) + 0.0) * part
            total[column] = value if place == 0 else total[column] + value


@_strict
def _round(total, largest, out):
    """Writes a sum as it is to float64, and to the nearest float32, beyond the largest of which is that."""
    for column in range(len(out)):
        value = total[column]
        value = largest if value > largest else value
        value = -largest if value < -largest else value
        out[column] = value


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


@_strict
def ranked_mean(addresses, start, steps, found, own, largest, out):
    """The mean of the ranks that a plan of `sorting` finds; `own` is how many rows that takes."""
    count, part, tile = len(addresses), 1 / len(found), max(16, _RANKED_BYTES // (4 * own + 8))
    rows, total = np.empty((own, tile), np.float32), np.empty(tile)
    for at in range(0, len(out), tile):
        width = min(tile, len(out) - at)
        for step in range(len(steps)):
            higher, first, second, into = steps[step]
            one, other = rows[max(first - count, 0), :width], rows[max(second - count, 0), :width]
            if first < count:
                one = carray(_pointer(addresses[first] + 4 * (start + at)), (width,), np.float32)
            if second < count:
                other = carray(_pointer(addresses[second] + 4 * (start + at)), (width,), np.float32)
            if higher:
                _higher(one, other, rows[into - count, :width])
            else:
                _lower(one, other, rows[into - count, :width])
        _add_ranks(rows[:, :width], found, part, total[:width])
        _round(total[:width], largest, out[at : at + width])


@_strict
def mixed_ranked_mean(addresses, start, additions, parts, places, steps, found, own, largest, out):
    """The same of sums of rows, as `WeightedSums` plans them: row, start or -1, and into, with the parts beside."""
    count, part, tile = len(places), 1 / len(found), max(16, _MIXED_BYTES // (8 * (len(places) + own + 1)))
    sums, rows, total = np.empty((count, tile)), np.empty((own, tile)), np.empty(tile)
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
        for step in range(len(steps)):
            higher, first, second, into = steps[step]
            one = sums[places[first], :width] if first < count else rows[first - count, :width]
            other = sums[places[second], :width] if second < count else rows[second - count, :width]
            if higher:
                _higher(one, other, rows[into - count, :width])
            else:
                _lower(one, other, rows[into - count, :width])
        _add_ranks(rows[:, :width], found, part, total[:width])
        _round(total[:width], largest, out[at : at + width])


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


@_exact
def _add_products(rows, width, total):
    """Adds each row's products with itself and those below; four at a time, so that a number is read once for four."""
    count = len(rows)
    for first in range(count):
        second = first
        while second + 4 <= count:
            a = b = c = d = 0.0
            for column in range(width):
                value = rows[first, column]
                a += value * rows[second, column]
                b += value * rows[second + 1, column]
                c += value * rows[second + 2, column]
                d += value * rows[second + 3, column]
            total[first, second] += a
            total[first, second + 1] += b
            total[first, second + 2] += c
            total[first, second + 3] += d
            second += 4
        while second < count:
            a = 0.0
            for column in range(width):
                a += rows[first, column] * rows[second, column]
            total[first, second] += a
            second += 1


@_strict
def products(addresses, base, start, stop, out):
    """The products of each chunk of updates minus the base, as `gram` has them."""
    count = len(addresses)
    rows, steps, scales = np.empty((count, _PRODUCT_TILE)), np.empty(count, np.float32), np.empty(count)
    for chunk in range(len(out)):
        at = start + chunk * CHUNK
        length, bits, total = min(CHUNK, stop - at), MANTISSA, out[chunk]
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
            _add_products(rows, width, total)
        for first in range(count):
            for second in range(first, count):
                total[first, second] = (total[first, second] * scales[first]) * scales[second]
                total[second, first] = total[first, second]
