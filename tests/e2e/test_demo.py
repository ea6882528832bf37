"""`swarm-chain demo`: a real chain, real agents, real training, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core.cids import parse_cid
from swarm_chain.core.weights import decode
from swarm_chain.schemas import load_schema
from tests.command_line import CommandLine
from tests.e2e.running import Demo, children_named, processes_of
from tests.reports import Page, check_is_inert

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")
SMALL = ("--nodes", "3", "--rounds", "2", "--seed", "7")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that ended well, and kept nothing."""
    demo = Demo(tmp_path_factory.mktemp("sealed"), *SMALL, "--report", "page.html")
    try:
        assert demo.wait() == 0, demo.said
        yield demo
    finally:
        demo.end()


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of a direct swarm with the same seed, whose chain goes on."""
    demo = Demo(tmp_path_factory.mktemp("direct"), *SMALL, "--direct", keep=True)
    try:
        assert demo.wait() == 0, demo.said
        yield demo
    finally:
        demo.end()


def test_demo__ends_in_the_table_and_pass(sealed: Demo) -> None:
    report = sealed.report()
    assert report["audit"] == "PASS"
    assert [one["included"] for one in report["rounds"]] == [sorted_names(report)] * 2
    for words in (
        "node-1 alone",
        "node-3 alone",
        "the swarm",
        "all data pooled",
        "audit PASS",
        "2 of 2 rounds finalised",
    ):
        assert words in sealed.out
    assert "next:" in sealed.said


def sorted_names(report: dict[str, list[dict[str, str]]]) -> list[str]:
    return [node["name"] for node in sorted(report["nodes"], key=lambda node: node["address"])]


@pytest.mark.parametrize("which", ["sealed", "direct"])
def test_demo__json__is_as_its_schema_says(which: str, request: pytest.FixtureRequest) -> None:
    demo: Demo = request.getfixturevalue(which)
    Draft202012Validator(load_schema("demo")).validate(demo.report())


def test_demo__bytes_up_and_down__are_beside_the_size_of_the_data(sealed: Demo) -> None:
    report = sealed.report()
    weights = 4 * (64 * 128 + 128 + 128 * 10 + 10)
    # One who is late finds the round finalised by the quorum: it publishes no result, and fetches that one.
    for node in report["nodes"]:
        traffic = node["traffic"]
        assert traffic["store_written"] > 2 * weights, "an update in each of two rounds"
        assert traffic["store_read"] > 2 * weights
        assert min(traffic["rpc_sent"], traffic["rpc_received"]) > 1000
        assert node["data_bytes"] > 1000
    everybodys = sum(node["traffic"]["store_written"] for node in report["nodes"])
    assert everybodys > (2 * 3 + 2 * 2) * weights, "three updates, and a result from each of a quorum of two, a round"
    assert "its data" in sealed.out


def test_demo__the_swarm_learns_from_all__and_beats_every_node(sealed: Demo) -> None:
    report = sealed.report()
    alone = [node["alone_accuracy"] for node in report["nodes"]]
    assert report["swarm_accuracy"] > max(alone)
    assert report["pooled_accuracy"] > max(alone)
    assert len({node["samples"] for node in report["nodes"]}) == 3


@pytest.mark.parametrize("which", ["sealed", "direct"])
def test_demo__page__is_named_at_the_end_and_shows_head_and_verdict(which: str, request: pytest.FixtureRequest) -> None:
    demo: Demo = request.getfixturevalue(which)
    file = demo.report_file.parent / "page.html" if which == "sealed" else demo.kept / "report.html"
    assert f"a page with curves, to open in a browser: {file}" in demo.said
    page = Page(file.read_text(encoding="utf-8"))
    check_is_inert(page)
    assert "Audit: PASS" in page.text
    assert "How the result of round 2 does at each site" in page.text
    assert len(page.tables()["what each site measured on examples that it holds out: the nodes' own word"]) == 5
    for place in (str(demo.report_file.parent), "127.0.0.1"):
        assert place not in page.source


def test_demo__without_keep__leaves_neither_files_nor_processes(sealed: Demo) -> None:
    assert list(sealed.temporary.glob("swarm-chain*")) == []
    assert processes_of(sealed.temporary) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(sealed.report()["rpc_url"]).port)) != 0


def test_demo__same_seed_again_on_another_kind_of_swarm__same_weights_in_every_round(
    sealed: Demo, direct: Demo
) -> None:
    assert [one["weights"] for one in sealed.report()["rounds"]] == [
        one["weights"] for one in direct.report()["rounds"]
    ]
    assert sealed.report()["swarm_accuracy"] == direct.report()["swarm_accuracy"]


def test_demo__direct__submits_in_one_step(direct: Demo) -> None:
    calls = {entry["call"]: entry["transactions"] for entry in direct.report()["gas"]}
    assert calls["submitUpdate"] == 6
    assert "commitUpdate" not in calls
    assert "revealUpdate" not in calls


def test_demo__kept__holds_report_documents_and_nodes(direct: Demo) -> None:
    assert (direct.kept / "report.json").read_bytes() == direct.report_file.read_bytes()
    weights = LocalStore(direct.kept / "store", writable=False).get(parse_cid(direct.report()["rounds"][-1]["weights"]))
    assert {name: array.shape for name, array in decode(weights).items()}["0.weight"] == (128, 64)
    for name in ("node-1", "node-2", "node-3"):
        assert direct.config_of(name).exists()
        assert "0x" not in (direct.kept / "nodes" / name / "agent.log").read_text()


def audit(demo: Demo, line: CommandLine) -> int:
    report = demo.report()
    return line.run("audit", report["contract"], "--rpc", report["rpc_url"], "--store", report["store"]).status


def test_demo__kept__chain_and_store_pass_an_audit_by_a_stranger(direct: Demo, tmp_path: Path) -> None:
    assert audit(direct, CommandLine(folder=tmp_path)) == 0


def test_demo__kept_and_one_bit_flipped_or_a_block_deleted__the_audit_says_so(direct: Demo, tmp_path: Path) -> None:
    line, report = CommandLine(folder=tmp_path), direct.report()
    block = LocalStore(direct.kept / "store", writable=False).path(parse_cid(report["rounds"][0]["weights"]))
    before = block.read_bytes()
    try:
        block.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert audit(direct, line) == 1
        block.unlink()
        assert audit(direct, line) == 3
    finally:
        block.write_bytes(before)
    assert audit(direct, line) == 0


def test_demo__kept__what_it_says_to_type_next_works(direct: Demo, tmp_path: Path) -> None:
    (command,) = [line.split() for line in direct.said.splitlines() if line.startswith("  swarm-chain status")]
    assert "2 rounds finalised" in CommandLine(folder=tmp_path).must(*command[1:]).out


def test_demo__interrupted__stops_and_removes_everything(tmp_path: Path) -> None:
    demo = Demo(tmp_path, *SMALL)
    try:
        demo.wait_until(lambda: "round 1 ended" in demo.said)
        assert processes_of(demo.temporary)
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait(30) == 130
    finally:
        demo.end()
    assert list(demo.temporary.glob("swarm-chain*")) == []
    assert processes_of(demo.temporary) == []
    assert "Traceback" not in demo.said


def test_demo__the_chain_dies__ends_with_a_line_that_names_the_logs(tmp_path: Path) -> None:
    demo = Demo(tmp_path, *SMALL)
    try:
        demo.wait_until(lambda: "starting 3 agents" in demo.said)
        (chain,) = children_named(demo.process.pid, "anvil")
        os.kill(chain, signal.SIGKILL)
        assert demo.wait(60) == 1
    finally:
        demo.end()
    last = demo.said.splitlines()[-1]
    assert last.startswith("error: ")
    (folder,) = demo.temporary.glob("swarm-chain-demo-*")
    assert f"logs are in {folder}" in last
    assert (folder / "devnet" / "anvil.log").exists()
    assert processes_of(demo.temporary) == []


@pytest.mark.deep
def test_demo__ganache__same_weights_as_on_anvil(sealed: Demo, tmp_path: Path) -> None:
    demo = Demo(tmp_path, *SMALL, "--client", "ganache")
    try:
        assert demo.wait() == 0, demo.said
    finally:
        demo.end()
    assert [one["weights"] for one in demo.report()["rounds"]] == [one["weights"] for one in sealed.report()["rounds"]]
