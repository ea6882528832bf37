"""Whether compiled code merges here: where Numba is installed, for large models, once it was seen to give our bits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from types import ModuleType

from swarm_chain.core.merge.adding import WeightedSums
from swarm_chain.core.merge.comparing import same_bits, same_ranks
from swarm_chain.core.merge.inputs import Inputs
from swarm_chain.core.merge.kernels import Kernel, Kernels, kernel_of
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import MergeRule, Weighing
from swarm_chain.core.weights import Specs
from swarm_chain.errors import MergeError

log = logging.getLogger(__name__)

_LEAST = 1 << 26
"""Numbers of all updates together from which it pays to load a compiler."""


def is_installed() -> bool:
    """Whether there is a compiler."""
    return find_spec("numba") is not None


def pays(specs: Specs, count: int) -> bool:
    """Whether merging so many updates of these tensors takes longer than loading the compiler."""
    return is_installed() and count * sum(spec.count for spec in specs if spec.dtype == "F32") >= _LEAST


def kernels_for(inputs: Inputs, wanted: bool | None) -> Kernels | None:
    """What is compiled, where it is wanted or pays; raises `MergeError` where it is wanted and not to be had."""
    updates = inputs.updates
    if not (pays(inputs.specs, len(updates)) if wanted is None else wanted):
        return None
    found = load()
    if found is None and wanted:
        raise MergeError("Numba is not installed, or gives other bits here; leave `compiled` away")
    return None if found is None else Kernels(found, (*updates, inputs.base or updates[0]))


def trusted_kernel(
    kernels: Kernels, rule: MergeRule, weighing: Weighing | None, mixed: WeightedSums | None, *, rounded: bool
) -> Kernel | None:
    """What merges blocks as a rule does, seen to give our bits; None where nothing that is compiled does."""
    kernel = kernel_of(rule, weighing, mixed, kernels.count)
    if weighing is not None or kernel is None or not isinstance(rule, RankedRule):
        return kernel
    ranks = rule.checked_ranks(kernels.count)
    is_right = _ranks_are_right(kernels.compiled, kernels.count, ranks, mixed is not None, rounded)
    return kernel if is_right else None


@lru_cache(maxsize=1)
def load() -> ModuleType | None:
    """What is compiled; None where it cannot be, or gives other bits than NumPy."""
    if not is_installed() or not _gives_our_bits(lambda: same_bits(_compiled())):
        return None
    return _compiled()


def _compiled() -> ModuleType:
    from swarm_chain.core.merge import compiled

    return compiled


@lru_cache(maxsize=16)
def _ranks_are_right(compiled: ModuleType, count: int, ranks: tuple[int, ...], mixed: bool, rounded: bool) -> bool:
    return _gives_our_bits(partial(same_ranks, compiled, count, ranks, mixed=mixed, rounded=rounded))


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
