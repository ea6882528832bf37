"""Merging one block: by a rule that combines, or as a sum of updates and the base; then the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Float64, from_float64
from swarm_chain.core.merge.adding import weighted_sum
from swarm_chain.core.merge.arithmetic import check_arithmetic
from swarm_chain.core.merge.available import trusted_kernel
from swarm_chain.core.merge.inputs import Inputs
from swarm_chain.core.merge.kernels import Kernels
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.planning import Plan
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.scratch import Scratch
from swarm_chain.core.merge.sorting import plan as sorting_plan
from swarm_chain.core.merge.sorting import ranked
from swarm_chain.core.merge.steps import Step, state_spec
from swarm_chain.core.weights import TensorSpec, WeightsFile
from swarm_chain.errors import MergeError

_SUMS = 16
"""Bytes of an element that every rule takes: its sum, and a term of it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some elements of one tensor."""

    spec: TensorSpec
    start: int
    stop: int

    def of(self, file: WeightsFile) -> NDArray[Any]:
        return file.block(self.spec.name, self.start, self.stop)


Memory = Mapping[str, NDArray[Any]]
"""What a step remembers of a block, by kind."""


class Executor:
    """Merges blocks, each in whatever thread."""

    def __init__(self, inputs: Inputs, plan: Plan, kernels: Kernels | None) -> None:
        self.inputs, self._plan, self._scratch, self._kernels = inputs, plan, Scratch(), kernels
        rule, rounded = plan.recipe.rule, plan.recipe.step is None
        self._kernel = (
            None if kernels is None else trusted_kernel(kernels, rule, plan.weighing, plan.mixed, rounded=rounded)
        )

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code merges what it can."""
        return self._kernel is not None

    def is_direct(self, spec: TensorSpec) -> bool:
        """Whether compiled code writes a tensor's result where it belongs, and NumPy has no part in it."""
        return self._plan.recipe.step is None and self._takes(spec)

    @property
    def element_bytes(self) -> int:
        """What a thread holds of each element besides the result, where NumPy has a part in it."""
        rule, count, mixed = self._plan.recipe.rule, len(self.inputs.updates), self._plan.mixed
        if not isinstance(rule, Rule):
            return _SUMS
        size = 4 if mixed is None and rule.takes_rows else 8
        rows = sorting_plan(count, rule.checked_ranks(count)).own if isinstance(rule, RankedRule) else count
        return _SUMS + size * (rows if mixed is None else rows + count)

    def run(self, block: Block, out: NDArray[Any]) -> Memory:
        """Writes a block's result to `out`, which has the tensor's dtype; gives what the step remembers of it."""
        dtype = DTYPES[block.spec.dtype]
        if not dtype.is_float:
            out[...] = lower_median([block.of(file) for file in self.inputs.updates])
            return {}
        check_arithmetic()
        if self.is_direct(block.spec):
            self._compiled(block, out)
            self._check(out)
            return {}
        base = None if self.inputs.base is None else block.of(self.inputs.base)
        with np.errstate(over="ignore", under="ignore"):
            merged = self._exact(block, base)
            self._check(merged)
            merged, memory = self._stepped(block, base, merged)
            out[...] = from_float64(merged, dtype)
        return memory

    def _takes(self, spec: TensorSpec) -> bool:
        return self._kernels is not None and self._kernel is not None and self._kernels.takes(spec.name)

    def _compiled(self, block: Block, out: NDArray[Any]) -> None:
        if self._kernels is None or self._kernel is None:
            raise TypeError("nothing is compiled here")
        self._kernels.merge(self._kernel, block.spec.name, block.start, out)

    def _check(self, merged: NDArray[Any]) -> None:
        if np.isnan(merged.min(initial=0.0)):
            name = self._plan.recipe.name
            raise MergeError(f"the merge rule {name} gave NaN for finite updates; use another rule")

    def _exact(self, block: Block, base: NDArray[Any] | None) -> Float64:
        """A block's result before the step, and before it is rounded."""
        if not self._takes(block.spec):
            return self._merged(block, base)
        merged: Float64 = self._scratch.array("merged", (block.stop - block.start,), np.float64)
        self._compiled(block, merged)
        return merged

    def _merged(self, block: Block, base: NDArray[Any] | None) -> Float64:
        rows = [block.of(file) for file in self.inputs.updates]
        weighing, rule, mixed = self._plan.weighing, self._plan.recipe.rule, self._plan.mixed
        with_base = [*rows, rows[0] if base is None else base]
        if weighing is not None:
            return weighted_sum(with_base, [*weighing.updates, weighing.base])
        if not isinstance(rule, Rule):
            raise TypeError(f"{rule.name} is no rule for blocks")
        return self._combined(rule, rows if mixed is None else mixed.of(with_base))

    def _combined(self, rule: Rule, rows: Sequence[NDArray[Any]]) -> Float64:
        given: Any = rows
        if not rule.takes_rows or rows[0].dtype not in (np.float32, np.float64):
            given = self._scratch.array("rows", (len(rows), len(rows[0])), self._working(rule, rows[0]))
            for place, row in zip(given, rows, strict=True):
                # Casting assignment: both hold all numbers of the formats that are put there.
                place[...] = row
        with blamed_on(type(rule)):
            found = rule.combine(given, self._plan.shares)
        if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != rows[0].shape:
            raise MergeError(f"the merge rule {rule.name} gave no row of float64 for a block; use another rule")
        return found

    def _working(self, rule: Rule, row: NDArray[Any]) -> type[np.floating[Any]]:
        return np.float32 if rule.takes_rows and row.dtype.itemsize < 8 else np.float64

    def _stepped(
        self, block: Block, base: NDArray[Any] | None, merged: Float64
    ) -> tuple[Float64, Mapping[str, NDArray[Any]]]:
        step = self._plan.recipe.step
        if step is None or base is None:
            return merged, {}
        start = base.astype(np.float64)
        memory = {kind: self._remembered(step, kind, block, merged - start) for kind in step.kinds}
        return step.taken(start, [one.astype(np.float64) for one in memory.values()]), memory

    def _remembered(self, step: Step, kind: str, block: Block, change: Float64) -> NDArray[Any]:
        spec, state = state_spec(kind, block.spec), self.inputs.state
        before = np.zeros(len(change)) if state is None else state.block(spec.name, block.start, block.stop)
        return from_float64(step.remember(kind, before.astype(np.float64), change), DTYPES[spec.dtype])


def lower_median(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The middle value of whole numbers or booleans element by element; of an even number, the lower middle one."""
    (middle,) = ranked(rows, ((len(rows) - 1) // 2,))
    return middle.copy()
