"""A result's model as a file, each byte checked on its way there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from swarm_chain.core import unixfs
from swarm_chain.core.cids import Cid, parse_cid
from swarm_chain.core.documents import FROZEN_WEIGHTS, ResultDocument, TaskDocument
from swarm_chain.core.unixfs import File, find_file
from swarm_chain.core.weights import WeightsFile, blocks, check_finite, header, model_digest, raw
from swarm_chain.errors import InvalidCid, Malformed, MalformedDocument, NotFinite, ShapeMismatch, TooLarge
from swarm_chain.ports import UpdateStore

MAX_FROZEN: Final = 1 << 40
"""Bytes of the largest file of frozen tensors that is fetched: only a task's source says how many they have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A model in a file. `frozen` links to the tensors in it that nobody trains, where its task has some."""

    sha256: str
    frozen: Cid | None


def fetch_model(store: UpdateStore, result: ResultDocument, task: TaskDocument, path: Path) -> Fetched:
    """Writes a result's model to a new file, canonical, and on disk when this returns.

    It has the result's weights, and the frozen tensors, where the task has some. Raises `TooLarge`, `MalformedFile`,
    `MalformedWeights`, `ShapeMismatch`, `NotFinite` for what is no model of the task, what the store does, `OSError`.
    """
    with _about(result):
        link = frozen_link(task)
        if link is None:
            _fetch_shared(store, result, task, path)
        else:
            _fetch_both(store, result, task, link, path)
    with path.open("rb") as stream:
        return Fetched(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), frozen=link)


def fetch_weights(store: UpdateStore, result: ResultDocument, task: TaskDocument, path: Path) -> None:
    """Writes a result's weights to a new file: the tensors that the swarm trains. Raises what `fetch_model` does."""
    with _about(result):
        _fetch_shared(store, result, task, path)


def frozen_link(task: TaskDocument) -> Cid | None:
    """The file of the tensors that nobody trains; None for a task without. Raises `MalformedDocument`."""
    named = task.training.get(FROZEN_WEIGHTS)
    if named is None:
        return None
    try:
        return parse_cid(str(named))
    except InvalidCid as error:
        raise MalformedDocument(f"the task {task.name} links to no file of frozen tensors: {error}") from error


def _fetch_shared(store: UpdateStore, result: ResultDocument, task: TaskDocument, path: Path) -> None:
    if result.bytes > task.update.max_bytes:
        raise TooLarge(f"it declares {result.bytes} bytes where its task allows {task.update.max_bytes}")
    _fetch(store, File(cid=result.weights, size=result.bytes), path)
    with WeightsFile(path) as weights:
        if model_digest(weights.specs) != task.model:
            raise ShapeMismatch(f"their tensors are not the model of task {task.name}; run `swarm-chain audit`")
        check_finite(weights)


def _fetch_both(store: UpdateStore, result: ResultDocument, task: TaskDocument, link: Cid, path: Path) -> None:
    with _beside(path, "shared") as shared, _beside(path, "frozen") as frozen:
        _fetch_shared(store, result, task, shared)
        _fetch(store, find_file(store.get, link, max_bytes=MAX_FROZEN), frozen)
        _join(shared, frozen, path)


def _join(one: Path, other: Path, path: Path) -> None:
    """Writes the tensors of two files as one file."""
    with WeightsFile(one) as shared, WeightsFile(other) as frozen, _written(path) as stream:
        check_finite(frozen)
        files = {spec: file for file in (shared, frozen) for spec in file.specs}
        stream.write(header((*shared.specs, *frozen.specs)))
        for spec, file in sorted(files.items(), key=lambda item: item[0]):
            for start, stop in blocks(spec.count):
                stream.write(raw(file.block(spec.name, start, stop)))
            file.release()


def _fetch(store: UpdateStore, file: File, path: Path) -> None:
    with _written(path) as stream:
        for data in unixfs.read(store.get, file):
            stream.write(data)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A stream to a new file, which is on disk at the end."""
    with path.open("xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _beside(path: Path, what: str) -> Iterator[Path]:
    made = path.with_name(f"{path.name}.{what}")
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def _about(result: ResultDocument) -> Iterator[None]:
    """Says of which round the weights are that cannot be used."""
    try:
        yield
    except (Malformed, ShapeMismatch, NotFinite) as error:
        raise type(error)(f"the weights of round {result.round} cannot be used: {error}") from error
