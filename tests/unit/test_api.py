"""Nodes driven by the user's own code, among agents: what goes into rounds, what is refused, what survives."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swarm_chain.adapters.torch_parameters import parameters_of
from swarm_chain.agent.activity import Activity
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Policy
from swarm_chain.api import Handed, Round, SwarmNode
from swarm_chain.api.handover import HandingTrainer
from swarm_chain.api.held import HeldModel
from swarm_chain.api.measuring import Measure
from swarm_chain.api.session import Session
from swarm_chain.core import unixfs, weights
from swarm_chain.core.documents import UpdateDocument, read
from swarm_chain.core.spool import Spool
from swarm_chain.core.weights import specs_of
from swarm_chain.errors import (
    ChainUnavailable,
    ConfigurationError,
    ContributionError,
    DiskFull,
    NotFinite,
    ShapeMismatch,
    TaskError,
)
from swarm_chain.ports import OnSigned
from swarm_chain.tasks import NodeData, Task
from swarm_chain.types import (
    AddNode,
    Address,
    Call,
    ChainView,
    Metrics,
    NodeStatus,
    Parameters,
    Receipt,
    RoundAborted,
)
from tests.swarm import ADMIN, Fault, Swarm, wire

MINE = Address(b"\x99" * 20)
ZEROS = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float32)}


class Model(nn.Module):
    """The model of the counting swarm."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(2, 3))
        self.b = nn.Parameter(torch.zeros(()))


class Headed(Model):
    """The same with a head of its node's own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 1)


class Counting(Task):
    """The counting swarm's task, as far as a module needs it."""

    private: ClassVar[tuple[str, ...]] = ()

    def model(self) -> nn.Module:
        return Model()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs - targets

    def open_data(self, data: str) -> NodeData:
        raise NotImplementedError


class Personal(Counting):
    private: ClassVar[tuple[str, ...]] = ("head.*",)


class ByHand:
    """A node of a swarm whose training the test does. Others take their turn while it sleeps."""

    def __init__(self, swarm: Swarm, *, module: nn.Module | None = None, task: Task | None = None) -> None:
        self.swarm = swarm
        self.module = module or Model()
        self.task = task or Counting()
        self.evaluate: Callable[[nn.Module], Mapping[str, Any]] | None = None
        self.activities: list[Activity] = []
        self.waiting = 0
        swarm.chain.as_account(ADMIN).send(AddNode(node=MINE, label="by hand"))

    def join(self) -> SwarmNode:
        """The node as after a start, or a kill and a start."""
        held = HeldModel(self.module, self.task, specs_of(ZEROS))
        measure = Measure(held, evaluate=self.evaluate, examples=None)
        node = SwarmNode(session=self.session(measure), held=held, measure=measure, examples=None)
        node.take_head()
        held.take_private(node._session.memory())
        return node

    def session(self, measure: Measure) -> Session:
        chain, folder = self.swarm.chain.as_account(MINE), self.swarm.folder / "by hand"
        self.chain = chain
        clock = lambda: float(self.swarm.chain.look().now)  # noqa: E731
        self.journal = Journal(
            folder / "journal.sqlite", chain_id=chain.chain_id, coordinator=chain.coordinator, account=MINE
        )
        trainer: Any = HandingTrainer(measure.base)
        agent = wire(
            self.swarm.task,
            chain,
            self.swarm.shared,
            trainer,
            folder,
            self.journal,
            Policy(spread=0.0),
            self.activities,
            clock,
        )
        return Session(
            agent=agent, chain=chain, journal=self.journal, trainer=trainer, poll=1.0, sleep=self.turn, clock=clock
        )

    def kill(self) -> None:
        """Everything in memory is gone, and the lock with it."""
        self.journal.close()

    def turn(self, _: float = 0.0) -> None:
        """Every other node's step, and a second."""
        self.waiting += 1
        assert self.waiting < 2000, self.swarm.chain.look().round
        for other in self.swarm.awake():
            other.agent.step()
        self.swarm.chain.advance(1)

    def others_until(self, is_done: Callable[[], bool]) -> None:
        """Lets the others go on, while this node's user trains."""
        while not is_done():
            self.turn()

    @property
    def status(self) -> NodeStatus:
        return self.swarm.chain.node_info(MINE).status


def add(model: nn.Module, step: float) -> None:
    """A training whose result can be read off: it adds a number to every shared parameter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("head."):
                parameter += step


def values(model: nn.Module) -> set[float]:
    return {float(value) for name in ("a", "b") for value in parameters_of(model)[name].reshape(-1)}


def total(model: nn.Module) -> float:
    return float(sum(parameter.detach().sum() for parameter in model.parameters()))


def included(swarm: Swarm) -> bool:
    """Whether the head has an update of the node driven by hand."""
    return MINE in [one.node for one in swarm.head().included]


@pytest.fixture
def hand(tmp_path: Path) -> ByHand:
    """A node by hand beside two agents, which add 1 and 10 to every parameter."""
    return ByHand(Swarm(tmp_path, nodes=2))


# ------------------------------------------------------------------------------------------------------------- the loop


def test_rounds__as_in_the_readme__model_holds_the_base_and_updates_count(hand: ByHand) -> None:
    model, began = hand.module, []
    with hand.join() as node:
        for round in node.rounds(until=3):  # noqa: A001
            began.append((round.number, values(model)))
            add(model, 100)
            assert round.contribute(model, samples=7) is Handed.IN_TIME
    each = (1 + 10 + 100) / 3
    assert began == [(1, {0.0}), (2, {each}), (3, {2 * each})]
    assert hand.swarm.head_value() == 3 * each
    assert values(model) == {3 * each}
    assert hand.status == NodeStatus.SUSPENDED


@pytest.mark.parametrize("is_sealed", [True, False])
def test_rounds__limit__brings_the_last_round_to_its_end_and_opens_no_other(tmp_path: Path, is_sealed: bool) -> None:
    hand = ByHand(Swarm(tmp_path, nodes=2, is_sealed=is_sealed))
    with hand.join() as node:
        numbers = [contribute(round_, hand.module) for round_ in node.rounds(limit=2)]
        assert numbers == [1, 2]
        assert included(hand.swarm)
        assert hand.swarm.chain.look().swarm.finalized_rounds == 2
        assert [contribute(round_, hand.module) for round_ in node.rounds(limit=1)] == [3]


def contribute(round_: Round, model: nn.Module) -> int:
    add(model, 100)
    round_.contribute(model, samples=1)
    return round_.number


def test_rounds__until_a_metric__ends_when_the_head_is_that_good(hand: ByHand) -> None:
    hand.evaluate = lambda model: {"sum": total(model)}
    with hand.join() as node:
        numbers = [contribute(round_, hand.module) for round_ in node.rounds(until=("sum", 500.0))]
    assert numbers == [1, 2]


def test_rounds__end_is_reached_already__there_is_none(hand: ByHand) -> None:
    hand.swarm.run(rounds=2)
    with hand.join() as node:
        assert list(node.rounds(until=2)) == []
    assert values(hand.module) == {hand.swarm.head_value()}


@pytest.mark.parametrize("limit", [0, -1, True, 1.0, "3"])
def test_rounds__limit_that_is_none__is_refused(hand: ByHand, limit: Any) -> None:
    with hand.join() as node, pytest.raises(ConfigurationError, match="from 1 on"):
        node.rounds(limit=limit)


@pytest.mark.parametrize("until", [True, 1.0, "accuracy>=0.9", ("accuracy",), (0.9, "accuracy")])
def test_rounds__until_that_is_no_end__is_refused(hand: ByHand, until: Any) -> None:
    with hand.join() as node, pytest.raises(ConfigurationError, match="give a number of rounds, or a metric"):
        node.rounds(until=until)


def test_rounds__nothing_contributed__is_sat_out_and_logged(hand: ByHand, caplog: pytest.LogCaptureFixture) -> None:
    with hand.join() as node:
        for round_ in node.rounds(until=2):
            if round_.number == 2:
                contribute(round_, hand.module)
    assert "round 1: nothing was contributed" in caplog.text
    assert hand.swarm.head().round == 2
    assert included(hand.swarm)


def test_skip__round_goes_on_without_this_node(hand: ByHand, caplog: pytest.LogCaptureFixture) -> None:
    with hand.join() as node:
        for round_ in node.rounds(limit=1):
            round_.skip()
            with pytest.raises(ContributionError, match="skipped already"):
                round_.contribute(hand.module, samples=1)
    assert not included(hand.swarm)
    assert hand.swarm.head_value() == (1 + 10) / 2
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_rounds__broken_off_and_begun_again__same_round_comes_again(hand: ByHand) -> None:
    with hand.join() as node:
        for _ in node.rounds():
            add(hand.module, 5)
            break
        again = next(node.rounds())
        assert again.number == 1
        assert values(hand.module) == {0.0}
        assert contribute(again, hand.module) == 1


# --------------------------------------------------------------------------------------------------------- contributing


def test_contribute__head_moved_while_training__is_too_late_and_the_loop_goes_on(hand: ByHand) -> None:
    handed = []
    with hand.join() as node:
        for round_ in node.rounds(until=2):
            if round_.number == 1:
                hand.others_until(lambda: hand.swarm.chain.look().swarm.finalized_rounds == 1)
                assert not round_.is_open
            add(hand.module, 100)
            handed.append(round_.contribute(hand.module, samples=1))
    assert handed == [Handed.TOO_LATE, Handed.IN_TIME]
    assert hand.swarm.head_value() == (1 + 10) / 2 + (1 + 10 + 100) / 3


def test_contribute__round_was_aborted__is_kept_for_the_next_and_not_asked_for_again(tmp_path: Path) -> None:
    hand = ByHand(Swarm(tmp_path, nodes=2, faults={1: Fault.SILENT}))
    with hand.join() as node:
        for round_ in node.rounds(limit=1):
            assert round_.is_open
            hand.others_until(lambda: has_aborted(hand.swarm))
            assert not round_.is_open
            add(hand.module, 100)
            assert round_.contribute(hand.module, samples=1) is Handed.KEPT
    assert hand.swarm.head().round == 2
    assert hand.swarm.head_value() == (1 + 100) / 2


def has_aborted(swarm: Swarm) -> bool:
    return any(isinstance(event, RoundAborted) for event in swarm.chain.events())


def test_contribute__chain_does_not_answer__is_kept_and_gets_in_later(
    hand: ByHand, caplog: pytest.LogCaptureFixture
) -> None:
    with hand.join() as node:
        for round_ in node.rounds(until=1):
            look = hand.chain.look
            hand.chain.look = unavailable  # type: ignore[method-assign]
            assert round_.is_open
            add(hand.module, 100)
            assert round_.contribute(hand.module, samples=1) is Handed.KEPT
            hand.chain.look = look  # type: ignore[method-assign]
    assert "is kept until the chain answers" in caplog.text
    assert included(hand.swarm)


def unavailable(*_: object, **__: object) -> ChainView:
    raise ChainUnavailable("no endpoint answers; look at the network")


def test_contribute__twice__is_refused(hand: ByHand) -> None:
    with hand.join() as node:
        round_ = next(node.rounds())
        contribute(round_, hand.module)
        with pytest.raises(ContributionError, match="round 1 was contributed to already"):
            round_.contribute(hand.module, samples=1)


@pytest.mark.parametrize("samples", [0, -3, 1.5, "12", None, True, 2**64])
def test_contribute__samples_that_no_update_has__are_refused_and_the_round_waits(hand: ByHand, samples: Any) -> None:
    with hand.join() as node:
        round_ = next(node.rounds())
        with pytest.raises(ContributionError, match=r"samples is .*: give the number of training examples"):
            round_.contribute(hand.module, samples=samples)
        assert round_.contribute(hand.module, samples=np.int64(3)) is Handed.IN_TIME
        training = hand.journal.training()
        assert training is not None
        assert training.samples == 3


def test_contribute__another_model__names_each_tensor(hand: ByHand) -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.zeros(3, 2))
            self.c = nn.Parameter(torch.zeros(()))

    with hand.join() as node:
        round_ = next(node.rounds())
        with pytest.raises(ShapeMismatch) as caught:
            round_.contribute(Other(), samples=1)
    for words in (
        "'a' F32[3, 2] instead of 'a' F32[2, 3]",
        "missing instead of 'b' F32[]",
        "'c' F32[] is not expected",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("model", [{"a": torch.zeros(3)}, None, "model.pt"])
def test_contribute__what_is_no_module__is_refused_and_the_round_waits(hand: ByHand, model: Any) -> None:
    with hand.join() as node:
        round_ = next(node.rounds())
        with pytest.raises(ContributionError, match=f"the model is of type {type(model).__name__}: give the torch"):
            round_.contribute(model, samples=1)
        assert round_.contribute(hand.module, samples=1) is Handed.IN_TIME


def test_contribute__not_finite__names_the_tensor_and_another_may_follow(hand: ByHand) -> None:
    with hand.join() as node:
        round_ = next(node.rounds())
        with torch.no_grad():
            hand.module.b.fill_(torch.nan)
        with pytest.raises(NotFinite, match="in b: look for"):
            round_.contribute(hand.module, samples=1)
        assert hand.journal.training() is None
        with torch.no_grad():
            hand.module.b.fill_(1)
        assert round_.contribute(hand.module, samples=1) is Handed.IN_TIME


def test_contribute__disk_is_full__says_so_and_the_round_waits(hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with hand.join() as node:
        round_ = next(node.rounds())
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "add", full)
            with pytest.raises(DiskFull, match="no room is left on the disk"):
                round_.contribute(hand.module, samples=1)
        assert round_.contribute(hand.module, samples=1) is Handed.IN_TIME


def test_contribute__another_module_of_the_same_model__is_what_counts(hand: ByHand) -> None:
    averaged = Model()
    add(averaged, 100)
    with hand.join() as node:
        for round_ in node.rounds(limit=1):
            round_.contribute(averaged, samples=1)
    assert hand.swarm.head_value() == (1 + 10 + 100) / 3
    assert values(averaged) == {100.0}


# -------------------------------------------------------------------------------------------------------------- metrics


def update_metrics(hand: ByHand) -> tuple[Metrics, Metrics]:
    """What the update in the head says of its base, and of itself."""
    (link,) = [one.update for one in hand.swarm.head().included if one.node == MINE]
    document = read(hand.swarm.shared.get, link, UpdateDocument)
    return document.base_metrics, document.local_metrics


def test_metrics__by_the_users_function__are_of_base_and_contribution(hand: ByHand) -> None:
    def evaluate(model: nn.Module) -> Mapping[str, Any]:
        model.eval()
        return {"sum": torch.tensor(total(model)), "share": np.float32(0.5), "odd": float("nan")}

    hand.evaluate = evaluate
    with hand.join() as node:
        for round_ in node.rounds(limit=1):
            assert hand.module.training
            assert round_.base_metrics == {"sum": 0.0, "share": 0.5}
            contribute(round_, hand.module)
            assert node.evaluate() == {"sum": 700.0, "share": 0.5}
            assert node.evaluate(Model()) == {"sum": 0.0, "share": 0.5}
            assert hand.module.training
    assert update_metrics(hand) == ({"sum": 0.0, "share": 0.5}, {"sum": 700.0, "share": 0.5})


def test_metrics__given__are_what_the_update_says(hand: ByHand) -> None:
    with hand.join() as node:
        for round_ in node.rounds(limit=1):
            round_.contribute(hand.module, samples=1, metrics={"accuracy": 1})
    assert update_metrics(hand) == ({}, {"accuracy": 1.0})


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"accuracy": "good"}, "the metric accuracy is 'good'"),
        ({"accuracy": None}, "the metric accuracy is 'None'"),
        ({"accuracy": torch.zeros(2)}, "the metric accuracy is"),
        ({"two\nlines": 1.0}, "cannot be a metric's name"),
        ({3: 1.0}, "cannot be a metric's name"),
        ({f"m{number}": 1.0 for number in range(1025)}, "1025 metrics"),
        (["accuracy"], "metrics are list: give names and numbers"),
    ],
)
def test_metrics__that_no_update_can_hold__are_refused(hand: ByHand, metrics: Any, words: str) -> None:
    with hand.join() as node:
        round_ = next(node.rounds())
        with pytest.raises(ContributionError, match=words):
            round_.contribute(hand.module, samples=1, metrics=metrics)


def test_metrics__function_that_gives_none__is_refused_with_the_type(hand: ByHand) -> None:
    hand.evaluate = lambda model: 0.93  # type: ignore[assignment,return-value]
    with hand.join() as node, pytest.raises(ContributionError, match="evaluate gave float"):
        next(node.rounds())


def test_evaluate__nothing_to_measure_by__says_what_to_give(hand: ByHand) -> None:
    with hand.join() as node:
        with pytest.raises(ConfigurationError, match="evaluate="):
            node.evaluate()
        with pytest.raises(ConfigurationError, match="data="):
            _ = node.data


# -------------------------------------------------------------------------------------------- what stays, what survives


@pytest.mark.parametrize("error", [ValueError("the user's own"), KeyboardInterrupt(), SystemExit(1)])
def test_loop__error_in_the_users_code__leaves_in_order_and_goes_on_later(hand: ByHand, error: BaseException) -> None:
    with pytest.raises(type(error)):
        train_and_raise(hand, error)
    assert hand.status == NodeStatus.SUSPENDED
    assert hand.activities[-1].does == "stopped"
    with hand.join() as node:
        assert [contribute(round_, hand.module) for round_ in node.rounds(until=1)] == [1]
    assert included(hand.swarm)


def train_and_raise(hand: ByHand, error: BaseException) -> None:
    with hand.join() as node:
        for _ in node.rounds():
            raise error


def test_loop__interrupted_while_it_waits__leaves_in_order(tmp_path: Path) -> None:
    hand = ByHand(Swarm(tmp_path, nodes=1))

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    hand.turn = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), hand.join() as node:
        list(node.rounds())
    assert hand.status == NodeStatus.SUSPENDED


def test_loop__interrupted_between_signing_and_sending__settles_before_it_leaves(hand: ByHand) -> None:
    with pytest.raises(KeyboardInterrupt):
        contribute_and_be_interrupted(hand)
    assert hand.status == NodeStatus.SUSPENDED
    assert hand.swarm.chain.node_info(MINE).committed_round == 1
    with hand.join() as node:
        assert list(node.rounds(until=1)) == []
    assert included(hand.swarm)


def contribute_and_be_interrupted(hand: ByHand) -> None:
    """Ctrl-C once the commitment is signed and journalled, and nobody has it yet."""
    with hand.join() as node:
        round_ = next(node.rounds())
        send = hand.chain.send

        def interrupted(call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
            hand.chain.send = send  # type: ignore[method-assign]

            def sign(digest: bytes, raw: bytes, nonce: int) -> None:
                assert on_signed is not None
                on_signed(digest, raw, nonce)
                raise KeyboardInterrupt

            return send(call, on_signed=sign)

        hand.chain.send = interrupted  # type: ignore[method-assign]
        contribute(round_, hand.module)


def test_loop__broken_off_after_a_commitment__is_revealed_after_the_next_join(hand: ByHand) -> None:
    with hand.join() as node:
        for round_ in node.rounds():
            contribute(round_, hand.module)
            break
    assert hand.status == NodeStatus.SUSPENDED
    with hand.join() as node:
        assert list(node.rounds(until=1)) == []
    assert included(hand.swarm)


def test_kill__after_a_contribution_that_no_chain_saw__is_in_the_round_without_another_training(hand: ByHand) -> None:
    node = hand.join()
    round_ = next(node.rounds())
    hand.chain.send = unavailable  # type: ignore[assignment]
    add(hand.module, 100)
    assert round_.contribute(hand.module, samples=1) is Handed.KEPT
    hand.kill()
    hand.module = Model()
    with hand.join() as node:
        assert list(node.rounds(until=1)) == []
    assert hand.swarm.head_value() == (1 + 10 + 100) / 3


def test_kill__while_the_user_trains__same_round_is_asked_for_again(hand: ByHand) -> None:
    first = next(hand.join().rounds())
    hand.kill()
    with hand.join() as node:
        again = next(node.rounds())
        assert (again.number, again.base) == (first.number, first.base)


def test_close__twice_and_used_afterwards__says_so(hand: ByHand) -> None:
    node = hand.join()
    round_ = next(node.rounds())
    node.close()
    node.close()
    for use in (lambda: list(node.rounds()), node.head, lambda: node.swarm, lambda: contribute(round_, hand.module)):
        with pytest.raises(ContributionError, match="was closed; join again"):
            use()


# ------------------------------------------------------------------------------------------------------ private, frozen


def test_private__never_leaves_the_node_and_is_there_after_a_kill(tmp_path: Path) -> None:
    hand = ByHand(Swarm(tmp_path, nodes=2), module=Headed(), task=Personal())
    node = hand.join()
    for round_ in node.rounds(limit=1):
        add(hand.module, 100)
        with torch.no_grad():
            hand.module.head.weight.fill_(7)  # type: ignore[union-attr]
        round_.contribute(hand.module, samples=1)
    hand.kill()
    hand.module = Headed()
    hand.join()
    assert hand.module.head.weight.unique().tolist() == [7.0]  # type: ignore[union-attr]
    assert values(hand.module) == {hand.swarm.head_value()} == {(1 + 10 + 100) / 3}
    (link,) = [one.update for one in hand.swarm.head().included if one.node == MINE]
    update = read(hand.swarm.shared.get, link, UpdateDocument)
    data = b"".join(unixfs.read(hand.swarm.shared.get, unixfs.File(cid=update.weights, size=update.bytes)))
    assert set(weights.decode(data)) == {"a", "b"}


def test_private__module_whose_own_tensors_changed__names_them(tmp_path: Path) -> None:
    hand = ByHand(Swarm(tmp_path, nodes=2), module=Headed(), task=Personal())
    with hand.join() as node:
        contribute(next(node.rounds()), hand.module)
    hand.module = Headed()
    hand.module.head = nn.Linear(3, 2)
    with pytest.raises(ShapeMismatch, match=r"head\.bias"):
        hand.join()
    hand.kill()


def test_private__pattern_that_fits_nothing__names_what_there_is() -> None:
    with pytest.raises(TaskError, match=r"no tensor 'head\.\*'; it has a, b"):
        HeldModel(Model(), Personal(), specs_of(ZEROS))


class Fixed(Counting):
    frozen: ClassVar[tuple[str, ...]] = ("head.*",)


def test_frozen__is_the_swarms_and_nobody_trains_it() -> None:
    module, task = Headed(), Fixed()
    task.frozen_parameters = {
        "head.bias": np.ones(1, np.float32),
        "head.weight": np.full((1, 3), 2, np.float32),
    }
    held = HeldModel(module, task, specs_of(ZEROS))
    held.take(ZEROS)
    assert [parameter.requires_grad for parameter in module.head.parameters()] == [False, False]
    assert module.head.weight.tolist() == [[2.0, 2.0, 2.0]]
    with torch.no_grad():
        module.head.weight.zero_()
    shared, memory = held.outcome_of(module, {})
    assert (set(shared), memory) == ({"a", "b"}, {})
    assert module.head.weight.tolist() == [[2.0, 2.0, 2.0]]


def test_model__of_other_shapes__names_each_tensor() -> None:
    module = Model()
    module.b = nn.Parameter(torch.zeros(4))
    with pytest.raises(ShapeMismatch, match=r"'b' F32\[4\] instead of 'b' F32\[\]"):
        HeldModel(module, Counting(), specs_of(ZEROS))


def test_memory__of_the_tasks_own_training__is_kept() -> None:
    held = HeldModel(Headed(), Personal(), specs_of(ZEROS))
    before: Parameters = {"task/0.exp_avg": np.ones(2), "private/head.bias": np.ones(1)}
    _, memory = held.outcome_of(held.module, before)
    assert sorted(memory) == ["private/head.bias", "private/head.weight", "task/0.exp_avg"]
