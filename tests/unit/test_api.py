"""Nodes driven by the user's own code, among agents: what goes into rounds, what is refused, what survives."""

from __future__ import annotations

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
from swarm_chain.core.weights import specs_of
from swarm_chain.errors import ConfigurationError, ContributionError, NotFinite, ShapeMismatch, TaskError
from swarm_chain.tasks import NodeData, Task
from swarm_chain.types import AddNode, Address, NodeStatus, Parameters, Phase, RoundAborted
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
        )
        clock = lambda: float(chain.look().now)  # noqa: E731
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
    hand.evaluate = lambda model: {"sum": float(sum(parameter.sum() for parameter in model.parameters()))}
    with hand.join() as node:
        numbers = [contribute(round_, hand.module) for round_ in node.rounds(until=("sum", 500.0))]
    assert numbers == [1, 2]


def test_rounds__end_is_reached_already__there_is_none(hand: ByHand) -> None:
    hand.swarm.run(rounds=2)
    with hand.join() as node:
        assert list(node.rounds(until=2)) == []
    assert values(hand.module) == {hand.swarm.head_value()}


@pytest.mark.parametrize("limit", [0, -1])
def test_rounds__limit_that_is_none__is_refused(hand: ByHand, limit: int) -> None:
    with hand.join() as node, pytest.raises(ConfigurationError, match="from 1 on"):
        node.rounds(limit=limit)


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
