"""How many threads the libraries that compute start in a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ONE_THREAD: Final[Mapping[str, str]] = MappingProxyType(
    {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
)
"""What tells torch, NumPy and SciPy to start no others. Nodes that share a machine do not fight for its cores."""


def ask_for_one_thread() -> None:
    """Has what is imported from now on start one thread, where the environment does not say how many.

    Some libraries start one for each core when they are imported, used or not.
    """
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
