"""The task that the user has, if it is the swarm's."""

from __future__ import annotations

import inspect
from pathlib import Path

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import TaskDocument
from swarm_chain.errors import ConfigurationError, TaskMismatch, TaskNotAccepted
from swarm_chain.genesis import hyperparameters_in, read_source, same_task, task_of
from swarm_chain.membership.acceptance import source_difference
from swarm_chain.ports import UpdateStore
from swarm_chain.tasks.base import Task
from swarm_chain.tasks.sources import TaskFile


def agreed_task(given: str | Task | type[Task] | None, document: TaskDocument, store: UpdateStore) -> Task:
    """The swarm's task, if the user's is the same; where none is given, the one that ships.

    A name, a file or a class gets the swarm's hyper-parameters; an object must have the same. Source code that
    nobody here has is not run. Raises `TaskMismatch` with the difference, `TaskNotAccepted`, and what a store does.
    """
    if given is None:
        return _shipped(document, store)
    if isinstance(given, str):
        return _named(given, document, store)
    if not (isinstance(given, Task) or (inspect.isclass(given) and issubclass(given, Task))):
        raise ConfigurationError(
            f"task is of type {type(given).__name__}: give a task's name, my_task.py:MyTask, a class derived from "
            "Task, or an object of one"
        )
    _require_same_file(given, document, store)
    return same_task(_object(given, document), document, store.get)


def _shipped(document: TaskDocument, store: UpdateStore) -> Task:
    try:
        return task_of(document, store.get)
    except TaskNotAccepted:
        raise TaskNotAccepted(
            f"the swarm's task {document.name} is source code: read it with `swarm-chain task show`, keep it as a "
            f"file, and give that: task='my_task.py:{document.name}'"
        ) from None


def _named(given: str, document: TaskDocument, store: UpdateStore) -> Task:
    file = TaskFile.parse(given)
    if file is not None:
        return _in_file(file, document, store)
    if given != document.name:
        raise TaskMismatch(f"the swarm's task is {document.name}, and not {given}: give task={document.name!r}")
    return _shipped(document, store)


def _in_file(file: TaskFile, document: TaskDocument, store: UpdateStore) -> Task:
    """What is in a file is accepted by being the same: it is the user's own. Not run where it is another."""
    theirs = read_source(document, store.get)
    if theirs is None:
        raise TaskMismatch(f"the swarm's task {document.name} ships, and is no file: give task={document.name!r}")
    _require_same(file, theirs, document.name)
    task = task_of(document, store.get, accepted=document.digest())
    if file.class_name not in (None, type(task).__name__):
        raise TaskMismatch(f"the swarm's task is {type(task).__name__} in {file.path}, and not {file.class_name}")
    return task


def _require_same_file(given: Task | type[Task], document: TaskDocument, store: UpdateStore) -> None:
    """Returns if a class or an object comes from the swarm's source; also where it does not say where it comes from."""
    ours = given.source_code or _source_of(given if isinstance(given, type) else type(given))
    theirs = read_source(document, store.get)
    if ours is not None and theirs is not None:
        _require_equal(ours, theirs, document.name, here=f"{given.name}'s file")


def _require_same(file: TaskFile, theirs: bytes, name: str) -> None:
    _require_equal(file.read(), theirs, name, here=str(file.path))


def _require_equal(ours: bytes, theirs: bytes, name: str, *, here: str) -> None:
    if ours != theirs:
        difference = source_difference(ours, theirs, here=here)
        error = TaskMismatch(
            f"{here} is not the source of the swarm's task {name}: the difference follows", details=difference
        )
        error.add_note(_printable(difference))  # Which a traceback shows.
        raise error


def _printable(text: str) -> str:
    """Lines that may play no tricks on the terminal at which they are read: a stranger wrote some of them."""
    lines = (line.expandtabs() for line in text.split("\n"))
    return "\n".join("".join(char if char.isprintable() else "?" for char in line) for line in lines)


def _object(given: Task | type[Task], document: TaskDocument) -> Task:
    task = given
    if not isinstance(task, Task):
        task = task(type(task.defaults).from_document(hyperparameters_in(document)))
    if isinstance(document.source, Cid) and task.source_code is None:
        task.source_code = _source_of(type(task))  # type: ignore[misc]  # of this object, not of its class
    return task


def _source_of(kind: type[Task]) -> bytes | None:
    """The file that a class was imported from; None for one that was typed somewhere."""
    try:
        return Path(inspect.getfile(kind)).read_bytes()
    except (OSError, TypeError):
        return None
