"""A swarm whose task is source code: read, accepted, joined and trained through the command line, on a real chain."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.accounts import development_signer
from swarm_chain.adapters.stores import open_store
from swarm_chain.config import load_node_config
from swarm_chain.core.documents import TaskDocument, genesis
from swarm_chain.core.merge import parse_rule
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.deployment import deploy, swarm_config
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.devnet import Devnet
from swarm_chain.genesis import Genesis, make_genesis, merge_settings, put_genesis
from swarm_chain.schemas import load_schema
from swarm_chain.tasks import load_task
from tests.command_line import CommandLine

SOURCE = '''"""Rows of two amounts and whether they are alike."""

from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, Task, read_table

with Path({mark!r}).open("a") as file:
    file.write("ran\\n")


class Alike(Task):
    defaults = Hyperparameters(epochs=2, batch_size=8, learning_rate=0.1)
    classes = ("other", "alike")
    private = ("2.*",)

    def model(self):
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))

    def dataset(self, data):
        rows = read_table(data, ["left", "right", "alike"])
        return TensorDataset(rows[:, :2].float(), rows[:, 2].long())

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)
'''


class World:
    """A swarm of a task that leaves a line in a file whenever its source is run."""

    def __init__(self, line: CommandLine, anvil: Devnet) -> None:
        self.line, self.rpc = line, ("--rpc", anvil.rpc_url)
        self.mark = line.folder / "it-ran"
        self.source = SOURCE.format(mark=str(self.mark))
        (line.folder / "alike.py").write_text(self.source)
        for name, shift in (("a.csv", 0), ("b.csv", 3), ("c.csv", 5)):
            (line.folder / name).write_text(rows(shift, 60))
        self.deployed = line.must("deploy", "--task", "alike.py:Alike", "--name", "own", *self.rpc)
        self.contract = self.deployed.out.splitlines()[0].split()[1]
        self.digest = next(row.split()[1] for row in self.deployed.out.splitlines() if row.startswith("task"))
        self.forget()

    def forget(self) -> None:
        """As in a new process, where nothing was run yet."""
        sys.modules.pop(f"swarm_chain_task_{sha256(self.source.encode()).hexdigest()}", None)
        self.mark.unlink(missing_ok=True)

    @property
    def ran(self) -> bool:
        return self.mark.exists()

    def invited(self, name: str) -> str:
        """An account and the code with which it joins."""
        address = self.line.must("account", "new", name, "--light").out.strip()
        return self.line.must("invite", address, "--fund", "--contract", "own", *self.rpc).out.strip()

    def is_joined(self, name: str) -> bool:
        return (self.line.home / "nodes" / name / "node.toml").exists()


def rows(shift: int, count: int) -> str:
    lines = ["left,right,alike"]
    for row in range(count):
        left, right = ((row * 7 + shift) % 11) / 11, ((row * 5 + shift) % 13) / 13
        lines.append(f"{left:.6f},{right:.6f},{int(abs(left - right) < 0.3)}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> World:
    return World(CommandLine(folder=tmp_path_factory.mktemp("own task")), anvil)


@pytest.fixture
def world(made: World) -> Iterator[World]:
    made.forget()
    yield made
    made.forget()


# ------------------------------------------------------------------------------------------------------------ task show


def test_task_show__by_contract__prints_the_task_and_its_source_and_runs_nothing(world: World) -> None:
    done = world.line.must("task", "show", world.contract, *world.rpc)
    assert f"digest    {world.digest}" in done.out
    assert "task      Alike" in done.out
    assert "  learning_rate = 0.1" in done.out
    assert "warning" not in done.out
    shown = [row[7:] for row in done.out.splitlines() if row[:5].strip().isdigit() and row[5:7] == "  "]
    assert "\n".join(shown) + "\n" == world.source
    assert not world.ran


def test_task_show__by_name__also_where_it_begins_like_a_code(world: World) -> None:
    world.line.must("deploy", "--task", "alike.py:Alike", "--name", "swarm1_b", *world.rpc)
    world.forget()
    assert world.digest in world.line.must("task", "show", "swarm1_b", *world.rpc).out
    assert world.digest in world.line.must("task", "show", "own", *world.rpc).out
    assert not world.ran


def test_task_show__by_invitation__needs_nothing_else(world: World, tmp_path: Path) -> None:
    code = world.invited("reader")
    done = CommandLine(folder=tmp_path).must("task", "show", code)
    assert world.digest in done.out
    assert not world.ran


def test_task_show__output__is_the_source_byte_for_byte(world: World) -> None:
    done = world.line.must("task", "show", "own", "--output", "theirs.py", *world.rpc)
    assert (world.line.folder / "theirs.py").read_bytes() == world.source.encode()
    assert "class Alike" not in done.out
    assert (
        "theirs.py is there already" in world.line.run("task", "show", "own", "--output", "theirs.py", *world.rpc).error
    )
    assert not world.ran


def test_task_show__json__fits_its_schema(world: World) -> None:
    found = json.loads(world.line.must("task", "show", "own", "--json", "-", *world.rpc).out)
    Draft202012Validator(load_schema("task")).validate(found)
    assert (found["digest"], found["source"], found["ships"]) == (world.digest, world.source, None)
    assert found["training"]["learning_rate"] == 0.1
    assert not world.ran


def test_task_show__a_task_that_ships__has_no_source_to_write(world: World) -> None:
    world.line.must("deploy", "--name", "ships", *world.rpc)
    done = world.line.must("task", "show", "ships", *world.rpc)
    assert "ships with swarm-chain: digits, version 1" in done.out
    error = world.line.run("task", "show", "ships", "--output", "digits.py", *world.rpc).error
    assert "no source to write" in error
    assert not (world.line.folder / "digits.py").exists()
    found = json.loads(world.line.must("task", "show", "ships", "--json", "-", *world.rpc).out)
    Draft202012Validator(load_schema("task")).validate(found)


HOSTILE = (
    "# \x1b[2J\x1b[1;1H cleared your screen\n"
    "# \u202e)txet( etirw\u202c turned around\n"
    "x = 1  # zero\u200bwidth\n"
    "y = 2  # line\u2028separator\x85next\x0cfeed\n"
    "# over\rwritten\n"
)


def test_task_show__characters_that_hide_code__are_shown_harmless_and_named(world: World) -> None:
    hostile = world.source + HOSTILE
    name = _deployed(world, hostile, "hostile")
    done = world.line.must("task", "show", name, *world.rpc)
    body = done.out.split("\n\n", 1)[1]
    assert all(char.isprintable() or char == "\n" for char in body)
    assert "?[2J?[1;1H cleared" in body
    first = len(world.source.splitlines()) + 1
    last = body.splitlines()[-1]
    assert last.startswith("warning: characters that do not show, or turn a line around, in line ")
    assert f"in line {first}, {first + 1}, {first + 2}, {first + 3}: shown as ?" in last


def _deployed(world: World, source: str, name: str) -> str:
    """A swarm whose task's source was never run here, as by somebody who made its documents otherwise."""
    with world.line.here():
        base = make_genesis(load_task("digits"), merge_settings(parse_rule("mean")))
        document: TaskDocument = replace(base.task, name="Alike", source=import_bytes(source.encode()).cid)
        result = genesis(document, weights=base.result.weights, size=base.result.bytes)
        put_genesis(
            Genesis(task=document, result=result, weights=base.weights, source=source.encode()),
            open_store(f"local:{world.line.home}/store"),
        )
        signer = development_signer("dev0", chain_id=31337)
        config = swarm_config(task_digest=document.digest(), genesis_digest=result.digest(), admin=signer.address)
        deploy(config, deployer=Deployer.of([world.rpc[1]], signer), deployments=Deployments(), name=name)
    return name


# ----------------------------------------------------------------------------------------------------------------- join


def test_join__nothing_accepted__ran_nothing_and_joined_nothing(world: World) -> None:
    code = world.invited("wary")
    done = world.line.finish("join", code, "--data", "a.csv")
    assert done.status == 1
    assert f"--accept-task {world.digest}" in done.error
    assert "is not run here before somebody accepts it" in done.error
    assert not world.ran
    assert not world.is_joined("wary")
    found = json.loads(world.line.must("status", "own", "--json", "-", *world.rpc).out)
    assert "wary" not in [node["label"] for node in found["nodes"]]
    # The same, with the right digest, runs it: so the test above could have failed.
    world.line.must("join", code, "--data", "a.csv", "--accept-task", world.digest)
    assert world.ran


def test_join__wrong_digest__is_refused_and_ran_nothing(world: World) -> None:
    code = world.invited("mistaken")
    error = world.line.run("join", code, "--data", "a.csv", "--accept-task", "0x" + "11" * 32).error
    assert f"0x{'11' * 32} was accepted, and the swarm's task is {world.digest}" in error
    assert not world.ran
    assert not world.is_joined("mistaken")


def test_join__own_file_that_differs__shows_the_difference_and_ran_neither(world: World) -> None:
    code = world.invited("careful")
    (world.line.folder / "mine.py").write_text(world.source.replace("nn.Tanh()", "nn.ReLU()"))
    done = world.line.run("join", code, "--data", "a.csv", "--task", "mine.py:Alike")
    assert "mine.py is not the source of the swarm's task Alike" in done.error
    assert "-        return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))" in done.err
    assert "+        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))" in done.err
    assert not world.ran
    assert not world.is_joined("careful")
    world.line.must("join", code, "--data", "a.csv", "--task", "alike.py:Alike")
    assert world.is_joined("careful")


def test_join__accepted__is_in_the_configuration_and_data_are_found_from_anywhere(world: World) -> None:
    code = world.invited("sure")
    world.line.must("join", code, "--data", "a.csv", "--accept-task", world.digest)
    config = load_node_config(world.line.home / "nodes" / "sure" / "node.toml")
    assert config.accepted_task is not None
    assert "0x" + config.accepted_task.hex() == world.digest
    assert config.data == str(world.line.folder / "a.csv")


@pytest.mark.parametrize("answer", ["n", pytest.param("", marks=pytest.mark.deep), "y"])
def test_join__at_a_terminal__shows_the_source_and_asks(world: World, answer: str) -> None:
    name = f"asked-{answer or 'enter'}"
    code = world.invited(name)
    done = world.line.at_terminal(answer, "join", code, "--data", "a.csv")
    assert "class Alike(Task):" in done.err
    assert "Have you read it, and accept it? [y/N]" in done.err
    assert (done.status, world.ran, world.is_joined(name)) == ((0, True, True) if answer == "y" else (1, False, False))
    if answer != "y":
        assert f"--accept-task {world.digest}" in done.err.splitlines()[-1]


# ---------------------------------------------------------------------------------------------------------- what trains


@pytest.fixture(scope="module")
def trained(made: World) -> World:
    """The swarm after two rounds of two agents."""
    for name, data in (("ann", "a.csv"), ("ben", "b.csv")):
        made.line.must("join", made.invited(name), "--data", data, "--accept-task", made.digest)
    _suspend_others(made)
    other = made.line.spawn("agent", "run", "ben", "--rounds", "2")
    mine = made.line.must("agent", "run", "ann", "--rounds", "2")
    _, errors = other.communicate(timeout=90)
    assert other.returncode == 0, errors
    assert "accuracy" in mine.err
    return made


def _suspend_others(world: World) -> None:
    """Nodes that no agent runs for would be waited for."""
    found = json.loads(world.line.must("status", "own", "--json", "-", *world.rpc).out)
    for node in found["nodes"]:
        if node["label"] not in ("ann", "ben") and node["status"] == "active":
            world.line.must("node", "suspend", node["address"], "--contract", "own", *world.rpc)


def test_agent_run__a_task_of_ones_own__trains_and_the_audit_passes_without_running_it(
    trained: World, tmp_path: Path
) -> None:
    trained.forget()
    stranger = CommandLine(folder=tmp_path)
    at = (trained.contract, *trained.rpc, "--store", f"local:{trained.line.home}/store")
    assert "PASS  2 rounds finalised" in stranger.must("audit", *at).out
    assert "2 rounds finalised" in stranger.must("status", *at).out
    assert "accuracy" in stranger.must("log", *at).out
    assert "accuracy" in stranger.must("best", *at).out
    stranger.must("export", *at, "model.safetensors")
    stranger.must("deploy", "--from", *at, "--set", "epochs=3", "--name", "next")
    assert not trained.ran


def test_agent_run__accepted_another_digest__runs_nothing(trained: World) -> None:
    path = trained.line.home / "nodes" / "ann" / "node.toml"
    text = path.read_text()
    for accepted in ("", "0x" + "22" * 32):
        path.write_text(text.replace(trained.digest, accepted))
        trained.forget()
        try:
            error = trained.line.run("agent", "run", "ann", "--rounds", "9").error
        finally:
            path.write_text(text)
        assert "source code that nobody has accepted here; read it with `swarm-chain task show`" in error
        assert not trained.ran


@pytest.mark.deep
def test_agent_run__min_new_samples__sits_out_until_rows_were_added(trained: World) -> None:
    ann = trained.line.spawn("agent", "run", "ann", "--rounds", "3", "--min-new-samples", "20")
    assert ann.stderr is not None
    said = ""
    while "suspending" not in said and "waiting" not in said:
        row = ann.stderr.readline()
        assert row, said
        said += row
    assert "training" not in said
    with (trained.line.folder / "a.csv").open("a") as file:
        file.write("".join(f"0.{number:03},0.5,1\n" for number in range(100, 140)))
    ben = trained.line.spawn("agent", "run", "ben", "--rounds", "3")
    _, errors = ann.communicate(timeout=90)
    assert ann.returncode == ben.wait(90) == 0, errors
    found = json.loads(trained.line.must("status", "own", "--json", "-", *trained.rpc).out)
    samples = {node["label"]: node["last_update"]["samples"] for node in found["nodes"] if node["last_update"]}
    assert samples["ann"] > samples["ben"] + 20
