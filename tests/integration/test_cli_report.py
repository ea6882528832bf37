"""`swarm-chain report` on a real chain: from an address, an endpoint and a folder of blocks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.web3_history import DEPLOYMENT, Web3History
from swarm_chain.agent.activity import Activity
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import audit
from swarm_chain.core.cids import document_cid
from swarm_chain.core.traffic import Traffic
from swarm_chain.devnet import Devnet
from swarm_chain.reporting import document_of
from swarm_chain.schemas import load_schema
from swarm_chain.status.node import write_node_status
from swarm_chain.types import Suspend
from tests.chains import DevnetWorld, MemoryWorld
from tests.command_line import CommandLine, Done
from tests.histories import Script
from tests.reports import report_on, says


def play(script: Script) -> Script:
    """Three rounds: one excluded in the first, one away in the second, which is aborted, two left in the third."""
    script.round(update={node: says({"accuracy": 0.1 * node}) for node in (1, 2, 3)}, withheld=[2])
    script.submit(nodes=[1, 2], update={node: says({"accuracy": 0.2 * node}) for node in (1, 2)})
    script.close_late()
    script.world.chain(3).send(Suspend(node=script.address(3)))
    script.round(nodes=[1, 2], update={node: says({"accuracy": 0.3 * node}) for node in (1, 2)})
    return script


class Swarm:
    """A history on Anvil with its blocks in a folder, and the command that reports on it."""

    def __init__(self, anvil: Devnet, folder: Path) -> None:
        self.anvil, self.folder = anvil, folder
        self.line = CommandLine(folder=folder)
        self.script = play(Script(partial(DevnetWorld, anvil), store=LocalStore(folder / "blocks")))
        self.contract = "0x" + self.script.world.chain(None).coordinator.hex()

    def run(self, *arguments: str, store: str = "blocks") -> Done:
        where = ("--rpc", self.anvil.rpc_url, "--store", f"local:{self.folder / store}")
        return self.line.run("report", self.contract, *where, *arguments)

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("--json", "-").out)
        Draft202012Validator(load_schema("report")).validate(document)
        return document


@pytest.fixture(scope="module")
def swarm(anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Swarm:
    return Swarm(anvil, tmp_path_factory.mktemp("reported"))


def test_report__writes_a_page_named_after_the_contract_and_says_where(swarm: Swarm) -> None:
    done = swarm.run()
    file = swarm.folder / f"report-{swarm.contract[:10]}.html"
    assert done.status == 0
    assert done.out.startswith(f"{file}  (2 rounds finalised, block ")
    assert "This is not an audit." in file.read_text(encoding="utf-8")
    assert swarm.run().status == 0  # again: its own report is replaced


def test_report__json_alone__writes_no_file(swarm: Swarm, tmp_path: Path) -> None:
    done = CommandLine(folder=tmp_path).must("report", swarm.contract, "--rpc", swarm.anvil.rpc_url, "--json", "-")
    assert json.loads(done.out)["contract"] == swarm.contract
    assert list(tmp_path.iterdir()) == []


def test_report__the_same_history_in_memory__says_the_same(swarm: Swarm) -> None:
    def told(document: dict[str, Any]) -> dict[str, Any]:
        rounds = [
            {key: one[key] for key in ("number", "outcome", "abort_reason", "attested")} for one in document["rounds"]
        ]
        parts = [
            [(one["node"], one["part"], one["reason"], one["metrics"]) for one in each["nodes"]]
            for each in document["rounds"]
        ]
        scores = [[one["metrics"] for one in each["sites"]] for each in document["results"]]
        return {"rounds": rounds, "parts": parts, "scores": scores, "nodes": document["nodes"]}

    in_memory = json.loads(json.dumps(document_of(report_on(play(Script(MemoryWorld))))))
    assert told(swarm.document()) == told(in_memory)


def test_report__gas__is_what_the_audit_finds(swarm: Swarm) -> None:
    reader = Web3History(swarm.anvil.rpc_url, swarm.script.world.chain(None).coordinator)
    audited = audit(reader, swarm.script.store, artifact=load_artifact()).document()
    document = swarm.document()
    assert document["gas"] == audited["gas"]
    assert DEPLOYMENT in {use["call"] for use in document["gas"]}
    assert [one["gas"] for one in document["rounds"]] == [one["gas"] for one in audited["rounds"]]


def test_report__page__names_no_endpoint_and_no_folder(swarm: Swarm) -> None:
    missing = document_cid(swarm.script.results[0])
    block = LocalStore(swarm.folder / "blocks").path(missing)
    data = block.read_bytes()
    block.unlink()
    try:
        done = swarm.run("--out", "named.html", "--json", "named.json")
    finally:
        block.write_bytes(data)
    assert "1 document could not be read" in done.err
    written = (swarm.folder / "named.html").read_text(encoding="utf-8") + (swarm.folder / "named.json").read_text()
    assert "result of round 1: no store that was asked has it" in written
    for name in ("127.0.0.1", str(swarm.folder), swarm.folder.name, "blocks/"):
        assert name not in written


def test_report__agents_on_this_machine__show_bytes_and_the_head_they_scored(swarm: Swarm) -> None:
    head = swarm.script.results[-1]
    account = swarm.script.address(1)
    folder = swarm.line.home / "nodes" / "anna"
    folder.mkdir(parents=True)
    write_node_status(
        folder,
        name="anna",
        chain_id=31337,
        contract=swarm.script.world.chain(None).coordinator,
        account=account,
        activity=Activity(does="waiting", round=3, head=head, head_round=3, head_metrics={"accuracy": 0.9375}),
        traffic=Traffic(rpc_sent=1, store_written=10, rpc_received=2, store_read=20),
        data_bytes=33,
    )
    document = swarm.document()
    assert document["nodes"][0]["agent"] == {"up": 11, "down": 22, "data_bytes": 33}
    assert document["results"][-1]["digest"] == "0x" + head.hex()
    assert document["results"][-1]["sites"] == [
        {"node": "0x" + account.hex(), "metrics": {"accuracy": 0.9375}, "in_document": False}
    ]


def test_report__file_of_somebody_else__is_kept(swarm: Swarm) -> None:
    (swarm.folder / "thesis.html").write_text("<!doctype html>", encoding="utf-8")
    assert "thesis.html is there already, and is no report" in swarm.run("--out", "thesis.html").error
    assert (swarm.folder / "thesis.html").read_text(encoding="utf-8") == "<!doctype html>"
    assert swarm.run("--out", "thesis.html", "--force").status == 0
    assert "This is not an audit." in (swarm.folder / "thesis.html").read_text(encoding="utf-8")


def test_report__no_such_store__says_so(swarm: Swarm) -> None:
    assert "nowhere" in swarm.run(store="nowhere").error


def test_demo__report_would_replace_something_else__refuses_before_anything_starts(tmp_path: Path) -> None:
    line = CommandLine(folder=tmp_path)
    (tmp_path / "thesis.html").write_text("mine", encoding="utf-8")
    assert "thesis.html is there already, and is no report" in line.run("demo", "--report", "thesis.html").error
    assert "there is no such folder" in line.run("demo", "--report", "nowhere/page.html").error
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.html"]
