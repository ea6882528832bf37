"""Agreed models as modules: their parameters, and that nothing runs which nobody accepted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import swarm_chain
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.torch_parameters import parameters_of
from swarm_chain.adapters.torch_trainer import initial_tensors
from swarm_chain.api.loading import load_model, model_in
from swarm_chain.core import weights
from swarm_chain.core.merge import parse_rule
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import (
    ConfigurationError,
    NoSuchResult,
    ShapeMismatch,
    StoreUnavailable,
    TaskMismatch,
    TaskNotAccepted,
)
from swarm_chain.genesis import Start, make_genesis, merge_settings
from swarm_chain.models.reading import SwarmReading
from swarm_chain.tasks import Task, load_task
from swarm_chain.tasks.sources import TaskFile
from swarm_chain.types import Digest
from tests.chains import MemoryWorld
from tests.histories import Script

SOURCE = """
from pathlib import Path

import torch
from torch import nn

from swarm_chain.tasks import Task

Path({mark!r}).write_text("ran")


class Mine(Task):
    private = ("head.*",)
    frozen = ("backbone.*",)

    def model(self):
        model = nn.Sequential()
        model.add_module("backbone", nn.Linear(3, 3))
        model.add_module("middle", nn.Linear(3, 2))
        model.add_module("drop", nn.Dropout(0.5))
        model.add_module("head", nn.Linear(2, 2))
        return model

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)
"""


def swarm_of(task: Task, start: Start | None = None) -> Script:
    """A swarm with a task, after one round in which each node moved every parameter."""
    store = MemoryStore()
    made = make_genesis(task, merge_settings(parse_rule("mean")), start=start)
    for data in (made.source, made.frozen):
        if data is not None:
            import_bytes(data, store.put)
    script = Script(MemoryWorld, store=store, task=made.task, start=dict(weights.decode(made.weights)))
    script.round()
    return script


def read(script: Script) -> SwarmReading:
    return SwarmReading(script.world.chain(None), script.store)


def same(module: nn.Module, wanted: Mapping[str, Any]) -> bool:
    found = parameters_of(module)
    return all((found[name] == array).all() for name, array in wanted.items())


@pytest.fixture(scope="module")
def heart() -> Script:
    return swarm_of(load_task("heart"))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that a task's source leaves behind when it runs."""
    return tmp_path / "ran"


@pytest.fixture
def file(tmp_path: Path, mark: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.format(mark=str(mark)))
    return path


@pytest.fixture
def own(file: Path, mark: Path) -> Script:
    made = swarm_of(TaskFile(path=file, class_name=None).load()())
    _forget_sources()
    mark.unlink()
    return made


def _forget_sources() -> None:
    """As in a process in which no task's source ran yet."""
    for name in [name for name in sys.modules if name.startswith("swarm_chain_task_")]:
        del sys.modules[name]


def test_model_in__task_that_ships__is_its_module_with_the_rounds_parameters(heart: Script) -> None:
    for number, result in enumerate([heart.genesis, *heart.results]):
        module = model_in(read(heart), number)
        assert same(module, heart.parameters_of(result))
        assert not module.training
    assert same(model_in(read(heart)), heart.parameters_of(heart.results[0]))


def test_model_in__as_a_name_class_or_object__is_the_same(heart: Script) -> None:
    task = load_task("heart")
    for given in ("heart", type(task), task):
        assert same(model_in(read(heart), task=given), heart.parameters_of(heart.results[0]))


def test_model_in__torchs_random_numbers__are_left_as_they_were(heart: Script) -> None:
    before = torch.random.get_rng_state()
    model_in(read(heart))
    assert (torch.random.get_rng_state() == before).all()


def test_model_in__another_task__raises_task_mismatch(heart: Script) -> None:
    with pytest.raises(TaskMismatch):
        model_in(read(heart), task="digits")
    with pytest.raises(TaskMismatch):
        model_in(read(heart), task=load_task("heart").seeded(5))


def test_model_in__unknown_round__raises_no_such_result(heart: Script) -> None:
    with pytest.raises(NoSuchResult, match="there is no round 7"):
        model_in(read(heart), 7)


# -------------------------------------------------------------------------------------------------- a task of one's own


def test_model_in__source_that_nobody_accepted__is_not_run(own: Script, mark: Path) -> None:
    with pytest.raises(TaskNotAccepted, match=f"is source code.*accept_task='0x{own.task.digest().hex()}'"):
        model_in(read(own))
    with pytest.raises(TaskMismatch, match="was accepted, and the swarm's task is"):
        model_in(read(own), accept_task=Digest(b"\x07" * 32))
    assert not mark.exists()


def test_model_in__source_accepted__shared_and_frozen_tensors_are_the_swarms(own: Script, mark: Path) -> None:
    module = model_in(read(own), accept_task=own.task.digest())
    assert mark.exists()
    wanted = own.parameters_of(own.results[0])
    assert set(wanted) == {"middle.weight", "middle.bias"}
    assert same(module, wanted)
    assert not module.training


def test_model_in__own_file__is_accepted_by_being_the_same(own: Script, file: Path) -> None:
    given = f"{file}:Mine"
    assert same(model_in(read(own), task=given), own.parameters_of(own.results[0]))
    file.write_text(file.read_text() + "\n# changed\n")
    _forget_sources()
    with pytest.raises(TaskMismatch, match="is not the source of the swarm's task"):
        model_in(read(own), task=given)


def test_model_in__frozen_tensors__come_from_the_swarm_and_not_from_the_seed(file: Path) -> None:
    task = TaskFile(path=file, class_name=None).load()()
    shared, frozen = initial_tensors(task)
    pretrained = {name: array + 1 for name, array in frozen.items()}
    script = swarm_of(task, Start(weights=weights.encode(shared), frozen=pretrained))
    module = model_in(read(script), task=f"{file}:Mine")
    assert same(module, pretrained)


def test_model_in__task_and_acceptance__is_refused(own: Script, file: Path) -> None:
    with pytest.raises(ConfigurationError, match="give task or accept_task, not both"):
        model_in(read(own), task=str(file), accept_task=own.task.digest())


def test_model_in__weights_are_no_model__raises_shape_mismatch() -> None:
    script = swarm_of(load_task("heart"))
    other = import_bytes(weights.encode({"x": parameters_of(nn.Linear(2, 2))["weight"]}), script.store.put)
    script.round(forge=lambda made: replace(made.document, weights=other.cid, bytes=other.size))
    with pytest.raises(ShapeMismatch, match="the weights of round 2 cannot be used"):
        model_in(read(script))
    assert same(model_in(read(script), 1), script.parameters_of(script.results[0]))


# ------------------------------------------------------------------------------------------------------------ the call


def test_load_model__is_a_name_of_the_package() -> None:
    assert swarm_chain.load_model is load_model
    with pytest.raises(AttributeError):
        swarm_chain.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_load_model__no_address_or_digest__says_what_to_give(tmp_path: Path) -> None:
    store = f"local:{tmp_path}"
    with pytest.raises(ConfigurationError, match="is no contract"):
        load_model("http://127.0.0.1:1", "0x12", store=store)
    with pytest.raises(ConfigurationError, match="give a task's digest"):
        load_model("http://127.0.0.1:1", "0x" + "11" * 20, store=store, accept_task="0x12")
    with pytest.raises(StoreUnavailable):
        load_model("http://127.0.0.1:1", "0x" + "11" * 20, store=f"local:{tmp_path}/nowhere")
