"""Several nodes' data in one place, as no swarm ever has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from swarm_chain.tasks.base import NodeData

if TYPE_CHECKING:
    from torch.utils.data import Dataset


def pool(parts: Sequence[NodeData]) -> NodeData:
    """Everybody's data in one place."""
    return NodeData(
        training=_joined([part.training for part in parts]), held_out=_joined([part.held_out for part in parts])
    )


def _joined(several: Sequence[Dataset[Any]]) -> Dataset[Any]:
    import torch
    from torch.utils.data import ConcatDataset, TensorDataset

    if all(isinstance(one, TensorDataset) for one in several):
        tensors = zip(*(cast(TensorDataset, one).tensors for one in several), strict=True)
        return TensorDataset(*(torch.cat(column) for column in tensors))
    return ConcatDataset(several)
