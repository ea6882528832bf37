"""Whether what is compiled gives NumPy's bits on this machine: difficult numbers, merged by both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64, from_float64
from swarm_chain.core.merge.adding import WeightedSums, weighted_sum
from swarm_chain.core.merge.gram import CHUNK, products
from swarm_chain.core.merge.kernels import Kernel, Kernels, kernel_of
from swarm_chain.core.merge.mean import Mean
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import Weighing
from swarm_chain.core.weights import WeightsFile, encode

_UPDATES = 7
_ELEMENTS = CHUNK + 1500
_PARTS = (0.1, 0.0, 0.25, 0.3, 1 / 7, 1 / 3, 0.05)

Row = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class _Ranks(RankedRule):
    kept: tuple[int, ...]

    def ranks(self, count: int) -> tuple[int, ...]:
        return self.kept


def same_bits(compiled: ModuleType) -> bool:
    """Whether what is compiled for any number of updates gives what NumPy gives."""
    rows = list(_rows(_UPDATES + 1))
    files = [WeightsFile(encode({"w": row})) for row in rows]
    kernels = Kernels(compiled, files)
    with Workers(1) as workers, np.errstate(over="ignore", under="ignore"):
        by_numpy, by_kernels = (
            products(files[:-1], files[-1], workers, lambda: None, used) for used in (None, kernels)
        )
        weighing = kernel_of(Mean(), Weighing(updates=_PARTS, base=0.5), None, _UPDATES)
        expected = weighted_sum(rows, [*_PARTS, 0.5])
        return by_numpy.tobytes() == by_kernels.tobytes() and all(
            _is_same(kernels, weighing, expected, rounded=rounded) for rounded in (False, True)
        )


def same_ranks(compiled: ModuleType, count: int, ranks: tuple[int, ...], *, mixed: bool, rounded: bool) -> bool:
    """Whether the network that is compiled for these ranks of so many updates does."""
    rows, chance = list(_rows(count + 1)), np.random.Generator(np.random.PCG64(12))
    kernels = Kernels(compiled, [WeightsFile(encode({"w": row})) for row in rows])
    sums = WeightedSums(chance.choice([0.0, 0.2, 1 / 3], (count, count + 1))) if mixed else None
    rule = _Ranks(kept=ranks)
    with np.errstate(over="ignore", under="ignore"):
        expected = rule.combine(rows[:-1] if sums is None else sums.of(rows), ())  # type: ignore[arg-type]
        return _is_same(kernels, kernel_of(rule, None, sums, count), expected, rounded=rounded)


def _rows(count: int) -> Iterator[Row]:
    """Updates and a base: large and small numbers, the largest, the smallest, and zeros of both signs."""
    chance = np.random.Generator(np.random.PCG64(11))
    special = np.array([0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, 1e-30, 1.0], np.float32)
    for _ in range(count):
        row = chance.standard_normal(_ELEMENTS, np.float32)
        row[: CHUNK // 2] *= np.float32(10.0) ** chance.integers(-38, 38, CHUNK // 2)
        row[::9] = chance.choice(special, len(row[::9]))
        yield row


def _is_same(kernels: Kernels, kernel: Kernel | None, expected: Float64, *, rounded: bool) -> bool:
    wanted = from_float64(expected, DTYPES["F32"]) if rounded else expected
    if kernel is None or not kernels.takes("w"):
        return False
    found = np.empty_like(wanted)
    kernels.merge(kernel, "w", 0, found)
    return found.tobytes() == wanted.tobytes()
