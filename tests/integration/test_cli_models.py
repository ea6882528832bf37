"""Models that real agents agreed on, on a real chain: listed, ranked, exported, compared, followed, loaded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from safetensors.torch import load_file

import swarm_chain
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.torch_parameters import parameters_of
from swarm_chain.adapters.torch_trainer import TorchTrainer
from swarm_chain.core.unixfs import import_file
from swarm_chain.devnet import Devnet
from swarm_chain.schemas import load_schema
from swarm_chain.tasks import load_task
from tests.chains import DevnetWorld
from tests.command_line import CommandLine
from tests.histories import START, Script, task_document
from tests.rpc_proxy import RpcProxy

ROUNDS = 3
DATA = {"carol": "digits:part=0,of=2,seed=0", "dan": "digits:part=1,of=2,seed=0"}


class Trained:
    """A swarm of two agents that ended after three rounds."""

    def __init__(self, line: CommandLine, devnet: Devnet) -> None:
        self.line, self.url = line, devnet.rpc_url
        self.rpc = ("--rpc", devnet.rpc_url)
        deployed = line.must("deploy", "--set", "epochs=1", "--name", "models", *self.rpc)
        self.contract = deployed.out.splitlines()[0].split()[1]
        for name in DATA:
            self._join(name)
        self._train()

    @property
    def store(self) -> str:
        return f"local:{self.line.home}/store"

    def _join(self, name: str) -> None:
        address = self.line.must("account", "new", name, "--light").out.strip()
        code = self.line.must("invite", address, "--fund", "--contract", "models", *self.rpc).out.strip()
        self.line.must("join", code, "--data", DATA[name])

    def _train(self) -> None:
        dan = self.line.spawn("agent", "run", "dan", "--rounds", str(ROUNDS))
        self.line.must("agent", "run", "carol", "--rounds", str(ROUNDS))
        said = dan.communicate(timeout=60)[1]
        assert dan.returncode == 0, said

    def json(self, command: str, *arguments: str) -> Any:
        """What a command writes for programs, once it fits its schema."""
        found = json.loads(self.line.must(command, *arguments, "--json", "-", *self.rpc).out)
        Draft202012Validator(load_schema(command)).validate(found)
        return found

    def export(self, folder: Path, *arguments: str) -> Path:
        file = folder / "model.safetensors"
        self.line.must("export", "models", str(file), *arguments, *self.rpc)
        return file

    def reported(self, round_number: int) -> dict[str, Any]:
        """What each node said of the base in a round, by its label."""
        found = self.json("log")["results"]
        base = next(one for one in found if one["round"] == round_number - 1)
        labels = {part["node"]: part["label"] for part in found[0]["included"]}
        sites = next(one for one in self.json("best")["rounds"] if one["round"] == base["round"])["sites"]
        return {labels[node]: metrics for node, metrics in sites.items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> Trained:
    return Trained(CommandLine(folder=tmp_path_factory.mktemp("models")), anvil)


# --------------------------------------------------------------------------------------------------------- log and best


def test_log__three_rounds__are_listed_with_who_took_part(trained: Trained) -> None:
    found = trained.json("log")
    assert [one["round"] for one in found["results"]] == [3, 2, 1, 0]
    assert all({part["label"] for part in one["included"]} == {"carol", "dan"} for one in found["results"][:3])
    assert all(one["on_chain"] and one["finalized_at"] for one in found["results"][:3])
    assert [one["score"] is not None for one in found["results"]] == [False, True, True, True]
    text = trained.line.must("log", "models", *trained.rpc).out
    assert [line.split()[0] for line in text.splitlines() if line and line[0] != " "] == ["round"] * 3 + ["genesis"]


def test_log__limit__shows_the_newest(trained: Trained) -> None:
    assert [one["round"] for one in trained.json("log", "--limit", "2")["results"]] == [3, 2]


def test_best__rounds_that_got_better__is_the_newest_that_is_scored(trained: Trained) -> None:
    found = trained.json("best")
    by = {one["metric"]: one for one in found["best"]}
    assert (found["compared_by"], by["accuracy"]["round"], by["accuracy"]["sites"]) == ("accuracy", 2, 2)
    assert by["accuracy"]["weighted"]
    assert by["loss"]["better"] == "lower"
    assert found["head"] == {"round": 3, "scored": False}
    said = trained.line.must("best", "models", "--by", "loss", *trained.rpc).out
    assert "by loss" in said
    assert "(lower is better)" in said
    assert "round 3 is not scored yet" in said


# --------------------------------------------------------------------------------------------------------------- export


def test_export__round_2_loaded_and_scored_where_a_node_is__gives_what_it_reported_in_round_3(
    trained: Trained, tmp_path: Path
) -> None:
    file = trained.export(tmp_path, "--round", "2")
    task = load_task("digits")
    module = task.model()
    module.load_state_dict(load_file(file))
    reported = trained.reported(3)
    for name, data in DATA.items():
        measured = TorchTrainer(task, data).evaluate(parameters_of(module))
        assert measured == reported[name]
        assert measured["test_samples"] > 20


def test_export__of_the_head__is_the_chains_result_and_its_card_says_so(trained: Trained, tmp_path: Path) -> None:
    file = trained.export(tmp_path)
    newest = trained.json("log", "--limit", "1")["results"][0]
    assert str(import_file(file).cid) == newest["weights"]["cid"]
    card = file.with_name("model.safetensors.md").read_text()
    for text in (newest["cid"], newest["digest"], newest["weights"]["cid"], "carol", "dan", "digits", "| epochs | 1 |"):
        assert text in card


BAD = [
    (("export", "models", "{file}", "--round", "9"), "there is no round 9: the last is 3"),
    (("export", "models", "{there}"), "is there already; choose another file, or replace it with --force"),
    (("export", "models", "{file}", "--store", "local:{empty}"), "is not in local:"),
    (("export", "models", "{file}", "--store", "local:{empty}/nowhere"), "there is no store at"),
    (("export", "models", "{empty}/nowhere/m.safetensors"), "choose another place"),
    (("log", "models", "--store", "local:{empty}"), "is not in local:"),
    (("best", "models", "--by", "f1"), "nobody measured f1; choose one of accuracy"),
    (("best", "models", "--store", "local:{empty}"), "is not in local:"),
    (("diff", "models@1", "models@9"), "there is no round 9"),
    (("diff", "models@1", "bafyreihidskijcwnlywmyx3zutffwr3slmnqkvsvzjacec5rpqb47kyzpu"), "is not in local:"),
    (("pull", "models", "{file}", "--store", "local:{empty}"), "is not in local:"),
    (("pull", "models", "{there}"), "choose another folder"),
    (("log", "nothing"), "no deployment nothing"),
]


@pytest.mark.parametrize(("command", "message"), BAD, ids=[" ".join(command) for command, _ in BAD])
def test_bad_input__each__is_one_line_that_says_what_to_do(
    trained: Trained, tmp_path: Path, command: tuple[str, ...], message: str
) -> None:
    places = {"file": tmp_path / "file", "there": tmp_path / "there", "empty": tmp_path / "empty"}
    places["there"].write_text("mine")
    places["empty"].mkdir()
    done = trained.line.run(*(part.format(**places) for part in command), *trained.rpc)
    assert message in done.error
    assert places["there"].read_text() == "mine"
    assert not list(places["empty"].iterdir())


def test_export__corrupted_block__names_it_and_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    newest = trained.json("log", "--limit", "1")["results"][0]
    blocks = tmp_path / "blocks"
    subprocess.run(["cp", "-r", f"{trained.line.home}/store", str(blocks)], check=True)
    (harmed,) = blocks.glob(f"*/{newest['weights']['cid']}")
    harmed.write_bytes(harmed.read_bytes()[:-1] + b"x")
    done = trained.line.run("export", "models", str(tmp_path / "m"), "--store", f"local:{blocks}", *trained.rpc)
    assert "is corrupted at" in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["blocks"]


# ----------------------------------------------------------------------------------------------------------------- diff


def test_diff__two_rounds__says_what_numpy_says_however_they_are_named(trained: Trained, tmp_path: Path) -> None:
    files = []
    for number in (1, 3):
        (tmp_path / str(number)).mkdir()
        files.append(load_file(trained.export(tmp_path / str(number), "--round", str(number))))
    a, b = (torch.cat([one[name].double().reshape(-1) for name in sorted(one)]) for one in files)
    cids = {one["round"]: one["cid"] for one in trained.json("log")["results"]}
    found = trained.json("diff", "models@1", "models")
    assert found["total"]["norm"] == pytest.approx(float((b - a).norm()))
    assert found["total"]["relative"] == pytest.approx(float((b - a).norm() / a.norm()))
    assert [one["name"] for one in found["tensors"]] == sorted(files[0])
    assert (found["a"]["round"], found["b"]["round"]) == (1, 3)
    for names in ((f"{trained.contract}@1", trained.contract), (cids[1], cids[3]), ("@1", "@3")):
        again = trained.json("diff", *names)
        assert again["total"] == found["total"]
    assert "all floats" in trained.line.must("diff", cids[1], cids[3], *trained.rpc).out


# ----------------------------------------------------------------------------------------------------------------- pull


class Following:
    """`pull --follow` in a process of its own, and what it said so far."""

    def __init__(self, line: CommandLine, *arguments: str) -> None:
        self.said = line.folder / f"following-{time.monotonic_ns()}"
        with self.said.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "swarm_chain", "pull", *arguments, "--follow", "--every", "1"],
                cwd=line.folder,
                env=line.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def wait_for(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, self.said.read_text()
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.05)

    def wait_to_say(self, text: str) -> None:
        self.wait_for(lambda: text in self.said.read_text())

    def end(self, number: int = signal.SIGTERM) -> str:
        """What it said in all, once it ended in order."""
        self.process.send_signal(number)
        assert self.process.wait(30) == 0, self.said.read_text()
        said = self.said.read_text()
        assert "Traceback" not in said
        return said


@pytest.fixture
def follow(trained: Trained) -> Iterator[Callable[..., Following]]:
    """Starts followers, and leaves none running."""
    started: list[Following] = []

    def start(*arguments: str) -> Following:
        started.append(Following(trained.line, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def round_in(folder: Path) -> int:
    found: dict[str, Any] = json.loads((folder / "current" / "model.json").read_text())
    return int(found["round"])


def test_pull__once__needs_no_account_and_says_what_it_is(trained: Trained, tmp_path: Path) -> None:
    stranger = CommandLine(folder=tmp_path)
    where = (trained.contract, "models", "--store", trained.store, *trained.rpc)
    assert "round 3" in stranger.must("pull", *where).out
    said = json.loads((tmp_path / "models" / "current" / "model.json").read_text())
    Draft202012Validator(load_schema("model")).validate(said)
    assert (said["round"], said["contract"], said["task"]["name"]) == (3, trained.contract.lower(), "digits")
    assert "is the newest agreed model already" in stranger.must("pull", *where).err
    assert not (stranger.home / "keystores").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pull__follow__ends_in_order(
    trained: Trained, tmp_path: Path, follow: Callable[..., Following], number: int
) -> None:
    following = follow("models", str(tmp_path / "m"), *trained.rpc)
    following.wait_to_say("round 3")
    assert "ended; the folder holds the newest model that came" in following.end(number)
    assert not list((tmp_path / "m").glob(".*"))


def test_pull__follow_two_of_them__second_is_refused(
    trained: Trained, tmp_path: Path, follow: Callable[..., Following]
) -> None:
    following = follow("models", str(tmp_path / "m"), *trained.rpc)
    following.wait_to_say("round 3")
    error = trained.line.run("pull", "models", str(tmp_path / "m"), *trained.rpc).error
    assert "another `swarm-chain pull` writes to" in error
    following.end()


def test_pull__follow_while_endpoint_and_store_are_away__says_so_and_goes_on(
    trained: Trained, tmp_path: Path, follow: Callable[..., Following], anvil: Devnet
) -> None:
    blocks, hidden = tmp_path / "blocks", tmp_path / "hidden"
    subprocess.run(["cp", "-r", f"{trained.line.home}/store", str(blocks)], check=True)
    blocks.rename(hidden)
    with RpcProxy(anvil.rpc_url) as proxy:
        proxy.status = 503
        where = ("--rpc", proxy.url, "--store", f"local:{blocks}")
        following = follow(trained.contract, str(tmp_path / "m"), *where)
        following.wait_to_say(f"the chain is away, and is tried again every 1 s: {proxy.url} answers HTTP 503")
        proxy.status = 200
        following.wait_to_say("the newest model cannot be had, and is tried again every 1 s: there is no store at")
        hidden.rename(blocks)
        following.wait_to_say("it works again")
        assert round_in(tmp_path / "m") == 3
        proxy.status = 503
        following.wait_for(lambda: following.said.read_text().count("the chain is away") == 2)
        proxy.status = 200
        following.wait_for(lambda: following.said.read_text().count("it works again") == 2)
        following.end()


def test_pull__follow_a_contract_that_is_none__ends_with_the_error(trained: Trained, tmp_path: Path) -> None:
    nowhere = "0x" + "ab" * 20
    error = trained.line.finish("pull", nowhere, str(tmp_path / "m"), "--follow", *trained.rpc).error
    assert "there is no contract at" in error


# --------------------------------------------------------------------------------------------------------------- swarms


def test_swarms__this_machine__lists_what_answers_and_what_does_not(trained: Trained, tmp_path: Path) -> None:
    trained.line.must("pull", "models", str(tmp_path / "m"), *trained.rpc)
    found = trained.json("swarms")["swarms"]
    ours = next(one for one in found if one["contract"] == trained.contract.lower())
    assert (ours["names"], ours["nodes"]) == (["models"], ["carol", "dan"])
    assert str(tmp_path / "m") in ours["folders"]
    assert ours["now"]["head"]["round"] == 3
    assert (ours["now"]["score"]["metric"], ours["now"]["score"]["round"]) == ("accuracy", 2)
    assert ours["now"]["phase"] == "idle"


def test_swarms__chain_is_gone__is_shown_as_such_and_no_error(tmp_path: Path) -> None:
    line = CommandLine(folder=tmp_path)
    with Devnet.start(client="anvil", port=0, log=tmp_path / "anvil.log") as gone:
        line.must("deploy", "--set", "epochs=1", "--rpc", gone.rpc_url)
        assert "genesis" in line.must("swarms", "--rpc", gone.rpc_url).out
    done = line.must("swarms", "--rpc", gone.rpc_url, "--timeout", "1")
    assert "unreachable" in done.out
    assert f"! {gone.rpc_url} does not answer" in done.out


def test_swarms__another_chain_with_the_same_id__is_not_taken_for_it(
    trained: Trained, tmp_path: Path, anvil: Devnet
) -> None:
    line = CommandLine(folder=tmp_path)
    with Devnet.start(client="anvil", port=0, log=tmp_path / "anvil.log") as other:
        line.must("deploy", "--set", "epochs=1", "--rpc", other.rpc_url)
    done = line.must("swarms", "--rpc", anvil.rpc_url)
    assert "unreachable" in done.out
    assert "serves another chain with the id 31337" in done.out


def test_swarms__none_known__says_how_to_get_one(tmp_path: Path) -> None:
    line = CommandLine(folder=tmp_path)
    assert "this machine knows no swarm" in line.must("swarms").err
    assert json.loads(line.must("swarms", "--json", "-").out) == {"swarms": []}


# ----------------------------------------------------------------------------------------------------------- load_model


def test_load_model__by_address_and_round__is_the_exported_model(trained: Trained, tmp_path: Path) -> None:
    for number in (2, None):
        module = swarm_chain.load_model(trained.url, trained.contract, store=trained.store, round=number)
        (tmp_path / str(number)).mkdir()
        file = trained.export(tmp_path / str(number), *(["--round", str(number)] if number else []))
        found = load_file(file)
        assert all(torch.equal(tensor, found[name]) for name, tensor in module.state_dict().items())
        assert not module.training


def test_commands__looking_at_models__write_nothing_into_the_store(trained: Trained, tmp_path: Path) -> None:
    store = LocalStore(trained.line.home / "store", writable=False)
    before = set(store.cids())
    for command in (("log",), ("best",), ("diff", "@1", "@2"), ("swarms",)):
        trained.json(*command)
    trained.export(tmp_path)
    assert set(store.cids()) == before


# ----------------------------------------------------------------------------------------------------------- successors


class Successors:
    """A swarm of two rounds, and one on the same chain that starts from the first of them with one tensor more."""

    def __init__(self, anvil: Devnet, folder: Path) -> None:
        self.line = CommandLine(folder=folder)
        store = LocalStore(folder / "blocks")
        self.earlier = Script(partial(DevnetWorld, anvil), store=store)
        first = self.earlier.round()
        self.earlier.round()
        start = {**self.earlier.parameters_of(first), "extra": np.ones(2, np.float32)}
        task = task_document(start=start)
        self.later = Script(partial(DevnetWorld, anvil), store=store, task=task, start=start, base=first)
        self.later.round()
        self.at = ("--rpc", anvil.rpc_url, "--store", f"local:{folder}/blocks")

    def address(self, script: Script) -> str:
        return "0x" + script.world.chain(None).coordinator.hex()


@pytest.fixture(scope="module")
def successors(anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Successors:
    return Successors(anvil, tmp_path_factory.mktemp("successors"))


def test_log__successor__crosses_into_the_earlier_swarm_and_asks_its_contract(successors: Successors) -> None:
    done = successors.line.must("log", successors.address(successors.later), "--json", "-", *successors.at)
    found = json.loads(done.out)["results"]
    Draft202012Validator(load_schema("log")).validate({"compared_by": None, "results": found})
    earlier, later = successors.address(successors.earlier), successors.address(successors.later)
    assert [(one["round"], one["swarm"]["contract"]) for one in found] == [
        (1, later),
        (0, later),
        (1, earlier),
        (0, earlier),
    ]
    assert all(one["on_chain"] for one in found)


def test_diff__two_swarms__names_the_tensor_that_only_one_has(successors: Successors) -> None:
    names = (f"{successors.address(successors.earlier)}@2", f"{successors.address(successors.later)}@1")
    done = successors.line.must("diff", *names, "--json", "-", *successors.at)
    found = json.loads(done.out)
    Draft202012Validator(load_schema("diff")).validate(found)
    assert found["only_b"] == [{"name": "extra", "dtype": "F32", "shape": [2]}]
    assert [one["name"] for one in found["tensors"]] == sorted(START)
    assert "only in B 'extra' F32[2]" in successors.line.must("diff", *names, *successors.at).out


def test_export__successor__card_goes_back_to_the_earlier_swarm(successors: Successors, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    successors.line.must("export", successors.address(successors.later), str(file), *successors.at)
    card = file.with_name("m.safetensors.md").read_text()
    assert successors.earlier.genesis.hex() in card
    assert "0 (from the result of an earlier swarm)" in card
