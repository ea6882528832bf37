"""A swarm whose merge rule is source code: read, accepted, joined, merged by and audited through the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from swarm_chain import SwarmNode
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.config import load_node_config
from swarm_chain.core import documents, unixfs, weights
from swarm_chain.core.cids import document_digest
from swarm_chain.core.documents import ResultDocument, UpdateDocument
from swarm_chain.core.merge import sources
from swarm_chain.core.unixfs import File
from swarm_chain.devnet import Devnet
from swarm_chain.errors import ConfigurationError, RuleNotAccepted
from swarm_chain.schemas import load_schema
from swarm_chain.types import Digest, Parameters
from tests.command_line import PASSWORD, CommandLine

RULE = '''"""Half-way between the lowest and the highest."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from swarm_chain.core.merge import Rule

Path({mark!r}).touch()


@dataclass(frozen=True, kw_only=True)
class Middle(Rule):
    name: ClassVar[str] = "middle"
    high: float = 0.5

    @property
    def minimum_updates(self):
        return 2

    def combine(self, updates, shares):
        return updates.min(axis=0) * (1 - self.high) + updates.max(axis=0) * self.high
'''
CLOCK = RULE.replace("return updates.min", "import time; return time.monotonic() + updates.min")
NODES = ("ann", "ben")
DATA = "digits:part={part},of=3,seed=0"


class World:
    """A swarm by a rule that leaves a file behind wherever its source is run."""

    def __init__(self, line: CommandLine, anvil: Devnet) -> None:
        self.line, self.rpc = line, ("--rpc", anvil.rpc_url)
        self.mark = line.folder / "it-ran"
        self.source = RULE.format(mark=str(self.mark)).encode()
        (line.folder / "middle.py").write_bytes(self.source)
        rule = ("--merge", "middle.py:Middle:high=0.75", "--set", "epochs=1", "--direct", "--nodes", "2")
        self.deployed = line.must("deploy", *rule, "--name", "own", *self.rpc)
        self.contract = self.deployed.out.splitlines()[0].split()[1]
        self.forget()

    @property
    def digest(self) -> str:
        """What `sha256sum` says of the file."""
        return "0x" + sha256(self.source).hexdigest()

    @property
    def ran(self) -> bool:
        return self.mark.exists()

    def forget(self) -> None:
        """As in a new process, where nothing was accepted or run yet."""
        sources._ACCEPTED.clear()
        sys.modules.pop(f"swarm_chain_rule_{self.digest[2:]}", None)
        self.mark.unlink(missing_ok=True)

    def invited(self, name: str) -> str:
        """An account and the code with which it joins."""
        address = self.line.must("account", "new", name, "--light").out.strip()
        return self.line.must("invite", address, "--fund", "--contract", "own", *self.rpc).out.strip()

    def is_joined(self, name: str) -> bool:
        return (self.line.home / "nodes" / name / "node.toml").exists()

    def labels(self) -> list[str]:
        """The nodes on the chain."""
        found = json.loads(self.line.must("status", "own", "--json", "-", *self.rpc).out)
        return [node["label"] for node in found["nodes"]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet) -> World:
    return World(CommandLine(folder=tmp_path_factory.mktemp("own rule")), anvil)


@pytest.fixture
def world(made: World) -> Iterator[World]:
    made.forget()
    yield made
    made.forget()


# --------------------------------------------------------------------------------------------------------------- deploy


def test_deploy__a_rule_of_ones_own__says_what_it_needs(world: World) -> None:
    assert "merge: middle:high=0.75, planned for 2 nodes; a round with fewer than 2 updates" in world.deployed.err


@pytest.mark.parametrize(
    ("source", "nodes", "message"),
    [
        (CLOCK, "2", "gives other results with other blocks"),
        (RULE, "1", "the merge rule middle:high=0.5 needs 2 updates, and 1 node gives no more"),
    ],
)
def test_deploy__a_rule_that_cannot_be_agreed_on__is_refused_before_anything_is_sent(
    source: str, nodes: str, message: str, world: World
) -> None:
    (world.line.folder / "wrong.py").write_text(source.format(mark="/dev/null"))
    done = world.line.run("deploy", "--merge", "wrong.py:Middle", "--nodes", nodes, "--name", "wrong", *world.rpc)
    assert message in done.error
    assert "wrong" not in (world.line.folder / "deployments.json").read_text()


def test_task_show__a_rule_of_ones_own__prints_its_digest_and_source_and_runs_nothing(world: World) -> None:
    done = world.line.must("task", "show", "own", *world.rpc)
    assert f"rule      {world.digest}" in done.out
    assert "class Middle(Rule):" in done.out
    found = json.loads(world.line.must("task", "show", "own", "--json", "-", *world.rpc).out)
    Draft202012Validator(load_schema("task")).validate(found)
    assert found["merge"]["source"] == world.source.decode()
    assert found["merge"]["parameters"] == {"high": 0.75}
    assert not world.ran


# ----------------------------------------------------------------------------------------------------------------- join


def test_join__nothing_accepted_or_another_rule__runs_nothing_and_joins_nothing(world: World) -> None:
    code = world.invited("wary")
    assert f"--accept-rule {world.digest}" in world.line.run("join", code).error
    wrong = world.line.run("join", code, "--accept-rule", "0x" + "11" * 32)
    assert (
        f"0x{'11' * 32} was accepted, and the source of the swarm's merge rule middle is {world.digest}" in wrong.error
    )
    assert not world.ran
    assert not world.is_joined("wary")
    assert "wary" not in world.labels()


@pytest.mark.deep
@pytest.mark.parametrize("answer", ["n", "y"])
def test_join__at_a_terminal__shows_the_rule_and_asks(world: World, answer: str) -> None:
    name = f"asked-{answer}"
    done = world.line.at_terminal(answer, "join", world.invited(name), "--data", DATA.format(part=2))
    assert "class Middle(Rule):" in done.err
    assert "This code will run on this machine whenever the agent merges." in done.err
    assert (done.status, world.ran, world.is_joined(name)) == ((0, True, True) if answer == "y" else (1, False, False))


# -------------------------------------------------------------------------------------------------------------- merging


@pytest.fixture(scope="module")
def merged(made: World) -> World:
    """The swarm after two rounds of two agents, each in a process of its own."""
    for part, name in enumerate(NODES):
        accepted = ("--accept-rule", made.digest)
        made.line.must("join", made.invited(name), "--data", DATA.format(part=part), *accepted)
    for node in _others(made):
        made.line.must("node", "suspend", node, "--contract", "own", *made.rpc)
    other = made.line.spawn("agent", "run", "ben", "--rounds", "2")
    mine = made.line.finish("agent", "run", "ann", "--rounds", "2")
    _, errors = other.communicate(timeout=90)
    assert (mine.status, other.returncode) == (0, 0), mine.err + errors
    return made


def _others(world: World) -> list[str]:
    """Active nodes that no agent runs for, which would be waited for."""
    found = json.loads(world.line.must("status", "own", "--json", "-", *world.rpc).out)
    return [node["address"] for node in found["nodes"] if node["label"] not in NODES and node["status"] == "active"]


def test_agent_run__a_rule_of_ones_own__merges_by_it(merged: World) -> None:
    store = LocalStore(merged.line.home / "store")
    status = json.loads(merged.line.must("status", "own", "--json", "-", *merged.rpc).out)
    head = documents.read(store.get, Digest(bytes.fromhex(status["head"]["digest"][2:])), ResultDocument)
    updates = [documents.read(store.get, document_digest(one.update), UpdateDocument) for one in head.included]
    first, second = (_tensors(store, one.weights, one.bytes) for one in updates)
    assert (head.round, head.rule.name, len(updates)) == (2, "middle", 2)
    for name, found in _tensors(store, head.weights, head.bytes).items():
        low, high = (pick(first[name], second[name]).astype(np.float64) for pick in (np.minimum, np.maximum))
        np.testing.assert_array_equal(found, (low * 0.25 + high * 0.75).astype(np.float32))


def _tensors(store: LocalStore, link: object, size: int) -> Parameters:
    return weights.decode(b"".join(unixfs.read(store.get, File(cid=link, size=size))))  # type: ignore[arg-type]


def test_audit__a_rule_of_ones_own__is_incomplete_until_it_is_accepted(merged: World, tmp_path: Path) -> None:
    merged.forget()
    stranger = CommandLine(folder=tmp_path)
    at = (merged.contract, *merged.rpc, "--store", f"local:{merged.line.home}/store")
    wary = stranger.run("audit", *at)
    assert wary.status == 3
    assert f"--accept-rule {merged.digest}" in wary.out
    assert "INCOMPLETE  2 rounds finalised, 0 executed again" in wary.out
    assert not merged.ran
    assert (
        "PASS  2 rounds finalised, 2 executed again" in stranger.must("audit", *at, "--accept-rule", merged.digest).out
    )
    assert merged.ran


def test_deploy__from_a_swarm_with_a_rule_of_its_own__carries_the_rule_on_and_runs_nothing(
    merged: World, tmp_path: Path
) -> None:
    merged.forget()
    stranger = CommandLine(folder=tmp_path)
    at = (*merged.rpc, "--store", f"local:{merged.line.home}/store")
    done = stranger.must("deploy", "--from", merged.contract, "--name", "next", *at)
    assert "was not accepted here: see that it suits" in done.err
    assert f"rule      {merged.digest}" in stranger.must("task", "show", "next", *at).out
    assert not merged.ran


def test_agent_run__another_rule_accepted__runs_nothing_and_says_how(merged: World) -> None:
    path = merged.line.home / "nodes" / "ann" / "node.toml"
    config, text = load_node_config(path), path.read_text()
    assert config.accepted_rule is not None
    assert "0x" + config.accepted_rule.hex() == merged.digest
    for accepted in ("", "0x" + "22" * 32):
        path.write_text(text.replace(merged.digest, accepted))
        merged.forget()
        try:
            error = merged.line.run("agent", "run", "ann", "--rounds", "9").error
        finally:
            path.write_text(text)
        assert f"--accept-rule {merged.digest}" in error
        assert not merged.ran


def test_swarm_node__a_rule_of_ones_own__is_run_once_its_digest_is_given(merged: World, tmp_path: Path) -> None:
    merged.forget()
    keystore = next((merged.line.home / "keystores").glob("ann*"))
    store = f"local:{merged.line.home}/store"

    def join(**options: str) -> SwarmNode:
        return SwarmNode.join(
            merged.rpc[1], merged.contract, keystore, store=store, password=PASSWORD, folder=tmp_path, **options
        )

    with pytest.raises(RuleNotAccepted, match=f"accept_rule='{merged.digest}'"):
        join()
    with pytest.raises(RuleNotAccepted, match="was accepted, and the source of the swarm's merge rule middle is"):
        join(accept_rule="0x" + "33" * 32)
    with pytest.raises(ConfigurationError, match=r"accept_rule is 'middle\.py'"):
        join(accept_rule="middle.py")
    assert not merged.ran
    with join(accept_rule=merged.digest) as node:
        assert node.swarm.finalized_rounds == 2
    assert merged.ran
