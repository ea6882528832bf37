"""The products of the updates minus the base, each with each, in one pass over the files.

They decide which updates count, so they are the same on every machine. In each run of `CHUNK` elements every update's
differences become whole numbers, as parts of a power of two above the largest of them; so few bits that all products
and all their sums are whole numbers below 2**53, which float64 holds exactly. Then no order of additions and no fused
operation can change a bit, and BLAS may do the work. The runs' products are added in the runs' order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.scratch import Scratch
from swarm_chain.core.weights import Specs, WeightsFile

CHUNK = 8192
"""Elements of one tensor that share a scale. Another number gives other bits."""
_WIDTHS = (256, 128, 64)
_SMALL_PRODUCT = 1 << 18
"""Multiplications of a matrix product up to which OpenBLAS stays in the thread that asks for it."""
_BYTES = 1024 * 1024
_RELEASED_BYTES = 16 * 1024 * 1024
_MANTISSA = 53
# Beyond these, numbers are cut or count as zero: their squares and the sums of these must be numbers.
_LARGEST = {np.dtype(np.float32): float(np.finfo(np.float32).max), np.dtype(np.float64): 2.0**480}
_LEAST = {np.dtype(np.float32): 2.0**-100, np.dtype(np.float64): 2.0**-480}


@dataclass(frozen=True, slots=True)
class _Span:
    """Some whole chunks of a tensor; the tensor's last may be shorter."""

    name: str
    start: int
    stop: int


def products(files: Sequence[WeightsFile], base: WeightsFile, workers: Workers, release: Callable[[], None]) -> Float64:
    """A matrix: row and column an update, in their order. Integer and boolean tensors do not count.

    `release` is called now and then, when what was read before is not needed any more.
    """
    total: Float64 = np.zeros((len(files), len(files)))
    read, scratch = 0, Scratch()
    for parts in workers.in_order(lambda span: _of_span(files, base, span, scratch), _spans(base.specs, len(files))):
        for part in parts:
            total += part
        read += 4 * CHUNK * len(parts) * len(files)
        if read >= _RELEASED_BYTES:
            release()
            read = 0
    return total


def _spans(specs: Specs, count: int) -> Iterator[_Span]:
    step = CHUNK * max(1, _BYTES // (12 * CHUNK * count))
    for spec in specs:
        if DTYPES[spec.dtype].is_float:
            for start in range(0, spec.count, step):
                yield _Span(spec.name, start, min(start + step, spec.count))


def _of_span(files: Sequence[WeightsFile], base: WeightsFile, span: _Span, scratch: Scratch) -> Float64:
    """The products of each chunk."""
    differences, lengths = _differences(files, base, span, scratch)
    bits = [(_MANTISSA - max(length - 1, 0).bit_length()) // 2 for length in lengths]
    whole, scales = _whole_numbers(differences, np.array(bits), scratch)
    exact = _exact_products(whole)
    found: Float64 = (exact * scales.T[:, :, None]) * scales.T[:, None, :]
    return found


def _differences(
    files: Sequence[WeightsFile], base: WeightsFile, span: _Span, scratch: Scratch
) -> tuple[NDArray[Any], list[int]]:
    """Update minus base by update, chunk and element, zeros at a chunk's unused end; and the chunks' lengths."""
    length = span.stop - span.start
    chunks = -(-length // CHUNK)
    start = base.block(span.name, span.start, span.stop)
    working = np.dtype(np.float64 if start.dtype.itemsize == 8 else np.float32)
    found = scratch.array("differences", (len(files), chunks * CHUNK), working)
    found[:, length:] = 0
    reference = start.astype(working, copy=False)
    with np.errstate(over="ignore", under="ignore"):
        for row, file in zip(found, files, strict=True):
            update = file.block(span.name, span.start, span.stop).astype(working, copy=False)
            np.subtract(update, reference, out=row[:length])
    return found.reshape(len(files), chunks, CHUNK), [min(CHUNK, length - at) for at in range(0, length, CHUNK)]


def _whole_numbers(differences: NDArray[Any], bits: NDArray[np.int64], scratch: Scratch) -> tuple[Float64, Float64]:
    """The differences as whole numbers of at most so many bits, with a row of zeros below; and what one is worth."""
    working = differences.dtype
    largest = np.maximum(differences.max(axis=2), -differences.min(axis=2))
    if (largest > _LARGEST[working]).any():
        np.clip(differences, -_LARGEST[working], _LARGEST[working], out=differences)
        largest = np.minimum(largest, working.type(_LARGEST[working]))
    exponents = np.frexp(largest)[1].astype(np.int64)
    counts = largest >= _LEAST[working]
    steps = np.where(counts, np.ldexp(1.0, np.where(counts, bits - exponents, 0)), 0.0)
    scales: Float64 = np.where(counts, np.ldexp(1.0, np.where(counts, exponents - bits, 0)), 0.0)
    with np.errstate(under="ignore"):
        differences *= steps[:, :, None].astype(working)
    np.rint(differences, out=differences)
    whole = scratch.array("whole", (differences.shape[0] + 1, *differences.shape[1:]), np.float64)
    whole[:-1] = differences
    whole[-1] = 0.0
    return whole, scales


def _width(count: int) -> int:
    """Elements of a row that are multiplied at a time: so few that BLAS needs neither threads nor memory of its own."""
    return next((width for width in _WIDTHS if count * (count + 1) * width <= _SMALL_PRODUCT), CHUNK)


def _exact_products(whole: Float64) -> Float64:
    """By chunk, the products of all rows but the last with each other: whole numbers, and so exact in any order."""
    count, chunks = whole.shape[0] - 1, whole.shape[1]
    # BLAS is quick where the two sides are not the same.
    width = _width(count)
    pieces = whole.reshape(count + 1, chunks * CHUNK // width, width)
    found = np.matmul(pieces[:count].transpose(1, 0, 2), pieces.transpose(1, 2, 0))
    by_chunk: Float64 = found.reshape(chunks, CHUNK // width, count, count + 1).sum(axis=1)[:, :, :count]
    return by_chunk
