"""The torch trainer: the same bits every time, tensors that fit exactly, and named errors."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.adapters.torch_parameters import load_parameters, parameters_of
from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
from swarm_chain.errors import DataError, NotFinite, ShapeMismatch, TaskError
from swarm_chain.ports import Trainer
from swarm_chain.tasks import Digits, Hyperparameters, NodeData, Task
from swarm_chain.tasks.baselines import measure_baselines, train_alone
from swarm_chain.types import Parameters, RoundNumber

DIGITS = "digits:part=0,of=8,seed=1"


class Everything(Task):
    """A model with all that is hard to repeat or to carry: batch norm, dropout, bfloat16, a buffer of integers."""

    name = "everything"
    defaults: ClassVar[Hyperparameters] = Hyperparameters(epochs=2, batch_size=8)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
            self.scale = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
            self.register_buffer("calls", torch.zeros(2, dtype=torch.int32))

        def forward(self, inputs: Tensor) -> Tensor:
            if self.training:
                self.calls += 1
            return self.body(inputs) * self.scale

    def model(self) -> nn.Module:
        return self.Model()

    def open_data(self, data: str) -> NodeData:
        inputs = torch.sin(torch.arange(int(data) * 3.0)).reshape(-1, 3)
        examples = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))
        return NodeData(training=examples, held_out=examples)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {**super().metrics(outputs, targets), "auroc": float("nan")}


def ignore(done: float) -> None:
    """Watches nothing."""


def digest(parameters: Parameters) -> str:
    parts = [f"{name} {array.dtype} {array.shape}".encode() + array.tobytes() for name, array in parameters.items()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def trained(task: Task, data: str | NodeData, number: int = 1) -> Parameters:
    trainer: Trainer = TorchTrainer(task, data)
    return trainer.train(initial_parameters(task), round_number=RoundNumber(number), on_progress=ignore).parameters


@pytest.mark.parametrize(("task", "data"), [(Digits(), DIGITS), (Everything(), "50")])
def test_train__twice__gives_the_same_bits(task: Task, data: str) -> None:
    assert digest(trained(task, data)) == digest(trained(task, data))


def test_train__another_process_with_more_threads__gives_the_same_bits() -> None:
    code = (
        "import torch; torch.set_num_threads(2); torch.rand(3)\n"
        "from tests.unit.test_torch_trainer import *\n"
        "print(digest(trained(Digits(), DIGITS)), digest(trained(Everything(), '50')))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(root)}
    out = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert out.stdout.split() == [digest(trained(Digits(), DIGITS)), digest(trained(Everything(), "50"))]


def test_train__in_two_threads_at_once__gives_the_same_bits() -> None:
    found: dict[int, str] = {}

    def work(number: int) -> None:
        found[number] = digest(trained(Everything(), "50", number))

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: digest(trained(Everything(), "50", number)) for number in (1, 2, 3, 4)}


def test_train__other_round_or_seed__gives_other_bits() -> None:
    one = trained(Everything(), "50")
    assert digest(one) != digest(trained(Everything(), "50", 2))
    base = initial_parameters(Everything())
    other = TorchTrainer(Everything().seeded(1), "50").train(base, round_number=RoundNumber(1), on_progress=ignore)
    assert digest(one) != digest(other.parameters)


def test_train__digits__gets_better_on_what_was_held_out() -> None:
    outcome = TorchTrainer(Digits(), DIGITS).train(
        initial_parameters(Digits()), round_number=RoundNumber(1), on_progress=ignore
    )
    assert outcome.samples == TorchTrainer(Digits(), DIGITS).samples() >= 60
    assert set(outcome.base_metrics) == set(outcome.local_metrics) == {"accuracy", "loss", "test_samples"}
    assert outcome.local_metrics["accuracy"] > outcome.base_metrics["accuracy"] + 0.3


def test_train__metrics__are_those_of_evaluate() -> None:
    trainer, base = TorchTrainer(Digits(), DIGITS), initial_parameters(Digits())
    outcome = trainer.train(base, round_number=RoundNumber(1), on_progress=ignore)
    assert outcome.base_metrics == trainer.evaluate(base)
    assert outcome.local_metrics == trainer.evaluate(outcome.parameters)


def test_train__base__is_left_as_it_was() -> None:
    base = initial_parameters(Everything())
    before = digest(base)
    TorchTrainer(Everything(), "50").train(base, round_number=RoundNumber(1), on_progress=ignore)
    assert digest(base) == before


def test_train__read_only_base__is_no_trouble() -> None:
    base = initial_parameters(Everything())
    for array in base.values():
        array.flags.writeable = False
    outcome = TorchTrainer(Everything(), "50").train(base, round_number=RoundNumber(1), on_progress=ignore)
    assert digest(outcome.parameters) == digest(trained(Everything(), "50"))


def test_train__batch_norm_and_integers__are_carried_on() -> None:
    first = trained(Everything(), "50")
    second = TorchTrainer(Everything(), "50").train(first, round_number=RoundNumber(2), on_progress=ignore).parameters
    batches = 2 * 7
    assert list(first) == sorted(first)
    assert first["body.1.num_batches_tracked"].shape == ()
    assert first["body.1.num_batches_tracked"] == batches
    assert second["body.1.num_batches_tracked"] == 2 * batches
    assert second["calls"].tolist() == [2 * batches] * 2
    assert second["calls"].dtype == np.int32
    assert first["scale"].dtype == ml_dtypes.bfloat16
    assert not np.array_equal(first["body.1.running_mean"], initial_parameters(Everything())["body.1.running_mean"])


def test_train__settings_of_torch__are_put_back() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    trained(Everything(), "50")
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_train__watcher_raises__stops_at_once_and_puts_settings_back() -> None:
    class Enough(Exception):
        pass

    seen: list[float] = []

    def stop_at_third(done: float) -> None:
        seen.append(done)
        if len(seen) == 3:
            raise Enough

    with pytest.raises(Enough):
        TorchTrainer(Everything(), "50").train(
            initial_parameters(Everything()), round_number=RoundNumber(1), on_progress=stop_at_third
        )
    assert seen == [1 / 14, 2 / 14, 3 / 14]
    assert not torch.are_deterministic_algorithms_enabled()


def test_train__rate_that_blows_up__raises_not_finite_naming_tensors() -> None:
    task = Digits(Hyperparameters(learning_rate=1e30))
    with pytest.raises(NotFinite, match=r"trained here hold NaN or infinity in 0\.bias, .*lower learning rate"):
        trained(task, DIGITS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["scale", "body.0.weight"])
def test_train__base_not_finite__raises_not_finite_naming_the_tensor(name: str, value: float) -> None:
    base = dict(initial_parameters(Everything()))
    base[name].flat[0] = value
    with pytest.raises(NotFinite, match=f"start from hold NaN or infinity in {name}: "):
        TorchTrainer(Everything(), "50").train(base, round_number=RoundNumber(1), on_progress=ignore)
    with pytest.raises(NotFinite):
        TorchTrainer(Everything(), "50").evaluate(base)


def wrong(change: Callable[[dict[str, Any]], object]) -> Parameters:
    parameters = dict(initial_parameters(Everything()))
    change(parameters)
    return parameters


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda p: p.pop("scale"), "scale is missing"),
        (lambda p: p.pop("body.1.num_batches_tracked"), "body.1.num_batches_tracked is missing"),
        (lambda p: p.update(extra=np.zeros(1)), "extra is unknown"),
        (lambda p: p.update({"body.0.bias": np.zeros(9, np.float32)}), r"body.0.bias is float32 \(9,\) and should be"),
        (lambda p: p.update({"body.0.bias": np.zeros(8)}), r"body.0.bias is float64 .* should be float32 \(8,\)"),
        (lambda p: p.update(scale=np.ones(1, np.float16)), "scale is float16 .* should be bfloat16"),
        (lambda p: p.update(scale=np.ones((), ml_dtypes.bfloat16)), r"scale is bfloat16 \(\) and should be"),
        (lambda p: (p.pop("scale"), p.pop("calls")), "calls is missing; scale is missing"),
    ],
)
def test_load_parameters__tensor_does_not_fit__raises_shape_mismatch_naming_it(
    change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    with pytest.raises(ShapeMismatch, match=problem):
        TorchTrainer(Everything(), "50").evaluate(wrong(change))


@given(st.binary(min_size=16, max_size=16))
def test_load_parameters__any_bits__come_back(bits: bytes) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for kind in (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float32,
                         torch.float64, torch.int8, torch.int64, torch.uint8):  # fmt: skip
                self.register_buffer(str(kind).replace(".", "_"), torch.zeros(16 // kind.itemsize, dtype=kind))

    parameters = {name: np.frombuffer(bits, array.dtype) for name, array in parameters_of(Holder()).items()}
    holder = Holder()
    load_parameters(holder, parameters)
    assert {name: array.tobytes() for name, array in parameters_of(holder).items()} == dict.fromkeys(parameters, bits)


def test_parameters_of__module_trains_on__stay_as_they_were() -> None:
    module = nn.Linear(2, 2)
    parameters = parameters_of(module)
    before = digest(parameters)
    with torch.no_grad():
        module.weight += 1
    assert digest(parameters) == before


def test_parameters_of__transposed_tensor__is_contiguous() -> None:
    module = nn.Module()
    module.register_buffer("matrix", torch.arange(6.0).reshape(2, 3).T)
    array = parameters_of(module)["matrix"]
    assert array.flags.c_contiguous
    assert array.tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_parameters_of__tensor_of_a_strange_type__raises_task_error_naming_it() -> None:
    module = nn.Module()
    module.register_buffer("odd", torch.zeros(2, dtype=torch.complex32))
    with pytest.raises(TaskError, match=r"tensor odd is torch\.complex32"):
        parameters_of(module)


def test_parameters_of__state_that_is_no_tensor__raises_task_error_naming_it() -> None:
    class Stateful(nn.Module):
        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

    with pytest.raises(TaskError, match="_extra_state is no tensor"):
        parameters_of(Stateful())


def test_samples__file_is_written_anew__are_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    task = Digits()
    task.write_part(path, 0, nodes=4, seed=7)
    trainer = TorchTrainer(task, str(path))
    assert trainer.samples() == 234
    task.write_part(path, 1, nodes=4, seed=7)
    assert trainer.samples() == 393
    outcome = trainer.train(initial_parameters(task), round_number=RoundNumber(1), on_progress=ignore)
    assert outcome.samples == 393


def test_check__a_batch_that_the_model_takes__is_fine_and_nothing_moves() -> None:
    task = Everything()
    before = digest(trained(task, "20"))
    TorchTrainer(task, "20").check()
    TorchTrainer(task, "1").check()
    assert digest(trained(task, "20")) == before


def test_check__data_of_another_shape__says_what_the_model_said_below_its_traceback() -> None:
    class Narrow(Everything):
        def open_data(self, data: str) -> NodeData:
            examples = TensorDataset(torch.ones(4, 2), torch.ones(4, 1))
            return NodeData(training=examples, held_out=examples)

    with pytest.raises(DataError, match=r"Narrow cannot use few\.csv: RuntimeError: mat1 and mat2 .* check") as caught:
        TorchTrainer(Narrow(), "few.csv").check()
    assert "in forward" in caught.value.details


def test_check__no_examples__raises_data_error() -> None:
    with pytest.raises(DataError, match="everything found no training example in 0: add data"):
        TorchTrainer(Everything(), "0").check()


def test_samples__no_examples__raises_data_error() -> None:
    with pytest.raises(DataError, match="everything found no training example in 0: add data"):
        TorchTrainer(Everything(), "0").samples()
    with pytest.raises(DataError):
        trained(Everything(), "0")


def test_train__example_not_finite__raises_data_error_naming_its_row() -> None:
    inputs = torch.zeros(20, 3)
    inputs[13, 1] = torch.nan
    examples = TensorDataset(inputs, torch.zeros(20, 1))
    with pytest.raises(DataError, match="the input of example 13 holds NaN"):
        trained(Everything(), NodeData(training=examples, held_out=TensorDataset(inputs[:5], torch.zeros(5, 1))))


def test_evaluate__metric_undefined__is_left_out_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    metrics = TorchTrainer(Everything(), "50").evaluate(initial_parameters(Everything()))
    assert set(metrics) == {"loss", "test_samples"}
    assert "auroc" in caplog.text


def test_evaluate__nothing_held_out__is_empty_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    data = Everything().open_data("50")
    nothing = NodeData(training=data.training, held_out=Everything().open_data("0").held_out)
    assert TorchTrainer(Everything(), nothing).evaluate(initial_parameters(Everything())) == {}
    assert "no held-out examples" in caplog.text


def test_initial_parameters__same_seed__are_the_same_bytes() -> None:
    torch.rand(5)
    one = digest(initial_parameters(Digits()))
    assert one == digest(initial_parameters(Digits()))
    assert one != digest(initial_parameters(Digits().seeded(1)))


def test_train_alone__three_rounds__is_one_round_after_the_other() -> None:
    trainer, parameters = TorchTrainer(Everything(), "50"), initial_parameters(Everything())
    found = train_alone(trainer, parameters, rounds=3)
    for number in (1, 2, 3):
        parameters = trainer.train(parameters, round_number=RoundNumber(number), on_progress=ignore).parameters
    assert digest(found) == digest(parameters)


def test_measure_baselines__digits__pooled_is_better_than_any_node_alone() -> None:
    task = Digits()
    split = task.split(4, 0)
    found = measure_baselines(
        [TorchTrainer(task, part) for part in split.parts],
        TorchTrainer(task, split.pooled),
        initial=initial_parameters(task),
        rounds=3,
        score=lambda parameters: score(task, parameters, split.test),
    )
    assert len(found.alone) == 4
    assert found.pooled["accuracy"] > 0.93
    assert found.pooled["accuracy"] > max(metrics["accuracy"] for metrics in found.alone)
