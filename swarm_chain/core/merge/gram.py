"""The products of the updates minus the base, each with each, in one pass over the files.

They decide which updates count, so they are the same on every machine. In each run of `CHUNK` elements every update's
differences become whole numbers, as parts of a power of two above the largest of them; so few bits that all products
and all their sums are whole numbers below 2**53, which float64 holds exactly. Then no order of additions and no fused
operation can change a bit, and BLAS may do the work. The runs' products are added in the runs' order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.releasing import BY_NUMPY, COMPILED, Releasing
from swarm_chain.core.merge.scratch import Scratch
from swarm_chain.core.weights import Specs, WeightsFile, blocks

CHUNK = 8192
"""Elements of one tensor that share a scale. Another number gives other bits."""
_WIDTHS = (512, 256, 128, 64)
_SMALL_PRODUCT = 1 << 18
"""Multiplications of a matrix product up to which OpenBLAS stays in the thread that asks for it."""
_BYTES = 1024 * 1024
"""What is read of all updates at a time."""
_COMPILED_BYTES = 4 * _BYTES
"""The same for compiled code: with less, what Python does for each would be felt."""
_PIECE = 320 * 1024
MANTISSA = 53
"""Bits below which float64 holds every whole number."""
# Beyond these, numbers are cut or count as zero: their squares and the sums of these must be numbers.
_LARGEST = {np.dtype(np.float32): float(np.finfo(np.float32).max), np.dtype(np.float64): 2.0**480}
_LEAST = {np.dtype(np.float32): 2.0**-100, np.dtype(np.float64): 2.0**-480}


@dataclass(frozen=True, slots=True)
class _Span:
    """Some whole chunks of a tensor; the tensor's last may be shorter."""

    name: str
    start: int
    stop: int


def products(
    files: Sequence[WeightsFile],
    base: WeightsFile,
    workers: Workers,
    release: Callable[[], None],
    compiled: Compiled | None = None,
) -> Float64:
    """A matrix: row and column an update, in their order. Integer and boolean tensors do not count.

    `release` is called now and then, when what was read before is not needed any more.
    """
    total: Float64 = np.zeros((len(files), len(files)))
    scratch, size = Scratch(), 4 * CHUNK * (len(files) + 1)
    at_once = _BYTES if compiled is None else _COMPILED_BYTES
    most = BY_NUMPY if compiled is None else COMPILED
    releasing = Releasing(release, most=most, files=len(files) + 1, ahead=workers.count * max(size, at_once))

    def of_span(span: _Span) -> Float64:
        found = _of_span(files, base, scratch, compiled, span)
        releasing.read(len(found) * size)
        return found

    for parts in workers.in_order(of_span, _spans(base.specs, size, compiled)):
        for part in parts:
            total += part
    return total


def _spans(specs: Specs, size: int, compiled: Compiled | None) -> Iterator[_Span]:
    """What is taken at a time, of tensors of numbers; a chunk is `size` bytes in all updates."""
    for spec in specs:
        if DTYPES[spec.dtype].is_float:
            at_once = _BYTES if compiled is None or not compiled.takes(spec.name) else _COMPILED_BYTES
            for start, stop in blocks(spec.count, CHUNK * max(1, at_once // size)):
                yield _Span(spec.name, start, stop)


class Compiled(Protocol):
    """What finds the products of each chunk of a span without NumPy, of the tensors that it takes."""

    def takes(self, name: str) -> bool: ...

    def products(self, name: str, start: int, stop: int) -> Float64: ...


def _of_span(
    files: Sequence[WeightsFile], base: WeightsFile, scratch: Scratch, compiled: Compiled | None, span: _Span
) -> Float64:
    """The products of each chunk."""
    if compiled is not None and compiled.takes(span.name):
        return compiled.products(span.name, span.start, span.stop)
    differences, lengths = _differences(files, base, span, scratch)
    bits = [(MANTISSA - max(length - 1, 0).bit_length()) // 2 for length in lengths]
    scales = _make_whole(differences, np.array(bits))
    exact = np.array([_exact_products(differences[:, chunk], scratch) for chunk in range(len(lengths))])
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


def _make_whole(differences: NDArray[Any], bits: NDArray[np.int64]) -> Float64:
    """What one is worth, once the differences are whole numbers of at most so many bits: by update and chunk."""
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
    return scales


def _width(count: int) -> int:
    """Elements of a row that are multiplied at a time: so few that BLAS needs neither threads nor memory of its own."""
    return next((width for width in _WIDTHS if count * (count + 1) * width <= _SMALL_PRODUCT), _WIDTHS[-1])


def _exact_products(chunk: NDArray[Any], scratch: Scratch) -> Float64:
    """The products of rows of whole numbers with each other: whole numbers, and so exact in any order."""
    count, width = len(chunk), _width(len(chunk))
    pieces = max(1, min(CHUNK // width, _PIECE // (8 * (count + 1) * (width + count))))
    # BLAS is quick where a piece lies in one place, and where the two sides are not the same: a row of zeros is below.
    whole: Float64 = scratch.array("whole", (pieces, count + 1, width), np.float64)
    whole[:, -1] = 0.0
    rows = chunk.reshape(count, -1, width).transpose(1, 0, 2)
    total: Float64 = np.zeros((count, count))
    for start in range(0, len(rows), pieces):
        some = rows[start : start + pieces]
        part = whole[: len(some)]
        part[:, :-1] = some
        total += np.matmul(part[:, :-1], part.transpose(0, 2, 1)).sum(axis=0)[:, :count]
    return total
