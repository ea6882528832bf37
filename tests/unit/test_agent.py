"""Whole swarms of real agents over the in-memory chain and store: what they agree on, and what they survive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.agent import convergence
from swarm_chain.agent.activity import Health
from swarm_chain.agent.journal import SignedTransaction
from swarm_chain.agent.policy import Condition, Policy
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import Excluded, Reason, UpdateDocument, read
from swarm_chain.errors import JournalError, NotFinite
from swarm_chain.ports import OnSigned
from swarm_chain.types import (
    AbortReason,
    Address,
    Attest,
    Call,
    Digest,
    Event,
    NodeInfo,
    NodeRegistered,
    NodeRemoved,
    NodeStatus,
    NodeSuspended,
    Phase,
    Receipt,
    RemoveNode,
    ResultAttested,
    RoundAborted,
    RoundNumber,
    Suspend,
    SuspensionReason,
    UpdateRevealed,
)
from tests.swarm import ADMIN, CountingTrainer, Fault, Swarm

UNAVAILABLE = Reason.UNAVAILABLE


def reveals(swarm: Swarm) -> list[UpdateRevealed]:
    return [event for event in swarm.chain.events() if isinstance(event, UpdateRevealed)]


def attestations(swarm: Swarm) -> dict[Address, Digest]:
    """What each node attests to, in the newest round that anybody attested in."""
    events = [event for event in swarm.chain.events() if isinstance(event, ResultAttested)]
    return {event.node: event.result for event in events if event.round == events[-1].round}


def is_idle(swarm: Swarm) -> bool:
    return swarm.chain.look().round.phase == Phase.IDLE


def lag_once(chain: MemoryChain) -> None:
    """Lets the next answer lack the last reveal and what followed it."""
    events = chain.events

    def lagging(**given: Any) -> Sequence[Event]:
        del chain.events  # type: ignore[method-assign]
        found = events(**given)
        last = max(index for index, event in enumerate(found) if isinstance(event, UpdateRevealed))
        return found[:last]

    chain.events = lagging  # type: ignore[method-assign]


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
                node.chain.settle([raw], nonce)
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


def test_settle__several_signed_with_one_nonce__are_settled_together_by_nonce(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    for nonce, raw in ((6, b"d"), (5, b"a"), (5, b"b")):
        node.journal.record_signed(SignedTransaction(digest=raw, nonce=nonce, raw=raw, function="openRound"))
    settled: list[tuple[list[bytes], int]] = []
    left: list[list[bytes]] = []

    def settle(signed: Sequence[bytes], nonce: int, *, on_signed: OnSigned | None = None) -> None:
        assert on_signed is not None
        on_signed(b"c%d" % nonce, b"c", nonce)
        settled.append((list(signed), nonce))
        left.append([one.raw for one in node.journal.unsettled()])

    node.chain.settle = settle  # type: ignore[method-assign]
    node.agent.step()

    assert settled == [([b"a", b"b"], 5), ([b"d"], 6)]
    assert left == [[b"a", b"b", b"c", b"d"], [b"d", b"c"]]
    assert node.journal.unsettled() == []


def test_absence__is_looked_for__of_members_only_and_by_their_events(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.chain.as_account(ADMIN).send(RemoveNode(node=swarm.nodes[3].account))
    node = swarm.nodes[0]
    asked: list[list[Address]] = []
    kinds: list[object] = []
    node_infos, events = node.chain.node_infos, node.chain.events

    def noted_infos(nodes: Sequence[Address]) -> Sequence[NodeInfo]:
        asked.append(sorted(nodes))
        return node_infos(nodes)

    def noted_events(**options: Any) -> Sequence[Event]:
        kinds.append(options.get("kinds"))
        return events(**options)

    node.chain.node_infos = noted_infos  # type: ignore[method-assign]
    node.chain.events = noted_events  # type: ignore[method-assign]
    node.agent.step()

    assert asked[0] == sorted(one.account for one in swarm.nodes[1:3])
    assert kinds == [(NodeRegistered, NodeRemoved)]


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
    swarm.nodes[0].journal.close()
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


def test_converging__attested_with_something_missing__moves_to_what_includes_more(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    first, second, third, silent = swarm.nodes
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    (missing,) = [one.digest for one in reveals(swarm) if one.node == silent.account]
    first.store.hidden.add(document_cid(missing))
    swarm.faults = {2: Fault.SILENT, 3: Fault.SILENT}
    swarm.run_until(lambda: len(attestations(swarm)) == 2)
    assert len(set(attestations(swarm).values())) == 2, "one did without the missing update"

    first.store.hidden.clear()
    swarm.run_until(lambda: len(set(attestations(swarm).values())) == 1)
    third.agent.step()
    assert len(swarm.head().included) == 4
    assert attestations(swarm)[first.account] == attestations(swarm)[second.account]


def test_converging__an_endpoint_lags_by_a_reveal__is_not_believed(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    for node in swarm.nodes[:2]:
        lag_once(node.chain)
    swarm.run(rounds=1)
    assert len(swarm.head().included) == 4
    assert len(set(attestations(swarm).values())) == 1


def test_converging__a_stranger_is_said_to_be_unavailable__is_refused_without_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges: list[object] = []
    build = convergence.build_result
    monkeypatch.setattr(convergence, "build_result", lambda **given: merges.append(given) or build(**given))
    swarm = Swarm(tmp_path)
    liar = swarm.nodes[3]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    stranger = Excluded(node=Address(b"\x77" * 20), update=document_cid(reveals(swarm)[0].digest), reason=UNAVAILABLE)
    lie = replace(
        swarm.head(), round=RoundNumber(1), chain=1, contract=ADMIN, base=swarm.head().cid(), excluded=(stranger,)
    )
    swarm.shared.put(lie.cid(), lie.encode())
    liar.chain.send(Attest(round=RoundNumber(1), result=lie.digest()))
    swarm.faults = {1: Fault.SILENT, 2: Fault.SILENT, 3: Fault.SILENT}
    for _ in range(20):
        swarm.nodes[0].agent.step()
    assert len(merges) == 1


def test_converging__an_update_of_the_base_cannot_be_had__asks_again_instead_of_guessing(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    blind = swarm.nodes[0]
    blind.store.hidden.add(swarm.head().included[1].update)
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.MERGING)
    blind.agent._heads._spool.keep_only(set())
    blind.agent.step()
    assert blind.account not in attestations(swarm)
    assert blind.activities[-1].health is Health.TROUBLED
    blind.store.hidden.clear()
    swarm.run(rounds=2)
    assert len(swarm.head().included) == 4


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


def test_min_new_samples__a_round_aborted__what_was_trained_is_submitted_again(tmp_path: Path) -> None:
    patient = Policy(min_new_samples=5, spread=0.0)
    swarm = Swarm(tmp_path, policies=dict.fromkeys(range(4), patient), faults={2: Fault.SILENT, 3: Fault.SILENT})
    swarm.run_until(lambda: any(isinstance(event, RoundAborted) for event in swarm.chain.events()))
    swarm.faults.clear()
    swarm.run(rounds=1)
    assert len(swarm.head().included) == 4


def test_data__broken_for_a_while__suspends_the_node_so_that_nobody_waits(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    broken = swarm.nodes[0]
    broken.trainer.broken = True
    swarm.run(rounds=2)
    assert swarm.chain.node_info(broken.account).status == NodeStatus.SUSPENDED
    before = swarm.chain.look().now
    swarm.run(rounds=4)
    assert swarm.chain.look().now - before < 30
    broken.trainer.broken = False
    swarm.chain.advance(60)
    swarm.run(rounds=6)
    assert broken.account in {entry.node for entry in swarm.head().included}


def test_absent_node__somebody_else_suspended_it__does_not_stop_the_next_round(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, faults={3: Fault.SILENT})
    silent = swarm.nodes[3]
    swarm.run_until(lambda: swarm.chain.node_info(silent.account).is_absent and is_idle(swarm))
    for node in swarm.nodes[:3]:
        node.agent._lookout.situation(node.chain.look())
    swarm.chain.as_account(ADMIN).send(Suspend(node=silent.account))
    swarm.nodes.append(swarm.join(4))
    finalized = swarm.chain.look().swarm.finalized_rounds
    swarm.run(rounds=finalized + 1)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_publish__staged_weights_lost__sits_out_loudly_and_publishes_nothing(tmp_path: Path, damage: str) -> None:
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    swarm.run_until(lambda: swarm.chain.look().round.phase == Phase.REVEALING)
    staged = node.journal.update(RoundNumber(1))
    assert staged is not None
    path = node.folder / "spool" / str(staged.weights)
    data = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    swarm.run(rounds=1)
    assert node.store.written == []
    assert any(
        activity.health is Health.TROUBLED and "gone or changed" in activity.note for activity in node.activities
    )
    swarm.run(rounds=2)
    assert len(swarm.head().included) == 4


def test_journal__used_by_a_running_agent__is_refused(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    with pytest.raises(JournalError, match="runs already"):
        swarm.start(swarm.nodes[0].account, CountingTrainer(1.0, 1), swarm.nodes[0].folder)


def test_journal__round_opened_again_on_another_base__stages_anew(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    journal = swarm.nodes[0].journal
    swarm.run_until(lambda: journal.update(RoundNumber(1)) is not None)
    update = journal.update(RoundNumber(1))
    assert update is not None
    journal.stage(replace(update, staged=replace(update.staged, base=Digest(b"\x01" * 32))))
    again = journal.update(RoundNumber(1))
    assert again is not None
    assert again.staged.base == b"\x01" * 32


def test_run__rounds_reached__suspends_its_node_and_returns(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    swarm.policies[0] = Policy(rounds=1)
    node = swarm.restart(swarm.nodes[0])
    node.agent.run()
    assert swarm.chain.node_info(node.account).status == NodeStatus.SUSPENDED
    assert node.activities[-1].does == "stopped"


def test_run__metric_of_the_head_reached__returns(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    wanted = 7 * EACH_ROUND
    for bound, is_ceiling, is_reached in ((wanted + 1, False, False), (wanted - 1, True, False), (wanted, True, True)):
        swarm.policies[0] = Policy(until=Condition(metric="sum", bound=bound, is_ceiling=is_ceiling))
        node = swarm.restart(swarm.nodes[0])
        node.agent.step()
        node.agent.step()
        assert node.agent._is_stopping is is_reached


def test_run__head_cannot_be_evaluated__goes_on_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    swarm.policies[0] = Policy(until=Condition(metric="sum", bound=1.0), spread=0.0)
    swarm.nodes[0].trainer.broken = True
    node = swarm.restart(swarm.nodes[0])
    for _ in range(3):
        node.agent.step()
    assert not node.agent._is_stopping
    assert "the head cannot be evaluated" in caplog.text


def test_run__interrupted__ends_at_once_without_a_transaction(tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    swarm = Swarm(tmp_path)
    agent = swarm.nodes[0].agent
    agent._sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        agent.run()
    assert swarm.chain.node_info(agent.account).status == NodeStatus.ACTIVE


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
