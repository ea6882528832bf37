"""An agent scores every model that its swarm agrees on: the last one too, each one once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from swarm_chain.agent.activity import Activity
from swarm_chain.agent.agent import HEARTBEAT
from swarm_chain.agent.disk import translated
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Condition, Policy
from swarm_chain.core.cids import document_cid
from swarm_chain.errors import DiskFull, JournalError
from swarm_chain.types import Digest, Metrics, NodeStatus, Parameters, Phase
from tests.swarm import ADMIN, CountingTrainer, Node, Swarm

FIRST = 7 * (1 + 10 + 100 + 1000) / 4
"""The sum over the seven parameters of what four nodes agree on in their first round."""


class WatchedTrainer(CountingTrainer):
    """Remembers what it evaluated by itself, outside of trainings."""

    def __init__(self, step: float, samples: int) -> None:
        super().__init__(step, samples)
        self.evaluated: list[float] = []
        self.is_training = False

    def train(self, base: Parameters, **given: object):  # type: ignore[no-untyped-def]
        self.is_training = True
        try:
            return super().train(base, **given)  # type: ignore[arg-type]
        finally:
            self.is_training = False

    def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
        found = super().evaluate(parameters, memory=memory)
        if not self.is_training:
            self.evaluated.append(found["sum"])
        return found


def watched(swarm: Swarm, index: int = 0) -> tuple[Node, WatchedTrainer]:
    """A node with a trainer that remembers what it evaluates."""
    trainer = WatchedTrainer(10.0**index, 10 * (index + 1))
    swarm.nodes[index].trainer = trainer
    return swarm.restart(swarm.nodes[index]), trainer


def scored(node: Node) -> list[tuple[int | None, float]]:
    """The heads' rounds and sums, in the order in which the node showed them."""
    seen: dict[tuple[int | None, float], None] = {}
    for activity in node.activities:
        if activity.head is not None and activity.head_metrics:
            seen[activity.head_round, activity.head_metrics["sum"]] = None
    return list(seen)


def test_run__rounds_reached__the_last_head_is_scored_and_shown_to_the_end(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(rounds=2, spread=0.0)})
    node, trainer = watched(swarm)
    swarm.run(rounds=2)
    node.agent.run()
    assert scored(node) == [(0, 0.0), (1, FIRST), (2, 2 * FIRST)]
    assert trainer.evaluated == [2 * FIRST], "the bases were scored by their trainings"
    last = node.activities[-1]
    assert (last.does, last.head, last.head_round) == ("stopped", swarm.chain.look().swarm.head, 2)
    assert (last.trained_round, last.base_metrics, last.samples) == (2, {"sum": FIRST}, 10)


def test_run__started_again_after_its_end__scores_the_head_anew(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    swarm.policies[0] = Policy(rounds=1)
    for _ in range(2):
        node, trainer = watched(swarm)
        node.agent.run()
        assert (node.activities[-1].head_metrics, trainer.evaluated) == ({"sum": FIRST}, [FIRST])


def test_run__last_head_in_no_store__ends_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    swarm.policies[0] = Policy(rounds=1)
    node, _ = watched(swarm)
    head = swarm.chain.look().swarm.head
    node.agent._heads.adopt(head)
    node.store.hidden.add(document_cid(head))
    node.agent.run()
    assert node.activities[-1].does == "stopped"
    assert "the head is not scored" in caplog.text


def test_step__killed_after_a_training__knows_its_metrics_and_its_bases(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    swarm.run_until(lambda: (swarm.chain.look().round.round, swarm.chain.look().round.commits) == (2, 4))
    node, trainer = watched(swarm)
    node.agent.step()
    shown = node.activities[-1]
    assert (shown.trained_round, shown.base_metrics, shown.samples) == (2, {"sum": FIRST}, 10)
    assert (shown.head_round, shown.head_metrics) == (1, {"sum": FIRST})
    assert trainer.evaluated == []


def test_sits_out__no_new_samples__scores_each_head_once(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(min_new_samples=5, spread=0.0)})
    node, trainer = watched(swarm)
    swarm.run(rounds=3)
    for _ in range(5):
        node.agent.step()
    assert trainer.trainings == [1]
    assert trainer.evaluated[0] == FIRST
    assert len(trainer.evaluated) == len(set(trainer.evaluated)) == 3
    assert [found for found, _ in scored(node)] == [0, 1, 2, 3]


def test_joined_during_a_round__not_expected_in_it__scores_the_head_meanwhile(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    swarm.run(rounds=1)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.TRAINING)
    late = swarm.join(3)
    for _ in range(3):
        late.agent.step()
    assert late.activities[-1].head_round == 1
    assert late.trainer.trainings == []


def test_train__data_changed_since_the_base_was_scored__shows_what_the_training_found(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(until=Condition(metric="sum", bound=1e9), spread=0.0)})

    class Drifting(WatchedTrainer):
        def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
            found = super().evaluate(parameters, memory=memory)
            return {"sum": found["sum"] + (0.5 if self.is_training else 0.0)}

    swarm.nodes[0].trainer = Drifting(1.0, 10)
    node = swarm.restart(swarm.nodes[0])
    swarm.run_until(lambda: bool(node.trainer.trainings))
    assert scored(node) == [(0, 0.0), (0, 0.5)]


@pytest.mark.parametrize(
    ("condition", "metrics", "is_met"),
    [
        (Condition.of("accuracy", 0.9), {"accuracy": 0.9}, True),
        (Condition.of("accuracy", 0.9), {"accuracy": 0.89}, False),
        (Condition.of("rmse", 1.2), {"rmse": 1.2}, True),
        (Condition.of("rmse", 1.2), {"rmse": 1.21}, False),
        (Condition.of("female.brier", 0.2), {"female.brier": 0.1}, True),
        (Condition.of("rmse", 1.2), {"accuracy": 0.1}, False),
    ],
)
def test_condition__of_a_metrics_name__has_its_direction(condition: Condition, metrics: Metrics, is_met: bool) -> None:
    assert condition.is_met(metrics) is is_met


# ------------------------------------------------------------------------------------------------------------ heartbeat


def test_step__nothing_changes__is_shown_again_now_and_then(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=1)
    node = swarm.nodes[0]
    for _ in range(5):
        node.agent.step()
    shown = len(node.activities)
    node.agent.step()
    assert len(node.activities) == shown
    swarm.chain.advance(int(HEARTBEAT))
    node.agent.step()
    assert node.activities[shown:] == [node.activities[-2]]


def test_document__of_an_activity__has_the_head_in_hexadecimal() -> None:
    digest = Digest(b"\xab" * 32)
    assert Activity(does="waiting", round=1, head=digest).document()["head"] == "0x" + "ab" * 32
    assert Activity(does="waiting", round=1).document()["head"] is None


# ----------------------------------------------------------------------------------------------------------- full disks


def test_run__journal_has_no_room__is_a_clear_error_and_a_restart_goes_on(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    node = swarm.nodes[0]
    pages = node.journal._db.execute("PRAGMA page_count").fetchone()[0]
    node.journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match=r"make room, then start the agent again"):
        swarm.run(rounds=1000, steps=10_000)
    node = swarm.restart(node)
    done = swarm.chain.look().swarm.finalized_rounds
    swarm.run(rounds=done + 2)
    assert node.account in {entry.node for entry in swarm.head().included}


def test_journal__file_is_none_of_sqlites__says_to_move_it_away(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no journal at all" * 100)
    with pytest.raises(JournalError, match="move it away"):
        Journal(tmp_path / "journal.sqlite", chain_id=1, coordinator=ADMIN, account=ADMIN)


def test_translated__another_error_of_the_system__stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), translated():
        (tmp_path / "nothing").read_bytes()


def test_run__no_room_while_it_ends__raises_the_first_error_and_says_that_peers_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    node.agent.step()
    node.journal._db.execute("PRAGMA query_only = ON")  # every write fails, as on a disk that was mounted anew
    with pytest.raises(JournalError, match="look at this machine's disk"):
        node.agent.run()
    assert "could not suspend this node" in caplog.text
    assert swarm.chain.node_info(node.account).status == NodeStatus.ACTIVE
    node.journal._db.execute("PRAGMA query_only = OFF")
    swarm.run(rounds=1)
    assert len(swarm.head().included) == 4


def test_step__spool_has_no_room__is_a_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.TRAINING)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(DiskFull, match="no room is left on the disk"):
            node.agent.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    swarm.restart(node)
    swarm.run(rounds=1)
    assert len(swarm.head().included) == 4
    assert sqlite3.connect(node.journal.path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
