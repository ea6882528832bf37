"""What a swarm starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core import documents, unixfs, weights
from swarm_chain.core.documents import ResultDocument, ShippedSource, TaskDocument
from swarm_chain.core.merge import parse_rule
from swarm_chain.core.unixfs import File
from swarm_chain.errors import ConfigurationError, NotFinite, ShapeMismatch, TaskMismatch, TaskNotAccepted
from swarm_chain.genesis import Genesis, make_genesis, merge_settings, put_genesis, start_from_file, task_of
from swarm_chain.tasks import load_task


@pytest.fixture(scope="module")
def digits() -> Genesis:
    return make_genesis(load_task("digits"), merge_settings(parse_rule("weighted_mean")))


def started_from(digits: Genesis, path: Path) -> Genesis:
    task = load_task("digits")
    return make_genesis(task, digits.task.merge, start=start_from_file(task, path))


def test_make_genesis__same_task_and_seed__same_digests(digits: Genesis) -> None:
    again = make_genesis(load_task("digits"), merge_settings(parse_rule("weighted_mean")))
    assert again == digits


def test_make_genesis__other_seed__other_weights_and_task(digits: Genesis) -> None:
    other = make_genesis(load_task("digits").seeded(1), merge_settings(parse_rule("weighted_mean")))
    assert other.result.weights != digits.result.weights
    assert other.task.digest() != digits.task.digest()


def test_put_genesis__everything_is_reached_from_the_result_alone(digits: Genesis) -> None:
    store = MemoryStore()
    put_genesis(digits, store)
    result = documents.read(store.get, digits.result.digest(), ResultDocument)
    task = documents.read(store.get, result.task, TaskDocument)
    data = b"".join(unixfs.read(store.get, File(cid=result.weights, size=result.bytes)))
    assert task == digits.task
    assert data == digits.weights
    assert weights.model_digest(weights.specs_of(weights.decode(data))) == task.model
    assert len(data) == task.update.max_bytes


def test_make_genesis__weights_in_a_file__starts_from_them(digits: Genesis, tmp_path: Path) -> None:
    shifted = {name: array + np.float32(1) for name, array in weights.decode(digits.weights).items()}
    weights.save(shifted, tmp_path / "start.safetensors")
    made = make_genesis(
        load_task("digits"),
        digits.task.merge,
        start=start_from_file(load_task("digits"), tmp_path / "start.safetensors"),
    )
    assert made.weights == weights.encode(shifted)
    assert made.task == digits.task


def test_make_genesis__weights_of_another_model__raises_shape_mismatch(digits: Genesis, tmp_path: Path) -> None:
    weights.save({"0.weight": np.zeros((2, 2), np.float32)}, tmp_path / "start.safetensors")
    with pytest.raises(ShapeMismatch, match=r"0\.weight"):
        make_genesis(
            load_task("digits"),
            digits.task.merge,
            start=start_from_file(load_task("digits"), tmp_path / "start.safetensors"),
        )


def test_make_genesis__weights_hold_nan__raises_not_finite(digits: Genesis, tmp_path: Path) -> None:
    spoilt = {name: array * np.float32("nan") for name, array in weights.decode(digits.weights).items()}
    weights.save(spoilt, tmp_path / "start.safetensors")
    with pytest.raises(NotFinite):
        make_genesis(
            load_task("digits"),
            digits.task.merge,
            start=start_from_file(load_task("digits"), tmp_path / "start.safetensors"),
        )


def test_make_genesis__no_such_file__says_so(digits: Genesis, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        make_genesis(
            load_task("digits"), digits.task.merge, start=start_from_file(load_task("digits"), tmp_path / "nothing")
        )


def test_task_of__the_same_task__is_ready_to_train(digits: Genesis) -> None:
    task = task_of(digits.task, MemoryStore().get)
    assert task.hyperparameters.document() == digits.task.training


def test_task_of__another_model__shows_the_difference(digits: Genesis) -> None:
    swarms = replace(digits.task, model=bytes(32))
    with pytest.raises(TaskMismatch, match="model: 0x"):
        task_of(swarms, MemoryStore().get)


def test_task_of__another_version__shows_the_difference(digits: Genesis) -> None:
    swarms = replace(digits.task, source=ShippedSource(name="digits", version="99"))
    with pytest.raises(TaskMismatch, match=r"source\.version: '1' here, '99' there"):
        task_of(swarms, MemoryStore().get)


def test_task_of__unknown_hyperparameter__names_it(digits: Genesis) -> None:
    swarms = replace(digits.task, training={**digits.task.training, "dropout": 0.5})
    with pytest.raises(TaskMismatch, match="dropout"):
        task_of(swarms, MemoryStore().get)


def test_task_of__a_task_that_is_not_installed__names_it(digits: Genesis) -> None:
    swarms = replace(digits.task, name="x", source=ShippedSource(name="retina", version="1"))
    with pytest.raises(TaskMismatch, match="retina"):
        task_of(swarms, MemoryStore().get)


def test_task_of__source_from_a_store__is_not_run(digits: Genesis) -> None:
    swarms = replace(digits.task, source=digits.result.weights)
    with pytest.raises(TaskNotAccepted, match=f"source code .* --accept-task 0x{swarms.digest().hex()}"):
        task_of(swarms, MemoryStore().get)
