"""One local training, as tasks do it that have no way of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from swarm_chain.ports import Progress
from swarm_chain.tasks.batches import batches, count, moved
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.optimizers import kept_state, restore

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.utils.data import Dataset


class Trainable(Protocol):
    """What training needs of a task: `Task` says what each is."""

    hyperparameters: Hyperparameters
    memory: dict[str, Tensor]

    @property
    def device(self) -> torch.device: ...

    def optimizer(self, model: Module) -> Optimizer: ...

    def predict(self, model: Module, inputs: Any) -> Any: ...

    def loss(self, outputs: Any, targets: Any) -> Tensor: ...


def fit(task: Trainable, model: Module, examples: Dataset[Any], on_progress: Progress) -> None:
    """`epochs` passes over the examples in a random order, in place."""
    import torch
    from torch.amp import GradScaler, autocast

    settings, device, optimizer = task.hyperparameters, task.device, task.optimizer(model)
    if settings.keep_optimizer:
        restore(optimizer, task.memory)
    is_mixed, precision = settings.precision != "float32", getattr(torch, settings.precision)
    # Gradients in float16 underflow without a scale.
    scaler = GradScaler(device.type, enabled=settings.precision == "float16")
    done = 0
    model.train()
    for _ in range(settings.epochs):
        order = _epoch(count(examples), settings.batch_size)
        in_an_epoch = -(-len(order) // settings.batch_size)
        for inputs, targets in batches(examples, settings.batch_size, order):
            optimizer.zero_grad()
            with autocast(device.type, dtype=precision if is_mixed else None, enabled=is_mixed):
                loss = task.loss(task.predict(model, moved(inputs, device)), moved(targets, device))
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.step(optimizer)
            scaler.update()
            done += 1
            on_progress(done / (in_an_epoch * settings.epochs))
    if settings.keep_optimizer:
        task.memory = kept_state(optimizer, task.memory)


def _epoch(number: int, batch_size: int) -> list[int]:
    """The rows of all examples in a random order.

    Without the last one where it would be a batch by itself: batch norm cannot train on one, and each has its turn.
    """
    import torch

    order: list[int] = torch.randperm(number).tolist()
    return order[:-1] if 1 < batch_size < number and number % batch_size == 1 else order
