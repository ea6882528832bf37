"""A swarm across machines: nodes that know nothing but their invitations, each with a store that nobody shares."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.status.node import read_node_status
from tests.machines import Machine, loopbacks, namespaces, wait_for, why_no_namespaces

NODES = 4
ROUNDS = 2
NAMES = ("deployer", *(f"node-{number}" for number in range(NODES)), "auditor")
FAST = ("--set", "epochs=1", "--min-window", "20s", "--merge-window", "60s")

Network = Callable[[Path, tuple[str, ...]], AbstractContextManager[list[Machine]]]


class Swarm:
    """A swarm that one machine deploys, and others join by what that one sent them."""

    def __init__(self, machines: list[Machine], *, serves_as: Callable[[Machine], tuple[str, ...]]) -> None:
        self.deployer, *self.nodes, self.auditor = machines
        self._serves_as = serves_as
        self.rpc = f"http://{self.deployer.address}:{self._start_chain()}"
        deployed = self.deployer.must("deploy", *FAST, "--rpc", self.rpc)
        self.contract = deployed.split()[1]
        self.gateway = self._serve()

    def _start_chain(self) -> int:
        self.deployer.begin("devnet", "--host", self.deployer.address, "--port", "0", log="devnet.log")
        wait_for(lambda: "next:" in self.deployer.said("devnet.log"))
        found = re.search(r"RPC URL +http://[\d.]+:(\d+)", self.deployer.said("devnet.log"))
        assert found is not None
        return int(found[1])

    def _serve(self) -> str:
        self.deployer.begin("store", "serve", "--host", self.deployer.address, "--port", "0", log="serve.log")
        wait_for(lambda: "Ctrl-C stops it" in self.deployer.said("serve.log"))
        return self.deployer.said("serve.log").split()[0]

    def join(self, number: int) -> None:
        """An account of the node's own; an invitation, which is all that comes from the deployer; and joining."""
        node = self.nodes[number]
        address = node.must("account", "new", node.name, "--light").strip()
        code = self.deployer.must(
            "invite", address, "--fund", "--rpc", self.rpc, "--store", f"gateway:{self.gateway}"
        ).strip()
        node.must("join", code, "--data", f"digits:part={number},of={NODES},seed=0")

    def start(self, number: int) -> None:
        node = self.nodes[number]
        node.begin("agent", "run", *self._serves_as(node), log="agent.log")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.auditor.must("status", self.contract, "--rpc", self.rpc, "--json", "-"))
        return found


@pytest.fixture(params=["namespaces", pytest.param("loopbacks", marks=pytest.mark.deep)])
def swarm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Swarm]:
    network: Network = loopbacks
    if request.param == "namespaces":
        if why := why_no_namespaces():
            pytest.skip(why)
        network = namespaces
    with network(tmp_path, NAMES) as machines:
        # Where the chain is on the same machine, so are peers as a rule, and nothing is served unless told.
        told = request.param == "loopbacks"
        yield Swarm(machines, serves_as=lambda node: ("--serve", f"{node.address}:0") if told else ())


def test_swarm__nodes_know_only_their_invitations__trains_and_passes_its_audit_elsewhere(swarm: Swarm) -> None:
    with ThreadPoolExecutor(NODES) as pool:
        list(pool.map(swarm.join, range(NODES)))
    genesis = blocks(swarm.deployer)
    for number in range(NODES):
        swarm.start(number)
    try:
        wait_for(lambda: all(has_adopted(node, ROUNDS) for node in swarm.nodes))
    except AssertionError:
        raise AssertionError("\n".join(node.said("agent.log")[-2000:] for node in swarm.nodes)) from None
    swarm.auditor.home.mkdir(exist_ok=True)
    (swarm.auditor.home / "store").mkdir()
    report = json.loads(swarm.auditor.must("audit", swarm.contract, "--rpc", swarm.rpc, "--json", "-"))
    assert report["verdict"] == "PASS"
    finalized = [one for one in report["rounds"] if one["outcome"] == "finalized"]
    assert len(finalized) >= ROUNDS
    assert all(one["included"] == NODES for one in finalized), report["rounds"]
    # Nobody wrote to the deployer's store, and the auditor's is as empty as before: nodes gave what was read.
    assert blocks(swarm.deployer) == genesis
    assert blocks(swarm.auditor) == set()
    announced = {node["label"]: node["stores"] for node in swarm.status()["nodes"]}
    assert set(announced) == {node.name for node in swarm.nodes}
    for node in swarm.nodes:
        (url,) = announced[node.name]
        assert url.startswith(f"http://{node.address}:")
    for node in swarm.nodes:
        (agent,) = node.processes
        agent.send_signal(signal.SIGTERM)
    assert [node.processes[0].wait(60) for node in swarm.nodes] == [0] * NODES


def has_adopted(node: Machine, round_number: int) -> bool:
    """Whether a node's agent holds the result of that round, or of a later one."""
    found = read_node_status(node.home / "nodes" / node.name)
    return found is not None and (found.activity.head_round or 0) >= round_number


def blocks(machine: Machine) -> set[str]:
    """What a machine's own store holds."""
    return {str(cid) for cid in LocalStore(machine.home / "store", writable=False).cids()}
