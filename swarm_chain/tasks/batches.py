"""Examples, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, cast

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.utils.data import Dataset, TensorDataset


def count(examples: Dataset[Any]) -> int:
    """How many examples a map-style dataset has. Raises `DataError` for one that cannot be counted."""
    try:
        return len(cast(Sized, examples))
    except TypeError:
        raise DataError(
            f"{type(examples).__name__} has no length: give a map-style dataset, with __len__ and __getitem__"
        ) from None


def columns(examples: TensorDataset) -> tuple[Tensor, Tensor]:
    """The inputs and targets of all examples. Raises `DataError` for examples that are no pairs."""
    return _pair(examples.tensors)


def _pair(example: Any) -> tuple[Any, Any]:
    if isinstance(example, tuple | list) and len(example) == 2:
        return example[0], example[1]
    size = f" of {len(example)}" if isinstance(example, tuple | list) else ""
    raise DataError(f"an example is a {type(example).__name__}{size}: make examples pairs of input and target")


def batches(examples: Dataset[Any], batch_size: int, order: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Inputs and targets of the examples at `order`, `batch_size` at a time, the last batch maybe smaller.

    Both are a tensor, or a mapping or tuple of them, as the dataset's examples are. No worker processes and no
    prefetching: the order of everything random stays the same on every run.
    Raises `DataError` for an example that holds NaN or infinity, or is no pair of input and target.
    """
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs, targets = collate(examples, rows)
        require_finite(inputs, targets, rows)
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


def require_finite(inputs: Any, targets: Any, rows: Sequence[int]) -> None:
    """Returns if a batch of these rows holds numbers alone. Raises `DataError`, naming the row."""
    for values, what in ((inputs, "input"), (targets, "target")):
        for tensor in tensors_in(values):
            if not bool(tensor.isfinite().all()):
                bad = (~tensor.isfinite()).flatten(start_dim=1).any(dim=1) if tensor.ndim > 1 else ~tensor.isfinite()
                first = rows[int(bad.nonzero()[0])]
                raise DataError(f"the {what} of example {first} holds NaN or infinity: repair or remove that row")


def collate(examples: Dataset[Any], rows: Sequence[int]) -> tuple[Any, Any]:
    """Inputs and targets of some examples. Raises `DataError` where these do not go together."""
    from torch.utils.data import TensorDataset, default_collate

    if isinstance(examples, TensorDataset):
        inputs, targets = columns(examples)
        return inputs[list(rows)], targets[list(rows)]
    try:
        inputs, targets = default_collate([_pair(examples[row]) for row in rows])
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"examples must be pairs of input and target, all of the same shapes: {error}") from error
    return inputs, targets
