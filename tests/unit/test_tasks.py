"""The task class: hyper-parameters, batches, and what a task of one's own gets for a model, data and a loss."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from swarm_chain.core.documents import ShippedSource
from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks import Digits, Hyperparameters, NodeData, Task, load_task
from swarm_chain.tasks.batches import batches, count


@dataclass(frozen=True, kw_only=True)
class LineSettings(Hyperparameters):
    """Settings of a task that has one more than the usual."""

    width: int = 1


class Line(Task):
    """The least a task must say: a model, data, a loss."""

    name = "line"
    defaults = LineSettings(epochs=40, batch_size=4, learning_rate=0.1)

    def model(self) -> nn.Module:
        return nn.Linear(1, 1)

    def open_data(self, data: str) -> NodeData:
        inputs = torch.linspace(-1, 1, int(data)).reshape(-1, 1)
        return NodeData(training=TensorDataset(inputs, 3 * inputs + 1), held_out=TensorDataset(inputs, 3 * inputs + 1))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)


class Squares(Dataset[tuple[Tensor, float]]):
    """Examples that are made one at a time, as most people's datasets do."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, row: int) -> tuple[Tensor, float]:
        return torch.tensor([float(row)]), float(row * row)


def test_load_task__shipped_name__has_its_defaults() -> None:
    task = load_task("digits")
    assert isinstance(task, Digits)
    assert task.hyperparameters == Digits.defaults
    assert task.source == ShippedSource(name="digits", version="1")


def test_load_task__document_of_another_swarm__has_its_settings() -> None:
    training = load_task("digits").seeded(9).hyperparameters.document() | {"epochs": 3}
    assert load_task("digits", training).hyperparameters.document() == training


def test_load_task__unknown_name__raises_task_error_with_the_names() -> None:
    with pytest.raises(TaskError, match=r"no task 'digit': choose one of .*digits"):
        load_task("digit")


def test_seeded__other_seed__changes_nothing_else() -> None:
    task = Line().seeded(5)
    assert isinstance(task, Line)
    assert task.hyperparameters.document() == Line.defaults.document() | {"seed": 5}


def test_from_document__settings_of_a_subclass__come_back() -> None:
    settings = LineSettings(seed=1, width=7)
    assert LineSettings.from_document(settings.document()) == settings


@pytest.mark.parametrize(
    ("change", "name"),
    [({"wdith": 1}, "wdith"), ({"epochs": None}, "epochs"), ({"epochs": 2.0}, "epochs"), ({"epochs": True}, "epochs"),
     ({"epochs": 0}, "epochs"), ({"batch_size": 0}, "batch_size"), ({"learning_rate": 0.0}, "learning_rate"),
     ({"learning_rate": float("nan")}, "learning_rate"), ({"learning_rate": "fast"}, "learning_rate"),
     ({"momentum": 1.0}, "momentum"), ({"seed": -1}, "seed"), ({"seed": 2**63}, "seed"),
     ({"optimizer": "adam", "momentum": 0.9}, "momentum"), ({"optimizer": "rprop"}, "sgd, adam, adamw"),
     ({"device": "tpu"}, "auto, cpu, cuda, mps"), ({"device": "cuda:1"}, "auto, cpu, cuda, mps"),
     ({"precision": "int8"}, "float32, bfloat16, float16"), ({"keep_optimizer": 1}, "keep_optimizer"),
     ({"weight_decay": -0.1}, "weight_decay"), ({"learning_rate": float("inf")}, "learning_rate")],
)  # fmt: skip
def test_from_document__bad_setting__raises_task_error_naming_it(change: dict[str, Any], name: str) -> None:
    with pytest.raises(TaskError, match=name):
        Hyperparameters.from_document(Hyperparameters().document() | change)


def test_from_document__setting_missing__raises_task_error_naming_it() -> None:
    training = Hyperparameters().document()
    del training["momentum"]
    with pytest.raises(TaskError, match="momentum"):
        Hyperparameters.from_document(training)


@pytest.mark.parametrize(
    ("kind", "default", "said"),
    [
        (tuple[int, ...], (32, 16), "widths needs a default that is a number, a text, or true or false"),
        (int, None, "widths needs a default"),
        (str, "\u202etxt", "all printable"),
        (str, "x" * 5000, "at most 4096"),
        (float, float("nan"), "give a finite number"),
    ],
)
def test_hyperparameters__setting_that_no_document_holds__is_refused(kind: Any, default: Any, said: str) -> None:
    made = make_dataclass("Odd", [("widths", kind, default)], bases=(Hyperparameters,), frozen=True, kw_only=True)
    with pytest.raises(TaskError, match=said):
        made()


def test_hyperparameters__setting_called_like_the_frozen_tensors__is_refused() -> None:
    made = make_dataclass("Odd", [("frozen_weights", str, "x")], bases=(Hyperparameters,), frozen=True, kw_only=True)
    with pytest.raises(TaskError, match="frozen_weights stands for the frozen tensors"):
        made()


def test_hyperparameters__whole_number_for_a_float__is_a_float() -> None:
    assert type(Hyperparameters(learning_rate=1).learning_rate) is float


def test_batches__examples_made_one_at_a_time__come_in_the_order_asked() -> None:
    found = [
        (inputs.flatten().tolist(), targets.tolist()) for inputs, targets in batches(Squares(), 2, [4, 0, 3, 1, 2])
    ]
    assert found == [([4, 0], [16, 0]), ([3, 1], [9, 1]), ([2], [4])]


def test_batches__tensors__are_the_same_as_one_at_a_time() -> None:
    rows = torch.arange(5.0)
    pairs = zip(batches(TensorDataset(rows[:, None], rows**2), 2, [4, 0, 3, 1, 2]),
                batches(Squares(), 2, [4, 0, 3, 1, 2]), strict=True)  # fmt: skip
    assert all(torch.equal(a, b.to(a.dtype)) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("what", ["input", "target"])
def test_batches__example_not_finite__raises_data_error_naming_its_row(value: float, what: str) -> None:
    inputs, targets = torch.zeros(9, 2, 2), torch.zeros(9)
    (inputs if what == "input" else targets)[7] = value
    with pytest.raises(DataError, match=f"the {what} of example 7 holds NaN or infinity"):
        list(batches(TensorDataset(inputs, targets), 4, [8, 0, 1, 2, 3, 7]))


def test_train__only_model_data_and_loss_given__learns() -> None:
    task = Line()
    torch.manual_seed(0)
    model, data = task.model(), task.open_data("20")
    before = task.evaluate(model, data.held_out)
    task.train(model, data.training, lambda done: None)
    assert before["loss"] > 0.5
    assert task.evaluate(model, data.held_out)["loss"] < 1e-6


def test_train__progress__rises_to_one_once_a_batch() -> None:
    task, seen = Line(LineSettings(epochs=2, batch_size=4)), list[float]()
    task.train(task.model(), task.open_data("10").training, seen.append)
    assert seen == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])


def test_evaluate__no_examples__raises_data_error() -> None:
    task = Line()
    with pytest.raises(DataError, match="no examples"):
        task.evaluate(task.model(), task.open_data("0").held_out)


def test_evaluate__dropout_and_batch_norm__stay_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    examples = Line().open_data("50").held_out
    assert Line().evaluate(model, examples) == Line().evaluate(model, examples)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_evaluate__more_examples_than_a_batch__sees_them_all() -> None:
    task = Line()
    model, examples = task.model(), task.open_data("3000").held_out
    inputs, targets = (
        torch.stack(column) for column in zip(*(examples[row] for row in range(count(examples))), strict=True)
    )
    with torch.no_grad():
        whole = float(task.loss(model(inputs), targets))
    assert task.evaluate(model, examples)["loss"] == pytest.approx(whole, rel=1e-6)


def test_import__tasks__loads_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, swarm_chain.tasks; sys.exit(bool({'torch', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
