"""Training in one's own way: memory, optimisers that live on, precision, devices, inputs and metrics of all kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from swarm_chain.adapters.torch_trainer import (
    REMEMBERED,
    TorchTrainer,
    initial_parameters,
    module_of,
    score,
    score_together,
)
from swarm_chain.core.fields import MAX_ENTRIES
from swarm_chain.errors import DataError, MemoryLost, TaskError
from swarm_chain.tasks import Hyperparameters, NodeData, Task
from swarm_chain.tasks.hyperparameters import OPTIMIZERS, PRECISIONS
from swarm_chain.types import Metrics, Parameters, RoundNumber, TrainingOutcome
from tests.own_tasks import Line, Parts
from tests.swarm import TorchSwarm

WHOLE = Hyperparameters(epochs=1, batch_size=1000, learning_rate=0.05, optimizer="adam", keep_optimizer=True)


def train(
    task: Task, data: str | NodeData, base: Parameters, memory: Parameters | None = None, number: int = 1
) -> TrainingOutcome:
    return TorchTrainer(task, data).train(
        base, memory=memory or {}, round_number=RoundNumber(number), on_progress=lambda done: None
    )


def rounds(task: Task, data: str | NodeData, count: int) -> TrainingOutcome:
    """The last of several rounds in which nothing is merged."""
    outcome = train(task, data, initial_parameters(task))
    for number in range(2, count + 1):
        outcome = train(task, data, outcome.parameters, outcome.memory, number)
    return outcome


def plain_loop(task: Task, steps: int) -> dict[str, Any]:
    """The same model and rows, all in one batch, trained with Adam and nothing of ours."""
    model = module_of(task, initial_parameters(task))
    optimizer = torch.optim.Adam(model.parameters(), lr=task.hyperparameters.learning_rate)
    inputs, targets = task.open_data("40").training.tensors  # type: ignore[attr-defined]
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def near(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.allclose(one[name], other[name], atol=1e-5) for name in one)


# ------------------------------------------------------------------------------------------------------- keep_optimizer


def test_keep_optimizer__several_rounds__are_one_uninterrupted_training() -> None:
    outcome = rounds(Line(WHOLE), "40", 4)
    assert near(outcome.parameters, plain_loop(Line(WHOLE), 4))
    assert outcome.memory[f"{REMEMBERED}optimizer.0.step"] == 4


def test_keep_optimizer__off__begins_anew_in_every_round() -> None:
    outcome = rounds(Line(replace(WHOLE, keep_optimizer=False)), "40", 4)
    assert not outcome.memory
    assert not near(outcome.parameters, plain_loop(Line(WHOLE), 4))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_keep_optimizer__whichever__trains_on(optimizer: str) -> None:
    momentum = 0.9 if optimizer == "sgd" else 0.0
    task = Line(replace(WHOLE, optimizer=optimizer, momentum=momentum, learning_rate=0.02))
    outcome = rounds(task, "40", 5)
    assert outcome.memory
    assert outcome.local_metrics["loss"] < outcome.base_metrics["loss"]


def test_keep_optimizer__nothing_to_remember__is_no_trouble() -> None:
    outcome = rounds(Line(replace(WHOLE, optimizer="sgd")), "40", 2)
    assert not outcome.memory


def test_keep_optimizer__optimiser_that_remembers_other_things__says_which() -> None:
    class Odd(Line):
        def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
            # L-BFGS remembers lists.
            return torch.optim.LBFGS(model.parameters(), max_iter=2)

        def train(self, model: nn.Module, examples: Any, on_progress: Any) -> None:
            from swarm_chain.tasks.optimizers import kept_state

            optimizer = self.optimizer(model)
            inputs, targets = examples.tensors

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = self.loss(model(inputs), targets)
                loss.backward()
                return loss

            optimizer.step(closure)
            self.memory = kept_state(optimizer, self.memory)

    with pytest.raises(TaskError, match=r"LBFGS remembers \w+, which is no tensor: set keep_optimizer=false"):
        rounds(Odd(WHOLE), "40", 1)


def test_keep_optimizer__in_a_swarm_killed_at_every_turn__same_models_as_in_one_that_was_not(tmp_path: Path) -> None:
    def swarm(name: str) -> TorchSwarm:
        return TorchSwarm(tmp_path / name, lambda: Parts(replace(WHOLE, batch_size=8)), ["1", "2"])

    whole, broken = swarm("whole"), swarm("broken")
    whole.run(rounds=3)
    for _ in range(200):
        if broken.chain.look().swarm.finalized_rounds == 3:
            break
        for index in (0, 1):
            broken.nodes[index].agent.step()
            broken.restart(broken.nodes[index])
        broken.chain.advance(1)
    assert broken.head().weights == whole.head().weights
    steps = broken.nodes[0].agent.memory()[f"{REMEMBERED}optimizer.0.step"]
    assert steps == 9


# --------------------------------------------------------------------------------------------------------------- memory


class Counting(Line):
    """Remembers in how many rounds it trained, in its own way."""

    def train(self, model: nn.Module, examples: Dataset[Any], on_progress: Callable[[float], None]) -> None:
        self.memory["rounds"] = self.memory.get("rounds", torch.zeros((), dtype=torch.int64)) + 1
        super().train(model, examples, on_progress)


@pytest.mark.parametrize("keep", [True, False])
def test_memory__of_ones_own__lives_beside_the_optimisers(keep: bool) -> None:
    outcome = rounds(Counting(replace(WHOLE, keep_optimizer=keep)), "40", 3)
    assert outcome.memory[f"{REMEMBERED}rounds"] == 3
    assert len(outcome.memory) == (1 + 2 * 3 if keep else 1)


def test_memory__another_node_with_the_same_task_object__has_its_own() -> None:
    task = Counting()
    once = train(task, "40", initial_parameters(task))
    twice = train(task, "40", once.parameters, once.memory, 2)
    fresh = train(task, "30", once.parameters, None, 2)
    assert [one.memory[f"{REMEMBERED}rounds"] for one in (once, twice, fresh)] == [1, 2, 1]


@pytest.mark.parametrize("kept", [{"best": 0.5}, {3: torch.zeros(1)}, {"x": [1, 2]}])
def test_memory__something_that_is_no_tensor__says_which(kept: dict[Any, Any]) -> None:
    class Wrong(Line):
        def train(self, model: nn.Module, examples: Any, on_progress: Any) -> None:
            self.memory = kept

    with pytest.raises(TaskError, match=r"the task's memory holds .*: keep tensors there, by names"):
        train(Wrong(), "40", initial_parameters(Wrong()))


def test_memory__lost_from_the_disk__ends_the_agent_with_what_to_do(tmp_path: Path) -> None:
    swarm = TorchSwarm(tmp_path, Parts, ["1", "2"])
    swarm.run(rounds=1)
    node = swarm.nodes[0]
    memory = node.folder / "spool" / str(node.journal.training().memory)
    content = memory.read_bytes()
    memory.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(MemoryLost, match=r"gone or changed .*: put it back from a backup, or start anew"):
        swarm.run(rounds=2)
    memory.unlink()
    with pytest.raises(MemoryLost):
        swarm.run(rounds=2)
    memory.write_bytes(content)
    swarm.run(rounds=2)


# ------------------------------------------------------------------------------------------------------------ own loops


def test_train__own_loop__finds_a_model_in_training_mode_on_its_device() -> None:
    seen: list[Any] = []

    class Own(Line):
        def train(self, model: nn.Module, examples: Any, on_progress: Callable[[float], None]) -> None:
            seen.append((model.training, next(model.parameters()).device))
            optimizer = self.optimizer(model)
            for inputs, targets in torch.utils.data.DataLoader(examples, batch_size=10, shuffle=True):
                optimizer.zero_grad()
                self.loss(model(inputs), targets).backward()
                optimizer.step()
            on_progress(1.0)

    task = Own(Hyperparameters(learning_rate=0.1))
    outcome = rounds(task, "40", 3)
    assert seen == [(True, torch.device("cpu"))] * 3
    assert outcome.local_metrics["loss"] < train(task, "40", initial_parameters(task)).base_metrics["loss"]


def test_train__own_loop_raises__its_own_error_comes_out() -> None:
    class Broken(Line):
        def train(self, model: nn.Module, examples: Any, on_progress: Any) -> None:
            raise ZeroDivisionError("own bug")

    with pytest.raises(ZeroDivisionError, match="own bug"):
        train(Broken(), "40", initial_parameters(Broken()))
    assert not torch.are_deterministic_algorithms_enabled()


def test_train__batch_norm_and_a_last_batch_of_one__trains() -> None:
    class Normed(Line):
        def model(self) -> nn.Module:
            return nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))

    seen: list[float] = []
    task = Normed(Hyperparameters(epochs=3, batch_size=8))
    TorchTrainer(task, "17").train(initial_parameters(task), round_number=RoundNumber(1), on_progress=seen.append)
    assert seen == pytest.approx([step / 6 for step in range(1, 7)])


def test_train__batch_size_of_one__leaves_no_example_out() -> None:
    seen: list[float] = []
    task = Line(Hyperparameters(epochs=1, batch_size=1))
    TorchTrainer(task, "5").train(initial_parameters(task), round_number=RoundNumber(1), on_progress=seen.append)
    assert len(seen) == 5


# ------------------------------------------------------------------------------------------------- precision and device


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision__on_the_processor__trains_and_parameters_stay_as_they_are(precision: str) -> None:
    seen: list[torch.dtype] = []

    class Watching(Line):
        def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
            seen.append(outputs.dtype)
            return nn.functional.mse_loss(outputs.float(), targets)

    task = Watching(Hyperparameters(epochs=40, learning_rate=0.1, precision=precision))
    outcome = train(task, "40", initial_parameters(task))
    assert set(seen) == {torch.float32, getattr(torch, precision)}
    assert {array.dtype for array in outcome.parameters.values()} == {np.dtype(np.float32)}
    assert outcome.local_metrics["loss"] < 0.1 * outcome.base_metrics["loss"]
    again = train(task, "40", initial_parameters(task))
    assert all(np.array_equal(outcome.parameters[name], again.parameters[name]) for name in outcome.parameters)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_device__that_is_not_there__says_so_when_it_is_to_train() -> None:
    task = Line(Hyperparameters(device="cuda"))
    base = initial_parameters(task)
    with pytest.raises(TaskError, match="trains on cuda, and torch finds none here"):
        train(task, "40", base)
    assert module_of(task, base)(torch.zeros(1, 2)).shape == (1, 1)


def test_device__auto__trains_on_what_is_there_and_gives_arrays() -> None:
    task = Line(Hyperparameters(device="auto"))
    outcome = train(task, "40", initial_parameters(task))
    assert outcome.local_metrics["loss"] < outcome.base_metrics["loss"]
    assert all(isinstance(array, np.ndarray) for array in outcome.parameters.values())


# ------------------------------------------------------------------------------------------------ inputs of other kinds


class Sums(Dataset[Any]):
    """Two inputs to an example, by name or in order."""

    def __init__(self, is_named: bool) -> None:
        self.is_named = is_named

    def __len__(self) -> int:
        return 60

    def __getitem__(self, row: int) -> Any:
        left, right = torch.tensor([row / 60]), torch.tensor([1 - row / 30])
        inputs = {"left": left, "right": right} if self.is_named else (left, right)
        return inputs, torch.tensor([2 * float(left) - float(right)])


class TwoInputs(Task):
    """A model of two inputs; `data` says how they come."""

    defaults = Hyperparameters(epochs=60, learning_rate=0.1)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            result: Tensor = self.left(left) + self.right(right)
            return result

    def model(self) -> nn.Module:
        return self.Model()

    def dataset(self, data: str) -> Dataset[Any]:
        return Sums(data == "named")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)

    def groups(self, inputs: Any) -> dict[str, Tensor]:
        left = inputs["left"] if isinstance(inputs, dict) else inputs[0]
        return {"big": left.squeeze(1) > 0.5}


@pytest.mark.parametrize("data", ["named", "in order"])
def test_inputs__several__are_given_by_name_or_in_their_order(data: str) -> None:
    task = TwoInputs()
    outcome = train(task, data, initial_parameters(task))
    assert outcome.samples == 60 - outcome.local_metrics["test_samples"]
    assert outcome.local_metrics["loss"] < 1e-3 < outcome.base_metrics["loss"]


def test_inputs__by_name_or_in_order__train_the_same() -> None:
    task = TwoInputs()
    named, ordered = (train(task, data, initial_parameters(task)).parameters for data in ("named", "in order"))
    assert near(named, ordered)


def test_inputs__dataset_without_a_length__is_a_data_error() -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            yield torch.zeros(2), torch.zeros(1)

    data = NodeData(training=Stream(), held_out=Stream())
    with pytest.raises(DataError, match="Stream has no length"):
        train(Line(), data, initial_parameters(Line()))


# -------------------------------------------------------------------------------------------------------------- metrics


def measured(metrics: Any) -> Metrics:
    class Measured(Line):
        def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
            found: dict[str, float] = metrics
            return found

    return score(Measured(), initial_parameters(Measured()), Measured().open_data("12").held_out)


@pytest.mark.parametrize("value", ["0.5", None, True, torch.tensor(0.5), [0.5], 1j])
def test_metrics__value_that_is_no_number__is_named(value: Any) -> None:
    with pytest.raises(TaskError, match=f"the metric f1 is .*, of type {type(value).__name__}: give a float"):
        measured({"f1": value})


@pytest.mark.parametrize("name", ["größe", "", "a\nb", "x" * 257, 3])
def test_metrics__name_that_no_document_takes__is_refused(name: Any) -> None:
    with pytest.raises(TaskError, match="metrics have names of printable ASCII"):
        measured({name: 0.5})


def test_metrics__as_many_as_an_update_holds__and_no_more() -> None:
    most = {f"m{number}": 1.0 for number in range(MAX_ENTRIES - 1)}
    assert len(measured(most)) == MAX_ENTRIES
    with pytest.raises(TaskError, match=r"1024 metrics: an update has room for 1023; measure fewer groups"):
        measured({**most, "one more": 1.0})


def test_metrics__numpy_numbers_and_whole_ones__are_numbers() -> None:
    assert measured({"a": np.float64(0.5), "b": 3}) == {"a": 0.5, "b": 3.0, "test_samples": 12.0}


def test_score_together__private_layers__each_node_predicts_with_its_own() -> None:
    task = Parts()
    base = initial_parameters(task)
    outcomes = [train(task, data, base) for data in ("1", "2")]
    sites = [
        (base, outcome.memory, task.open_data(data).held_out) for outcome, data in zip(outcomes, "12", strict=True)
    ]
    together = score_together(task, sites)
    each = [score(task, parameters, examples, memory=memory)["loss"] for parameters, memory, examples in sites]
    assert together["loss"] == pytest.approx(sum(each) / 2, rel=1e-5)
    assert together["test_samples"] == 12
    assert score_together(task, []) == {}


def test_train__held_out_alone_at_one_node__is_scored_there() -> None:
    nothing = TensorDataset(torch.zeros(0, 2), torch.zeros(0, 1))
    data = NodeData(training=Line().open_data("12").training, held_out=nothing)
    assert train(Line(), data, initial_parameters(Line())).local_metrics == {}
