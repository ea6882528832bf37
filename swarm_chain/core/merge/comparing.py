"""Whether what is compiled gives NumPy's bits on this machine: difficult numbers, merged by both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64, from_float64
from swarm_chain.core.merge.adding import WeightedSums, weighted_sum
from swarm_chain.core.merge.coordinate_median import CoordinateMedian
from swarm_chain.core.merge.gram import CHUNK, products
from swarm_chain.core.merge.kernels import Kernel, Kernels, kernel_of
from swarm_chain.core.merge.mean import Mean
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.rule import Weighing
from swarm_chain.core.merge.trimmed_mean import TrimmedMean
from swarm_chain.core.weights import WeightsFile, encode

_UPDATES = 7
_ELEMENTS = CHUNK + 1500
_PARTS = (0.1, 0.0, 0.25, 0.3, 1 / 7, 1 / 3, 0.05)

Row = NDArray[Any]


def same_bits(compiled: ModuleType) -> bool:
    """Whether all that is compiled gives what NumPy gives."""
    rows = list(_rows())
    files = [WeightsFile(encode({"w": row})) for row in rows]
    kernels = Kernels(compiled, files)
    with Workers(1) as workers, np.errstate(over="ignore", under="ignore"):
        by_numpy, by_kernels = (
            products(files[:-1], files[-1], workers, lambda: None, used) for used in (None, kernels)
        )
        return by_numpy.tobytes() == by_kernels.tobytes() and all(
            _is_same(kernels, kernel, expected) for kernel, expected in _cases(rows)
        )


def _rows() -> Iterator[Row]:
    """Updates and a base: large and small numbers, the largest, the smallest, and zeros of both signs."""
    chance = np.random.Generator(np.random.PCG64(11))
    special = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, 1e-30, 1.0], np.float32)
    for _ in range(_UPDATES + 1):
        row = chance.standard_normal(_ELEMENTS, np.float32)
        row[: CHUNK // 2] *= np.float32(10.0) ** chance.integers(-38, 38, CHUNK // 2)
        row[::9] = chance.choice(special, len(row[::9]))
        yield row


def _cases(rows: Sequence[Row]) -> Iterator[tuple[Kernel | None, Float64]]:
    parts = [*_PARTS, 0.5]
    yield kernel_of(Mean(), Weighing(updates=_PARTS, base=0.5), None, _UPDATES), weighted_sum(rows, parts)
    chance = np.random.Generator(np.random.PCG64(12))
    mixed = WeightedSums(chance.choice([0.0, 0.2, 1 / 3], (_UPDATES, _UPDATES + 1)))
    for rule in (CoordinateMedian(), TrimmedMean(f=1)):
        yield kernel_of(rule, None, None, _UPDATES), rule.combine(rows[:-1], ())  # type: ignore[arg-type]
        yield kernel_of(rule, None, mixed, _UPDATES), rule.combine(mixed.of(rows), ())  # type: ignore[arg-type]


def _is_same(kernels: Kernels, kernel: Kernel | None, expected: Float64) -> bool:
    if kernel is None:
        return False
    exact, rounded = (kernels.merged(kernel, "w", 0, _ELEMENTS, rounded=wanted) for wanted in (False, True))
    if exact is None or rounded is None:
        return False
    nearest = from_float64(expected, DTYPES["F32"])
    return exact.tobytes() == expected.tobytes() and rounded.tobytes() == nearest.tobytes()
