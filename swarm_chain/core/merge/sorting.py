"""Sorting each column of a block."""

from __future__ import annotations

from swarm_chain.core.dtypes import Float64


def sort_rows(rows: Float64) -> None:
    """Orders every column from the least number up, in place. The numbers must be finite."""
    # Zero has two signs that compare equal, so their order would be the algorithm's; adding zero leaves one.
    rows += 0.0
    rows.sort(axis=0)
