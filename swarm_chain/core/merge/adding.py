"""Adding rows up in float64, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.scratch import Scratch

_SCRATCH = Scratch()


def weighted_sum(rows: Sequence[NDArray[Any]], parts: Sequence[float]) -> Float64:
    """The sum of the rows, each times its part, in order. A row whose part is zero is not looked at."""
    chosen = [(row, part) for row, part in zip(rows, parts, strict=True) if part != 0.0]
    total: Float64 = np.zeros(len(rows[0])) if not chosen else np.empty(len(rows[0]))
    term: Float64 = _SCRATCH.array("term", (len(rows[0]),), np.float64)
    for place, (row, part) in enumerate(chosen):
        into = term if place else total
        # Casting assignment: every float format is a subset of float64.
        into[...] = row
        into *= part
        if place:
            total += term
    return total
