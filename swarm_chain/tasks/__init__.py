"""The models and data that ship, and the class to write one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm_chain.errors import TaskError
from swarm_chain.tasks.base import NodeData, Split, SplitTask, Task
from swarm_chain.tasks.digits import Digits
from swarm_chain.tasks.heart import Heart
from swarm_chain.tasks.hyperparameters import Hyperparameters

__all__ = ["Digits", "Heart", "Hyperparameters", "NodeData", "Split", "SplitTask", "Task", "load_task", "task_names"]

_SHIPPED: dict[str, type[Task]] = {task.name: task for task in (Digits, Heart)}


def task_names() -> list[str]:
    """Names of the tasks that ship."""
    return sorted(_SHIPPED)


def load_task(name: str, training: Mapping[str, Any] | None = None) -> Task:
    """A shipped task with its defaults, or with the hyper-parameters of a task document.

    >>> load_task("digits").hyperparameters.epochs
    5
    """
    if name not in _SHIPPED:
        raise TaskError(f"no task {name!r}: choose one of {', '.join(task_names())}")
    task = _SHIPPED[name]
    return task() if training is None else task(type(task.defaults).from_document(training))
