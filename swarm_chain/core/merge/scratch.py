"""Memory that a thread uses for one block after another: asking the system for it each time costs more than merging."""

from __future__ import annotations

from math import prod
from threading import local
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Arrays that each thread has of its own. What one holds is lost when the same thread asks for its name again."""

    def __init__(self) -> None:
        self._mine = local()

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of this shape, with whatever numbers."""
        wanted, count = np.dtype(dtype), prod(shape)
        known: dict[Any, NDArray[Any]] = cast("dict[Any, NDArray[Any]]", self._mine.__dict__)
        key = (name, wanted.str)
        if key not in known or known[key].size < count:
            known[key] = np.empty(count, wanted)
        return known[key][:count].reshape(shape)
