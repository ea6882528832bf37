"""Inputs on a scale of their node's own, from its training rows: no statistics leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_chain.errors import TaskError
from swarm_chain.tasks.base import NodeData

if TYPE_CHECKING:
    from torch.utils.data import TensorDataset


def standardised(data: NodeData) -> NodeData:
    """The same examples, each column of the inputs with mean 0 and deviation 1 over the training rows, as float32.

    Inputs are a tensor of shape (rows, columns). A column that does not vary is centred only. Raises `TaskError` for
    examples that are not held as tensors.
    """
    import torch
    from torch.utils.data import TensorDataset

    if not isinstance(data.training, TensorDataset) or not isinstance(data.held_out, TensorDataset):
        raise TaskError("standardised() takes examples in a TensorDataset: write prepare() for others yourself")
    rows = data.training.tensors[0].double()
    if len(rows) == 0:
        return data
    mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
    scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))

    def changed(examples: TensorDataset) -> TensorDataset:
        inputs, *targets = examples.tensors
        return TensorDataset(((inputs.double() - mean) / scale).float(), *targets)

    return NodeData(training=changed(data.training), held_out=changed(data.held_out))
