"""Starting from a model that another program saved, in any safetensors file."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file, save_model

from swarm_chain.adapters.torch_trainer import initial_tensors, module_of
from swarm_chain.core import weights
from swarm_chain.core.documents import MergeSettings
from swarm_chain.errors import ConfigurationError, MalformedWeights, NotFinite, ShapeMismatch
from swarm_chain.genesis import Genesis, make_genesis, start_from_file
from tests.own_tasks import Parts, Tied


def pretrained() -> dict[str, torch.Tensor]:
    """A whole model of the task, as training elsewhere left it."""
    torch.manual_seed(77)
    return dict(Parts().model().state_dict())


def started(path: Path) -> Genesis:
    task = Parts()
    return make_genesis(task, MergeSettings(rule="mean"), start=start_from_file(task, path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_start_from_file__whole_model__shared_and_frozen_tensors_are_taken(path: Path) -> None:
    tensors = pretrained()
    save_file(tensors, path)
    made = started(path)
    assert made.frozen is not None
    found = weights.decode(made.weights) | weights.decode(made.frozen)
    assert found.keys() == {name for name in tensors if not name.startswith("head.")}
    assert all(np.array_equal(array, tensors[name].numpy()) for name, array in found.items())


def test_start_from_file__other_order_and_metadata__same_genesis(path: Path) -> None:
    tensors = pretrained()
    save_file(tensors, path)
    made = started(path)
    save_file(dict(reversed(tensors.items())), path, metadata={"format": "pt", "author": "somebody"})
    assert path.read_bytes() != weights.encode({name: tensor.numpy() for name, tensor in tensors.items()})
    assert started(path) == made


def test_start_from_file__private_tensors__may_be_there_or_not(path: Path) -> None:
    tensors = pretrained()
    save_file(tensors, path)
    made = started(path)
    save_file({name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}, path)
    assert started(path) == made
    save_file({**tensors, "head.more": torch.zeros(3)}, path)
    assert started(path) == made


def test_start_from_file__nodes_own_layers__begin_as_the_seed_makes_them(path: Path) -> None:
    save_file(pretrained(), path)
    task = Parts()
    made = make_genesis(task, MergeSettings(rule="mean"), start=start_from_file(task, path))
    found = module_of(task, weights.decode(made.weights)).state_dict()
    fresh = module_of(Parts(), initial_tensors(Parts())[0]).state_dict()
    assert torch.equal(found["head.weight"], fresh["head.weight"])
    assert not torch.equal(found["stem.0.weight"], fresh["stem.0.weight"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("body.bias"), "body.bias is missing"),
        (lambda t: t.pop("stem.1.running_var"), "stem.1.running_var is missing"),
        (lambda t: (t.pop("body.bias"), t.pop("body.weight")), "body.bias is missing; body.weight is missing"),
        (lambda t: t.update(tail=torch.zeros(2)), "tail is unknown"),
        (lambda t: t.update({"body.bias": torch.zeros(5)}), "body.bias is float32 (5,) and should be float32 (4,)"),
        (lambda t: t.update({"body.bias": torch.zeros(4).half()}), "body.bias is float16 (4,) and should be float32"),
        (
            lambda t: (t.update(tail=torch.zeros(2)), t.pop("body.bias")),
            "body.bias is missing; tail is unknown",
        ),
    ],
)
def test_start_from_file__tensors_differ__each_is_named(path: Path, change: Callable[[Any], Any], said: str) -> None:
    tensors = pretrained()
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(ShapeMismatch) as caught:
        started(path)
    assert f"{path}: " in str(caught.value)
    assert said in str(caught.value)


def test_start_from_file__tied_tensor_saved_under_one_of_its_names__is_taken_for_all(path: Path) -> None:
    torch.manual_seed(77)
    model = Tied().model()
    save_model(model, str(path))
    assert len(load_file(path)) == len(model.state_dict()) - 1
    made = make_genesis(Tied(), MergeSettings(rule="mean"), start=start_from_file(Tied(), path))
    found = weights.decode(made.weights)
    assert found.keys() == model.state_dict().keys()
    assert all(np.array_equal(array, model.state_dict()[name].numpy()) for name, array in found.items())


@pytest.mark.parametrize("name", ["body.weight", "stem.0.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_start_from_file__no_number__names_the_tensor(path: Path, name: str, value: float) -> None:
    tensors = {key: tensor.clone() for key, tensor in pretrained().items()}
    tensors[name][0, 0] = value
    save_file(tensors, path)
    with pytest.raises(NotFinite, match=rf"model\.safetensors: .* in {name}: give another file"):
        started(path)


def test_start_from_file__pipe__is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="are no file: a pipe cannot be mapped"):
        started(path)


def test_start_from_file__name_without_end__is_shown_in_part(path: Path) -> None:
    save_file({**pretrained(), "x" * 100_000: torch.zeros(1)}, path)
    with pytest.raises(ShapeMismatch, match=f"{'x' * 80}… is unknown") as caught:
        started(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"a": 1}), b"\xff" * 200, b"PK\x03\x04" + b"\0" * 99])
def test_start_from_file__no_safetensors__says_so(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(MalformedWeights, match=r"model\.safetensors is no safetensors file .*: save the model with"):
        started(path)


def test_start_from_file__cut_off__says_so(path: Path) -> None:
    save_file(pretrained(), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MalformedWeights, match="is no safetensors file"):
        started(path)


def test_start_from_file__no_file_or_a_folder__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        started(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        started(tmp_path)
