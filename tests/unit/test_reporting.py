"""What a report on a swarm holds, read from in-memory chains and stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core.cids import document_cid
from swarm_chain.core.gas import GAS_CAPS
from swarm_chain.core.traffic import Traffic
from swarm_chain.reporting import LocalAgent, Part, Report, document_of, render
from swarm_chain.schemas import load_schema
from swarm_chain.types import Attest, CommitUpdate, OpenRound, RegisterNode, RevealUpdate
from tests.histories import Script
from tests.reports import report_on, says, script


def parts(report: Report, place: int = -1) -> dict[str, tuple[Part, str | None]]:
    """What became of each node in a round, by label."""
    return {report.labels[one.node]: (one.part, one.reason) for one in report.rounds[place].nodes}


# ------------------------------------------------------------------------------------------------------- who took part


def test_read_report__one_excluded_and_one_away__says_so_with_the_reason() -> None:
    swarm = script("anna", "bert", "cleo", "dora")
    swarm.round(nodes=[1, 2, 3], unpublished=[2], withheld=[2])
    found = report_on(swarm)
    assert parts(found) == {
        "anna": (Part.INCLUDED, None),
        "bert": (Part.EXCLUDED, "unavailable"),
        "cleo": (Part.INCLUDED, None),
        "dora": (Part.NOTHING, None),
    }
    assert [one.weight for one in found.rounds[0].nodes if one.part is Part.INCLUDED] != [None, None]


def test_read_report__aborted_round__has_no_result_and_says_why() -> None:
    swarm = script("anna", "bert", "cleo")
    swarm.submit()
    swarm.close_late()
    (round_,) = report_on(swarm).rounds
    assert (round_.outcome, round_.abort_reason, round_.result) == ("aborted", "no_quorum", None)
    assert {one.part for one in round_.nodes} == {Part.REVEALED}


def test_read_report__result_document_missing__members_are_known_and_their_part_is_not() -> None:
    swarm = script("anna", "bert", "cleo")
    result = swarm.round()
    store = MemoryStore()
    for cid, data in swarm.store._blocks.items():  # type: ignore[attr-defined]
        if cid != document_cid(result):
            store.put(cid, data)
    found = report_on(swarm, store)
    assert {part for part, _ in parts(found).values()} == {Part.REVEALED}
    assert found.problems == ("result of round 1: no store that was asked has it",)


def test_read_report__times__are_those_of_the_chain() -> None:
    swarm = script("anna", "bert", "cleo")
    swarm.round()
    swarm.world.wait(1000)
    before = swarm.world.now
    swarm.round()
    second = report_on(swarm).rounds[1]
    assert second.opened_at == before
    assert second.seconds == swarm.world.now - before - 1


# ------------------------------------------------------------------------------------------------------------- metrics


def test_read_report__metrics__results_by_the_next_round_and_updates_by_their_own() -> None:
    swarm = script("anna", "bert")
    swarm.round(update={node: says({"accuracy": 0.1 * node}, {"accuracy": 0.2 * node}) for node in (1, 2)})
    swarm.round(update={node: says({"accuracy": 0.3 * node}, {"accuracy": 0.4 * node}) for node in (1, 2)})
    found = report_on(swarm)
    labels = found.labels
    assert [{labels[n]: m["accuracy"] for n, m in one.sites.items()} for one in found.results] == [
        {"anna": 0.1, "bert": 0.2},
        {"anna": 0.3, "bert": 0.6},
        {},
    ]
    assert [{labels[one.node]: one.metrics["accuracy"] for one in each.nodes} for each in found.rounds] == [
        {"anna": 0.2, "bert": 0.4},
        {"anna": 0.4, "bert": 0.8},
    ]
    assert (found.compared, found.head_round) == ("accuracy", 2)


def test_read_report__agents_here_scored_the_head__are_told_apart_from_documents() -> None:
    swarm = script("anna", "bert")
    head = swarm.round()
    scored = LocalAgent(traffic=Traffic(rpc_sent=7), head=head, head_metrics={"accuracy": 0.875})
    old = LocalAgent(traffic=Traffic(), head=swarm.genesis, head_metrics={"accuracy": 0.25})
    found = report_on(swarm, agents={swarm.address(1): scored, swarm.address(2): old})
    assert found.results[1].sites == {swarm.address(1): {"accuracy": 0.875}}
    assert found.results[1].here == {swarm.address(1)}
    assert found.results[0].here == frozenset()  # what its update says of the genesis stands


# ------------------------------------------------------------------------------------------------------- gas and bytes


def test_read_report__gas__is_that_of_all_transactions_of_a_round() -> None:
    swarm = script("anna", "bert", "cleo")
    swarm.round()
    found = report_on(swarm)
    each = GAS_CAPS[CommitUpdate] + GAS_CAPS[RevealUpdate]
    assert found.rounds[0].gas == GAS_CAPS[OpenRound] + 3 * each + 2 * GAS_CAPS[Attest]
    assert found.gas_total == found.rounds[0].gas + 3 * GAS_CAPS[RegisterNode]


def test_read_report__bytes__a_node_puts_its_update_and_fetches_its_peers() -> None:
    swarm = script("anna", "bert", "cleo")
    updates = swarm.submit()
    sizes = {
        swarm.address(node): len(one.document.encode()) + len(swarm.store.get(one.document.weights))
        for node, one in updates.items()
    }
    (round_,) = report_on(swarm).rounds
    assert {one.node: one.put for one in round_.nodes} == sizes
    assert {one.node: one.fetched for one in round_.nodes} == {
        node: sum(sizes.values()) - size for node, size in sizes.items()
    }


def test_read_report__update_claims_more_bytes_than_the_task_allows__nobody_fetches_them() -> None:
    swarm = script("anna", "bert", "cleo")
    swarm.round(update={1: lambda document: replace(document, bytes=2**60)})
    (one,) = [one for one in report_on(swarm).rounds[0].nodes if one.node == swarm.address(1)]
    assert one.part is Part.EXCLUDED
    assert one.put is not None
    assert one.put < 10_000


# ---------------------------------------------------------------------------------------------------------------- JSON


def nothing_yet(_: Script) -> None: ...


def a_round(swarm: Script) -> None:
    swarm.round()


def an_aborted_round(swarm: Script) -> None:
    swarm.world.chain(1).send(OpenRound())
    swarm.close_late()


def a_running_round(swarm: Script) -> None:
    swarm.submit(nodes=[1, 2])


@pytest.mark.parametrize("play", [nothing_yet, a_round, an_aborted_round, a_running_round])
@pytest.mark.parametrize("has_documents", [True, False])
def test_document_of__whatever_happened__fits_its_schema(play: Callable[[Script], None], has_documents: bool) -> None:
    swarm = script("anna", "<b>bert</b>", "cleo")
    play(swarm)
    agents = {swarm.address(1): LocalAgent(traffic=Traffic(rpc_sent=1, store_read=2), data_bytes=3)}
    found = report_on(swarm, swarm.store if has_documents else MemoryStore(), agents)
    written = json.loads(json.dumps(document_of(found), allow_nan=False))
    Draft202012Validator(load_schema("report")).validate(written)
    assert [node["label"] for node in written["nodes"]] == ["anna", "<b>bert</b>", "cleo"]


def test_report__documents_missing_in_a_folder__its_path_is_in_no_output(tmp_path: Path) -> None:
    folder = tmp_path / "annas-folder"
    swarm = script("anna", "bert", "cleo", store=LocalStore(folder))
    swarm.round(unpublished=[2], withheld=[2])
    found = report_on(swarm)
    assert len(found.problems) == 1
    assert "annas-folder" not in render(found) + json.dumps(document_of(found))
