"""What is to be done to every block of a merge, decided from whole updates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.adding import WeightedSums
from swarm_chain.core.merge.distances import Distances, product
from swarm_chain.core.merge.gram import products
from swarm_chain.core.merge.inputs import Inputs
from swarm_chain.core.merge.kernels import Kernels
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.parallel import Workers
from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.merge.rule import Rule, Weighing, WeighingRule
from swarm_chain.core.merge.weighting import node_weights, shares_of, weights_of_parts
from swarm_chain.errors import MergeError

_MOST = 1e6
"""Of an update in a result, where the base's part is below zero."""
_NEAR = 1e-6
"""How near to 1 parts add up."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done to every block, decided from whole updates.

    With `weighing` a result is a sum of updates and the base; otherwise the rule combines updates, `mixed` if so.
    """

    recipe: Recipe
    shares: tuple[float, ...]
    weights: tuple[int, ...]
    mixed: WeightedSums | None
    weighing: Weighing | None


def plan_merge(
    recipe: Recipe, inputs: Inputs, workers: Workers, kernels: Kernels | None, max_samples: int, max_share_bps: int
) -> Plan:
    rule, count = recipe.rule, len(inputs.updates)
    weights = (1,) * count
    if rule.uses_samples:
        weights = node_weights(inputs.samples, max_samples=max_samples, max_share_bps=max_share_bps)
    shares = shares_of(weights)
    distances, rows = _mixed(recipe, _distances(recipe, inputs, workers, kernels))
    if isinstance(rule, Rule):
        counted = weights if rows is None else weights_of_parts(_along(shares, 0.0, rows).updates)
        mixed = None if rows is None else WeightedSums(rows)
        return Plan(recipe=recipe, shares=shares, weights=counted, mixed=mixed, weighing=None)
    if not isinstance(rule, WeighingRule):
        raise MergeError(f"the merge rule {rule.name} neither combines nor weighs; derive it from Rule")
    with blamed_on(type(rule)):
        weighing = _checked(rule.weigh(distances, shares), recipe, count)
    if rows is not None:
        weighing = _along(weighing.updates, weighing.base, rows)
    counted = weights if rows is None and not rule.needs_distances else weights_of_parts(weighing.updates)
    return Plan(recipe=recipe, shares=shares, weights=counted, mixed=None, weighing=weighing)


def _distances(recipe: Recipe, inputs: Inputs, workers: Workers, kernels: Kernels | None) -> Distances:
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


def _checked(weighing: Weighing, recipe: Recipe, count: int) -> Weighing:
    """The same in Python's numbers. Nobody counts for less than nothing: weights are whole numbers from zero on."""
    parts = (*weighing.updates, weighing.base)
    if (
        len(parts) != count + 1
        or not all(isinstance(part, Real) for part in parts)
        or not all(0.0 <= part <= _MOST for part in weighing.updates)
        or not abs(math.fsum(parts) - 1.0) < _NEAR
    ):
        raise MergeError(
            f"the merge rule {recipe.name} gave no part for each of {count} updates, from 0 on, which with the base's "
            "add up to 1; use another rule"
        )
    *updates, base = map(float, parts)
    return Weighing(updates=tuple(updates), base=base)
