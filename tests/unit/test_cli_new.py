"""`swarm-chain new`: a task that runs as it is, and that anybody can change."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine

from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters
from swarm_chain.errors import DataError
from swarm_chain.tasks import load_task
from swarm_chain.tasks.baselines import alone_rounds
from tests.command_line import CommandLine


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


def test_new__writes_a_task_that_says_how_to_go_on(line: CommandLine) -> None:
    done = line.must("new", "ward_7.py")
    assert "swarm-chain demo --task ward_7.py:MyTask" in done.err
    text = (line.folder / "ward_7.py").read_text()
    assert "swarm-chain demo --task ward_7.py:MyTask" in text
    assert "my_task" not in text
    assert load_task(f"{line.folder}/ward_7.py:MyTask").name == "MyTask"


def test_new__another_name__is_the_class_and_the_task(line: CommandLine) -> None:
    assert "--task ward_7.py:Ward" in line.must("new", "ward_7.py", "--class", "Ward").err
    assert "MyTask" not in (line.folder / "ward_7.py").read_text()
    assert load_task(f"{line.folder}/ward_7.py:Ward").name == "Ward"


def test_new__the_task_as_it_is__learns(line: CommandLine) -> None:
    line.must("new", "t.py", "--class", "Wines")
    task = load_task(f"{line.folder}/t.py:Wines")
    trainer = TorchTrainer(task, f"{task.data_example}#part=0,of=2,seed=0")
    *_, last = alone_rounds(trainer, initial_parameters(task), rounds=5)
    assert 50 < last.samples < 100
    assert last.local_metrics["accuracy"] > 0.8


def test_new__the_task_as_it_is__reads_a_file_of_ones_own(line: CommandLine) -> None:
    line.must("new", "t.py")
    inputs, targets = load_wine(return_X_y=True)
    header = ",".join([*(f"c{number}" for number in range(13)), "class"])
    rows = np.column_stack([inputs, targets])
    np.savetxt(line.folder / "own.csv", rows, delimiter=",", header=header, comments="", fmt="%g")
    trainer = TorchTrainer(load_task(f"{line.folder}/t.py"), str(line.folder / "own.csv"))
    assert 120 < trainer.samples() < 160
    text = (line.folder / "own.csv").read_text().splitlines()
    text[16] = text[16].replace(",", ";", 1)
    (line.folder / "own.csv").write_text("\n".join(text))
    with pytest.raises(DataError, match=r"own\.csv, line 17: 13 fields where line 1 names 14 columns"):
        trainer.samples()


def test_new__file_is_there__is_left_alone(line: CommandLine) -> None:
    (line.folder / "t.py").write_text("mine")
    assert "t.py is there already" in line.run("new", "t.py").error
    assert (line.folder / "t.py").read_text() == "mine"


def test_new__folder_is_not_there__says_so(line: CommandLine) -> None:
    assert "cannot be written: No such file" in line.run("new", "nowhere/t.py").error


def test_new__name_with_spaces__is_quoted_in_what_to_type(line: CommandLine) -> None:
    done = line.must("new", "my own.py")
    command = next(row for row in done.err.splitlines() if " demo " in row)
    assert shlex.split(command)[-1] == "my own.py:MyTask"
    assert load_task(f"{line.folder}/my own.py:MyTask").name == "MyTask"


def test_new__file_called_like_something_it_imports__works(line: CommandLine) -> None:
    line.must("new", "torch.py")
    task = load_task(f"{line.folder}/torch.py")
    assert TorchTrainer(task, "wine").samples() > 100
    assert initial_parameters(task)


@pytest.mark.parametrize(
    "arguments",
    [
        ("t.txt",), ("t",), ('"""x.py',), ("a\nb.py",), (".py",), ("t.py", "--class", "12"),
        ("t.py", "--class", "None"), ("t.py", "--class", "Task"), ("t.py", "--class", "TensorDataset"),
        ("t.py", "--class", "class"), ("t.py", "--class", "x y"), ("t.py", "--class", ""), ("t.py", "--class", "Größe"),
    ],
)  # fmt: skip
def test_new__name_that_does_not_do__is_wrong_usage_and_writes_nothing(
    line: CommandLine, arguments: tuple[str, ...]
) -> None:
    done = line.run("new", *arguments)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert not list(line.folder.iterdir())
