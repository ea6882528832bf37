"""Whether a thread computes as IEEE 754 says."""

from __future__ import annotations

import numpy as np

from swarm_chain.errors import MergeError


def check_arithmetic() -> None:
    """Returns if this thread computes as IEEE 754 says; raises `MergeError` where it rounds small numbers to zero."""
    tiny = np.array([1e-45], np.float32).astype(np.float64)
    smallest = np.array([5e-324])
    if tiny[0] == 0 or (smallest * 1.0)[0] == 0 or (np.array([1e-308]) * 0.25)[0] == 0:
        raise MergeError("this thread flushes denormal numbers to zero, so its merge would differ; switch that off")
