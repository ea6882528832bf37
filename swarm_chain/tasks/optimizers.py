"""The optimisers that hyper-parameters name, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from swarm_chain.errors import TaskError
from swarm_chain.tasks.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer


def make_optimizer(settings: Hyperparameters, parameters: Iterable[Parameter]) -> Optimizer:
    """The optimiser that the hyper-parameters name, for parameters that are to be trained."""
    from torch.optim import SGD, Adam, AdamW

    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return SGD(trained, lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    kind: type[Optimizer] = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    return kind(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)  # type: ignore[call-arg]


def state_of(optimizer: Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, as `0.exp_avg` and so on. Raises `TaskError` where that is not made of tensors."""
    import torch

    found: dict[str, Tensor] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if isinstance(value, torch.Tensor):
                found[f"{index}.{key}"] = value.detach().cpu()
            elif value is not None:
                raise TaskError(
                    f"{type(optimizer).__name__} remembers {key}, which is no tensor: set keep_optimizer=false"
                )
    return found


def restore(optimizer: Optimizer, state: Mapping[str, Tensor]) -> None:
    """Gives an optimiser what one like it remembered. With nothing to remember it stays new."""
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = tensor
    if entries:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
