"""The handwritten digits, dealt out as skewed as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.tasks.digits_data import Rows, all_rows, is_held_out, is_test, write_rows
from swarm_chain.tasks.label_skew import deal_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 10
"""Rows that each node trains on, at least."""


def write_digits(files: Sequence[Path], *, alpha: float | None, seed: int) -> None:
    """Writes each node's rows: by Dirichlet `alpha` over labels, or without it mixed, as many for each.

    Same arguments, same deal; test rows are nobody's. Raises `DataError` where so few rows cannot be dealt out so.
    """
    rows = all_rows()
    owners = _mixed(rows, len(files), seed) if alpha is None else _skewed(rows, len(files), seed, alpha)
    for node, file in enumerate(files):
        write_rows(file, rows.where(owners == node))


def _mixed(rows: Rows, nodes: int, seed: int) -> NDArray[np.int64]:
    import numpy as np

    owners = np.full(len(rows), -1, np.int64)
    available = np.random.default_rng(seed).permutation(np.flatnonzero(~is_test(rows)))
    owners[available] = np.arange(len(available)) % nodes
    return owners


def _skewed(rows: Rows, nodes: int, seed: int, alpha: float) -> NDArray[np.int64]:
    import numpy as np

    held_out = is_held_out(rows)

    def suffices(owners: NDArray[np.int64]) -> bool:
        """Whether each node has something to train on, and to judge by."""
        training = np.bincount(owners[(owners >= 0) & ~held_out], minlength=nodes)
        judging = np.bincount(owners[(owners >= 0) & held_out], minlength=nodes)
        return bool(training.min() >= FEWEST and judging.min() >= 1)

    return deal_out(rows.labels, ~is_test(rows), nodes=nodes, seed=seed, concentration=alpha, suffices=suffices)
