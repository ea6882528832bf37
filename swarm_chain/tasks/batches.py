"""Examples, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any, cast

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torch.utils.data import Dataset


def count(examples: Dataset[Any]) -> int:
    """How many examples a map-style dataset has."""
    return len(cast(Sized, examples))


def batches(examples: Dataset[Any], batch_size: int, order: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets of the examples at `order`, `batch_size` at a time, the last batch maybe smaller.

    No worker processes and no prefetching: the order of everything random stays the same on every run.
    Raises `DataError` for an example that holds NaN or infinity.
    """
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs, targets = _collate(examples, rows)
        _require_finite(inputs, rows, "input")
        _require_finite(targets, rows, "target")
        yield inputs, targets


def _collate(examples: Dataset[Any], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    from torch.utils.data import TensorDataset, default_collate

    if isinstance(examples, TensorDataset):
        inputs, targets = examples[list(rows)]
    else:
        inputs, targets = default_collate([examples[row] for row in rows])
    return inputs, targets


def _require_finite(values: Tensor, rows: Sequence[int], what: str) -> None:
    if bool(values.isfinite().all()):
        return
    bad = (~values.isfinite()).flatten(start_dim=1).any(dim=1) if values.ndim > 1 else ~values.isfinite()
    first = rows[int(bad.nonzero()[0])]
    raise DataError(f"the {what} of example {first} holds NaN or infinity: repair or remove that row")
