"""Runs a recipe over updates that are mapped from files, block by block, and writes the canonical result.

Memory is a few blocks of every update, however large the model and however many the updates. Neither the size of a
block, nor the number of threads, nor the order in which updates arrive changes a bit: every element is computed by
itself, in node order; and what is computed of whole updates, in an order and with numbers that cannot vary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core.files import replacing
from swarm_chain.core.merge.arithmetic import check_arithmetic
from swarm_chain.core.merge.available import kernels_for
from swarm_chain.core.merge.executing import Executor
from swarm_chain.core.merge.inputs import Contribution, Inputs, Source
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.planning import plan_merge
from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.merge.rule import MergeRule
from swarm_chain.core.merge.writing import StateFile, write_merged
from swarm_chain.core.unixfs import File, import_file
from swarm_chain.errors import MergeError
from swarm_chain.types import Address


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
    if block is not None and block < 1:
        raise MergeError(f"block is {block}; pass how many elements to take at a time, or leave it away")
    if len(ordered) < recipe.minimum_updates:
        return None
    check_arithmetic()
    with ExitStack() as opened:
        inputs = Inputs.opened(opened, ordered, base, state, recipe)
        kernels = kernels_for(inputs, compiled)
        # NumPy asks for the interpreter's lock every few microseconds: two threads would take longer than one.
        threads = threads or (1 if kernels is None else None)
        with Workers(threads) as workers:
            plan = plan_merge(recipe, inputs, workers, kernels, max_samples, max_share_bps)
        # The last to be opened is there first: a result never without what its step carries on.
        stream = opened.enter_context(replacing(out, sync=sync))
        remembered = StateFile.opened(opened, recipe.step, inputs.specs, state_out, sync=sync)
        # Whatever happens, no thread writes any more when the files are closed.
        with Workers(threads) as workers:
            merged = write_merged(stream, remembered, Executor(inputs, plan, kernels), workers, block)
    weights = {one.node: weight for one, weight in zip(ordered, plan.weights, strict=True) if weight}
    return Merged(file=merged, weights=weights, state=import_file(state_out) if recipe.step and state_out else None)
