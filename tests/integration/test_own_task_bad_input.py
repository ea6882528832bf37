"""What goes wrong with a task and data of one's own: one line that names it, a status that is not 0, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from swarm_chain.devnet import Devnet
from tests.command_line import CommandLine

TASK = """
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, Task, read_table


@dataclass(frozen=True, kw_only=True)
class Settings(Hyperparameters):
    bug: str = "none"


class Line(Task):
    defaults = Settings(epochs=1)

    def model(self):
        return nn.Linear(2, 1)

    def dataset(self, data):
        rows = read_table(data).float()
        return TensorDataset(rows[:, :2] if self.hyperparameters.bug != "nan" else rows[:, :2].log(), rows[:, 2:])

    def loss(self, outputs, targets):
        return nn.functional.mse_loss(outputs, targets)

    def train(self, model, examples, on_progress):
        if self.hyperparameters.bug == "training":
            raise ZeroDivisionError("a bug in the task itself")
        super().train(model, examples, on_progress)

    def metrics(self, outputs, targets):
        is_held_out = len(targets) < 20
        if self.hyperparameters.bug == "metric" or (self.hyperparameters.bug == "late metric" and is_held_out):
            return {"accuracy": "very good"}
        return super().metrics(outputs, targets)
"""
ROWS = ["a,b,c", *(f"{number % 7},{number % 5},{number % 3}" for number in range(40))]


class World:
    """A folder with a task that has bugs to choose from, and data."""

    def __init__(self, folder: Path, anvil: Devnet) -> None:
        self.line, self.rpc = CommandLine(folder=folder), ("--rpc", anvil.rpc_url)
        self.task = self.write("line.py", TASK)
        self.write("good.csv", "\n".join(ROWS))

    def write(self, name: str, text: str) -> Path:
        path = self.line.folder / name
        path.write_text(text)
        return path

    def swarm(self, bug: str, name: str = "") -> str:
        """A swarm whose task has a bug, and its name."""
        name = name or bug
        self.line.must("deploy", "--task", "line.py:Line", "--set", f"bug={bug}", "--name", name, *self.rpc)
        return name

    def code(self, swarm: str, account: str) -> str:
        address = self.line.must("account", "new", account, "--light").out.strip()
        return self.line.must("invite", address, "--fund", "--contract", swarm, *self.rpc).out.strip()

    def join(self, swarm: str, account: str) -> None:
        self.line.must("join", self.code(swarm, account), "--data", "good.csv", "--task", "line.py:Line")

    def statuses(self, swarm: str) -> dict[str, str]:
        found = json.loads(self.line.must("status", swarm, "--json", "-", *self.rpc).out)
        return {node["label"]: node["status"] for node in found["nodes"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> World:
    return World(tmp_path_factory.mktemp("bugs"), anvil)


@pytest.fixture(scope="module")
def swarm(world: World) -> str:
    return world.swarm("none")


# ------------------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize("command", ["deploy", "demo"])
def test_task__import_fails__names_its_line_below_its_traceback(world: World, command: str) -> None:
    world.write("broken.py", "import json\n\n\ndef read():\n    return json.loads('{')\n\n\nread()\n")
    place = ("--dry-run", *world.rpc) if command == "deploy" else ()
    done = world.line.run(command, "--task", "broken.py:Line", *place)
    file = "broken.py"
    assert done.error.startswith(f"error: {file}, line 5: JSONDecodeError: ")
    assert f'File "{file}", line 8, in <module>' in done.err
    assert "json.loads('{')" in done.err
    assert "sources.py" not in done.err


@pytest.mark.parametrize("command", ["deploy", "demo"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "nowhere.py:Line"), "nowhere.py cannot be read (No such file or directory): check its path"),
        (("--task", "line.py:Curve"), "line.py has no task Curve; its classes derived from Task: Line; name one"),
        (("--task", "Line"), "no task 'Line': choose one of"),
        (
            ("--task", "line.py", "--set", "dropout=1"),
            "no hyper-parameter dropout; it has batch_size, bug",
        ),
        (("--task", "line.py", "--set", "epochs=x"), "epochs=x is no int"),
        (("--task", "line.py", "--set", "optimizer=rprop"), "optimizer is 'rprop': give a value of sgd, adam, adamw"),
        (("--task", "line.py", "--set", "precision=int8"), "give a value of float32, bfloat16, float16"),
        (("--task", "line.py", "--set", "keep_optimizer=yes"), "keep_optimizer=yes is no bool"),
    ],
)
def test_task__cannot_be_used__says_what_is_wrong(
    world: World, command: str, arguments: tuple[str, ...], said: str
) -> None:
    place = ("--dry-run", *world.rpc) if command == "deploy" else ()
    assert said in world.line.run(command, *arguments, *place).error


def test_demo__no_data_and_none_of_the_tasks_own__asks_for_some(world: World) -> None:
    assert "give --data" in world.line.run("demo", "--task", "line.py").error


def test_init__tensors_differ__each_is_named(world: World) -> None:
    tensors = {"weight": torch.zeros(1, 3), "scale": torch.zeros(1)}
    save_file(tensors, world.line.folder / "other.safetensors")
    done = world.line.run("deploy", "--task", "line.py", "--init", "other.safetensors", "--dry-run", *world.rpc)
    for part in (
        "bias is missing",
        "scale is unknown",
        "weight is float32 (1, 3) and should be float32 (1, 2)",
        "other.safetensors",
    ):
        assert part in done.error


# ------------------------------------------------------------------------------------------------------------- the data


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("words", [*ROWS[:16], "1,two,3", *ROWS[17:]], ", line 17, column 2: no number"),
        ("ragged", [*ROWS[:16], "1,2", *ROWS[17:]], ", line 17: 2 fields where line 1 names 3 columns"),
        ("quote", [*ROWS[:16], '1,"2,3', *ROWS[17:]], ", line 17: unexpected end of data"),
        ("nan", [*ROWS[:16], "1,nan,3", *ROWS[17:]], ", line 17, column 2: no number"),
        ("headless", ROWS[1:], ", line 1: numbers where the columns' names should be"),
        ("empty", [""], " has no rows below its first line: add data"),
        ("names", ROWS[:1], " has no rows below its first line: add data"),
        ("narrow", ["a", *"123456789"], ": RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_join__data_do_not_parse__file_and_line_are_named_and_nothing_is_sent(
    world: World, swarm: str, name: str, lines: list[str], said: str
) -> None:
    world.write(f"{name}.csv", "\n".join(lines))
    code = world.code(swarm, f"with-{name}")
    error = world.line.run("join", code, "--data", f"{name}.csv", "--task", "line.py").error
    assert f"{name}.csv{said}" in error
    assert f"with-{name}" not in world.statuses(swarm)
    assert not (world.line.home / "nodes" / f"with-{name}").exists()


def test_join__data_that_the_task_makes_infinite__names_the_row(world: World) -> None:
    world.swarm("nan")
    error = world.line.run("join", world.code("nan", "logger"), "--data", "good.csv", "--task", "line.py").error
    # The first row of the file holds zeros, whose logarithm is no number.
    assert "the input of example 0 holds NaN or infinity: repair or remove that row" in error
    assert "logger" not in world.statuses("nan")


def test_join__metric_that_is_no_number__is_named_and_nothing_is_sent(world: World) -> None:
    swarm = world.swarm("metric")
    error = world.line.run("join", world.code(swarm, "molly"), "--data", "good.csv", "--task", "line.py:Line").error
    assert "the metric accuracy is 'very good', of type str: give a float" in error
    assert "molly" not in world.statuses(swarm)


# --------------------------------------------------------------------------------------------------------- the training


def test_agent_run__metric_that_is_no_number__is_named_and_the_node_leaves_in_order(world: World) -> None:
    swarm = world.swarm("late metric", name="late")
    world.join(swarm, "mary")
    world.join(swarm, "mike")
    done = world.line.run("agent", "run", "mary", "--rounds", "1")
    assert "error: the metric accuracy is 'very good', of type str: give a float" in done.err.splitlines()
    assert done.status == 1
    assert world.statuses(swarm) == {"mary": "suspended", "mike": "active"}


def test_agent_run__bug_in_the_tasks_own_code__stays_a_traceback_and_the_node_leaves_in_order(world: World) -> None:
    swarm = world.swarm("training")
    world.join(swarm, "tom")
    world.join(swarm, "tim")
    done = world.line.finish("agent", "run", "tom", "--rounds", "1")
    assert done.status == 1
    assert done.err.rstrip().endswith("ZeroDivisionError: a bug in the task itself")
    assert 'File "Line.py", line 31, in train' in done.err
    assert 'raise ZeroDivisionError("a bug in the task itself")' in done.err
    assert world.statuses(swarm) == {"tom": "suspended", "tim": "active"}


@pytest.mark.deep
def test_demo__bug_in_the_tasks_own_code__ends_with_its_last_words_and_where_the_logs_are(world: World) -> None:
    done = world.line.finish(
        "demo", "--task", "line.py:Line", "--set", "bug=training", "--data", "good.csv", "--nodes", "2", "--rounds", "1"
    )
    error = done.error
    assert "ZeroDivisionError: a bug in the task itself" in error
    assert "logs are in" in error
