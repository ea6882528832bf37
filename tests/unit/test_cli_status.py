"""How `status` shows a swarm to people, and the file in which agents say what they do."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.adapters.meter import Meter
from swarm_chain.agent.activity import Activity, Health
from swarm_chain.cli.agent import describe
from swarm_chain.cli.metrics import describe_metrics
from swarm_chain.cli.status import describe_activity, render
from swarm_chain.core.traffic import Traffic
from swarm_chain.status.data_size import data_size
from swarm_chain.status.node import (
    FILE,
    NodeStatusFile,
    StatusFile,
    node_statuses,
    read_node_status,
    traffic_so_far,
    write_node_status,
)
from swarm_chain.status.swarm import SwarmStatus, read_status
from swarm_chain.types import AddNode, Address, Digest, OpenRound, Suspend
from tests.unit.test_status import ADMIN, A, B, close, commit, open_round, swarm

CONTRACT = Address(b"\xc0" * 20)
SWARM: dict[str, Any] = {"chain_id": 31337, "contract": CONTRACT, "account": A}
TRAINING = Activity(
    does="training",
    round=3,
    progress=0.45,
    samples=120,
    base_metrics={"accuracy": 0.5},
    local_metrics={"accuracy": 0.9531},
    health=Health.GOOD,
)


SCORED = replace(
    TRAINING,
    trained_round=3,
    training_seconds=1.5,
    head=Digest(b"\x11" * 32),
    head_round=2,
    head_metrics={"accuracy": 0.5, "test_samples": 40.0},
)


def shown(chain: MemoryChain, activities: dict[bytes, NodeStatusFile] | None = None, *, width: int = 160) -> str:
    return text_of(read_status(chain), activities, width=width)


def text_of(found: SwarmStatus, activities: dict[bytes, NodeStatusFile] | None = None, *, width: int = 160) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(render(found, activities or {}, width=width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def file_of(account: Address, activity: Activity, *, pid: int | None = None) -> NodeStatusFile:
    return NodeStatusFile(
        name="a",
        chain_id=31337,
        contract=CONTRACT,
        account=account,
        pid=os.getpid() if pid is None else pid,
        written_at=0.0,
        activity=activity,
    )


def test_render__training__says_who_is_waited_for_and_how_long() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    commit(chain, A, 1)
    chain.advance(40)
    text = shown(chain)
    assert "round     1 training, 1:00 left, 1 of 2 in" in text
    assert "waits for node-2 to commit" in text
    assert "committed" in text


def test_render__deadline_passed__says_that_it_waits_to_be_closed() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    chain.advance(500)
    text = shown(chain)
    assert "deadline passed, waits to be closed" in text
    assert "! the deadline has passed" in text


def test_render__aborted__says_why() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    close(chain)
    assert "round     1 ended: too_few_updates" in shown(chain)


def test_render__before_the_first_round__says_so() -> None:
    assert "round     none yet" in shown(swarm(A, B))


def test_render__suspended_by_registrar__is_told_from_other_suspensions() -> None:
    chain = swarm(A, B)
    chain.send(Suspend(node=B))
    assert "suspended by a registrar" in shown(chain)


def test_render__label_of_a_stranger__plays_no_tricks() -> None:
    chain = swarm(A)
    chain.send(AddNode(node=B, label="[bold red]x[/] \x1b[31m\n"))
    chain.as_account(A).send(OpenRound())
    text = shown(chain)
    assert "[bold red]x[/]" in text
    assert "\x1b" not in text


def test_render__wide_terminal__shows_addresses() -> None:
    assert " 0x0101010101010101010101010101010101010101 " in shown(swarm(A), width=160)


def test_render__narrow_terminal__has_names_in_one_line_each() -> None:
    chain = swarm(A)
    chain.send(AddNode(node=B, label=""))
    text = shown(chain, width=80)
    assert A.hex() not in text
    assert [line.split()[0] for line in text.splitlines() if " active " in line and "nodes" not in line] == [
        "node-1",
        "0x0202…0202",
    ]


def test_render__agent_here__shows_what_it_does() -> None:
    assert "training 45%" in shown(swarm(A), {A: file_of(A, TRAINING)})


# ----------------------------------------------------------------------------------------------------------- activities


@pytest.mark.parametrize(
    ("activity", "pid", "words"),
    [
        (TRAINING, None, "training 45%"),
        (Activity(does="waiting", round=1, note="peers merge"), None, "waiting (peers merge)"),
        (Activity(does="stopped", round=1), None, "stopped"),
        (TRAINING, 2**22 + 1, "gone: its process ended"),
    ],
)
def test_describe_activity__in_a_few_words(activity: Activity, pid: int | None, words: str) -> None:
    assert describe_activity(file_of(A, activity, pid=pid)) == words


def test_describe__training__says_the_same_until_it_is_done() -> None:
    assert describe(TRAINING) == "round 3: training"
    done = Activity(does="training", round=3, progress=1.0, samples=120, local_metrics={"accuracy": 0.9531})
    assert describe(done) == "round 3: training done on 120 samples: accuracy 0.9531"


def test_describe_metrics__none__says_why() -> None:
    assert describe_metrics({}, "no store was given") == "no store was given"
    assert describe_metrics({"loss": 0.25, "accuracy": 1.0}) == "accuracy 1, loss 0.25"


def test_describe_metrics__intervals_and_groups__are_beside_the_metric_and_left_out() -> None:
    metrics = {"auroc": 0.8512, "auroc_low": 0.784, "auroc_high": 0.9, "how_low": 2.0, "female.auroc": 0.9}
    assert describe_metrics(metrics) == "auroc 0.8512 [0.78 to 0.90], how_low 2"


def test_write_node_status__reads_back_the_same(tmp_path: Path) -> None:
    traffic = Traffic(rpc_sent=1, rpc_received=2, store_written=3, store_read=4)
    write_node_status(
        tmp_path,
        name="a",
        chain_id=31337,
        contract=CONTRACT,
        account=A,
        activity=SCORED,
        traffic=traffic,
        data_bytes=70,
    )
    found = read_node_status(tmp_path)
    assert found is not None
    assert (found.activity, found.account, found.contract, found.pid) == (SCORED, A, CONTRACT, os.getpid())
    assert (found.traffic, found.data_bytes) == (traffic, 70)
    assert found.is_running
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_describe__scored__says_which_model_and_how_it_does() -> None:
    scoring = replace(SCORED, does="scoring", progress=1.0)
    assert describe(scoring) == "round 3: scoring done: the head, of round 2, here: accuracy 0.5"
    assert describe(replace(scoring, progress=0.0)) == "round 3: scoring"


def test_read_node_status__of_an_older_program__has_what_that_wrote(tmp_path: Path) -> None:
    write_node_status(tmp_path, name="a", **SWARM, activity=TRAINING)
    written = json.loads((tmp_path / FILE).read_text())
    for new in ("traffic", "data_bytes", "trained_round", "training_seconds", "head", "head_round", "head_metrics"):
        del written[new]
    (tmp_path / FILE).write_text(json.dumps(written))
    found = read_node_status(tmp_path)
    assert found is not None
    assert (found.activity, found.traffic, found.data_bytes) == (TRAINING, Traffic(), None)


def test_status_file__agent_started_again__goes_on_counting(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_bytes(bytes(1000))
    for _ in range(2):
        meter = Meter(traffic_so_far(tmp_path, **SWARM))
        file = StatusFile(tmp_path, name="a", **SWARM, data=str(data), traffic=meter.total)
        meter.count(Traffic(rpc_sent=5, store_read=1))
        file(TRAINING)
    found = read_node_status(tmp_path)
    assert found is not None
    assert (found.traffic, found.data_bytes) == (Traffic(rpc_sent=10, store_read=2), 1000)
    for other in ({"chain_id": 1}, {"contract": ADMIN}, {"account": B}):
        assert traffic_so_far(tmp_path, **{**SWARM, **other}) == Traffic()


def test_status_file__data_grow__are_measured_with_each_training(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_bytes(bytes(1000))
    file = StatusFile(tmp_path, name="a", **SWARM, data=str(data), traffic=Traffic)
    sizes = []
    for activity in (SCORED, replace(SCORED, does="waiting"), replace(SCORED, trained_round=4)):
        file(activity)
        found = read_node_status(tmp_path)
        assert found is not None
        sizes.append(found.data_bytes)
        data.write_bytes(bytes(2000))
    assert sizes == [1000, 1000, 2000]


def test_status_file__cannot_be_written__is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    file = StatusFile(folder, name="a", **SWARM, data="-", traffic=Traffic)
    file(TRAINING)
    file(SCORED)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot be written" in caplog.text
    folder.mkdir()
    file(SCORED)
    assert read_node_status(folder) is not None


def test_data_size__file_folder_and_share__are_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "images" / "deep").mkdir(parents=True)
    (tmp_path / "images" / "one.png").write_bytes(bytes(300))
    (tmp_path / "images" / "deep" / "two.png").write_bytes(bytes(33))
    assert data_size(str(tmp_path / "images" / "one.png")) == 300
    assert data_size(str(tmp_path / "images")) == 333
    assert data_size(f"{tmp_path}/images/one.png#part=0,of=3,seed=0") == 100


@pytest.mark.parametrize("data", ["digits:part=0,of=3,seed=0", "postgres://host/rows", "x#part=3,of=3,seed=0", "\0"])
def test_data_size__no_file__is_unknown(data: str) -> None:
    assert data_size(data) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"name": "a", "chain_id": "x"})])
def test_read_node_status__damaged__is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_node_status(tmp_path) is None


def test_node_statuses__only_those_of_the_swarm(tmp_path: Path) -> None:
    for name, contract in (("one", CONTRACT), ("two", CONTRACT), ("other", Address(b"\xdd" * 20))):
        (tmp_path / name).mkdir()
        write_node_status(
            tmp_path / name, name=name, chain_id=31337, contract=contract, account=ADMIN, activity=TRAINING
        )
    assert [file.name for file in node_statuses(tmp_path, chain_id=31337, contract=CONTRACT)] == ["one", "two"]
    assert not list(node_statuses(tmp_path, chain_id=5, contract=CONTRACT))
    assert not list(node_statuses(tmp_path / "nowhere", chain_id=31337, contract=CONTRACT))
