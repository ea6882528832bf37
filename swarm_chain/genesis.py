"""What a swarm starts from: its task document and the result of round 0, made from a task that is installed here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core import weights
from swarm_chain.core.documents import (
    NO_CAP,
    MergeSettings,
    ResultDocument,
    ShippedSource,
    TaskDocument,
    UpdateSettings,
    explain_difference,
    genesis,
)
from swarm_chain.core.merge import Rule, rule_source
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, check_shapes, model_digest, specs_of, total_size
from swarm_chain.errors import ConfigurationError, TaskError, TaskMismatch
from swarm_chain.ports import UpdateStore
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Genesis:
    """A swarm's first documents, and the weights that the second one links to."""

    task: TaskDocument
    result: ResultDocument
    weights: bytes


def merge_settings(rule: Rule, *, max_samples: int = NO_CAP, max_share_bps: int = 10_000) -> MergeSettings:
    """How a task merges, as its document says it."""
    return MergeSettings(
        rule=rule.name,
        parameters=rule.parameters,
        source=rule_source(type(rule)),
        max_samples=max_samples,
        max_share_bps=max_share_bps,
    )


def make_genesis(task: Task, merge: MergeSettings, *, start: Path | None = None) -> Genesis:
    """The documents for a task, started from its seed, or from the weights in a file.

    Raises `ShapeMismatch`, `MalformedWeights` or `NotFinite` where the file does not hold weights of the task's model.
    """
    from swarm_chain.adapters.torch_trainer import initial_parameters

    parameters = initial_parameters(task)
    specs = specs_of(parameters)
    data = weights.encode(parameters) if start is None else _weights_in(start, specs)
    document = task_document(task, specs, merge)
    file = import_bytes(data)
    return Genesis(task=document, result=genesis(document, weights=file.cid, size=file.size), weights=data)


def task_document(task: Task, specs: Specs, merge: MergeSettings) -> TaskDocument:
    """The document of a task whose model has these tensors."""
    return TaskDocument(
        name=task.name,
        source=task.source,
        model=model_digest(specs),
        training=task.hyperparameters.document(),
        merge=merge,
        # Canonical weights of a model always have this size: an update that declares more is none of this task.
        update=UpdateSettings(max_bytes=total_size(specs)),
    )


def put_genesis(made: Genesis, store: UpdateStore) -> None:
    """Puts weights and documents into a store, what is linked to before what links."""
    import_bytes(made.weights, store.put)
    for document in (made.task, made.result):
        store.put(document.cid(), document.encode())


def task_of(document: TaskDocument) -> Task:
    """The installed task that a swarm's task document is about.

    Raises `TaskMismatch`, showing the difference, where what is installed here is not exactly what the swarm uses.
    """
    from swarm_chain.adapters.torch_trainer import initial_parameters

    if not isinstance(document.source, ShippedSource):
        raise TaskMismatch(
            f"the swarm's task {document.name} comes as source code ({document.source}), and only tasks that ship are "
            "run; install a version of swarm-chain that runs such tasks"
        )
    try:
        task = load_task(document.source.name, document.training)
    except TaskError as error:
        raise TaskMismatch(f"the swarm's task {document.name} cannot be run here: {error}") from error
    ours = task_document(task, specs_of(initial_parameters(task)), document.merge)
    if ours.cid() != document.cid():
        difference = "; ".join(explain_difference(ours, document))
        raise TaskMismatch(f"the task {task.name} installed here is not the swarm's: {difference}; install the same")
    return task


def _weights_in(path: Path, specs: Specs) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"weights {path} cannot be read: {error.strerror}; give another file") from error
    with WeightsFile(data) as found:
        check_shapes(specs, found.specs)
        check_finite(found)
    return data
