"""Runs a recipe over updates that are mapped from files, block by block, and writes the canonical result.

Memory is a few blocks of every update, however large the model and however many the updates. Neither the size of a
block, nor the number of threads, nor the order in which updates arrive changes a bit: every element is computed by
itself, in node order; and what is computed of whole updates, in an order and with numbers that cannot vary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Dtype, Float64, Floats, from_float64
from swarm_chain.core.files import replacing
from swarm_chain.core.merge.adding import WeightedSums, weighted_sum
from swarm_chain.core.merge.arithmetic import check_arithmetic
from swarm_chain.core.merge.distances import Distances, product
from swarm_chain.core.merge.gram import products
from swarm_chain.core.merge.kernels import Kernels, load, pays
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.ranked_rule import RankedRule
from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.merge.releasing import Releasing
from swarm_chain.core.merge.rule import MergeRule, Rule, Weighing, WeighingRule
from swarm_chain.core.merge.scratch import Scratch
from swarm_chain.core.merge.sorting import plan as sorting_plan
from swarm_chain.core.merge.sorting import ranked
from swarm_chain.core.merge.steps import Step, state_spec
from swarm_chain.core.merge.weighting import node_weights, shares_of, weights_of_parts
from swarm_chain.core.unixfs import File, FileBuilder, import_file
from swarm_chain.core.weights import Specs, TensorSpec, WeightsFile, blocks, check_shapes, header, raw
from swarm_chain.errors import MergeError
from swarm_chain.types import Address

_SCRATCH_BYTES = 11 * 128 * 1024
"""What a thread may take for a block: so the block is shorter where there are more updates."""
_LEAST_BLOCK = 1024
_MOST_BLOCK = 32 * 1024
_MOST_MAPPED = 31 * 128 * 1024
"""Bytes of a block in all files together: what is mapped is the system's, but it is not to be much."""
_SUMS = 16
"""Bytes of an element that every rule takes: its sum, and a term of it."""

Source = Path | bytes
"""Canonical weights: a file, or in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """One node's update: canonical weights, and the samples behind them."""

    node: Address
    weights: Source
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """The merged file, the integer weight of each node that is in it, and what the step carries on, if it does."""

    file: File
    weights: Mapping[Address, int]
    state: File | None = None


def merge(
    contributions: Sequence[Contribution],
    *,
    rule: Recipe | MergeRule,
    max_samples: int,
    max_share_bps: int,
    out: Path,
    base: Source | None = None,
    state: Source | None = None,
    state_out: Path | None = None,
    block: int | None = None,
    threads: int | None = None,
    compiled: bool | None = None,
    sync: bool = True,
) -> Merged | None:
    """The merge of updates, written to `out`; None where there are fewer than the rule needs.

    `base` is what rules measure from, and steps start from; `state` is what the step carried on from the round before,
    zeros where None, and what it carries on now is written to `state_out`. `block` is the number of elements taken at
    a time, `threads` how many work on blocks, and `compiled` whether Numba may help, which is used where it pays unless
    told: none of them changes the result. Without `sync` what is written may be lost if the machine fails.
    Raises `MalformedWeights`, `ShapeMismatch` where the updates are not weights of one model, and `MergeError` where
    this machine or the rule cannot give the agreed bits.
    """
    recipe = rule if isinstance(rule, Recipe) else Recipe(rule=rule)
    ordered = sorted(contributions, key=lambda one: one.node)
    if len({one.node for one in ordered}) != len(ordered):
        raise MergeError("a node contributes twice; pass one update a node")
    if len(ordered) < recipe.minimum_updates:
        return None
    check_arithmetic()
    with ExitStack() as opened:
        inputs = _Inputs.opened(opened, ordered, base, state, recipe)
        kernels = _kernels(inputs, compiled)
        # NumPy asks for the interpreter's lock every few microseconds: two threads would take longer than one.
        workers = opened.enter_context(Workers(threads or (1 if kernels is None else None)))
        plan = _plan(recipe, inputs, workers, kernels, max_samples, max_share_bps)
        stream = opened.enter_context(replacing(out, sync=sync))
        writer = _Writer(stream, _State.opened(opened, recipe.step, inputs, state_out, sync=sync))
        merged = writer.write(plan, _Executor(inputs, plan, kernels), workers, block)
    weights = {one.node: weight for one, weight in zip(ordered, plan.weights, strict=True) if weight}
    return Merged(file=merged, weights=weights, state=import_file(state_out) if recipe.step and state_out else None)


# ------------------------------------------------------------------------------------------------------------- planning


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """The files of a merge, open, and of one model."""

    updates: tuple[WeightsFile, ...]
    samples: tuple[int, ...]
    base: WeightsFile | None
    state: WeightsFile | None

    @classmethod
    def opened(
        cls,
        stack: ExitStack,
        ordered: Sequence[Contribution],
        base: Source | None,
        state: Source | None,
        recipe: Recipe,
    ) -> _Inputs:
        updates = tuple(stack.enter_context(WeightsFile(one.weights)) for one in ordered)
        start = None if base is None else stack.enter_context(WeightsFile(base))
        for other in (*updates[1:], *([start] if start else [])):
            check_shapes(updates[0].specs, other.specs)
        if start is None and (recipe.needs_distances or recipe.step):
            raise MergeError(f"{recipe} measures from the base; pass it")
        memory = None
        if recipe.step is not None and state is not None:
            memory = stack.enter_context(WeightsFile(state))
            check_shapes(recipe.step.specs(updates[0].specs), memory.specs)
        samples = tuple(one.samples for one in ordered)
        return cls(updates=updates, samples=samples, base=start, state=memory)

    @property
    def specs(self) -> Specs:
        return self.updates[0].specs

    def release(self) -> None:
        """Lets the system take back the memory of what was read so far."""
        for file in (*self.updates, self.base, self.state):
            if file is not None:
                file.release()


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is done to every block, decided from whole updates.

    With `weighing` a result is a sum of updates and the base; otherwise the rule combines updates, `mixed` if so.
    """

    recipe: Recipe
    shares: tuple[float, ...]
    weights: tuple[int, ...]
    mixed: WeightedSums | None
    weighing: Weighing | None


def _kernels(inputs: _Inputs, compiled: bool | None) -> Kernels | None:
    """What is compiled, where it is wanted and there."""
    updates = inputs.updates
    if not (pays(inputs.specs, len(updates)) if compiled is None else compiled):
        return None
    found = load()
    if found is None and compiled:
        raise MergeError("Numba is not installed, or gives other bits here; leave `compiled` away")
    return None if found is None else Kernels(found, (*updates, inputs.base or updates[0]))


def _plan(
    recipe: Recipe, inputs: _Inputs, workers: Workers, kernels: Kernels | None, max_samples: int, max_share_bps: int
) -> _Plan:
    rule, count = recipe.rule, len(inputs.updates)
    weights = (1,) * count
    if rule.uses_samples:
        weights = node_weights(inputs.samples, max_samples=max_samples, max_share_bps=max_share_bps)
    shares = shares_of(weights)
    distances, rows = _mixed(recipe, _distances(recipe, inputs, workers, kernels))
    if isinstance(rule, Rule):
        counted = weights if rows is None else weights_of_parts(_along(shares, 0.0, rows).updates)
        mixed = None if rows is None else WeightedSums(rows)
        return _Plan(recipe=recipe, shares=shares, weights=counted, mixed=mixed, weighing=None)
    if not isinstance(rule, WeighingRule):
        raise MergeError(f"the merge rule {rule.name} neither combines nor weighs; derive it from Rule")
    with blamed_on(type(rule)):
        weighing = rule.weigh(distances, shares)
        _check_weighing(weighing, recipe, count)
    if rows is not None:
        weighing = _along(weighing.updates, weighing.base, rows)
    counted = weights if rows is None and not rule.needs_distances else weights_of_parts(weighing.updates)
    return _Plan(recipe=recipe, shares=shares, weights=counted, mixed=None, weighing=weighing)


def _distances(recipe: Recipe, inputs: _Inputs, workers: Workers, kernels: Kernels | None) -> Distances:
    if not recipe.needs_distances or inputs.base is None:
        return Distances.unknown(len(inputs.updates))
    found = Distances(products(inputs.updates, inputs.base, workers, inputs.release, kernels))
    inputs.release()
    return found


def _mixed(recipe: Recipe, distances: Distances) -> tuple[Distances, Float64 | None]:
    """What the rule is given: the distances of the mixed updates, and the parts that these are made of."""
    mixed: Float64 | None = None
    for one in recipe.before:
        rows = one.rows(distances)
        distances = distances.mixed(rows)
        mixed = rows if mixed is None else _onto(rows, mixed)
    return distances, mixed


def _onto(rows: Float64, earlier: Float64) -> Float64:
    """Parts of the updates, from parts of what was made of them by `earlier`."""
    found = product(rows[:, :-1].copy(), earlier)
    found[:, -1] += rows[:, -1]
    return found


def _along(updates: Sequence[float], base: float, rows: Float64) -> Weighing:
    """Parts of the updates, from parts of mixed ones."""
    found = _onto(np.array([[*updates, base]]), rows)[0].tolist()
    return Weighing(updates=tuple(found[:-1]), base=found[-1])


def _check_weighing(weighing: Weighing, recipe: Recipe, count: int) -> None:
    if len(weighing.updates) != count or not np.isfinite([*weighing.updates, weighing.base]).all():
        raise MergeError(f"the merge rule {recipe.name} gave no part for each of {count} updates; use another rule")


# ------------------------------------------------------------------------------------------------------------ executing


@dataclass(frozen=True, slots=True)
class _Block:
    """Some elements of one tensor."""

    spec: TensorSpec
    start: int
    stop: int

    def of(self, file: WeightsFile) -> NDArray[Any]:
        return file.block(self.spec.name, self.start, self.stop)


@dataclass(frozen=True, slots=True)
class _Done:
    """A block's result, and what the step remembers of it, by kind."""

    block: _Block
    values: NDArray[Any]
    memory: Mapping[str, NDArray[Any]]


class _State:
    """Writes what a step carries on: tensor after tensor, of several kinds at once."""

    def __init__(self, stream: BinaryIO, specs: Specs) -> None:
        self._stream = stream
        start = header(specs)
        stream.write(start)
        self._places, place = {}, len(start)
        for spec in specs:
            self._places[spec.name] = place
            place += spec.size

    @classmethod
    def opened(
        cls, stack: ExitStack, step: Step | None, inputs: _Inputs, out: Path | None, *, sync: bool
    ) -> _State | None:
        if step is None:
            return None
        if out is None:
            raise MergeError(f"the step {step.name} carries something on; pass state_out, where to write it")
        return cls(stack.enter_context(replacing(out, sync=sync)), step.specs(inputs.specs))

    def put(self, kind: str, block: _Block, values: NDArray[Any]) -> None:
        name = state_spec(kind, block.spec).name
        self._stream.seek(self._places[name] + block.start * values.dtype.itemsize)
        self._stream.write(raw(values))


class _Writer:
    """Writes merged tensors to a stream, and knows the file's CID when done."""

    def __init__(self, stream: BinaryIO, state: _State | None) -> None:
        self._stream, self._state = stream, state
        self._builder = FileBuilder()

    def write(self, plan: _Plan, executor: _Executor, workers: Workers, block: int | None) -> File:
        inputs = executor.inputs
        held = executor.row_bytes + _SUMS + 4 * workers.waiting
        size = block or _block_size(len(inputs.updates), held)
        self._put(header(inputs.specs))
        files = len(inputs.updates) + 1
        releasing = Releasing(inputs.release, files=files, ahead=workers.ahead * 4 * size * files)
        for done in workers.in_order(executor.run, _blocks(inputs.specs, size)):
            self._put(raw(done.values))
            for kind, values in done.memory.items():
                if self._state is not None:
                    self._state.put(kind, done.block, values)
            releasing.read(done.values.nbytes * files)
        return self._builder.close()

    def _put(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._builder.write(data)


def _block_size(count: int, held: int) -> int:
    """Elements of a block, so that what it takes is the same for few updates and for many: `held` bytes of each."""
    return min(_MOST_BLOCK, max(_LEAST_BLOCK, min(_SCRATCH_BYTES // held, _MOST_MAPPED // (4 * count))))


def _blocks(specs: Specs, size: int) -> Iterator[_Block]:
    for spec in specs:
        for start, stop in blocks(spec.count, size):
            yield _Block(spec, start, stop)


class _Executor:
    """Merges one block, in whatever thread."""

    def __init__(self, inputs: _Inputs, plan: _Plan, kernels: Kernels | None) -> None:
        self.inputs, self._plan, self._scratch, self._kernels = inputs, plan, Scratch(), kernels
        count = len(inputs.updates)
        rule, rounded = plan.recipe.rule, plan.recipe.step is None
        self._kernel = None if kernels is None else kernels.of(rule, plan.weighing, plan.mixed, count, rounded=rounded)

    @property
    def row_bytes(self) -> int:
        """What a thread holds of each element besides sums."""
        rule, count, mixed = self._plan.recipe.rule, len(self.inputs.updates), self._plan.mixed
        if self._kernel is not None or not isinstance(rule, Rule):
            return 0
        size = 4 if mixed is None and rule.takes_rows else 8
        rows = sorting_plan(count, rule.ranks(count)).own if isinstance(rule, RankedRule) else count
        return size * (rows if mixed is None else rows + count)

    def run(self, block: _Block) -> _Done:
        dtype = DTYPES[block.spec.dtype]
        if not dtype.is_float:
            return _Done(block, lower_median([block.of(file) for file in self.inputs.updates]), {})
        check_arithmetic()
        if self._plan.recipe.step is None and (merged := self._compiled(block, rounded=True)) is not None:
            return _Done(block, self._checked(merged), {})
        return self._run(block, dtype)

    def _run(self, block: _Block, dtype: Dtype) -> _Done:
        base = None if self.inputs.base is None else block.of(self.inputs.base)
        with np.errstate(over="ignore", under="ignore"):
            merged = self._compiled(block, rounded=False)
            merged = self._checked(self._merged(block, base) if merged is None else merged)
            merged, memory = self._stepped(block, base, merged)
        return _Done(block, from_float64(merged, dtype), memory)

    def _compiled(self, block: _Block, *, rounded: bool) -> Floats | None:
        if self._kernels is None or self._kernel is None:
            return None
        return self._kernels.merged(self._kernel, block.spec.name, block.start, block.stop, rounded=rounded)

    def _checked(self, merged: Floats) -> Any:
        if np.isnan(merged.min(initial=0.0)):
            name = self._plan.recipe.name
            raise MergeError(f"the merge rule {name} gave NaN for finite updates; use another rule")
        return merged

    def _merged(self, block: _Block, base: NDArray[Any] | None) -> Float64:
        rows = [block.of(file) for file in self.inputs.updates]
        weighing, rule, mixed = self._plan.weighing, self._plan.recipe.rule, self._plan.mixed
        with_base = [*rows, rows[0] if base is None else base]
        if weighing is not None:
            return weighted_sum(with_base, [*weighing.updates, weighing.base])
        if not isinstance(rule, Rule):
            raise TypeError(f"{rule.name} is no rule for blocks")
        return self._combined(rule, rows if mixed is None else mixed.of(with_base))

    def _combined(self, rule: Rule, rows: Sequence[NDArray[Any]]) -> Float64:
        if rule.takes_rows and rows[0].dtype in (np.float32, np.float64):
            return rule.combine(rows, self._plan.shares)  # type: ignore[arg-type]  # it says so
        stack = self._scratch.array("rows", (len(rows), len(rows[0])), self._working(rule, rows[0]))
        for place, row in zip(stack, rows, strict=True):
            # Casting assignment: both hold all numbers of the formats that are put there.
            place[...] = row
        with blamed_on(type(rule)):
            found = rule.combine(stack, self._plan.shares)
        if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != rows[0].shape:
            raise MergeError(f"the merge rule {rule.name} gave no row of float64 for a block; use another rule")
        return found

    def _working(self, rule: Rule, row: NDArray[Any]) -> type[np.floating[Any]]:
        return np.float32 if rule.takes_rows and row.dtype.itemsize < 8 else np.float64

    def _stepped(
        self, block: _Block, base: NDArray[Any] | None, merged: Float64
    ) -> tuple[Float64, Mapping[str, NDArray[Any]]]:
        step = self._plan.recipe.step
        if step is None or base is None:
            return merged, {}
        start = base.astype(np.float64)
        memory = {kind: self._remembered(step, kind, block, merged - start) for kind in step.kinds}
        return step.taken(start, [one.astype(np.float64) for one in memory.values()]), memory

    def _remembered(self, step: Step, kind: str, block: _Block, change: Float64) -> NDArray[Any]:
        spec, state = state_spec(kind, block.spec), self.inputs.state
        before = np.zeros(len(change)) if state is None else state.block(spec.name, block.start, block.stop)
        return from_float64(step.remember(kind, before.astype(np.float64), change), DTYPES[spec.dtype])


def lower_median(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The middle value of whole numbers or booleans element by element; of an even number, the lower middle one."""
    (middle,) = ranked(rows, ((len(rows) - 1) // 2,))
    return middle.copy()
