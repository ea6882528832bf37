"""`SwarmNode.join` on a real chain: by invitation, by an open door, again; and everything that it refuses."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from eth_account import Account
from torch import nn

from swarm_chain import SwarmNode
from swarm_chain.accounts import development_signer
from swarm_chain.devnet import Devnet
from swarm_chain.errors import (
    BlockNotFound,
    ConfigurationError,
    ContributionError,
    DataError,
    InvitationForSomeoneElse,
    JournalError,
    RegistrationNotOpen,
    RemovedByRegistrar,
    ShapeMismatch,
    SwarmChainError,
    TaskMismatch,
    TaskNotAccepted,
)
from swarm_chain.status.node import read_node_status
from swarm_chain.tasks import Digits, Hyperparameters
from tests.command_line import PASSWORD, CommandLine

DATA = "digits:part=0,of=3,seed=0"

TASK = """
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Task

Path(__file__).with_name("ran").touch()


class Line(Task):
    def model(self):
        return torch.nn.Linear(2, 1)

    def dataset(self, data):
        inputs = torch.arange(int(data) * 2.0).reshape(-1, 2) / int(data)
        return TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))

    def loss(self, outputs, targets):
        return torch.nn.functional.mse_loss(outputs, targets)
"""


class Swarm:
    """A deployed swarm, and the command line of who deployed it."""

    def __init__(self, line: CommandLine, rpc: str, name: str, *options: str) -> None:
        self.line, self.rpc = line, rpc
        self.at = ("--contract", name, "--rpc", rpc)
        done = line.must("deploy", "--name", name, "--store", "local:store", *options, "--rpc", rpc)
        self.contract = done.out.split()[1]

    def join(self, account: Any, **options: Any) -> SwarmNode:
        """The account's node, as if this process was started in the folder."""
        options = {"store": "local:store", "task": "digits", **options}
        with self.line.here():
            return SwarmNode.join(self.rpc, self.contract, account, **options)

    def status(self, address: str) -> str | None:
        """What the chain says of a node; None for an account that is none."""
        found = json.loads(self.line.must("status", "--json", "-", "--rpc", self.rpc, self.contract).out)
        return next((node["status"] for node in found["nodes"] if node["address"] == address.lower()), None)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(folder=tmp_path_factory.mktemp("from python"))


@pytest.fixture(scope="module")
def open_swarm(line: CommandLine, anvil: Devnet) -> Swarm:
    """A swarm that anybody may join."""
    return Swarm(line, anvil.rpc_url, "open", "--open-registration", "--set", "epochs=1")


@pytest.fixture(scope="module")
def closed(line: CommandLine, anvil: Devnet) -> Swarm:
    """A swarm that takes nodes by invitation."""
    return Swarm(line, anvil.rpc_url, "closed", "--set", "epochs=1")


def address_of(name: str) -> str:
    return development_signer(name, chain_id=31337).checksum_address


# -------------------------------------------------------------------------------------------------------------- joining


def test_join__open_registration__registers_holds_the_head_and_leaves_in_order(open_swarm: Swarm) -> None:
    node = open_swarm.join("dev1", data=DATA)
    with open_swarm.line.here(), node:
        assert open_swarm.status(address_of("dev1")) == "active"
        assert node.swarm.active_nodes == 1
        assert node.head().document.round == 0
        assert 0 <= node.evaluate()["accuracy"] <= 1
        assert len(node.data.training) > len(node.data.held_out) > 0  # type: ignore[arg-type]
    assert open_swarm.status(address_of("dev1")) == "suspended"


def test_join__again__goes_on_in_the_same_folder(open_swarm: Swarm) -> None:
    for _ in range(2):
        with open_swarm.line.here(), open_swarm.join("dev2"):
            pass
    folder = open_swarm.line.home / "nodes" / f"dev2-{open_swarm.contract[2:10].lower()}"
    assert (folder / "journal.sqlite").exists()
    found = read_node_status(folder)
    assert found is not None
    assert (found.name, found.activity.does, found.is_running) == ("dev2", "stopped", False)


def test_join__twice_at_once__second_is_refused(open_swarm: Swarm) -> None:
    with open_swarm.line.here(), open_swarm.join("dev3"), pytest.raises(JournalError, match="runs already"):
        open_swarm.join("dev3")


def test_join__invitation_code__needs_nothing_else(closed: Swarm) -> None:
    line = closed.line
    address = line.must("account", "new", "alice", "--light").out.strip()
    code = line.must("invite", address, "--fund", "--store", "local:store", *closed.at).out.strip()
    with line.here():
        with SwarmNode.join(None, code, "alice", password=PASSWORD) as node:
            assert node.swarm.active_nodes == 1
            assert closed.status(address) == "active"
        with SwarmNode.join(None, code, "alice", password=PASSWORD) as node:
            assert node.head().document.round == 0
    assert closed.status(address) == "suspended"


def test_join__node_that_the_command_joined__is_the_same_node(closed: Swarm) -> None:
    line = closed.line
    address = line.must("account", "new", "bob", "--light").out.strip()
    code = line.must("invite", address, "--fund", "--store", "local:store", *closed.at).out.strip()
    line.must("join", code, "--name", "bob-at-home", "--data", DATA)
    with closed.line.here(), closed.join("bob"):
        found = read_node_status(line.home / "nodes" / "bob-at-home")
        assert found is not None
        assert found.is_running
        assert "another agent of this node runs already" in line.run("agent", "run", "bob-at-home").error


def test_join__by_a_script_elsewhere__is_among_the_swarms_of_that_machine(open_swarm: Swarm, tmp_path: Path) -> None:
    theirs, store = CommandLine(folder=tmp_path), f"local:{open_swarm.line.folder / 'store'}"
    for options in ({}, {}, {"folder": tmp_path / "elsewhere"}):
        with theirs.here(), SwarmNode.join(open_swarm.rpc, open_swarm.contract, "dev9", store=store, **options):
            pass
    (found,) = json.loads(theirs.must("swarms", "--json", "-").out)["swarms"]
    assert found["contract"] == open_swarm.contract.lower()
    assert sorted(found["nodes"]) == [str(tmp_path / "elsewhere"), f"dev9-{open_swarm.contract[2:10].lower()}"]
    assert (found["problem"], found["now"]["head"]["round"]) == (None, 0)


def test_join__in_a_folder_of_its_own__status_shows_its_agent(open_swarm: Swarm, tmp_path: Path) -> None:
    with open_swarm.line.here(), open_swarm.join("dev9", folder=tmp_path / "elsewhere"):
        said = json.loads(open_swarm.line.must("status", open_swarm.contract, "--json", "-", *open_swarm.at[2:]).out)
    (ours,) = [node for node in said["nodes"] if node["address"] == address_of("dev9").lower()]
    assert ours["agent"]["running"]


def test_join__node_that_the_command_joined__is_listed_once(closed: Swarm) -> None:
    line = closed.line
    address = line.must("account", "new", "bert", "--light").out.strip()
    code = line.must("invite", address, "--fund", "--store", "local:store", *closed.at).out.strip()
    line.must("join", code, "--data", DATA)
    with line.here(), closed.join("bert"):
        found = json.loads(line.must("swarms", "--json", "-").out)["swarms"]
    (ours,) = [one for one in found if one["contract"] == closed.contract.lower()]
    assert ours["nodes"].count("bert") == 1


@pytest.mark.parametrize("kind", ["key", "bytes", "account"])
def test_join__account_without_a_keystore__signs(open_swarm: Swarm, kind: str) -> None:
    made = Account.create()
    open_swarm.line.must("account", "list")
    given = {"key": made.key.hex(), "bytes": bytes(made.key), "account": made}[kind]
    # It has no ether: the call that registers it is the first thing that costs any.
    with pytest.raises(SwarmChainError, match=f"{made.address.lower()} has 0.000000 ether") as caught:
        open_swarm.join(given)
    assert made.key.hex() not in str(caught.value)
    assert open_swarm.status(made.address) is None


def test_join__name_and_folder__are_where_the_node_keeps_things(open_swarm: Swarm, tmp_path: Path) -> None:
    with open_swarm.line.here(), open_swarm.join("dev4", name="fourth"):
        assert (open_swarm.line.home / "nodes" / "fourth" / "journal.sqlite").exists()
    with open_swarm.line.here(), open_swarm.join("dev4", folder=tmp_path / "elsewhere"):
        assert (tmp_path / "elsewhere" / "journal.sqlite").exists()


# -------------------------------------------------------------------------------------------------------------- refused


def test_join__not_invited__says_who_is_asked(closed: Swarm) -> None:
    with pytest.raises(RegistrationNotOpen, match="ask a registrar for one, and give its code, swarm1_…"):
        closed.join("dev5")
    assert closed.status(address_of("dev5")) is None


def test_join__invitation_of_somebody_else__is_refused(closed: Swarm) -> None:
    code = closed.line.must("invite", address_of("dev6"), "--store", "local:store", *closed.at).out.strip()
    with closed.line.here(), pytest.raises(InvitationForSomeoneElse, match="give that account"):
        SwarmNode.join(None, code, "dev5")


def test_join__removed__says_who_can_add_it(open_swarm: Swarm) -> None:
    with open_swarm.line.here(), open_swarm.join("dev6"):
        pass
    open_swarm.line.must("node", "remove", address_of("dev6"), *open_swarm.at)
    with pytest.raises(RemovedByRegistrar, match="only a registrar can add it again"):
        open_swarm.join("dev6")


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"task": "heart"}, TaskMismatch, "the swarm's task is digits, and not heart"),
        ({"task": "nothing"}, TaskMismatch, "the swarm's task is digits, and not nothing"),
        ({"task": "my_task.py:Mine"}, TaskMismatch, "the swarm's task digits ships, and is no file"),
        ({"task": Digits()}, TaskMismatch, "training.epochs: 5 here, 1 there"),
        ({"model": Wrong()}, ShapeMismatch, r"'layer.weight' F32\[10, 64\] is not expected"),
        ({"data": "digits:part=9,of=3,seed=0"}, DataError, "no part 9"),
        ({"store": "local:nowhere"}, BlockNotFound, "does not have the swarm's task"),
        ({"store": "memory"}, ConfigurationError, "is no store"),
        ({"store": None}, ConfigurationError, "where is the store"),
        ({"name": "../up"}, ConfigurationError, "cannot be a node's name"),
        ({"task": 3}, ConfigurationError, "task is of type int: give a task's name"),
        ({"model": {"0.weight": None}}, ContributionError, "the model is of type dict: give the torch module itself"),
        ({"data": Path("nowhere.csv")}, DataError, "nowhere.csv"),
        ({"data": 3}, ConfigurationError, "data is of type int"),
        ({"evaluate": 0.9}, ConfigurationError, "evaluate is 0.9: give a function"),
        ({"confirmations": -1}, ConfigurationError, "confirmations is -1"),
    ],
)
def test_join__what_is_not_the_swarms__is_refused_before_anything_is_sent(
    open_swarm: Swarm, options: dict[str, Any], error: type[SwarmChainError], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_swarm.join("dev7", **options)
    assert open_swarm.status(address_of("dev7")) is None
    assert not list((open_swarm.line.home / "nodes").glob("dev7*"))


@pytest.mark.parametrize("contract", ["0x1234", "0x" + "g" * 40, b"short", "default", ""])
def test_join__no_contract__says_what_to_give(open_swarm: Swarm, contract: Any) -> None:
    with open_swarm.line.here(), pytest.raises(ConfigurationError, match="is no contract: give its address"):
        SwarmNode.join(open_swarm.rpc, contract, "dev7", store="local:store")


def test_join__no_endpoint__says_so(open_swarm: Swarm) -> None:
    with open_swarm.line.here(), pytest.raises(ConfigurationError, match="where does the chain answer"):
        SwarmNode.join(None, open_swarm.contract, "dev7", store="local:store")


# ---------------------------------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize("task", [None, Digits, Digits(Hyperparameters(epochs=1, momentum=0.9))])
def test_join__task_in_any_form__is_the_swarms(open_swarm: Swarm, task: Any) -> None:
    with open_swarm.line.here(), open_swarm.join("dev8", task=task) as node:
        assert sum(parameter.numel() for parameter in node.model.parameters()) == 64 * 128 + 128 + 128 * 10 + 10


def test_join__own_module__takes_the_swarms_parameters(open_swarm: Swarm) -> None:
    model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 10))
    before = model[0].weight.clone()
    with open_swarm.line.here(), open_swarm.join("dev8", model=model) as node:
        assert node.model is model
        assert not torch.equal(model[0].weight, before)


@pytest.fixture(scope="module")
def task_file(line: CommandLine) -> Path:
    path = line.folder / "line_task.py"
    path.write_text(TASK)
    return path


@pytest.fixture(scope="module")
def own(line: CommandLine, task_file: Path, anvil: Devnet) -> Swarm:
    """A swarm whose task is a source file."""
    return Swarm(line, anvil.rpc_url, "own", "--open-registration", "--task", f"{task_file}:Line")


@pytest.fixture
def ran(task_file: Path) -> Path:
    """What the task's source leaves behind where it runs, and did not yet."""
    path = task_file.with_name("ran")
    path.unlink(missing_ok=True)
    return path


def test_join__task_in_a_file__is_accepted_by_being_the_same(own: Swarm, task_file: Path) -> None:
    with own.line.here(), own.join("dev1", task=f"{task_file}:Line", data="40") as node:
        assert node.model.weight.shape == (1, 2)  # type: ignore[union-attr]
        assert node.evaluate()["loss"] > 0


def test_join__class_imported_from_the_file__is_the_same_task(
    own: Swarm, task_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(task_file.parent)
    with own.line.here(), own.join("dev1", task=import_module("line_task").Line, data="40"):
        pass


def test_join__file_that_changed__is_refused_with_the_difference_and_not_run(
    own: Swarm, tmp_path: Path, ran: Path
) -> None:
    other = tmp_path / "line_task.py"
    other.write_text(TASK.replace("mse_loss", "l1_loss"))
    with pytest.raises(TaskMismatch, match="is not the source of the swarm's task Line") as caught:
        own.join("dev2", task=f"{other}:Line")
    (note,) = caught.value.__notes__
    assert "+        return torch.nn.functional.mse_loss(outputs, targets)" in note.splitlines()
    assert not ran.exists()
    assert not other.with_name("ran").exists()
    assert own.status(address_of("dev2")) is None


def test_join__difference_with_characters_that_hide_code__is_shown_harmless(
    line: CommandLine, anvil: Devnet, tmp_path: Path
) -> None:
    hidden = line.folder / "hiding.py"
    hidden.write_text(TASK + "\n# \x1b[2J \u202e turned\n")
    swarm = Swarm(line, anvil.rpc_url, "hiding", "--open-registration", "--task", f"{hidden}:Line")
    (tmp_path / "line_task.py").write_text(TASK)
    with pytest.raises(TaskMismatch) as caught:
        swarm.join("dev1", task=f"{tmp_path / 'line_task.py'}:Line")
    (note,) = caught.value.__notes__
    assert "+# ?[2J ? turned" in note.splitlines()


@pytest.mark.parametrize("kind", ["class", "object"])
def test_join__class_from_a_file_that_changed__is_refused_with_the_difference(
    own: Swarm, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"edited_{kind}.py").write_text(TASK.replace("mse_loss", "l1_loss"))
    monkeypatch.syspath_prepend(tmp_path)
    edited = import_module(f"edited_{kind}").Line
    with pytest.raises(TaskMismatch, match="Line's file is not the source of the swarm's task Line") as caught:
        own.join("dev2", task=edited if kind == "class" else edited(), data="40")
    assert "-        return torch.nn.functional.l1_loss" in caught.value.details
    assert "+        return torch.nn.functional.mse_loss" in caught.value.details


def test_join__another_class_of_the_file__is_refused(own: Swarm, task_file: Path) -> None:
    with pytest.raises(TaskMismatch, match=r"the swarm's task is Line in .*, and not Curve"):
        own.join("dev2", task=f"{task_file}:Curve")


def test_join__source_code_that_nobody_has_here__is_not_run(own: Swarm, ran: Path) -> None:
    with pytest.raises(TaskNotAccepted, match=r"task='my_task.py:Line'"):
        own.join("dev2", task=None)
    assert not ran.exists()
