"""The optimisers that hyper-parameters name, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from swarm_chain.errors import TaskError
from swarm_chain.tasks.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

_PREFIX: Final = "optimizer."
"""What the names of an optimiser's state in a task's memory begin with: the task may keep more there."""


def make_optimizer(settings: Hyperparameters, parameters: Iterable[Parameter]) -> Optimizer:
    """The optimiser that the hyper-parameters name, for parameters that are to be trained."""
    from torch.optim import SGD, Adam, AdamW

    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return SGD(trained, lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    kind: type[Optimizer] = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    return kind(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)  # type: ignore[call-arg]


def kept_state(optimizer: Optimizer, memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A memory with what an optimiser remembers in it, as `optimizer.0.exp_avg` and so on.

    Raises `TaskError` where that is not made of tensors.
    """
    import torch

    found = {name: tensor for name, tensor in memory.items() if not name.startswith(_PREFIX)}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if isinstance(value, torch.Tensor):
                found[f"{_PREFIX}{index}.{key}"] = value.detach().cpu()
            elif value is not None:
                raise TaskError(
                    f"{type(optimizer).__name__} remembers {key}, which is no tensor: set keep_optimizer=false"
                )
    return found


def restore(optimizer: Optimizer, memory: Mapping[str, Tensor]) -> None:
    """Gives an optimiser what one like it left in a memory. With nothing there it stays new."""
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in memory.items():
        if name.startswith(_PREFIX):
            index, _, key = name.removeprefix(_PREFIX).partition(".")
            entries.setdefault(int(index), {})[key] = tensor
    if entries:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
