"""Tasks that come as a source file: `my_task.py:MyTask` here, a link in a task document elsewhere.

A task is one file. What it imports must be installed on every node; files beside it are not found, here or there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from swarm_chain.core import sources
from swarm_chain.core.fields import is_name
from swarm_chain.core.sources import MAX_SOURCE, lines_of
from swarm_chain.errors import TaskSourceError
from swarm_chain.tasks.base import SplitTask, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFile:
    """A task's source file and the name of a class in it; None for the only one there is."""

    path: Path
    class_name: str | None

    @classmethod
    def parse(cls, text: str) -> TaskFile | None:
        """The file that a text like `my_task.py:MyTask` names; None for a text that names none."""
        if text.endswith(".py"):
            return cls(path=Path(text), class_name=None)
        path, colon, name = text.rpartition(":")
        return cls(path=Path(path), class_name=name) if colon and path.endswith(".py") else None

    def read(self) -> bytes:
        """The source. Raises `TaskSourceError`."""
        try:
            with self.path.open("rb") as file:
                source = file.read(MAX_SOURCE + 1)
        except OSError as error:
            raise TaskSourceError(f"the task {self.path} cannot be read ({error.strerror}): check its path") from error
        if len(source) > MAX_SOURCE:
            raise TaskSourceError(
                f"{self.path} has more than the {MAX_SOURCE:,} bytes that a task's source may have: keep data out of it"
            )
        return source

    def load(self) -> type[Task]:
        """The task's class, for a file of one's own: it is run. Raises `TaskSourceError`."""
        found = _tasks_in(run_source(self.read(), filename=str(self.path)))
        chosen = [task for task in found if self.class_name in (None, task.__name__)]
        if len(chosen) != 1:
            raise self._not_one(found)
        self._require_usable(chosen[0], found)
        return chosen[0]

    def _not_one(self, found: Sequence[type[Task]]) -> TaskSourceError:
        there = ", ".join(task.__name__ for task in found) or "none"
        wanted = f"no task {self.class_name}" if self.class_name else "no task" if not found else "more than one task"
        return TaskSourceError(
            f"{self.path} has {wanted}; its classes derived from Task: {there}; name one: {self.path}:NAME"
        )

    def _require_usable(self, task: type[Task], found: Sequence[type[Task]]) -> None:
        """Returns if others who get the source can train with the task too. Raises `TaskSourceError`."""
        if missing := sorted(task.__abstractmethods__):
            raise TaskSourceError(f"{self.path}: {task.__name__} lacks {', '.join(missing)}: write the methods")
        if not is_name(task.name):
            raise TaskSourceError(f"{self.path}: the name {task.name!r} is no printable ASCII: give the task another")
        if others := [other.__name__ for other in found if other.name == task.name and other is not task]:
            raise TaskSourceError(
                f"{self.path}: {task.__name__} and {', '.join(others)} have the same name, {task.name}: rename one"
            )


def task_in_source(source: bytes, name: str, *, filename: str) -> type[Task]:
    """The task of that name in a source, which is run: its operator accepted it. Raises `TaskSourceError`."""
    found = [task for task in _tasks_in(run_source(source, filename=filename)) if task.name == name]
    if len(found) != 1:
        raise TaskSourceError(f"{filename} has {len(found)} tasks named {name}, and must have one: do not join")
    if found[0].__abstractmethods__:
        raise TaskSourceError(f"{filename}: the task {name} is not finished: do not join")
    return found[0]


def run_source(source: bytes, *, filename: str) -> ModuleType:
    """The module that a task's source makes. Raises `TaskSourceError`, naming the line."""
    return sources.run_source(source, filename=filename, prefix="swarm_chain_task", error=TaskSourceError)


def _tasks_in(module: ModuleType) -> list[type[Task]]:
    """The tasks that a module defines, by name; what it imports left out."""
    found = sorted(set(_defined(module)), key=lambda task: task.__name__)
    for task in found:
        task.source_code = vars(module)[sources.SOURCE]
    return found


def _defined(module: ModuleType) -> Iterator[type[Task]]:
    for value in list(vars(module).values()):
        is_task = inspect.isclass(value) and issubclass(value, Task) and value not in (Task, SplitTask)
        if is_task and value.__module__ == module.__name__:
            yield value


__all__ = ["MAX_SOURCE", "TaskFile", "lines_of", "run_source", "task_in_source"]
