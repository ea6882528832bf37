"""One local training, as tasks do it that have no way of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm_chain.tasks.batches import batches, count, moved
from swarm_chain.tasks.optimizers import restore, state_of

if TYPE_CHECKING:
    from torch.nn import Module
    from torch.utils.data import Dataset

    from swarm_chain.tasks.base import Progress, Task


def fit(task: Task, model: Module, examples: Dataset[Any], on_progress: Progress) -> None:
    """`epochs` passes over the examples in a random order, in place."""
    import torch
    from torch.amp import GradScaler, autocast

    settings, device, optimizer = task.hyperparameters, task.device, task.optimizer(model)
    if settings.keep_optimizer:
        restore(optimizer, task.memory)
    is_mixed, precision = settings.precision != "float32", getattr(torch, settings.precision)
    # Gradients in float16 underflow without a scale.
    scaler = GradScaler(device.type, enabled=settings.precision == "float16")
    in_an_epoch = -(-count(examples) // settings.batch_size)
    done = 0
    model.train()
    for _ in range(settings.epochs):
        order = torch.randperm(count(examples)).tolist()
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
        task.memory = state_of(optimizer)
