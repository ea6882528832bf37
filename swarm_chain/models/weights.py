"""A result's weights as a file, each byte checked on its way there."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from swarm_chain.core import unixfs
from swarm_chain.core.documents import ResultDocument, TaskDocument
from swarm_chain.core.unixfs import File
from swarm_chain.core.weights import WeightsFile, check_finite, model_digest
from swarm_chain.errors import MalformedWeights, NotFinite, ShapeMismatch, TooLarge
from swarm_chain.ports import UpdateStore


def fetch_weights(store: UpdateStore, result: ResultDocument, task: TaskDocument, path: Path) -> str:
    """Writes a result's weights to a new file, on disk when this returns, and gives the sha2-256 of its bytes.

    Raises `TooLarge`, `MalformedFile`, `MalformedWeights`, `ShapeMismatch`, `NotFinite` for what is not weights of the
    task's model, what the store does, and `OSError`.
    """
    if result.bytes > task.update.max_bytes:
        raise TooLarge(
            f"round {result.round} declares {result.bytes} bytes of weights where its task allows "
            f"{task.update.max_bytes}; such a result is none to use: run `swarm-chain audit`"
        )
    digest = sha256()
    with path.open("xb") as stream:
        for data in unixfs.read(store.get, File(cid=result.weights, size=result.bytes)):
            digest.update(data)
            stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    check_model(path, result, task)
    return digest.hexdigest()


def check_model(path: Path, result: ResultDocument, task: TaskDocument) -> None:
    """Returns if a file holds finite weights of the task's model.

    Raises `MalformedWeights`, `ShapeMismatch`, `NotFinite`.
    """
    what = f"the weights of round {result.round} cannot be used"
    try:
        with WeightsFile(path) as weights:
            if model_digest(weights.specs) != task.model:
                raise ShapeMismatch(f"{what}: their tensors are not the model of task {task.name}; look at its audit")
            check_finite(weights)
    except (MalformedWeights, NotFinite) as error:
        raise type(error)(f"{what}: {error}") from error
