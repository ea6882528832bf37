"""From one swarm to the next, typed as people type it: rolling back, changing the algorithm, inviting, auditing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.config import load_devnet_settings, load_node_config
from swarm_chain.core import documents
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.invitation_codes import decode_invitation
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.devnet import Devnet
from swarm_chain.schemas import load_schema
from swarm_chain.types import Digest
from tests.chains import DevnetWorld
from tests.command_line import CommandLine, Done
from tests.histories import Script

NODES = ("ann", "ben")
ROUNDS = 3

TASK = """
from swarm_chain.tasks import Digits, Hyperparameters

class Calm(Digits):
    name = "digits"
    defaults = Hyperparameters(epochs=1, learning_rate=0.01)

class Renamed(Calm):
    name = "numbers"

    def open_data(self, data):
        return Digits().open_data(data.replace("numbers", "digits")) if "numbers" in data else super().open_data(data)
"""


class Lab:
    """A swarm `lab` of two nodes that trained for three rounds, and the command line of all who are in it."""

    def __init__(self, anvil: Devnet, folder: Path) -> None:
        self.line = CommandLine(folder=folder)
        self.rpc = ("--rpc", anvil.rpc_url)
        self.at = ("--contract", "lab", *self.rpc)
        windows = ("--reveal-window", "111s", "--absence-limit", "9")
        self.line.must("deploy", "--set", "epochs=1", "--direct", "--name", "lab", *windows, *self.rpc)
        for part, name in enumerate(NODES):
            address = self.line.must("account", "new", name, "--light").out.strip()
            code = self.line.must("invite", address, "--fund", *self.at).out.strip()
            data = f"digits:part={part},of=3,seed=0"
            self.line.must("join", code, "--data", data, "--label", f"{name} & co")
        self.train(*NODES, rounds=ROUNDS)

    def train(self, *nodes: str, rounds: int) -> None:
        """Lets the agents of these nodes run until a swarm has so many rounds."""
        others = [self.line.spawn("agent", "run", name, "--rounds", str(rounds)) for name in nodes[1:]]
        try:
            first = self.line.finish("agent", "run", nodes[0], "--rounds", str(rounds))
            assert first.status == 0, first.err
            for other in others:
                _, err = other.communicate(timeout=120)
                assert other.returncode == 0, err
        finally:
            for other in others:
                other.kill()

    def deployment(self, name: str, chain_id: int = 31337) -> Deployment:
        return Deployments(self.line.folder / "deployments.json").choose(chain_id, name)

    def genesis(self, name: str, chain_id: int = 31337) -> ResultDocument:
        return self.document(self.deployment(name, chain_id).config.genesis_digest)

    def document(self, digest: Digest) -> ResultDocument:
        return documents.read(self.store.get, digest, ResultDocument)

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.line.home / "store", writable=False)

    def result(self, name: str, number: int) -> Digest:
        """What a swarm's round was finalised with, as its audit tells."""
        rounds = self.audit(name)["rounds"]
        return Digest(bytes.fromhex(rounds[number - 1]["result"][2:]))

    def audit(self, name: str, *options: str, status: int = 0) -> dict[str, Any]:
        done = self.line.run("audit", name, "--json", "-", *options, *self.rpc)
        assert done.status == status, (done.out, done.err)
        document: dict[str, Any] = json.loads(done.out)
        Draft202012Validator(load_schema("audit")).validate(document)
        return document

    def code(self, name: str, node: str) -> str:
        return (self.line.folder / "invitations" / name / f"{node}-co.code").read_text()


@pytest.fixture(scope="module")
def lab(anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(anvil, tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def back(lab: Lab) -> Done:
    """Rolled back to round 2: `lab-2`."""
    return lab.line.must("deploy", "--from", "lab@2", *lab.rpc)


@pytest.fixture(scope="module")
def trained(lab: Lab, back: Done) -> Lab:
    """`lab-2`, which both nodes joined with nothing but their codes, and trained for a round."""
    for node in NODES:
        lab.line.must("join", lab.code("lab-2", node))
    lab.train(*(f"{node}-2" for node in NODES), rounds=1)
    return lab


# -------------------------------------------------------------------------------------------------------- rolling back


def test_deploy_from__a_round__starts_where_it_ended(lab: Lab, back: Done) -> None:
    ended, start = lab.document(lab.result("lab", 2)), lab.genesis("lab-2")

    assert (start.weights, start.base) == (ended.weights, ended.cid())
    facts = dict(row.split(maxsplit=1) for row in back.out.splitlines())
    assert facts["from"].startswith("round 2 of 0x")
    assert facts["weights"].startswith(str(ended.weights))


def test_deploy_from__nothing_else_given__is_the_same_swarm_but_for_its_start(lab: Lab, back: Done) -> None:
    before, after = lab.deployment("lab").config, lab.deployment("lab-2").config

    assert after == replace(before, genesis_digest=after.genesis_digest)
    assert (after.is_sealed, after.reveal_window, after.absence_limit) == (False, 111, 9)


def test_deploy_from__again__does_nothing(lab: Lab, back: Done) -> None:
    again = lab.line.must("deploy", "--from", "lab@2", *lab.rpc)

    assert "nothing to do" in again.err
    assert again.out.splitlines()[0] == back.out.splitlines()[0]


def test_deploy_from__some_settings_given__changes_these_alone(lab: Lab) -> None:
    options = ("--merge", "trimmed_mean:f=1", "--set", "epochs=2", "--sealed", "--merge-window", "77s")
    lab.line.must("deploy", "--from", "lab@1", "--name", "other", *options, *lab.rpc)

    before, after = lab.deployment("lab").config, lab.deployment("other").config
    assert replace(after, task_digest=before.task_digest, genesis_digest=before.genesis_digest) == replace(
        before, is_sealed=True, merge_window=after.merge_window
    )
    assert after.merge_window == 77
    task = documents.read(lab.store.get, after.task_digest, documents.TaskDocument)
    assert (task.merge.rule, task.training["epochs"], task.name) == ("trimmed_mean", 2, "digits")


def test_deploy_from__the_genesis__starts_anew_with_the_same_weights(lab: Lab) -> None:
    lab.line.must("deploy", "--from", "lab@0", "--name", "anew", *lab.rpc)

    first, anew = lab.genesis("lab"), lab.genesis("anew")
    assert (anew.weights, anew.base) == (first.weights, first.cid())
    audit = lab.audit("anew")
    assert [(one["round"], one["verdict"], one["audit"]) for one in audit["ancestors"]] == [(0, "PASS", None)]


def test_deploy_from__a_round_that_there_is_not__is_one_line(lab: Lab) -> None:
    before = (lab.line.folder / "deployments.json").read_text()

    assert "there is no round 7" in lab.line.run("deploy", "--from", "lab@7", *lab.rpc).error
    assert (lab.line.folder / "deployments.json").read_text() == before


def test_deploy_from__no_store_has_the_result__is_one_line(lab: Lab, tmp_path: Path) -> None:
    done = lab.line.run("deploy", "--from", "lab", "--store", f"local:{tmp_path}", *lab.rpc)

    assert str(tmp_path) in done.error


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "lab@x"),
        ("--from", "lab@2", "--init", "x.safetensors"),
        ("--invitations", "x"),
        ("--from-rpc", "http://127.0.0.1:1"),
    ],
)
def test_deploy_from__options_that_do_not_go_together__are_refused(lab: Lab, options: tuple[str, ...]) -> None:
    assert lab.line.run("deploy", *options, *lab.rpc).status == 2


# ---------------------------------------------------------------------------------------------------------- invitations


def test_deploy_from__by_a_registrar__writes_an_invitation_for_each_node(lab: Lab, back: Done) -> None:
    for node in NODES:
        config = load_node_config(lab.line.home / "nodes" / node / "node.toml")
        code = decode_invitation(lab.code("lab-2", node))
        assert (code.invitation.account, code.contract) == (config.account, lab.deployment("lab-2").contract)
    assert [row.split()[0] for row in back.out.splitlines()].count("invitation") == len(NODES)
    assert "2 of 2 nodes of the earlier swarm are invited" in back.err


def test_deploy_from__by_another_account__invites_nobody_and_says_who_does(lab: Lab) -> None:
    by = ("--account", "dev7", "--name", "theirs")
    done = lab.line.must("deploy", "--from", "lab@1", *by, *lab.rpc)

    assert "no registrar of it, and invites nobody" in done.err
    contract = "0x" + (lab.deployment("lab").contract or b"").hex()
    assert f"swarm-chain invite --all-of {contract} --contract theirs" in done.err
    assert not (lab.line.folder / "invitations" / "theirs").exists()
    lab.line.must("invite", "--all-of", contract, "--contract", "theirs", *lab.rpc)
    assert len(list((lab.line.folder / "invitations" / "theirs").iterdir())) == 2


def test_join__with_nothing_but_the_code__is_set_up_like_the_earlier_node(trained: Lab) -> None:
    for node in NODES:
        before, after = (
            load_node_config(trained.line.home / "nodes" / name / "node.toml") for name in (node, f"{node}-2")
        )
        assert after == replace(
            before,
            contract=trained.deployment("lab-2").contract,
            deployment_block=after.deployment_block,
            journal=trained.line.home / "nodes" / f"{node}-2" / "journal.sqlite",
        )


def test_join__with_other_data_and_name__takes_these(trained: Lab) -> None:
    trained.line.must("deploy", "--from", "lab-2", "--name", "third", *trained.rpc)
    data = "digits:part=2,of=3,seed=0"
    trained.line.must("join", trained.code("third", "ann"), "--data", data, "--name", "elsewhere", "--label", "new")

    config = load_node_config(trained.line.home / "nodes" / "elsewhere" / "node.toml")
    assert (config.data, config.label) == (data, "new")


def test_invite_all_of__some_joined_already__invites_the_others(trained: Lab, tmp_path: Path) -> None:
    trained.line.must("deploy", "--from", "lab@3", "--name", "fourth", *trained.rpc)
    trained.line.must("join", trained.code("fourth", "ann"))

    done = trained.line.must(
        "invite", "--all-of", "lab", "--contract", "fourth", "--invitations", str(tmp_path / "codes"), *trained.rpc
    )

    assert [path.name for path in (tmp_path / "codes").iterdir()] == ["ben-co.code"]
    assert "1 of 2 nodes" in done.err


@pytest.mark.parametrize(
    "options", [(), ("--all-of", "lab", "0x" + "11" * 20), ("0x" + "11" * 20, "--invitations", "x")]
)
def test_invite__neither_one_nor_all__is_refused(lab: Lab, options: tuple[str, ...]) -> None:
    assert lab.line.run("invite", *options, *lab.at).status == 2


# ---------------------------------------------------------------------------------------------------------------- audit


def test_audit__a_successor_that_trained_on__crosses_the_link(trained: Lab) -> None:
    found = trained.audit("lab-2")

    assert (found["verdict"], [one["reexecuted"] for one in found["rounds"]]) == ("PASS", [True])
    (ancestor,) = found["ancestors"]
    assert (ancestor["round"], ancestor["verdict"]) == (2, "PASS")
    assert ancestor["audit"]["scope"]["contract"] == "0x" + (trained.deployment("lab").contract or b"").hex()
    assert [(one["number"], one["reexecuted"]) for one in ancestor["audit"]["rounds"]] == [(1, True), (2, True)]


def test_audit__for_people__has_a_section_for_the_earlier_swarm(trained: Lab) -> None:
    done = trained.line.must("audit", "lab-2", *trained.rpc)

    assert "the result of round 2 of 0x" in done.out
    assert done.out.rstrip().endswith("; what it comes from: PASS")
    assert "executing round 2 again of the earlier swarm" in done.err


def test_audit__without_ancestors__says_so(trained: Lab) -> None:
    found = trained.audit("lab-2", "--no-ancestors")

    assert (found["verdict"], found["ancestors"]) == ("PASS", [])
    assert "was not audited" in found["genesis"]["notes"][0]


def test_audit__weights_of_the_earlier_swarm_are_gone__exits_3(trained: Lab, tmp_path: Path) -> None:
    gone = trained.document(trained.result("lab", 1)).included[0].update
    shutil.copytree(trained.line.home / "store", tmp_path / "store")
    (block,) = (tmp_path / "store").glob(f"*/{gone}")
    block.unlink()

    found = trained.audit("lab-2", "--store", f"local:{tmp_path}/store", status=3)

    assert found["verdict"] == "INCOMPLETE"
    assert [one["verdict"] for one in found["ancestors"]] == ["INCOMPLETE"]


def test_audit__a_genesis_that_names_what_was_never_finalised__exits_1(anvil: Devnet, tmp_path: Path) -> None:
    line, store = CommandLine(folder=tmp_path), LocalStore(tmp_path / "blocks")
    first = Script(partial(DevnetWorld, anvil), store=store)
    first.round()
    better = first.keep({name: np.ones_like(array) for name, array in first.parameters_of(first.genesis).items()})
    forged = first.put(replace(first.result(first.results[0]), weights=better.cid))
    second = Script(partial(DevnetWorld, anvil), store=store, base=forged, start=first.parameters_of(forged))
    second.round()
    where = ("--store", f"local:{tmp_path}/blocks", "--rpc", anvil.rpc_url)

    done = line.run("audit", "0x" + second.world.chain(None).coordinator.hex(), *where)

    assert done.status == 1
    assert f"wrong-ancestor: the later swarm starts from 0x{forged.hex()}" in done.out
    assert line.run("audit", "0x" + first.world.chain(None).coordinator.hex(), *where).status == 0


@pytest.fixture
def another_chain(tmp_path: Path) -> Iterator[Devnet]:
    settings = replace(load_devnet_settings(), chain_id=1337)
    with Devnet.start(settings, port=0, log=tmp_path / "another.log") as chain:
        yield chain


def test_audit__the_earlier_swarm_is_on_another_chain__needs_its_endpoint(lab: Lab, another_chain: Devnet) -> None:
    there = ("--rpc", another_chain.rpc_url)
    lab.line.must("deploy", "--from", "lab@2", "--from-rpc", lab.rpc[1], *there)
    assert lab.genesis("lab-2", 1337).base == document_cid(lab.result("lab", 2))

    alone = lab.line.run("audit", "lab-2", *there)
    together = lab.line.run("audit", "lab-2", *there, "--ancestor-rpc", lab.rpc[1])

    assert (alone.status, together.status) == (3, 0)
    assert "on chain 31337, which no endpoint here serves; give one with --ancestor-rpc" in alone.out


# -------------------------------------------------------------------------------------------------------- another task


def test_deploy_from__another_task_of_the_same_model__trains_it_by_that(trained: Lab) -> None:
    (trained.line.folder / "calm.py").write_text(TASK)
    done = trained.line.must("deploy", "--from", "lab-2@1", "--task", "calm.py:Calm", "--name", "calm", *trained.rpc)
    digest = next(row.split()[1] for row in done.out.splitlines() if row.startswith("task"))
    refused = trained.line.run("join", trained.code("calm", "ann"))
    for node in NODES:
        trained.line.must("join", trained.code("calm", node), "--accept-task", digest, "--name", f"calm-{node}")
    trained.train(*(f"calm-{node}" for node in NODES), rounds=1)

    assert "is not run here before somebody accepts it" in refused.error
    audit = trained.audit("calm")
    assert [one["verdict"] for one in (audit, *audit["ancestors"])] == ["PASS"] * 3
    assert [one["round"] for one in audit["ancestors"]] == [1, 2]

    trained.line.must("deploy", "--from", "calm", "--name", "calmer", *trained.rpc)
    trained.line.must("join", trained.code("calmer", "ann"))
    config = load_node_config(trained.line.home / "nodes" / "calm-ann-2" / "node.toml")
    assert config.accepted_task == Digest(bytes.fromhex(digest[2:]))
    trained.line.must("deploy", "--from", "calm", "--set", "epochs=2", "--name", "other-calm", *trained.rpc)
    assert "before somebody accepts it" in trained.line.run("join", trained.code("other-calm", "ann")).error


def test_join__the_earlier_nodes_data_are_not_for_the_new_task__says_so(lab: Lab) -> None:
    (lab.line.folder / "renamed.py").write_text(TASK)
    done = lab.line.must("deploy", "--from", "lab", "--task", "renamed.py:Renamed", "--name", "renamed", *lab.rpc)
    accept = ("--accept-task", next(row.split()[1] for row in done.out.splitlines() if row.startswith("task")))

    said = lab.line.run("join", lab.code("renamed", "ann"), *accept, "--name", "renamed").error

    assert "the data of node ann are not for this task" in said
    assert said.endswith("give --data")
    lab.line.must(
        "join", lab.code("renamed", "ann"), *accept, "--name", "renamed", "--data", "numbers:part=0,of=3,seed=0"
    )


def test_deploy_from__a_task_with_another_model__names_each_tensor(lab: Lab) -> None:
    said = lab.line.run("deploy", "--from", "lab@2", "--task", "heart", *lab.rpc).error

    for tensor in ("0.bias", "0.weight", "2.bias", "2.weight", "weight", "bias"):
        assert f"'{tensor}'" in said
