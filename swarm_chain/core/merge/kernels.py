"""Merging by `compiled` where that pays: where Numba is installed, for large models, once it was seen to give our bits.

It works on float32 that lies in memory as float32 does; what else there is, NumPy merges. It gets addresses, not
arrays: what a block costs besides its numbers is a few microseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64, Floats
from swarm_chain.core.merge.adding import WeightedSums
from swarm_chain.core.merge.gram import CHUNK
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import MergeRule, Weighing
from swarm_chain.core.merge.sorting import middle
from swarm_chain.core.weights import Specs, WeightsFile

log = logging.getLogger(__name__)

_LEAST = 1 << 26
"""Numbers of all updates together from which it pays to load a compiler."""
_MOST_RANKED = 128
"""Updates up to which a network for just so many is compiled: it takes a second or two, once on a machine."""
_LARGEST = float(np.finfo(np.float32).max)

Ints = NDArray[np.int64]
Kernel = tuple[str, tuple[Any, ...], tuple[int, ...]]
"""The name of what merges blocks, what it is given, and the places of the files that it reads."""


def is_installed() -> bool:
    """Whether there is a compiler."""
    return find_spec("numba") is not None


def pays(specs: Specs, count: int) -> bool:
    """Whether merging so many updates of these tensors takes longer than loading the compiler."""
    return is_installed() and count * sum(spec.count for spec in specs if spec.dtype == "F32") >= _LEAST


@lru_cache(maxsize=1)
def load() -> ModuleType | None:
    """What is compiled; None where it cannot be, or gives other bits than NumPy."""
    if not is_installed() or not _gives_our_bits(_same_bits):
        return None
    from swarm_chain.core.merge import compiled

    return compiled


def _same_bits() -> bool:
    from swarm_chain.core.merge import compiled
    from swarm_chain.core.merge.comparing import same_bits

    return same_bits(compiled)


def _gives_our_bits(compare: Callable[[], bool]) -> bool:
    """What a comparison says; where the compiler fails, whatever the reason, False: NumPy does all of it, too."""
    try:
        if compare():
            return True
        problem = "it gives other bits than NumPy"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    log.warning("merging without Numba, which is installed and cannot be used here: %s", problem)
    return False


class Kernels:
    """What is compiled, for the files of one merge, the base last."""

    def __init__(self, compiled: ModuleType, files: Sequence[WeightsFile]) -> None:
        self._compiled, self._files = compiled, files
        self._addresses = {spec.name: _addresses(spec.name, files) for spec in files[0].specs if spec.dtype == "F32"}

    def of(
        self, rule: MergeRule, weighing: Weighing | None, mixed: WeightedSums | None, count: int, *, rounded: bool
    ) -> Kernel | None:
        """What merges blocks as a rule does, seen to give our bits; None where nothing here does."""
        kernel = kernel_of(rule, weighing, mixed, count)
        if weighing is not None or kernel is None or not isinstance(rule, RankedRule):
            return kernel
        ranks = tuple(rule.ranks(count))
        return kernel if _is_right(self._compiled, count, ranks, mixed is not None, rounded) else None

    def products(self, name: str, start: int, stop: int) -> Float64 | None:
        """The products of each chunk of some elements, as `gram` has them."""
        addresses = self._addresses.get(name)
        if addresses is None:
            return None
        count = len(addresses) - 1
        found: Float64 = np.empty((-(-(stop - start) // CHUNK), count, count))
        self._compiled.products(addresses[:-1], addresses[-1], start, stop, found)
        return found

    def merged(self, kernel: Kernel, name: str, start: int, stop: int, *, rounded: bool) -> Floats | None:
        """Some elements of a result in float64, or in float32 where `rounded`."""
        addresses = self._addresses.get(name)
        if addresses is None:
            return None
        which, given, places = kernel
        found: Any = np.empty(stop - start, np.float32 if rounded else np.float64)
        largest = _LARGEST if rounded else np.inf
        getattr(self._compiled, which)(addresses[list(places)], start, *given, largest, found)
        merged: Floats = found
        return merged


@lru_cache(maxsize=16)
def _is_right(compiled: ModuleType, count: int, ranks: tuple[int, ...], mixed: bool, rounded: bool) -> bool:
    from swarm_chain.core.merge.comparing import same_ranks

    return _gives_our_bits(partial(same_ranks, compiled, count, ranks, mixed=mixed, rounded=rounded))


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
    additions = np.array([(one.row, -1 if one.start is None else one.start, one.into) for one in mixed.additions])
    parts_of = np.array([one.part for one in mixed.additions])
    given = (additions.reshape(-1, 3), parts_of, tuple(mixed.places), kept)
    return "mixed_ranked_mean", given, tuple(range(count + 1))
