"""The demo's parts: choices, folders, what is shown, what it is compared with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from torch.utils.data import Dataset

from swarm_chain.agent.activity import Activity
from swarm_chain.audit import AuditReport, Fault, Finding, GasUse, Outcome, RoundReport, Scope, Verdict
from swarm_chain.cli.demo import _at_sites, _score_rows
from swarm_chain.cli.demo_screen import LineScreen, describe_round, describe_waiting, render
from swarm_chain.core.cids import Codec, cid_of, document_cid
from swarm_chain.core.merge import parse_rule
from swarm_chain.core.traffic import Traffic
from swarm_chain.demo import AgentState, DemoReport, DemoSettings, NodeReport, RoundSummary, Scene
from swarm_chain.demo.agents import AgentProcess
from swarm_chain.demo.ground import require_unseen
from swarm_chain.demo.measure import measure
from swarm_chain.demo.places import places
from swarm_chain.demo.report import Kept, gas_by_call, gas_of, summarize_rounds
from swarm_chain.demo.swarm import Member
from swarm_chain.demo.watch import Watcher
from swarm_chain.errors import ConfigurationError, DataError, DemoFailed
from swarm_chain.schemas import load_schema
from swarm_chain.status.node import write_node_status
from swarm_chain.tasks import Digits
from swarm_chain.tasks.base import NodeData
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.digits_data import all_rows, is_held_out, is_test, write_rows
from swarm_chain.tasks.pooling import pool
from swarm_chain.types import Address, BlockNumber, Digest, Gas, Phase, RoundNumber, Timestamp
from tests.command_line import CommandLine
from tests.swarm import Fault as Misdeed
from tests.swarm import Swarm


def settings(**changes: object) -> DemoSettings:
    made = DemoSettings(nodes=3, rounds=2, task=Digits(), task_name="digits", rule=parse_rule("weighted_mean"))
    return replace(made, **changes)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------- settings


def test_settings__data_for_some_nodes_only__is_refused() -> None:
    with pytest.raises(ConfigurationError, match="2 --data for 3 nodes"):
        settings(data=("a", "b"))


def test_key_of__same_seed__same_key__another_seed_or_node__another() -> None:
    assert settings().key_of("node-1") == settings().key_of("node-1")
    keys = {settings(seed=seed).key_of(name) for seed in (0, 1) for name in settings().names}
    assert len(keys) == 6


def test_config__windows_of_any_size__are_such_as_the_contract_takes() -> None:
    for nodes in (2, 4, 100):
        config = settings(nodes=nodes, is_sealed=False).config(
            task_digest=Digest(b"t" * 32), genesis_digest=Digest(b"g" * 32), admin=Address(b"a" * 20)
        )
        assert 0 < config.min_window <= config.initial_window <= config.max_window
        assert max(config.reveal_window, config.merge_window) <= config.max_window
        assert not config.is_sealed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "sums"], "no task 'sums'"),
        (["--merge", "guess"], "no merge rule 'guess'"),
        (["--merge", "trimmed_mean"], "trimmed_mean"),
        (["--merge", "trimmed_mean:f=2", "--nodes", "4"], "needs 5 updates, and 4 nodes give"),
        (["--set", "speed=9"], "no hyper-parameter speed"),
        (["--data", "digits:part=0,of=4,seed=0"], "1 --data for 4 nodes"),
        (["--nodes", "90"], "too small to be dealt out to 90 nodes"),
    ],
)
def test_demo__bad_choice__is_a_line_that_says_what_to_do(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in CommandLine(folder=tmp_path).run("demo", *arguments).error


def test_demo__folder_to_keep_is_not_empty__is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    assert "is not empty" in CommandLine(folder=tmp_path).run("demo", "--keep", "mine").error


def test_demo__no_chain_program__says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_chain.devnet.programs._node_modules", tuple)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "npm install" in CommandLine(folder=tmp_path).run("demo", "--client", "ganache").error


# --------------------------------------------------------------------------------------------------------------- places


def test_places__all_goes_well__temporary_folder_is_gone() -> None:
    with places(None) as where:
        where.node("node-1").mkdir(parents=True)
    assert not where.root.exists()


def test_places__failure_after_something_ran__keeps_the_logs_and_says_where() -> None:
    with pytest.raises(DemoFailed, match="the chain ended; logs are in ") as caught, places(None) as where:  # noqa: PT012
        (where.root / "anvil.log").touch()
        raise DataError("the chain ended")
    assert str(where.root) in str(caught.value)
    assert where.root.exists()
    (where.root / "anvil.log").unlink()
    where.root.rmdir()


@pytest.mark.parametrize("error", [DataError("nothing ran yet"), KeyboardInterrupt()])
def test_places__failure_before_anything_ran_or_interrupt__leaves_nothing(error: BaseException) -> None:
    with pytest.raises(type(error)), places(None) as where:
        raise error
    assert not where.root.exists()


def test_places__kept__stays_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), places(tmp_path / "new") as where:
        raise KeyboardInterrupt
    assert where.root == tmp_path / "new"
    assert where.root.is_dir()


# ------------------------------------------------------------------------------------------------------------- watching


class Stage:
    """Real agents in memory, watched as a demo watches its processes; node 1 may be one whose process was killed."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.swarm = Swarm(folder / "swarm", nodes=3, **options)  # type: ignore[arg-type]
        self.folder = folder
        self.time = 0.0
        self.processes = [self.process(index, "import time; time.sleep(600)") for index in range(3)]
        self.watcher = Watcher(self.swarm.chain, self.processes, rounds=2, clock=lambda: self.time)

    def process(self, index: int, code: str) -> AgentProcess:
        folder = self.folder / f"node-{index + 1}"
        folder.mkdir(exist_ok=True)
        account = Address(bytes([index + 1]) * 20)
        member = Member(name=folder.name, account=account, folder=folder, config=folder / "node.toml", data="")
        log = folder / "agent.log"
        log.write_text("first words\nlast words\n\n")
        return AgentProcess(member=member, process=subprocess.Popen([sys.executable, "-c", code]), log=log)

    def write_status(self, index: int, activity: Activity) -> None:
        member = self.processes[index].member
        write_node_status(
            member.folder,
            name=member.name,
            chain_id=1,
            contract=Address(bytes(20)),
            account=member.account,
            activity=activity,
        )

    def close(self) -> None:
        for agent in self.processes:
            agent.process.kill()
            agent.process.wait()


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(tmp_path, **getattr(request, "param", {}))
    yield made
    made.close()


def test_look__phase_after_phase__says_who_is_awaited_for_what(stage: Stage) -> None:
    seen: dict[Phase, set[tuple[str, int]]] = {}

    def note() -> bool:
        scene = stage.watcher.look()
        seen.setdefault(scene.view.round.phase, set()).add((scene.act, len(scene.waits_for)))
        return scene.is_finished

    stage.swarm.run_until(note)
    assert seen[Phase.TRAINING] == {("commit", 3), ("commit", 2), ("commit", 1)}
    assert seen[Phase.REVEALING] == {("reveal", 3), ("reveal", 2), ("reveal", 1)}
    # Two of three attestations are a quorum, which ends the round.
    assert seen[Phase.MERGING] == {("attest", 3), ("attest", 2)}
    assert seen[Phase.IDLE] == {("open", 0)}


@pytest.mark.parametrize("stage", [{"is_sealed": False}], indirect=True)
def test_look__direct_swarm__waits_for_submissions(stage: Stage) -> None:
    stage.swarm.run_until(lambda: stage.watcher.look().waits_for != ())
    assert stage.watcher.look().act == "submit"
    stage.swarm.run_until(lambda: len(stage.watcher.look().waits_for) == 1)
    assert {agent.done for agent in stage.watcher.look().agents} == {("revealed",), ()}


def test_look__rounds_end__their_seconds_are_those_between_opening_and_end(stage: Stage) -> None:
    def tick() -> bool:
        stage.time += 1.0
        return stage.watcher.look().is_finished

    stage.swarm.run_until(tick)
    found = stage.watcher.look().seconds
    assert list(found) == [1, 2]
    assert all(2.0 <= seconds < stage.time for seconds in found.values())


@pytest.mark.parametrize("stage", [{"faults": {1: Misdeed.SILENT}}], indirect=True)
def test_look__silent_node__is_awaited_until_it_is_suspended(stage: Stage) -> None:
    stage.swarm.run_until(lambda: stage.watcher.look().waits_for == ("node-2",))
    stage.swarm.run_until(lambda: stage.watcher.look().view.swarm.active_nodes == 2)
    stage.swarm.run_until(lambda: stage.watcher.look().view.round.phase == Phase.TRAINING)
    assert "node-2" not in stage.watcher.look().waits_for


def test_look__what_agents_say__is_shown(stage: Stage) -> None:
    stage.write_status(1, Activity(does="training", round=1, progress=0.5, samples=40))
    agents = stage.watcher.look().agents
    assert [agent.activity and agent.activity.does for agent in agents] == [None, "training", None]
    stage.write_status(1, Activity(does="merging", round=1))
    assert [agent.samples for agent in stage.watcher.look().agents] == [None, 40, None]
    assert [agent.is_gone for agent in agents] == [False, False, False]


def test_exit_status__killed__is_gone__until_somebody_starts_it_again(stage: Stage) -> None:
    killed = stage.processes[1]
    killed.process.kill()
    killed.process.wait()
    assert killed.exit_status == -9
    assert stage.watcher.look().alive == 2
    assert killed.last_words() == "node-2: last words"
    stage.write_status(1, Activity(does="adopting", round=1))
    assert killed.exit_status is None
    stage.write_status(1, Activity(does="stopped", round=1))
    assert killed.exit_status == 0


# -------------------------------------------------------------------------------------------------------------- showing


def scene_of(stage: Stage, **changes: object) -> Scene:
    return replace(stage.watcher.look(), **changes)  # type: ignore[arg-type]


def drawn(scene: Scene) -> str:
    from rich.console import Console

    console = Console(width=160)
    with console.capture() as captured:
        console.print(render(scene))
    return captured.get()


def test_render__training__shows_round_deadline_and_a_line_a_node(stage: Stage) -> None:
    stage.write_status(
        0, Activity(does="training", round=1, progress=0.5, samples=40, local_metrics={"accuracy": 0.875})
    )
    stage.processes[2].process.kill()
    stage.processes[2].process.wait()
    stage.swarm.run_until(lambda: len(stage.watcher.look().waits_for) == 2)
    scene = stage.watcher.look()
    left = scene.view.round.deadline - scene.view.now
    assert describe_round(scene) == (
        f"round 1, 0 of 2 finalised: training, {left // 60}:{left % 60:02} left, 1 of 3 in"
    )
    assert describe_waiting(scene) == f"waits for {', '.join(scene.waits_for)} to commit"
    lines = {line.split()[0]: line for line in drawn(scene).splitlines() if line.startswith(" node-")}
    assert "training" in lines["node-1"]
    assert "██████░░░░░░" in lines["node-1"]
    assert "0.875" in lines["node-1"]
    assert "starting" in lines["node-2"]
    assert "gone: killed by signal 9" in lines["node-3"]


def test_render__label_and_note_of_strangers__play_no_tricks(stage: Stage) -> None:
    stage.write_status(0, Activity(does="waiting", round=1, note="[red]\x1b[2Jboo"))
    shown = drawn(stage.watcher.look())
    assert "[red]?[2Jboo" in shown


def test_line_screen__says_each_thing_once(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    screen, scene = LineScreen(), stage.watcher.look()
    done = replace(scene, seconds={RoundNumber(1): 0.5})
    gone = replace(done, agents=(replace(scene.agents[0], exit_status=1), *scene.agents[1:]))
    for shown in (scene, done, done, gone, gone, done):
        screen.show(shown)
    assert capsys.readouterr().err.splitlines() == [
        "round 1 ended after 0.5 s, 0 of 2 finalised",
        "node-1 is gone: its process ended with status 1; the others go on",
        "node-1 is back",
    ]


# ------------------------------------------------------------------------------------------------------------ comparing


def data_files(folder: Path, nodes: int, seed: int) -> list[str]:
    paths = [folder / f"{part}.npz" for part in range(nodes)]
    for part, path in enumerate(paths):
        Digits().write_part(path, part, nodes=nodes, seed=seed)
    return [str(path) for path in paths]


def test_measure__dealt_out__alone_has_its_own_part_and_pooled_all(tmp_path: Path) -> None:
    data = data_files(tmp_path, 3, seed=1)
    found = measure(Digits().seeded(1), data, deals=True, seed=1, rounds=1)
    split = Digits().split(3, 1)
    assert list(found.samples) == [len(part.training) for part in split.parts]  # type: ignore[arg-type]
    assert len(found.alone) == 3
    alone, alone_own = ([one["accuracy"] for one in each] for each in (found.alone, found.alone_own))
    assert found.pooled["accuracy"] > max(alone)
    # Labels are skewed, so a node's own model does better on its own than on everybody's.
    assert all(own > everywhere for own, everywhere in zip(alone_own, alone, strict=True))


def test_measure__own_data__is_pooled_from_the_nodes(tmp_path: Path) -> None:
    one = data_files(tmp_path, 3, seed=1)[:1]
    found = measure(Digits(), [*one, *one], deals=False, seed=0, rounds=1)
    assert found.alone[0] == found.alone[1]
    assert found.samples[0] == found.samples[1]


def test_pool__parts__holds_every_example_once(tmp_path: Path) -> None:
    parts = [Digits().open_data(path) for path in data_files(tmp_path, 3, seed=1)]
    pooled = pool(parts)
    assert rows_of(pooled.training) == [row for part in parts for row in rows_of(part.training)]
    assert rows_of(pooled.held_out) == [row for part in parts for row in rows_of(part.held_out)]


def test_pool__other_datasets_than_tensors__holds_every_example_too() -> None:
    class Squares(Dataset[tuple[torch.Tensor, int]]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            return torch.tensor([row * row]), row

    part = NodeData(training=Squares(), held_out=Squares())
    assert [target for _, target in iter_of(pool([part, part]).training)] == [0, 1, 2, 0, 1, 2]


def iter_of(examples: Dataset[Any]) -> Iterator[Any]:
    return (examples[row] for row in range(count(examples)))


def rows_of(examples: Dataset[Any]) -> list[tuple[bytes, int]]:
    return [(inputs.numpy().tobytes(), int(target)) for inputs, target in iter_of(examples)]


def test_require_unseen__a_test_row_is_in_a_nodes_data__is_refused(tmp_path: Path) -> None:
    rows = all_rows()
    some = (
        np.flatnonzero(is_test(rows) & ~is_held_out(rows))[:1].tolist() + np.flatnonzero(~is_test(rows))[:50].tolist()
    )
    chosen = np.isin(np.arange(len(rows)), some)
    write_rows(tmp_path / "leaky.npz", rows.where(chosen))
    part = Digits().open_data(str(tmp_path / "leaky.npz"))
    with pytest.raises(DataError, match="nodes train on 1 of the test examples"):
        require_unseen(Digits().test, [part])
    require_unseen(Digits().test, Digits().split(4, 0).parts)


# ------------------------------------------------------------------------------------------------------------ reporting

NODE = Address(b"\x01" * 20)
RESULT = Digest(b"\x02" * 32)


def audit_report(*rounds: RoundReport, findings: tuple[Finding, ...] = ()) -> AuditReport:
    return AuditReport(
        scope=Scope(
            chain_id=31337,
            contract=Address(b"\xc0" * 20),
            block_number=BlockNumber(9),
            block_hash=b"\xb1" * 32,
            block_time=Timestamp(1),
            head=RESULT,
            finalized_rounds=1,
            endpoints=("http://127.0.0.1:1",),
            store="local:/store",
        ),
        is_coordinator=True,
        genesis=RoundReport(number=RoundNumber(0), outcome=Outcome.GENESIS),
        rounds=rounds,
        findings=findings,
        labels={NODE: "node-1"},
        gas=(
            GasUse(call="attest", account=NODE, transactions=2, gas=Gas(80)),
            GasUse(call="attest", account=Address(b"\x03" * 20), transactions=1, gas=Gas(50)),
            GasUse(call="openRound", account=NODE, transactions=1, gas=Gas(30)),
        ),
    )


def summary(number: int, outcome: Outcome = Outcome.FINALIZED) -> RoundSummary:
    is_final = outcome is Outcome.FINALIZED
    return RoundSummary(
        number=RoundNumber(number),
        outcome=outcome,
        verdict=Verdict.PASS,
        included=("node-1",) if is_final else (),
        excluded=(("node-2", "non-finite"),) if is_final else (),
        seconds=1.23456 if is_final else None,
        gas=100,
        result=document_cid(RESULT) if is_final else None,
        weights=cid_of(b"weights", Codec.RAW) if is_final else None,
    )


def report(audit: AuditReport, *rounds: RoundSummary) -> DemoReport:
    node = NodeReport(
        name="node-1",
        address=NODE,
        samples=60,
        alone={"accuracy": 0.5},
        alone_own={"accuracy": 0.75},
        swarm_own={"accuracy": 0.6},
        gas=110,
        traffic=Traffic(rpc_sent=1_500, store_written=2_000_000),
        data_bytes=42_000,
    )
    return DemoReport(
        settings=settings(),
        nodes=(node, replace(node, name="node-2", alone_own={}, swarm_own={}, data_bytes=None)),
        pooled_metrics={"accuracy": 0.9},
        swarm_metrics={"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9},
        test_samples=359,
        rounds=rounds,
        audit=audit,
        rpc_url="http://127.0.0.1:1",
        store="local:/store",
        seconds=12.0,
        kept=Kept(folder=Path("/kept"), chain_pid=7),
    )


def test_document__of_a_report_with_an_aborted_round__is_as_its_schema_says() -> None:
    made = report(audit_report(), summary(1), summary(2, Outcome.ABORTED), summary(3))
    Draft202012Validator(load_schema("demo")).validate(made.document())
    assert made.document()["rounds"][0]["excluded"] == [{"name": "node-2", "reason": "non-finite"}]
    first, second = made.document()["nodes"]
    assert (first["traffic"]["store_written"], first["data_bytes"], second["data_bytes"]) == (2_000_000, 42_000, None)


def test_at_sites__several_that_hold_something_out__names_the_worst_and_the_best() -> None:
    made = report(audit_report())
    assert _at_sites(made) == ""
    first = made.nodes[0]
    nodes = (
        first,
        replace(first, name="node-2", swarm_own={"accuracy": 0.9}),
        replace(first, swarm_own={"accuracy": 0.8}),
    )
    assert _at_sites(replace(made, nodes=nodes)) == (
        "on what each holds out itself, the swarm's model is worst at node-1 (60.0 %), "
        "30.0 points below the best, node-2"
    )


def test_score_rows__node_holds_nothing_out__has_dashes() -> None:
    rows = _score_rows(report(audit_report()))
    assert rows[0] == ("node-1 alone", "60", "50.0 %", "75.0 %", "60.0 %")
    assert rows[1] == ("node-2 alone", "60", "50.0 %", "-", "-")


def test_is_success__needs_every_round_finalised_and_an_audit_that_passed() -> None:
    bad = Finding(fault=Fault.MISSING_BYTES, message="gone")
    assert report(audit_report(), summary(1), summary(2)).is_success
    assert not report(audit_report(), summary(1), summary(2, Outcome.ABORTED)).is_success
    assert not report(audit_report(findings=(bad,)), summary(1), summary(2)).is_success


def test_gas__by_call_and_by_account__adds_up() -> None:
    assert gas_by_call(audit_report()) == [
        {"call": "attest", "transactions": 3, "gas": 130},
        {"call": "openRound", "transactions": 1, "gas": 30},
    ]
    assert gas_of(audit_report(), NODE) == 110


def test_summarize_rounds__of_a_swarm_in_memory__says_who_is_in_each(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3, faults={2: Misdeed.NOT_FINITE})
    swarm.run(rounds=1)
    audited = replace(
        audit_report(
            RoundReport(number=RoundNumber(1), outcome=Outcome.FINALIZED, result=swarm.chain.look().swarm.head),
            RoundReport(number=RoundNumber(2), outcome=Outcome.RUNNING),
        ),
        labels={node.account: f"node-{index}" for index, node in enumerate(swarm.nodes, 1)},
    )
    (one,) = summarize_rounds(audited, swarm.shared.get, {RoundNumber(1): 0.5})
    assert (one.included, one.excluded) == (("node-1", "node-2"), (("node-3", "non-finite"),))
    assert one.weights == swarm.head().weights
    assert one.seconds == 0.5


def test_agent_state__ended_in_order__is_not_gone() -> None:
    state = AgentState(name="a", account=NODE, activity=None, exit_status=0, done=())
    assert not state.is_gone
    assert replace(state, exit_status=1).is_gone
