"""Updates as vectors: all of a model's floats in a row, minus the base."""

from __future__ import annotations

import math

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.types import Parameters


def to_vector(update: Parameters, base: Parameters) -> Float64:
    """An update minus the base, its float tensors by name one after the other."""
    names = _floats(base)
    parts = [np.asarray(update[name], np.float64).ravel() - base[name].astype(np.float64).ravel() for name in names]
    return np.concatenate(parts)


def from_vector(vector: Float64, base: Parameters) -> Parameters:
    """The update that is so far from the base: `to_vector` backwards, rounded to the model's formats.

    Integer and boolean tensors are the base's.
    """
    found, at = dict(base), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for name in _floats(base):
            array = base[name]
            change = vector[at : at + math.prod(array.shape)].reshape(array.shape)
            found[name] = (array.astype(np.float64) + change).astype(array.dtype)
            at += change.size
    return found


def _floats(base: Parameters) -> list[str]:
    return [name for name in sorted(base) if base[name].dtype.kind not in "iub"]
