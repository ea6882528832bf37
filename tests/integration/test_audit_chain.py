"""The audit on real chains: histories played call by call, then `swarm-chain audit` on what is left of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.adapters.web3_history import Web3History
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import Fault, Finding, HistoryReader, Verdict, audit
from swarm_chain.audit.endpoints import describe
from swarm_chain.core.documents import Reason, ResultDocument
from swarm_chain.devnet import Devnet
from swarm_chain.schemas import load_schema
from swarm_chain.types import (
    AddNode,
    Address,
    Announce,
    Attest,
    Event,
    Lift,
    NodeAnnounced,
    OpenRound,
    RemoveNode,
    Resume,
    Suspend,
)
from tests.chains import DevnetWorld, MemoryWorld, World, signer
from tests.command_line import CommandLine, Done
from tests.histories import Made, Script, changed
from tests.rpc_proxy import Answer, Pass, RpcProxy
from tests.walks import Walk

ARTIFACT = load_artifact()


def play(script: Script) -> Script:
    """Every kind of event; four rounds, of which the third aborts."""
    chain, address = script.world.chain, script.address
    chain(1).send(Announce(stores=b"https://anna.example"))
    script.round()
    chain(0).send(Suspend(node=address(3)))
    script.round(nodes=[1, 2])
    chain(0).send(Lift(node=address(3)))
    chain(2).send(Suspend(node=address(2)))
    chain(2).send(Resume())
    chain(1).send(OpenRound())
    script.close_late()
    chain(0).send(RemoveNode(node=address(3)))
    chain(0).send(AddNode(node=address(3), label="cleo again"))
    updates = script.submit()
    chain(3).send(Attest(round=script.number, result=script.genesis))
    script.attest(script.put(script.merge().document), updates)
    return script


class Audited:
    """A history on Anvil with its blocks in a folder, and the command that audits it."""

    def __init__(self, anvil: Devnet, folder: Path) -> None:
        self.anvil = anvil
        self.line = CommandLine(folder=folder)
        self.store = LocalStore(folder / "blocks")
        self.script = Script(partial(DevnetWorld, anvil), store=self.store)
        self.contract = "0x" + self.script.world.chain(None).coordinator.hex()

    def run(self, *arguments: str, rpc: tuple[str, ...] = (), store: Path | None = None) -> Done:
        endpoints = [part for url in rpc or (self.anvil.rpc_url,) for part in ("--rpc", url)]
        where = f"local:{store or self.line.folder / 'blocks'}"
        return self.line.run("audit", self.contract, *endpoints, "--store", where, *arguments)

    def document(self, *arguments: str, **options: Any) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json", "-", **options).out)
        Draft202012Validator(load_schema("audit")).validate(document)
        return document


@pytest.fixture(scope="module")
def audited(anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    made = Audited(anvil, tmp_path_factory.mktemp("audited"))
    play(made.script)
    return made


# ------------------------------------------------------------------------------------------------------------- honest


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "direct"])
def test_audit__an_honest_history_on_each_client__passes(devnet: Devnet, is_sealed: bool) -> None:
    script = play(Script(partial(DevnetWorld, devnet), is_sealed=is_sealed))
    reader: HistoryReader = Web3History(devnet.rpc_url, script.world.chain(None).coordinator)

    report = audit(reader, script.store, artifact=ARTIFACT)

    assert report.verdict is Verdict.PASS, report.all_findings
    assert [(one.outcome.value, one.reexecuted) for one in report.rounds] == [
        ("finalized", True),
        ("finalized", True),
        ("aborted", False),
        ("finalized", True),
    ]


def test_audit__the_same_history_in_memory_and_on_anvil__gives_the_same_report(audited: Audited) -> None:
    def told(script: Script, reader: HistoryReader) -> dict[str, Any]:
        document = audit(reader, script.store, artifact=ARTIFACT).document()
        rounds = [
            {key: one[key] for key in one if key not in ("gas", "result", "result_cid")} for one in document["rounds"]
        ]
        calls = {(use["call"], use["account"], use["transactions"]) for use in document["gas"]}
        return {
            "rounds": rounds,
            "calls": {one for one in calls if one[0] != "(deployment)"},
            "nodes": document["nodes"],
            "findings": document["findings"],
        }

    in_memory = play(Script(MemoryWorld))
    memory = MemoryHistory(in_memory.world.root, code=ARTIFACT.deployed_bytecode)  # type: ignore[attr-defined]
    real = Web3History(audited.anvil.rpc_url, audited.script.world.chain(None).coordinator)

    assert told(in_memory, memory) == told(audited.script, real)


def test_command__an_honest_history__exits_0_and_a_stranger_can_read_it(audited: Audited) -> None:
    done = audited.run()

    assert done.status == 0, done.out
    last = done.out.rstrip().splitlines()[-1]
    assert last == "PASS  3 rounds finalised, 3 executed again with the same bytes, 1 aborted"
    assert "on chain 31337" in done.out
    assert "the coordinator's, byte for byte" in done.out
    assert "aborted: too few updates" in done.out
    assert "executing round 4 again (3 of 3)" in done.err


def test_command__in_a_process_of_its_own__writes_nothing_but_the_report(audited: Audited, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (audited.line.folder / "blocks").rglob("*")}
    line = CommandLine(folder=tmp_path)
    where = ("--rpc", audited.anvil.rpc_url, "--store", f"local:{audited.line.folder / 'blocks'}")

    done = line.finish("audit", audited.contract, *where, "--json", "report.json", "--work-dir", "work")

    assert done.status == 0, done.err
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "PASS"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["report.json", "work"]
    assert {path: path.stat().st_mtime_ns for path in (audited.line.folder / "blocks").rglob("*")} == before


def test_command__json__is_what_the_schema_says_and_gas_is_that_of_the_receipts(audited: Audited) -> None:
    document = audited.document()

    by_call = {use["call"]: use["gas"] // use["transactions"] for use in document["gas"]}
    assert 20_000 < by_call["attest"] < 68_000
    assert 20_000 < by_call["commitUpdate"] < 45_500
    assert document["scope"]["endpoints"] == [audited.anvil.rpc_url]


def test_command__one_round__executes_only_that(audited: Audited) -> None:
    document = audited.document("--round", "2")

    assert [(one["number"], one["reexecuted"]) for one in document["rounds"]] == [(2, True)]


def test_command__an_older_block__sees_the_swarm_as_it_was(audited: Audited) -> None:
    first = next(event for event in audited.script.events() if type(event).__name__ == "RoundFinalized")

    document = audited.document("--block", str(first.block_number))

    assert [one["number"] for one in document["rounds"]] == [1]
    assert document["scope"]["finalized_rounds"] == 1


def test_command__no_contract_at_the_address__is_one_line(audited: Audited) -> None:
    done = audited.line.finish(
        "audit", "0x" + "77" * 20, "--rpc", audited.anvil.rpc_url, "--store", f"local:{audited.line.folder / 'blocks'}"
    )

    assert "there is no contract at 0x7777" in done.error


def test_command__a_store_that_is_not_there__is_one_line_and_makes_none(audited: Audited, tmp_path: Path) -> None:
    line = CommandLine(folder=tmp_path)

    done = line.finish("audit", audited.contract, "--rpc", audited.anvil.rpc_url, "--store", "local:nowhere")

    assert "there is no store at" in done.error
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------------------------- blocks


@pytest.fixture
def last_result(audited: Audited) -> ResultDocument:
    return audited.script.result(audited.script.results[-1])


@pytest.fixture
def block(audited: Audited, last_result: ResultDocument) -> Iterator[Path]:
    """The file of an update that the last round includes; put back afterwards."""
    path = audited.store.path(last_result.included[0].update)
    data = path.read_bytes()
    yield path
    path.write_bytes(data)


def test_command__one_bit_of_a_block_is_flipped__exits_1_and_says_that_the_store_is_bad(
    audited: Audited, block: Path
) -> None:
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 0x10
    block.write_bytes(data)

    done = audited.run()

    assert done.status == 1
    assert "FAIL  round 4" in done.out
    assert "corrupted-block: the update: a store is bad" in done.out


def test_command__a_block_is_deleted__exits_3_and_names_it(audited: Audited, block: Path) -> None:
    block.unlink()

    done = audited.run()

    assert done.status == 3
    assert "INCOMPLETE  round 4" in done.out
    # Nor is it where the one node that announced a place says that it serves.
    assert re.search(f"missing-bytes: the update cannot be had: .*{block.name}.*anna.example", done.out)


# -------------------------------------------------------------------------------------------------------------- forged


def forge_weights(script: Script) -> Callable[[Made], ResultDocument]:
    def forge(made: Made) -> ResultDocument:
        file = script.keep(changed(made, "bn.batches", (0,), lambda one: one + 1))
        return replace(made.document, weights=file.cid, bytes=file.size)

    return forge


def test_command__a_colluding_quorum_attested_to_wrong_weights__exits_1(anvil: Devnet, tmp_path: Path) -> None:
    made = Audited(anvil, tmp_path)
    made.script.round()
    made.script.round(forge=forge_weights(made.script))

    done = made.run()

    assert done.status == 1
    assert "wrong-weights: the result's weights are" in done.out
    assert "FAIL  round 2  bert (0x3C44…93BC), anna (0x7099…79C8)  wrong-weights" in done.out


def test_command__a_colluding_quorum_excluded_a_good_update__exits_1(anvil: Devnet, tmp_path: Path) -> None:
    made = Audited(anvil, tmp_path)

    def forge(result: Made) -> ResultDocument:
        (left_out,) = result.document.excluded
        return replace(result.document, excluded=(replace(left_out, reason=Reason.NON_FINITE),))

    made.script.round(withheld=[3], forge=forge)

    (finding, *_) = made.document()["rounds"][0]["findings"]

    assert (finding["round"], finding["reason"]) == (1, "wrong-exclusion")
    assert finding["nodes"] == ["0x" + made.script.address(3).hex()]


def test_command__a_copy_of_the_contract_with_one_constant_changed__exits_1(anvil: Devnet, tmp_path: Path) -> None:
    made = Audited(anvil, tmp_path)
    made.script.round()
    code: str = anvil.rpc("eth_getCode", made.contract, "latest")
    assert "610200" in code  # STORES_LIMIT, 512 bytes
    anvil.rpc("anvil_setCode", made.contract, code.replace("610200", "610201", 1))

    done = made.run()

    assert done.status == 1
    assert "other-code: the code at the address is not the coordinator's" in done.out
    assert "NOT the coordinator's" in done.out


# ------------------------------------------------------------------------------------------------------ lying endpoints


class Hider:
    """Makes a proxy leave one event out of its log search; where `is_thorough`, of receipts and headers too."""

    def __init__(self, proxy: RpcProxy, event: Event, *, is_thorough: bool) -> None:
        self._where = (hex(event.block_number), hex(event.log_index))
        proxy.faults["eth_getLogs"] = self._logs
        if is_thorough:
            proxy.faults["eth_getBlockReceipts"] = self._block_receipts
            proxy.faults["eth_getTransactionReceipt"] = self._receipt
            proxy.faults["eth_getBlockByNumber"] = self._header

    def _without(self, logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if (log["blockNumber"], log["logIndex"]) != self._where]

    def _logs(self, _: list[Any], ask: Pass) -> Answer:
        return {"result": self._without(ask()["result"])}

    def _cut(self, receipt: dict[str, Any]) -> dict[str, Any]:
        return {**receipt, "logs": self._without(receipt["logs"])}

    def _receipt(self, _: list[Any], ask: Pass) -> Answer:
        return {"result": self._cut(ask()["result"])}

    def _block_receipts(self, _: list[Any], ask: Pass) -> Answer:
        return {"result": [self._cut(receipt) for receipt in ask()["result"]]}

    def _header(self, _: list[Any], ask: Pass) -> Answer:
        header = dict(ask()["result"])
        if header["number"] == self._where[0]:
            header["logsBloom"] = "0x" + "00" * 256
        return {"result": header}


@pytest.fixture(scope="module")
def brief(anvil: Devnet) -> Script:
    """Every kind of event, in as few transactions as can be."""
    script = Script(partial(DevnetWorld, anvil), nodes=2)
    chain, address = script.world.chain, script.address
    chain(1).send(Announce(stores=b"https://anna.example"))
    script.round()
    chain(2).send(Suspend(node=address(2)))
    chain(2).send(Resume())
    chain(1).send(OpenRound())
    script.close_late()
    chain(0).send(RemoveNode(node=address(2)))
    return script


def found_through(script: Script, *urls: str) -> list[Finding]:
    last = script.events()[-1].block_number
    readers = [Web3History(url, script.world.chain(None).coordinator) for url in urls]
    return list(audit(readers, script.store, artifact=ARTIFACT, rounds=[], block=last).all_findings)


def last_of_each_kind(script: Script) -> list[Event]:
    found = {type(event).__name__: event for event in script.events()}
    assert len(found) == 13
    return list(found.values())


def test_audit__an_endpoint_hides_one_event_of_any_kind__fails_and_names_it(brief: Script, anvil: Devnet) -> None:
    for event in last_of_each_kind(brief):
        with RpcProxy(anvil.rpc_url) as proxy:
            Hider(proxy, event, is_thorough=False)
            (finding,) = found_through(brief, proxy.url)

        assert finding.fault is Fault.HIDDEN_EVENT
        assert describe(event) in finding.message
        assert finding.round == getattr(event, "round", None)


def test_audit__an_endpoint_hides_one_event_everywhere__contradicts_the_contracts_own_state(
    brief: Script, anvil: Devnet
) -> None:
    unnoticed = []
    for event in last_of_each_kind(brief):
        with RpcProxy(anvil.rpc_url) as proxy:
            Hider(proxy, event, is_thorough=True)
            if not found_through(brief, proxy.url):
                unnoticed.append(event)

    assert [type(event).__name__ for event in unnoticed] == ["NodeAnnounced"]


def test_audit__an_endpoint_hides_everywhere_what_changes_no_state__contradicts_a_second_endpoint(
    brief: Script, anvil: Devnet
) -> None:
    (event,) = (event for event in brief.events() if isinstance(event, NodeAnnounced))
    with RpcProxy(anvil.rpc_url) as proxy:
        Hider(proxy, event, is_thorough=True)
        (finding,) = found_through(brief, proxy.url, anvil.rpc_url)

    assert finding.fault is Fault.ENDPOINTS_DISAGREE
    assert f"only there is {describe(event)}" in finding.message


def test_command__an_endpoint_hides_an_event__exits_1_and_two_that_disagree_too(audited: Audited) -> None:
    event = next(one for one in audited.script.events() if type(one).__name__ == "UpdateRevealed")
    with RpcProxy(audited.anvil.rpc_url) as proxy:
        Hider(proxy, event, is_thorough=False)
        alone = audited.run(rpc=(proxy.url,))
        together = audited.run(rpc=(audited.anvil.rpc_url, proxy.url))

    assert (alone.status, together.status) == (1, 1)
    assert "FAIL  round 1  anna (0x7099…79C8)  hidden-event" in alone.out
    assert "endpoints-disagree" in together.out


@pytest.fixture
def crowded(devnet: Devnet) -> Script:
    """A swarm of which three nodes announced their stores in one block, after which a stranger paid somebody."""
    script = Script(partial(DevnetWorld, devnet))
    stop, start = ("evm_setAutomine", False), ("evm_setAutomine", True)
    if devnet.client == "ganache":
        stop, start = ("miner_stop",), ("miner_start",)  # type: ignore[assignment]
    devnet.rpc(*stop)
    for node in script.nodes:
        call = coordinator_abi().encode_call(Announce(stores=b"https://%d.example" % node))
        send_unmined(devnet, node, to=script.world.chain(None).coordinator, data=call)
    send_unmined(devnet, 9, to=script.address(1), data=b"")
    devnet.rpc(*start)
    devnet.rpc("evm_mine")
    return script


def send_unmined(devnet: Devnet, index: int, *, to: Address, data: bytes) -> None:
    account = signer(index)
    fields = {
        "type": 2,
        "chainId": devnet.chain_id,
        "nonce": int(devnet.rpc("eth_getTransactionCount", account.checksum_address, "latest"), 16),
        "gas": 100_000,
        "maxFeePerGas": 100 * 10**9,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
        "data": data,
        "to": bytes(to),
    }
    devnet.rpc("eth_sendRawTransaction", "0x" + account.sign_transaction(fields).hex())


def test_audit__several_transactions_in_a_block__are_all_looked_up_on_each_client(
    crowded: Script, devnet: Devnet
) -> None:
    announced = [event for event in crowded.events() if isinstance(event, NodeAnnounced)]
    assert len({event.block_number for event in announced}) == 1

    report = audit(Web3History(devnet.rpc_url, crowded.world.chain(None).coordinator), crowded.store, artifact=ARTIFACT)
    assert report.verdict is Verdict.PASS, report.all_findings
    assert {use.account: use.transactions for use in report.gas if use.call == "announce"} == {
        crowded.address(node): 1 for node in crowded.nodes
    }
    for event in announced:
        with RpcProxy(devnet.rpc_url) as proxy:
            Hider(proxy, event, is_thorough=False)
            (finding,) = found_through(crowded, proxy.url)
            assert describe(event) in finding.message
            assert proxy.asked["eth_getBlockReceipts"] == 1


def test_audit__an_endpoint_without_batches__tells_the_same(brief: Script, anvil: Devnet) -> None:
    with RpcProxy(anvil.rpc_url) as proxy:
        proxy.takes_batches = False

        assert found_through(brief, proxy.url) == []


def test_audit__headers_without_bloom_filters__hint_at_nothing(brief: Script, anvil: Devnet) -> None:
    def header(_: list[Any], ask: Pass) -> Answer:
        return {"result": {**ask()["result"], "logsBloom": None}}

    with RpcProxy(anvil.rpc_url) as proxy:
        proxy.faults["eth_getBlockByNumber"] = header

        assert found_through(brief, proxy.url) == []


def test_audit__an_endpoint_forgot_old_states__reads_from_the_first_block(brief: Script, anvil: Devnet) -> None:
    last = hex(brief.events()[-1].block_number)

    def code(parameters: list[Any], ask: Pass) -> Answer:
        return ask() if parameters[1] == last else {"error": {"code": -32000, "message": "missing trie node"}}

    with RpcProxy(anvil.rpc_url) as proxy:
        proxy.faults["eth_getCode"] = code

        assert found_through(brief, proxy.url) == []


# --------------------------------------------------------------------------------------------------------------- walks


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "direct"])
def test_audit__a_random_walk_of_the_real_contract__leaves_events_that_explain_its_state(
    anvil: Devnet, is_sealed: bool
) -> None:
    def deployed(config: Any) -> World:
        return DevnetWorld(anvil, config)

    walk = Walk(deployed, 5, is_sealed=is_sealed)
    walk.run(250)

    report = audit(
        Web3History(anvil.rpc_url, walk.world.chain(None).coordinator), MemoryStore(), artifact=ARTIFACT, rounds=[]
    )

    of_chain = [one for one in report.all_findings if one.fault is not Fault.MISSING_BYTES]
    assert of_chain == []
    assert report.scope.finalized_rounds > 0
