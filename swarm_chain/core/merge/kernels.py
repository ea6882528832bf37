"""Merging by `compiled`: what it is given for a rule, and where the updates lie.

It works on float32 that lies in memory as float32 does; what else there is, NumPy merges. It gets addresses, not
arrays: what a block costs besides its numbers is a few microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64
from swarm_chain.core.merge.adding import WeightedSums
from swarm_chain.core.merge.gram import CHUNK
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import MergeRule, Weighing
from swarm_chain.core.merge.sorting import middle
from swarm_chain.core.weights import WeightsFile

_MOST_RANKED = 128
"""Updates up to which a network for just so many is compiled: it takes a second or two, once on a machine."""
_LARGEST = float(np.finfo(np.float32).max)

Ints = NDArray[np.int64]
Kernel = tuple[str, tuple[Any, ...], tuple[int, ...]]
"""The name of what merges blocks, what it is given, and the places of the files that it reads."""


class Kernels:
    """What is compiled, for the files of one merge, the base last."""

    def __init__(self, compiled: ModuleType, files: Sequence[WeightsFile]) -> None:
        self.compiled, self._files = compiled, files
        placed = {spec.name: _addresses(spec.name, files) for spec in files[0].specs if spec.dtype == "F32"}
        self._addresses = {name: addresses for name, addresses in placed.items() if addresses is not None}

    @property
    def count(self) -> int:
        """How many updates there are."""
        return len(self._files) - 1

    def takes(self, name: str) -> bool:
        """Whether a tensor is float32, and lies where float32 does."""
        return name in self._addresses

    def products(self, name: str, start: int, stop: int) -> Float64:
        """The products of each chunk of some elements, as `gram` has them, of a tensor that it takes."""
        addresses = self._addresses[name]
        found: Float64 = np.empty((-(-(stop - start) // CHUNK), self.count, self.count))
        self.compiled.products(addresses[:-1], addresses[-1], start, stop, found)
        return found

    def merge(self, kernel: Kernel, name: str, start: int, out: NDArray[Any]) -> None:
        """Writes some elements of a result to `out`, of float64 or rounded to float32, of a tensor that it takes."""
        which, given, places = kernel
        largest = _LARGEST if out.dtype.itemsize == 4 else np.inf
        getattr(self.compiled, which)(self._addresses[name][list(places)], start, *given, largest, out)


def _addresses(name: str, files: Sequence[WeightsFile]) -> Ints | None:
    """Where each file's tensor begins; None where that is no place for a float."""
    found = [file.array(name).ctypes.data for file in files]
    return None if any(place % DTYPES["F32"].size for place in found) else np.array(found, np.int64)


def kernel_of(rule: MergeRule, weighing: Weighing | None, mixed: WeightedSums | None, count: int) -> Kernel | None:
    """What merges blocks as a rule does; None where nothing here does."""
    if weighing is not None:
        parts = [*weighing.updates, weighing.base]
        places = tuple(place for place, part in enumerate(parts) if part != 0.0)
        return ("weighted_sum", (np.array([parts[place] for place in places]),), places) if places else None
    if not isinstance(rule, RankedRule) or type(rule).combine is not RankedRule.combine:
        return None
    ranks = tuple(rule.ranks(count))
    kept = (0,) * len(ranks)
    if count > _MOST_RANKED or ranks != middle(count, len(ranks)):
        return None
    if mixed is None:
        return "ranked_mean", (kept,), tuple(range(count))
    given = (mixed.additions, mixed.parts, mixed.places, kept)
    return "mixed_ranked_mean", given, tuple(range(count + 1))
