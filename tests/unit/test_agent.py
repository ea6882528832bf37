"""Whole swarms of real agents over the in-memory chain and store: what they agree on, and what they survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_chain.agent.activity import Health
from swarm_chain.agent.policy import Policy
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import Reason, UpdateDocument, read
from swarm_chain.errors import JournalError, NotFinite
from swarm_chain.ports import OnSigned
from swarm_chain.types import (
    AbortReason,
    Address,
    Call,
    NodeStatus,
    NodeSuspended,
    Phase,
    Receipt,
    ResultAttested,
    RoundAborted,
    RoundNumber,
    SuspensionReason,
    UpdateRevealed,
)
from tests.swarm import CountingTrainer, Fault, Swarm

EACH_ROUND = (1 + 10 + 100 + 1000) / 4
"""What the mean of four nodes' updates adds to the head."""


@pytest.mark.parametrize("is_sealed", [True, False])
def test_rounds__everybody_takes_part__head_is_the_mean_of_all(tmp_path: Path, is_sealed: bool) -> None:
    swarm = Swarm(tmp_path, is_sealed=is_sealed)
    swarm.run(rounds=3)
    assert swarm.head_value() == 3 * EACH_ROUND
    assert len(swarm.head().included) == 4
    assert [node.trainer.trainings for node in swarm.nodes] == [[1, 2, 3]] * 4


def test_rounds__no_deadline_is_needed__when_everybody_takes_part(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    began = swarm.chain.look().now
    swarm.run(rounds=3)
    assert swarm.chain.look().now - began < 60


def test_publish__while_training__nothing_of_it_can_be_read(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run_until(lambda: swarm.chain.look().round.commits == 3)
    assert swarm.chain.look().round.phase == Phase.TRAINING
    assert [node.store.written for node in swarm.nodes] == [[], [], [], []]


def test_publish__round_not_deep_enough__waits_for_confirmations(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(confirmations=5, spread=0.0)})
    node = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.REVEALING)
    node.agent.step()
    assert node.store.written == []
    swarm.chain.mine(5)
    node.agent.step()
    assert node.store.written != []


def test_silent_node__is_suspended_for_absence__and_comes_back(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, faults={3: Fault.SILENT})
    swarm.run(rounds=3)
    silent = swarm.nodes[3]
    assert swarm.chain.node_info(silent.account).status == NodeStatus.SUSPENDED
    reasons = [event.reason for event in swarm.chain.events() if isinstance(event, NodeSuspended)]
    assert reasons == [SuspensionReason.ABSENCE]

    before = swarm.chain.look().now
    swarm.run(rounds=4)
    assert swarm.chain.look().now - before < 30, "nobody waits for a suspended node"

    swarm.faults.clear()
    swarm.run(rounds=6)
    assert silent.account in {entry.node for entry in swarm.head().included}


def test_late_join__registers_while_a_round_runs__takes_part_from_the_next(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    swarm.run(rounds=1)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.TRAINING)
    swarm.nodes.append(swarm.join(3))
    swarm.run(rounds=2)
    assert len(swarm.head().included) == 3
    swarm.run(rounds=3)
    assert len(swarm.head().included) == 4
    assert swarm.nodes[3].trainer.trainings == [3]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_kill__after_every_single_step__trains_once_and_sends_once_a_round(tmp_path: Path, is_sealed: bool) -> None:
    swarm = Swarm(tmp_path, is_sealed=is_sealed)
    for _ in range(200):
        if swarm.chain.look().swarm.finalized_rounds == 2:
            break
        for node in list(swarm.nodes):
            node.agent.step()
            swarm.restart(node)
        swarm.chain.advance(1)
    assert swarm.head_value() == 2 * EACH_ROUND
    assert [node.trainer.trainings for node in swarm.nodes] == [[1, 2]] * 4
    assert len([event for event in swarm.chain.events() if isinstance(event, UpdateRevealed)]) == 8


@pytest.mark.parametrize("was_sent", [False, True])
def test_kill__after_signing__the_signed_transaction_is_settled_and_no_second_sent(
    tmp_path: Path, was_sent: bool
) -> None:
    class Killed(BaseException):
        pass

    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    swarm.run_until(lambda: node.journal.update(RoundNumber(1)) is not None)
    send = node.chain.send

    def killed(call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        def then_killed(digest: bytes, raw: bytes, nonce: int) -> None:
            assert on_signed is not None
            on_signed(digest, raw, nonce)
            if was_sent:
                node.chain.settle(raw, nonce)
            raise Killed

        return send(call, on_signed=then_killed)

    node.chain.send = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        node.agent.step()
    again = swarm.restart(node)
    assert len(again.journal.unsettled()) == 1
    again.agent.step()
    assert again.journal.unsettled() == []
    assert swarm.chain.node_info(node.account).committed_round == 1
    swarm.run(rounds=1)
    assert swarm.head_value() == EACH_ROUND


def test_abort__base_unchanged__submits_again_without_training(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, faults={2: Fault.SILENT, 3: Fault.SILENT})
    swarm.run_until(lambda: any(isinstance(event, RoundAborted) for event in swarm.chain.events()))
    swarm.faults.clear()
    swarm.run(rounds=1)
    assert [event.reason for event in swarm.chain.events() if isinstance(event, RoundAborted)] == [
        AbortReason.TOO_FEW_UPDATES
    ]
    assert swarm.head().round == 2
    assert swarm.nodes[0].trainer.trainings == [1]
    assert swarm.head_value() == EACH_ROUND


def test_journal__lost_after_the_commit__is_loud_and_sits_the_round_out(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.node_info(node.account).committed_round == 1)
    node.journal.close()
    for path in node.folder.glob("journal*"):
        path.unlink()
    again = swarm.restart(node)
    swarm.run(rounds=1)
    troubled = [activity for activity in again.activities if activity.health is Health.TROUBLED]
    assert "does not know" in troubled[0].note
    assert node.account not in {entry.node for entry in swarm.head().included}
    swarm.run(rounds=2)
    assert node.account in {entry.node for entry in swarm.head().included}


def test_journal__of_another_node__is_refused(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    with pytest.raises(JournalError, match="give this node a journal of its own"):
        swarm.start(Address(b"\x99" * 20), CountingTrainer(1.0, 1), swarm.nodes[0].folder)


def test_training__gives_nan_at_first__ends_with_the_error_and_suspends(tmp_path: Path) -> None:
    class Diverging(CountingTrainer):
        def train(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise NotFinite("tensor 'a' holds NaN")

    swarm = Swarm(tmp_path, nodes=2)
    node = swarm.join(2, trainer=Diverging(1.0, 1))
    with pytest.raises(NotFinite):
        node.agent.run()
    assert swarm.chain.node_info(node.account).status == NodeStatus.SUSPENDED
    assert node.activities[-1].does == "stopped"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.WRONG_SHAPE, Reason.SHAPE_MISMATCH),
        (Fault.NOT_FINITE, Reason.NON_FINITE),
        (Fault.COPIED, Reason.DUPLICATE),
    ],
)
def test_faulty_update__everybody_leaves_it_out_for_the_same_reason(
    tmp_path: Path, fault: Fault, reason: Reason
) -> None:
    swarm = Swarm(tmp_path, nodes=5, faults={4: fault})
    swarm.run(rounds=2)
    assert [(entry.node, entry.reason) for entry in swarm.head().excluded] == [(swarm.nodes[4].account, reason)]
    assert swarm.head_value() == 2 * EACH_ROUND


def test_converging__one_node_cannot_fetch__moves_to_what_includes_more(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    blind = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    hidden = document_cid(
        next(
            event.digest
            for event in swarm.chain.events()
            if isinstance(event, UpdateRevealed) and event.node == swarm.nodes[3].account
        )
    )
    blind.store.hidden.add(hidden)
    swarm.run(rounds=1)
    assert len(swarm.head().included) == 4
    assert swarm.head_value() == EACH_ROUND


def test_converging__an_update_nobody_else_can_fetch__is_left_out_as_unavailable(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    secretive = swarm.nodes[3]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    revealed = [event for event in swarm.chain.events() if isinstance(event, UpdateRevealed)]
    digest = next(event.digest for event in revealed if event.node == secretive.account)
    weights = read(swarm.shared.get, digest, UpdateDocument).weights
    for node in swarm.nodes[:3]:
        node.store.hidden |= {document_cid(digest), weights}
    swarm.run(rounds=1)
    assert [(entry.node, entry.reason) for entry in swarm.head().excluded] == [(secretive.account, Reason.UNAVAILABLE)]
    assert swarm.head_value() == (1 + 10 + 100) / 3


def test_converging__too_little_can_be_fetched__nobody_attests_and_the_round_aborts(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    for event in swarm.chain.events():
        if isinstance(event, UpdateRevealed) and event.node != swarm.nodes[0].account:
            for node in swarm.nodes:
                node.store.hidden.add(document_cid(event.digest))
    swarm.run_until(lambda: any(isinstance(event, RoundAborted) for event in swarm.chain.events()))
    events = swarm.chain.events()
    assert [event.reason for event in events if isinstance(event, RoundAborted)] == [AbortReason.NO_QUORUM]
    assert not [event for event in events if isinstance(event, ResultAttested)]


def test_run__rounds_reached__suspends_its_node_and_returns(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    node = swarm.start(swarm.nodes[0].account, CountingTrainer(1.0, 1), tmp_path / "0", Policy(rounds=1))
    node.agent.run()
    assert swarm.chain.node_info(node.account).status == NodeStatus.SUSPENDED
    assert node.activities[-1].does == "stopped"


def test_run__metric_of_the_head_reached__returns(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    wanted = 7 * EACH_ROUND
    for until, is_reached in ((("sum", wanted + 1), False), (("sum", wanted), True)):
        node = swarm.start(swarm.nodes[0].account, CountingTrainer(1.0, 1), tmp_path / "0", Policy(until=until))
        node.agent.step()
        node.agent.step()
        assert node.agent._is_stopping is is_reached
        node.journal.close()


def test_min_new_samples__none_came__sits_out_until_they_come(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(min_new_samples=5, spread=0.0)})
    patient = swarm.nodes[0]
    swarm.run(rounds=3)
    assert patient.trainer.trainings == [1]
    assert swarm.chain.node_info(patient.account).status == NodeStatus.SUSPENDED
    patient.trainer.count += 5
    swarm.run(rounds=5)
    assert patient.trainer.trainings == [1, 4]


def test_order_of_arrival__shuffled__gives_the_same_head(tmp_path: Path) -> None:
    heads = set()
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        swarm = Swarm(tmp_path / str(order[0]))
        swarm.nodes = [swarm.nodes[index] for index in order]
        swarm.run(rounds=2)
        heads.add(swarm.head().weights)
    assert len(heads) == 1
