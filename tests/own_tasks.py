"""Small tasks of one's own, for tests: a model with a shared body, private heads and frozen layers."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, NodeData, Task


class Parts(Task):
    """A frozen layer with batch norm, a shared body, and a head of the node's own. Data is `SEED` or `SEED:ROWS`."""

    defaults: ClassVar[Hyperparameters] = Hyperparameters(epochs=2, batch_size=8, learning_rate=0.02)
    private: ClassVar[tuple[str, ...]] = ("head.*",)
    frozen: ClassVar[tuple[str, ...]] = ("stem.*",)

    def model(self) -> nn.Module:
        model = nn.Sequential()
        model.add_module("stem", nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6)))
        model.add_module("body", nn.Linear(6, 4))
        model.add_module("head", nn.Linear(4, 1))
        return model

    def open_data(self, data: str) -> NodeData:
        seed, _, rows = data.partition(":")
        generator = torch.Generator().manual_seed(int(seed))
        inputs = torch.randn(int(rows or 24), 3, generator=generator)
        targets = inputs.sum(dim=1, keepdim=True) * (1 + int(seed) / 4)
        whole = TensorDataset(inputs, targets)
        return NodeData(training=whole, held_out=TensorDataset(inputs[:6], targets[:6]))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)


class Tied(Parts):
    """A first and a last layer that are one tensor, as a language model's embedding and its output layer are."""

    private: ClassVar[tuple[str, ...]] = ()
    frozen: ClassVar[tuple[str, ...]] = ()

    def model(self) -> nn.Module:
        model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Linear(3, 1))
        model[2].weight = model[0].weight
        return model


class Line(Task):
    """The least that can be trained: `data` is how many rows."""

    def model(self) -> nn.Module:
        return nn.Linear(2, 1)

    def open_data(self, data: str) -> NodeData:
        inputs = torch.sin(torch.arange(2.0 * int(data))).reshape(-1, 2)
        whole = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))
        return NodeData(training=whole, held_out=whole)

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)
