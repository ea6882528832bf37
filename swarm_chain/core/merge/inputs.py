"""The files of a merge: updates, the base, and what the step carried on."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.weights import Specs, WeightsFile, check_shapes
from swarm_chain.errors import MergeError
from swarm_chain.types import Address

Source = Path | bytes
"""Canonical weights: a file, or in memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """One node's update: canonical weights, and the samples behind them."""

    node: Address
    weights: Source
    samples: int


@dataclass(frozen=True, kw_only=True)
class Inputs:
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
    ) -> Inputs:
        updates = tuple(_opened(stack, one.weights, len(ordered)) for one in ordered)
        start = None if base is None else _opened(stack, base, len(ordered))
        for update in updates:
            check_shapes((start or updates[0]).specs, update.specs)
        if start is None and (recipe.needs_distances or recipe.step):
            raise MergeError(f"{recipe} measures from the base; pass it")
        memory = None
        if recipe.step is not None and state is not None:
            memory = _opened(stack, state, len(ordered))
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


def _opened(stack: ExitStack, source: Source, count: int) -> WeightsFile:
    try:
        return stack.enter_context(WeightsFile(source))
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise MergeError(
            f"merging {count:,} updates opens as many files at once, and this system lets a process open fewer; "
            f"run `ulimit -n {count + 1000}` first"
        ) from error
