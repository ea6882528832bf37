"""What a swarm starts from: its task document and the result of round 0, made from a task that is installed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from swarm_chain.core import unixfs, weights
from swarm_chain.core.cids import Cid, parse_cid
from swarm_chain.core.documents import (
    FROZEN_WEIGHTS,
    NO_CAP,
    MergeSettings,
    ResultDocument,
    ShippedSource,
    TaskDocument,
    UpdateSettings,
    explain_difference,
    genesis,
)
from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge import Recipe, read_rule_source, rule_source
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, check_shapes, model_digest, specs_of, total_size
from swarm_chain.errors import (
    ConfigurationError,
    InvalidCid,
    MalformedFile,
    MalformedWeights,
    NotFinite,
    ShapeMismatch,
    TaskError,
    TaskMismatch,
    TaskNotAccepted,
    TooLarge,
)
from swarm_chain.ports import UpdateStore
from swarm_chain.tasks import load_shipped
from swarm_chain.tasks.base import Task
from swarm_chain.tasks.sources import MAX_SOURCE, task_in_source
from swarm_chain.types import Digest, Parameters

Get = Callable[..., bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Genesis:
    """A swarm's first documents, and the files that they link to or name."""

    task: TaskDocument
    result: ResultDocument
    weights: bytes
    source: bytes | None = None
    frozen: bytes | None = None
    rule: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a swarm starts from instead of its task's seed. `base` is the earlier swarm's result it comes from, if any.

    `weights` are canonical, of the shared tensors; `frozen` are the tensors that nobody trains, where they are given.
    """

    weights: bytes
    frozen: Parameters = field(default_factory=dict)
    base: Cid | None = None
    state: Cid | None = None


def merge_settings(rule: Recipe, *, max_samples: int = NO_CAP, max_share_bps: int = 10_000) -> MergeSettings:
    """How a task merges, as its document says it."""
    return MergeSettings(
        rule=rule.name,
        parameters=rule.parameters,
        source=rule_source(type(rule.rule)),
        max_samples=max_samples,
        max_share_bps=max_share_bps,
    )


def make_genesis(task: Task, merge: MergeSettings, *, start: Start | None = None) -> Genesis:
    """The documents for a task, started from its seed, or from what is given.

    Raises `ShapeMismatch`, `MalformedWeights` or `NotFinite` where that does not hold weights of the task's model.
    """
    from swarm_chain.adapters.torch_parameters import require_finite
    from swarm_chain.adapters.torch_trainer import initial_tensors

    shared, frozen = initial_tensors(task)
    if start is None:
        start = Start(weights=weights.encode(shared))
    specs = specs_of(shared)
    with WeightsFile(start.weights) as found:
        check_shapes(specs, found.specs)
        check_finite(found)
    task.frozen_parameters = start.frozen or frozen
    check_shapes(specs_of(frozen), specs_of(task.frozen_parameters))
    require_finite(task.frozen_parameters, what="the frozen tensors", advice="start from another model")
    document = task_document(task, specs, merge)
    file = import_bytes(start.weights)
    return Genesis(
        task=document,
        result=genesis(document, weights=file.cid, size=file.size, base=start.base, state=start.state),
        weights=start.weights,
        source=task.source_code,
        rule=read_rule_source(merge),
        frozen=weights.encode(task.frozen_parameters) if frozen else None,
    )


def start_from_file(task: Task, path: Path) -> Start:
    """What a safetensors file holds of a task's model; its private tensors may be there, and are not used.

    Raises `ConfigurationError`, `MalformedWeights`, and `ShapeMismatch` or `NotFinite`, naming each tensor that is not
    good.
    """
    from swarm_chain.adapters.torch_parameters import check_same, require_finite
    from swarm_chain.adapters.torch_trainer import initial_tensors, tied_tensors

    given = _with_ties(_safetensors_in(path), tied_tensors(task))
    shared, frozen = initial_tensors(task)
    wanted = {**shared, **frozen}
    found = {name: array for name, array in given.items() if name in wanted or not _is_private(task, name)}
    try:
        check_same(wanted, found)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{path}: {error}") from error
    require_finite({name: found[name] for name in wanted}, what=f"{path}: its tensors", advice="give another file")
    return Start(
        weights=weights.encode({name: found[name] for name in shared}), frozen={name: found[name] for name in frozen}
    )


def task_document(task: Task, specs: Specs, merge: MergeSettings) -> TaskDocument:
    """The document of a task whose model has these shared tensors."""
    return TaskDocument(
        name=task.name,
        source=task.source,
        model=model_digest(specs),
        training={**task.hyperparameters.document(), **_frozen_entries(task.frozen_parameters)},
        merge=merge,
        # Canonical weights of a model always have this size: an update that declares more is none of this task.
        update=UpdateSettings(max_bytes=total_size(specs)),
    )


def put_genesis(made: Genesis, store: UpdateStore) -> None:
    """Puts weights, source and documents into a store, what is linked to before what links."""
    files = tuple(data for data in (made.source, made.frozen, made.rule) if data is not None)
    store.publish(Publication(document=made.task.encode(), files=files))
    store.publish(Publication(document=made.result.encode(), files=(made.weights,)))


# ---------------------------------------------------------------------------------------------------------------- again


def task_of(document: TaskDocument, get: Get, *, accepted: Digest | None = None) -> Task:
    """The task that a swarm's task document is about, ready to train.

    One that comes as source code is read by a store's `get`, and run only where `accepted` is the document's digest.
    Raises `TaskNotAccepted`, what a store does, `TaskSourceError`, and `TaskMismatch`, showing the difference, where
    what is installed here is not exactly what the swarm uses.
    """
    return same_task(_task_of(document, get, accepted), document, get)


def same_task(task: Task, document: TaskDocument, get: Get) -> Task:
    """A task that is here already, if it is the swarm's, with the frozen tensors that a store's `get` has of it.

    Raises `TaskMismatch`, showing the difference, and what a store does.
    """
    from swarm_chain.adapters.torch_trainer import initial_tensors

    shared, frozen = initial_tensors(task)
    if frozen:
        task.frozen_parameters = _frozen_in(document, get, specs_of(frozen))
    ours = task_document(task, specs_of(shared), document.merge)
    if ours.cid() != document.cid():
        difference = "; ".join(explain_difference(ours, document))
        raise TaskMismatch(f"the task {task.name} installed here is not the swarm's: {difference}; install the same")
    return task


def read_source(document: TaskDocument, get: Get) -> bytes | None:
    """The source file that a task document links to; None for a task that ships. Nothing of it is run.

    Raises what a store does, and `TooLarge`.
    """
    if not isinstance(document.source, Cid):
        return None
    return _file_in(get, document.source, MAX_SOURCE)


def hyperparameters_in(document: TaskDocument) -> Mapping[str, Scalar]:
    """What a task document says of the training, but for the tensors that nobody trains."""
    return {key: value for key, value in document.training.items() if key != FROZEN_WEIGHTS}


def _task_of(document: TaskDocument, get: Get, accepted: Digest | None) -> Task:
    if isinstance(document.source, Cid) and accepted != document.digest():
        raise TaskNotAccepted(
            f"the swarm's task {document.name} is source code that nobody has accepted here; read it with "
            f"`swarm-chain task show`, then accept it: join --accept-task 0x{document.digest().hex()}"
        )
    training, source = hyperparameters_in(document), read_source(document, get)
    try:
        if isinstance(document.source, ShippedSource):
            return load_shipped(document.source.name, training)
        kind = task_in_source(source or b"", document.name, filename=f"{document.name}.py")
        return kind(type(kind.defaults).from_document(training))
    except TaskError as error:
        raise TaskMismatch(
            f"the swarm's task {document.name} cannot be run here: {error}", details=error.details
        ) from error


def _frozen_entries(frozen: Parameters) -> Mapping[str, Scalar]:
    return {FROZEN_WEIGHTS: str(import_bytes(weights.encode(frozen)).cid)} if frozen else {}


def _frozen_in(document: TaskDocument, get: Get, specs: Specs) -> Parameters:
    """The tensors that nobody trains, as the swarm's task names them: they must fit the model."""
    from swarm_chain.adapters.torch_parameters import require_finite

    named = document.training.get(FROZEN_WEIGHTS)
    try:
        link = parse_cid(str(named))
        found = weights.decode(_file_in(get, link, total_size(specs)))
        check_shapes(specs, specs_of(found))
        require_finite(found, what="they", advice="ask who deployed the swarm")
    except (InvalidCid, TooLarge, MalformedFile, MalformedWeights, ShapeMismatch, NotFinite) as error:
        raise TaskMismatch(f"the swarm's frozen tensors ({named!r:.80}) are not this task's: {error}") from error
    return found


def _file_in(get: Get, link: Cid, limit: int) -> bytes:
    return b"".join(unixfs.read(get, unixfs.find_file(get, link, max_bytes=limit)))


def _with_ties(given: Parameters, tied: Iterable[Collection[str]]) -> Parameters:
    """The same under all names of a tensor that has several: `safetensors.torch.save_model` writes it under one."""
    found = dict(given)
    for several in tied:
        known = sorted(found.keys() & set(several))
        found |= {name: found[known[0]] for name in several if known and name not in found}
    return found


def _is_private(task: Task, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in task.private)


def _safetensors_in(path: Path) -> Parameters:
    """The tensors of any safetensors file, in whatever order. Raises `ConfigurationError`, `MalformedWeights`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from swarm_chain.adapters.torch_parameters import to_array

    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigurationError(f"weights {path} are no file: a pipe cannot be mapped; give a file")
    try:
        # Safetensors' own errors do not say why a file cannot be read.
        path.open("rb").close()
        return {name: to_array(name, tensor) for name, tensor in sorted(load_file(path).items())}
    except OSError as error:
        raise ConfigurationError(f"weights {path} cannot be read: {error.strerror}; give another file") from error
    except SafetensorError as error:
        raise MalformedWeights(f"{path} is no safetensors file ({error}): save the model with safetensors") from error
