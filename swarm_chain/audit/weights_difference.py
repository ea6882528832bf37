"""Where two files of weights differ, for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from swarm_chain.core.weights import TensorSpec, WeightsFile, blocks, check_shapes
from swarm_chain.errors import Malformed, ShapeMismatch


def describe_difference(attested: Path, merged: Path) -> str:
    """The first element that differs, and how many do; or why they cannot be compared."""
    try:
        with WeightsFile(attested) as said, WeightsFile(merged) as right:
            check_shapes(right.specs, said.specs)
            return _first_difference(said, right)
    except (Malformed, ShapeMismatch) as error:
        return str(error)


def _first_difference(said: WeightsFile, right: WeightsFile) -> str:
    first, count = "", 0
    for spec in right.specs:
        for start, stop in blocks(spec.count):
            differing = _differing(said, right, spec, start, stop)
            if len(differing) and not first:
                first = _element(said, right, spec, start + int(differing[0]))
            count += len(differing)
        said.release()
        right.release()
    return f"{first}; {count} element{'' if count == 1 else 's'} differ{'s' if count == 1 else ''}"


def _differing(
    said: WeightsFile, right: WeightsFile, spec: TensorSpec, start: int, stop: int
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    # Bytes, because a negative zero is not a zero here, and one NaN not another.
    ours = right.block(spec.name, start, stop).view(np.uint8).reshape(stop - start, -1)
    theirs = said.block(spec.name, start, stop).view(np.uint8).reshape(stop - start, -1)
    return np.flatnonzero((ours != theirs).any(axis=1))


def _element(said: WeightsFile, right: WeightsFile, spec: TensorSpec, place: int) -> str:
    index = [int(one) for one in np.unravel_index(place, spec.shape)] if spec.shape else []
    theirs, ours = (file.block(spec.name, place, place + 1)[0] for file in (said, right))
    return f"{spec.name}{index} is {theirs!s} where the merge gives {ours!s}" + (
        f" (0x{theirs.tobytes()[::-1].hex()} and 0x{ours.tobytes()[::-1].hex()})" if str(theirs) == str(ours) else ""
    )
