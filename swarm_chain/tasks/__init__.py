"""The models and data that ship, and the class to write one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm_chain.errors import TaskError
from swarm_chain.tasks.base import NodeData, Split, SplitTask, Task
from swarm_chain.tasks.courses import Courses
from swarm_chain.tasks.digits import Digits
from swarm_chain.tasks.heart import Heart
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.tasks.sources import TaskFile
from swarm_chain.tasks.standardising import standardised
from swarm_chain.tasks.tables import read_table

__all__ = [
    "Courses",
    "Digits",
    "Heart",
    "Hyperparameters",
    "NodeData",
    "Split",
    "SplitTask",
    "Task",
    "load_shipped",
    "load_task",
    "read_table",
    "standardised",
    "task_names",
]

_SHIPPED: dict[str, type[Task]] = {task.name: task for task in (Courses, Digits, Heart)}


def task_names() -> list[str]:
    """Names of the tasks that ship."""
    return sorted(_SHIPPED)


def load_task(name: str, training: Mapping[str, Any] | None = None) -> Task:
    """A task by its name, or from a file of one's own, `my_task.py:MyTask`, which is run.

    It has its defaults, or the hyper-parameters of a task document. Raises `TaskError`.

    >>> load_task("digits").hyperparameters.epochs
    5
    """
    file = TaskFile.parse(name)
    if file is None:
        return load_shipped(name, training)
    task = file.load()
    return task() if training is None else task(type(task.defaults).from_document(training))


def load_shipped(name: str, training: Mapping[str, Any] | None = None) -> Task:
    """A task that ships. Raises `TaskError` for a name that none has."""
    if name not in _SHIPPED:
        raise TaskError(f"no task {name!r}: choose one of {', '.join(task_names())}, or a file: my_task.py:MyTask")
    task = _SHIPPED[name]
    return task() if training is None else task(type(task.defaults).from_document(training))
