"""Head by site: how an agreed model does at every node, as `status` finds and shows it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from swarm_chain.agent.activity import Activity
from swarm_chain.cli.status import render
from swarm_chain.core.documents import UpdateDocument
from swarm_chain.core.traffic import Traffic
from swarm_chain.schemas import load_schema
from swarm_chain.status.node import NodeStatusFile
from swarm_chain.status.sites import GroupScore, Scored, Sites, compare_sites
from swarm_chain.status.swarm import SwarmStatus, document_of, read_status
from swarm_chain.types import Address, Digest, Metrics, RoundNumber
from tests.chains import MemoryWorld
from tests.histories import Script

A, B, C, D = (Address(bytes([number]) * 20) for number in (1, 2, 3, 4))
HEAD, BEFORE, GENESIS = (Digest(bytes([number]) * 32) for number in (3, 2, 1))


def model(result: Digest, metrics: Mapping[Address, Metrics]) -> Scored:
    return Scored(result=result, round=RoundNumber(result[0] - 1), metrics=metrics)


def agent(account: Address, head: Digest | None, metrics: Metrics) -> NodeStatusFile:
    return NodeStatusFile(
        name="a",
        chain_id=31337,
        contract=Address(b"\xc0" * 20),
        account=account,
        pid=os.getpid(),
        written_at=0.0,
        activity=Activity(does="waiting", round=3, head=head, head_round=2, head_metrics=metrics),
        traffic=Traffic(rpc_sent=2_000, rpc_received=3_000_000, store_written=4_000, store_read=5_000),
        data_bytes=6_000,
    )


def sites_of(*measured: Scored, agents: Mapping[bytes, NodeStatusFile] | None = None) -> Sites:
    found = compare_sites(measured, HEAD, [A, B, C, D], agents or {})
    assert found is not None
    return found


def accuracies(*values: float) -> dict[Address, Metrics]:
    return {node: {"accuracy": value} for node, value in zip((A, B, C, D), values, strict=False)}


# ------------------------------------------------------------------------------------------------------------ comparing


def test_compare__several_nodes__names_worst_best_and_how_far() -> None:
    found = sites_of(model(HEAD, accuracies(0.8, 0.5, 0.9)))
    assert (found.is_head, found.metric, found.worst, found.best) == (True, "accuracy", B, C)
    assert found.distance == pytest.approx(0.4)


def test_compare__lower_is_better__worst_has_most() -> None:
    found = sites_of(model(HEAD, {A: {"rmse": 1.2}, B: {"rmse": 1.5}, C: {"rmse": 1.1}}))
    assert (found.metric, found.worst, found.best) == ("rmse", B, C)


def test_compare__all_give_their_test_examples__mean_is_weighted_by_them() -> None:
    sized: dict[Address, Metrics] = {
        A: {"accuracy": 1.0, "test_samples": 30.0},
        B: {"accuracy": 0.0, "test_samples": 10.0},
    }
    mean = sites_of(model(HEAD, sized)).mean
    assert mean is not None
    assert (mean.value, mean.is_weighted) == (0.75, True)
    mean = sites_of(model(HEAD, {**sized, C: {"accuracy": 0.5}})).mean
    assert mean is not None
    assert (mean.value, mean.is_weighted) == (0.5, False)


def test_compare__nodes_share_no_metric__names_nobody() -> None:
    found = sites_of(model(HEAD, {A: {"accuracy": 0.5}, B: {"rmse": 1.0}}))
    assert (found.metric, found.worst, found.best, found.distance, found.mean) == (None,) * 5
    assert found.worst_group is None


def test_compare__groups__the_worst_of_all_nodes_and_of_each() -> None:
    found = sites_of(
        model(
            HEAD,
            {
                A: {"accuracy": 0.8, "female.accuracy": 0.6, "male.accuracy": 0.9, "male.brier": 0.01},
                B: {"accuracy": 0.7, "female.accuracy": 0.75, "male.accuracy": 0.65},
                C: {"accuracy": 0.7},
            },
        )
    )
    assert found.worst_group == GroupScore(node=A, group="female", metric="accuracy", value=0.6)
    assert found.worst_group_at(B) == GroupScore(node=B, group="male", metric="accuracy", value=0.65)
    assert found.worst_group_at(C) is None


def test_compare__classes__by_their_recall_where_nodes_are_by_accuracy() -> None:
    classes = {"digit_1.recall": 0.9, "digit_8.recall": 0.4, "digit_8.recall_low": 0.1, "digit_8.precision": 0.2}
    found = sites_of(model(HEAD, {A: {"accuracy": 0.8, **classes}, B: {"accuracy": 0.7}}))
    assert found.worst_group == GroupScore(node=A, group="digit_8", metric="recall", value=0.4)
    by_error = sites_of(model(HEAD, {A: {"rmse": 0.8, **classes}, B: {"rmse": 0.7}}))
    assert by_error.worst_group is None


def test_compare__nobody_scored_any__is_none() -> None:
    assert compare_sites([model(HEAD, {}), model(BEFORE, {})], HEAD, [A, B], {}) is None
    assert compare_sites([], HEAD, [A, B], {}) is None


def test_compare__few_have_scored_the_head__is_of_the_model_before_it() -> None:
    measured = (model(HEAD, accuracies(0.9)), model(BEFORE, accuracies(0.1, 0.2, 0.3)))
    found = sites_of(*measured)
    assert (found.model.result, found.is_head, found.worst) == (BEFORE, False, A)


def test_compare__agents_here_have_scored_the_head__counts_with_the_updates() -> None:
    measured = (model(HEAD, accuracies(0.9)), model(BEFORE, accuracies(0.1, 0.2, 0.3)))
    found = sites_of(*measured, agents={B: agent(B, HEAD, {"accuracy": 0.7})})
    assert (found.is_head, found.values) == (True, {A: 0.9, B: 0.7})


@pytest.mark.parametrize(
    "said", [agent(B, None, {}), agent(B, HEAD, {}), agent(B, Digest(b"\x77" * 32), {"accuracy": 0.7})]
)
def test_compare__agent_here_has_not_scored_the_head__adds_nothing(said: NodeStatusFile) -> None:
    assert sites_of(model(HEAD, accuracies(0.9, 0.8)), agents={B: said}).values == {A: 0.9, B: 0.8}


def test_compare__node_that_is_not_listed__is_left_out() -> None:
    stranger = Address(b"\x09" * 20)
    assert stranger not in sites_of(model(HEAD, {**accuracies(0.9, 0.8), stranger: {"accuracy": 0.0}})).values


def test_compare__numbers_of_any_size__stay_numbers() -> None:
    largest = sys.float_info.max
    found = sites_of(model(HEAD, accuracies(largest, -largest)))
    assert found.distance == largest
    assert found.mean is not None
    assert found.mean.value == 0.0


# -------------------------------------------------------------------------------------------------------------- reading


def says(**metrics: float) -> Callable[[UpdateDocument], UpdateDocument]:
    return lambda document: replace(document, base_metrics=metrics)


def played() -> tuple[Script, SwarmStatus]:
    """Two rounds of three nodes: the updates of the second say how the result of the first does."""
    script = Script(MemoryWorld)
    script.round()
    low, high = 0.70654321, 0.9
    script.round(
        update={
            1: says(accuracy=low, test_samples=30.0, **{"female.accuracy": 0.5}),
            2: says(accuracy=high, test_samples=10.0),
            3: says(accuracy=0.8, test_samples=10.0),
        }
    )
    return script, read_status(script.world.chain(None), script.store)


def shown(found: SwarmStatus, agents: Mapping[bytes, NodeStatusFile] | None = None, *, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(render(found, agents or {}, width=width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_read_status__after_two_rounds__compares_what_the_first_ended_in() -> None:
    script, found = played()
    sites = found.sites({})
    assert sites is not None
    assert (sites.is_head, sites.model.round, sites.worst, sites.best) == (
        False,
        1,
        script.address(1),
        script.address(2),
    )


def test_render__updates_of_several_nodes__names_where_the_model_does_worst_and_how_far_from_the_best() -> None:
    text = shown(played()[1])
    assert (
        "sites     the model before the head, of round 1, by accuracy: mean by test examples 0.7639, worst at anna, "
        "0.7065, 0.19 from the best, 0.9 at bert"
    ) in text
    assert "groups    worst by accuracy: female at anna, 0.5" in text
    (row,) = (line.split() for line in text.splitlines() if "female 0.5" in line)
    assert row[:5] == ["anna", "0.7065", "30", "female", "0.5"]


def test_render__no_groups__has_no_column_for_them() -> None:
    script = Script(MemoryWorld)
    script.round(update={node: says(accuracy=0.5, test_samples=30.0) for node in (1, 2, 3)})
    for width in (80, 200):
        text = shown(read_status(script.world.chain(None), script.store), width=width)
        assert "test examples" in text
        assert "worst group" not in text
        assert ("accuracy 0.5" in text) is (width == 200)


def test_render__all_agents_here_scored_the_head__shows_the_head_and_their_bytes() -> None:
    script, found = played()
    head = found.view.swarm.head
    agents: dict[bytes, NodeStatusFile] = {
        account: agent(account, head, {"accuracy": value})
        for account, value in zip(map(script.address, (1, 2)), (0.25, 0.5), strict=True)
    }
    text = shown(found, agents)
    assert "sites     the head, of round 2, by accuracy: mean 0.375, worst at anna, 0.25, 0.25 from the best" in text
    (row,) = (line.split() for line in text.splitlines() if "bert" in line and "MB" in line)
    assert row[1:] == ["2.0", "kB", "4.0", "kB", "3.0", "MB", "5.0", "kB", "6.0", "kB"]


def test_render__one_agent_here_scored_the_head__says_so_beside_the_comparison() -> None:
    script, found = played()
    here = agent(script.address(1), found.view.swarm.head, {"accuracy": 0.25, "test_samples": 30.0})
    text = shown(found, {script.address(1): here})
    assert "sites     the model before the head, of round 1" in text
    assert "head at   anna: accuracy 0.25" in [line.rstrip() for line in text.splitlines()]


def test_render__nobody_scored_anything__says_nothing_of_sites() -> None:
    script = Script(MemoryWorld)
    assert "sites" not in shown(read_status(script.world.chain(None), script.store))


def test_render__names_of_a_stranger__play_no_tricks() -> None:
    script = Script(MemoryWorld)
    tricky = says(**{"[bold]x[/]": 0.5, "[red]y[/].[bold]x[/]": 0.25})
    script.round(update={1: tricky, 2: tricky, 3: tricky})
    text = shown(read_status(script.world.chain(None), script.store))
    assert "by [bold]x[/]: mean 0.5" in text
    assert "[red]y[/] 0.25" in text


@pytest.mark.parametrize("is_agent_here", [True, False])
def test_document_of__with_sites_and_agents__fits_its_schema(is_agent_here: bool) -> None:
    script, found = played()
    here: dict[bytes, NodeStatusFile] = {
        script.address(1): agent(script.address(1), found.view.swarm.head, {"accuracy": 0.25})
    }
    written = json.loads(json.dumps(document_of(found, here if is_agent_here else {})))
    Draft202012Validator(load_schema("status")).validate(written)
    assert written["sites"]["worst"] == "0x" + script.address(1).hex()
    assert written["sites"]["worst_group"] == {
        "node": "0x" + script.address(1).hex(),
        "group": "female",
        "metric": "accuracy",
        "value": 0.5,
    }
    said = next(node["agent"] for node in written["nodes"] if node["label"] == "anna")
    if is_agent_here:
        assert said["head"] == written["head"]["digest"]
        assert (said["traffic"]["rpc_received"], said["data_bytes"]) == (3_000_000, 6_000)
    else:
        assert said is None
