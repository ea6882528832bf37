"""`swarm-chain demo --ipfs`: real IPFS nodes, one a node, and what bitswap carried between them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.schemas import load_schema
from tests.e2e.running import Demo, processes_of
from tests.ipfs import NO_IPFS, find_ipfs

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
    pytest.mark.skipif(find_ipfs() is None, reason=NO_IPFS),
]
NODES = [f"node-{number}" for number in range(1, 5)]
WEIGHTS = 4 * (64 * 128 + 128 + 128 * 10 + 10)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo on four nodes that ended well."""
    demo = Demo(tmp_path_factory.mktemp("ipfs"), "--ipfs", "--rounds", "2", "--seed", "7")
    try:
        assert demo.wait(500) == 0, demo.said
        yield demo
    finally:
        demo.end()


def ipfs_nodes(demo: Demo) -> dict[str, Any]:
    return {node["name"]: node for node in demo.report()["ipfs"]}


def test_demo__on_ipfs__passes_its_audit(demo: Demo) -> None:
    report = demo.report()
    Draft202012Validator(load_schema("demo")).validate(report)
    assert report["audit"] == "PASS"
    assert [len(one["included"]) for one in report["rounds"]] == [4, 4]
    assert report["store"] == ipfs_nodes(demo)["auditor"]["store"]
    assert "audit PASS" in demo.out


def test_demo__on_ipfs__each_update_crossed_by_bitswap(demo: Demo) -> None:
    found = ipfs_nodes(demo)
    assert list(found) == ["deployer", *NODES, "auditor"]
    assert len({node["peer"] for node in found.values()}) == 6
    for name in NODES:
        before, after = found[name]["before"], found[name]["after"]
        assert before["blocks_received"] == before["blocks_sent"] == 0
        # In each of two rounds an update, which is a document and weights, of each of three others.
        assert after["blocks_received"] >= 2 * 3 * 2
        assert after["bytes_received"] > 2 * 3 * WEIGHTS
        assert after["blocks_sent"] > 0
        assert after["blocks"] > before["blocks"] + 2 * 4 * 2
    assert found["deployer"]["after"]["blocks_received"] == 0
    assert found["deployer"]["after"]["blocks_sent"] > 0


def test_demo__on_ipfs__the_auditor_begins_with_nothing_and_ends_with_all(demo: Demo) -> None:
    found = ipfs_nodes(demo)
    auditor = found["auditor"]
    assert auditor["before"]["blocks"] == found["deployer"]["before"]["blocks"], "what a new repository has"
    assert auditor["before"]["blocks_received"] == 0
    gained = auditor["after"]["blocks"] - auditor["before"]["blocks"]
    assert gained >= 2 + 2 * (4 + 1) * 2, "the genesis, and of each round the updates and the result, with weights"
    # Its only store is this repository, so all of that came by bitswap; how much a node says that it received lags.
    assert auditor["after"]["blocks_sent"] == 0


def test_demo__on_ipfs__leaves_neither_files_nor_processes(demo: Demo) -> None:
    assert list(demo.temporary.glob("swarm-chain*")) == []
    assert processes_of(demo.temporary) == []
    for node in demo.report()["ipfs"]:
        with pytest.raises(ProcessLookupError):
            os.kill(node["pid"], 0)


def test_demo__on_ipfs_interrupted__stops_and_removes_everything(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--ipfs", "--nodes", "2", "--rounds", "5")
    try:
        demo.wait_until(lambda: "round 1 ended" in demo.said, timeout=400)
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    finally:
        demo.end()
    assert list(demo.temporary.glob("swarm-chain*")) == []
    assert processes_of(demo.temporary) == []
    assert "Traceback" not in demo.said


def test_demo__an_ipfs_node_dies__ends_with_a_line_that_names_it(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--ipfs", "--nodes", "2", "--rounds", "5")
    try:
        demo.wait_until(lambda: "round 1 ended" in demo.said, timeout=400)
        (folder,) = demo.temporary.glob("swarm-chain-demo-*")
        os.kill(daemon_of(folder / "ipfs/node-2"), signal.SIGKILL)
        assert demo.wait(120) == 1
    finally:
        demo.end()
    assert "the IPFS node node-2 ended by itself" in demo.said.splitlines()[-1]
    assert processes_of(demo.temporary) == []


def daemon_of(folder: Path) -> int:
    """The process whose IPFS repository lies in a folder."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"IPFS_PATH={folder}" in path.read_bytes().decode(errors="replace"):
                return int(path.parent.name)
        except OSError:
            continue
    raise AssertionError(f"no IPFS node runs in {folder}")
