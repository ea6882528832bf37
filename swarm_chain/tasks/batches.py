"""Examples, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, cast

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.utils.data import Dataset


def count(examples: Dataset[Any]) -> int:
    """How many examples a map-style dataset has. Raises `DataError` for one that cannot be counted."""
    try:
        return len(cast(Sized, examples))
    except TypeError:
        raise DataError(
            f"{type(examples).__name__} has no length: give a map-style dataset, with __len__ and __getitem__"
        ) from None


def batches(examples: Dataset[Any], batch_size: int, order: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Inputs and targets of the examples at `order`, `batch_size` at a time, the last batch maybe smaller.

    Both are a tensor, or a mapping or tuple of them, as the dataset's examples are. No worker processes and no
    prefetching: the order of everything random stays the same on every run.
    Raises `DataError` for an example that holds NaN or infinity, or is no pair of input and target.
    """
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs, targets = _collate(examples, rows)
        for values, what in ((inputs, "input"), (targets, "target")):
            for tensor in tensors_in(values):
                _require_finite(tensor, rows, what)
        yield inputs, targets


def moved(values: Any, device: torch.device) -> Any:
    """The same, with every tensor on a device."""
    return _mapped(values, lambda tensor: tensor.to(device))


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Every tensor in a tensor, a mapping or a sequence of such."""
    found: list[Tensor] = []
    _mapped(values, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    yield from found


def _mapped(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    import torch

    if isinstance(values, torch.Tensor):
        return change(values)
    if isinstance(values, Mapping):
        return {key: _mapped(value, change) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_mapped(value, change) for value in values]
    return values


def _collate(examples: Dataset[Any], rows: Sequence[int]) -> tuple[Any, Any]:
    from torch.utils.data import TensorDataset, default_collate

    together = examples[list(rows)] if isinstance(examples, TensorDataset) else None
    try:
        inputs, targets = default_collate([examples[row] for row in rows]) if together is None else together
    except (ValueError, TypeError) as error:
        raise DataError(f"examples must be pairs of input and target, all of the same shapes: {error}") from error
    return inputs, targets


def _require_finite(values: Tensor, rows: Sequence[int], what: str) -> None:
    if bool(values.isfinite().all()):
        return
    bad = (~values.isfinite()).flatten(start_dim=1).any(dim=1) if values.ndim > 1 else ~values.isfinite()
    first = rows[int(bad.nonzero()[0])]
    raise DataError(f"the {what} of example {first} holds NaN or infinity: repair or remove that row")
