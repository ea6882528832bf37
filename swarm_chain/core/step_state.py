"""What the optimiser step carries from round to round, as a file: read and checked before a merge uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from swarm_chain.core.cids import Cid
from swarm_chain.core.merge.steps import Step
from swarm_chain.core.unixfs import File
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, check_shapes, total_size
from swarm_chain.errors import MalformedWeights, NotFinite, ShapeMismatch

MAX_STATE: Final = 16
"""A step's state is at most that many times as large as weights: two float32 for each float of one byte, and names."""


def read_state(step: Step | None, link: Cid | None, model: Specs, fetch: Callable[[File], Path]) -> Path | None:
    """The state that a result links to, of the step of its task's rule, as a local file that was checked.

    None where there is no step, or no state yet: zeros. Its size follows from the model's tensors, so nothing larger is
    fetched. Raises what `fetch` does, and `MalformedWeights`, `ShapeMismatch` or `NotFinite`.
    """
    if step is None or link is None:
        return None
    specs = step.specs(model)
    path = fetch(File(cid=link, size=total_size(specs)))
    try:
        with WeightsFile(path) as state:
            check_shapes(specs, state.specs)
            check_finite(state)
    except (MalformedWeights, ShapeMismatch, NotFinite) as error:
        raise type(error)(f"the state {link} of the step {step.name} cannot be gone on with: {error}") from error
    return path
