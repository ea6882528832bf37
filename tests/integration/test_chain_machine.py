"""The contract and the in-memory chain under the same random calls: every view, event and error is the same.

A Hypothesis state machine: valid calls and calls that make no sense, by everybody, while time passes. What fails is
shrunk to the few calls that matter. The contract runs on Anvil and on Ganache.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from swarm_chain import errors, types
from swarm_chain.devnet import Devnet
from swarm_chain.types import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    AbortReason,
    AddNode,
    Address,
    Call,
    Lift,
    RegisterNode,
    RemoveNode,
    Resume,
    Suspend,
)
from tests.chains import MemoryWorld, digest, normalised, signer
from tests.coordinators import Outcome, RawCoordinator, View, says, views
from tests.integration.test_chain_model import NODES, VARIANTS, any_call, random_invitation, sensible_call

ACCOUNTS = [*(signer(index).address for index in range(NODES)), ZERO_ADDRESS]
RESULTS = [ZERO_DIGEST, digest(8), digest(9)]
VIEWS = views(ACCOUNTS, RESULTS)
DEPLOYING = {
    "ZeroTaskDigest",
    "ZeroGenesisDigest",
    "ZeroAdmin",
    "QuorumOutOfRange",
    "MinUpdatesTooSmall",
    "ZeroWindow",
    "WindowsOutOfOrder",
    "MaxWindowTooLong",
    "RevealWindowTooLong",
    "MergeWindowTooLong",
    "ZeroAbsenceLimit",
}
"""What only a constructor raises."""
OUT_OF_REACH = {"NodeLimitReached"}
"""What takes 65,535 nodes; forge's tests write that number into the contract's storage."""
DICE = st.randoms(use_true_random=False)
INDICES = st.integers(0, NODES - 1)
SPOILT: dict[str, tuple[object, ...]] = {
    "digest": (ZERO_DIGEST, digest(2)),
    "result": (ZERO_DIGEST,),
    "commitment": (bytes(32),),
    "samples": (0, 2),
    "salt": (bytes(32),),
}


@dataclass
class Tally:
    """What happened in all runs of a machine."""

    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    reasons: Counter[AbortReason] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        error, what = outcome
        self.calls += 1
        self.outcomes[error] += 1
        for event in what if isinstance(what, list) else []:
            self.events[type(event).__name__] += 1
            if isinstance(event, types.RoundAborted):
                self.reasons[event.reason] += 1


def add(node: Address) -> AddNode:
    return AddNode(node=node, label="again")


def add_with_a_long_name(node: Address) -> AddNode:
    return AddNode(node=node, label="x" * 65)


class Machine(RuleBasedStateMachine):
    """One swarm's life. `play` sets the chain that it is on, and what counts."""

    chain: Callable[[], Devnet]
    tally: Tally

    @initialize(variant=st.sampled_from(sorted(VARIANTS)))
    def deploy(self, variant: str) -> None:
        self.contract = RawCoordinator(self.chain(), VARIANTS[variant])
        world = self.contract.world
        self.model = MemoryWorld(VARIANTS[variant], coordinator=world.coordinator, start=world.start)
        self.compare_views()

    @rule(dice=DICE)
    def everybody_acts(self, dice: random.Random) -> None:
        """Each node does what it would do next."""
        for index in range(NODES):
            self.send(index, self.sensible(dice, index))

    @rule(index=INDICES, dice=DICE)
    def one_acts(self, index: int, dice: random.Random) -> None:
        self.send(index, self.sensible(dice, index))

    @rule(index=INDICES, dice=DICE)
    def anybody_calls_anything(self, index: int, dice: random.Random) -> None:
        self.send(index, any_call(dice, self.model, index))

    @rule(index=INDICES, dice=DICE)
    def one_acts_almost_rightly(self, index: int, dice: random.Random) -> None:
        self.send(index, spoilt(dice, self.sensible(dice, index)))

    @rule(
        node=st.sampled_from(ACCOUNTS),
        decision=st.sampled_from((Suspend, Lift, Lift, add, add, add_with_a_long_name, RemoveNode)),
    )
    def a_registrar_decides(self, node: Address, decision: Callable[..., Call]) -> None:
        self.send(0, decision(node=node))

    @rule(index=INDICES, dice=DICE)
    def one_comes_back(self, index: int, dice: random.Random) -> None:
        invited = random_invitation(dice, self.model.chain(index), self.model.now)
        self.send(index, dice.choice((Resume(), RegisterNode(label="again"), invited, invited)))

    @rule(seconds=st.sampled_from((1, 7, 40, 1_000)))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    @rule(more=st.sampled_from((-1, 0, 1)))
    def the_deadline_comes(self, more: int) -> None:
        self.wait(max(0, self.model.root.look().round.deadline - self.model.now + more))

    def teardown(self) -> None:
        if hasattr(self, "model"):
            theirs = [event for event in self.contract.events() if event is not None]
            assert normalised(theirs) == normalised(self.model.root.events())

    def sensible(self, dice: random.Random, index: int) -> Call:
        chain = self.model.chain(index)
        return sensible_call(dice, chain, chain.look())

    def wait(self, seconds: int) -> None:
        self.contract.world.wait(seconds)
        self.model.wait(seconds)

    def send(self, index: int, call: Call) -> None:
        theirs, ours = without_places(self.contract.send(index, call)), outcome_of(self.model, index, call)
        assert theirs == ours, (index, call)
        self.tally.add(ours)
        self.compare_views()

    def compare_views(self) -> None:
        theirs = dict(zip(VIEWS, self.contract.ask(VIEWS), strict=True))
        ours: dict[View, object] = {view: says(self.model, view) for view in VIEWS}
        assert theirs == ours, {view: (theirs[view], ours[view]) for view in VIEWS if theirs[view] != ours[view]}


def spoilt(dice: random.Random, call: Call) -> Call:
    """A call in which one thing is wrong or, where nothing can be, the call itself."""
    parts = sorted({one.name for one in fields(call)} & set(SPOILT))
    if not parts:
        return call
    part = dice.choice(parts)
    return replace(call, **{part: dice.choice(SPOILT[part])})


def without_places(outcome: Outcome) -> Outcome:
    """An outcome whose events do not say where they lie."""
    name, what = outcome
    return (name, normalised(what)) if isinstance(what, list) else outcome


def outcome_of(world: MemoryWorld, index: int, call: Call) -> Outcome:
    try:
        return "ok", normalised(world.chain(index).send(call).events)
    except errors.Reverted as error:
        return type(error).__name__, error.arguments


@contextmanager
def renewed(log: Path, *, every: int) -> Iterator[Callable[[], Devnet]]:
    """An Anvil for each life, a new one after some: of a long history it writes every block's state to disk."""
    with ExitStack() as running:
        lives = count()
        chains: list[Devnet] = []

        def chain() -> Devnet:
            if next(lives) % every == 0:
                running.close()
                chains.append(running.enter_context(Devnet.start(port=0, log=log)))
            return chains[-1]

        yield chain


def play(chain: Callable[[], Devnet], *, lives: int, steps: int) -> Tally:
    """What happened in so many swarms' lives. Fails where contract and model differ."""
    tally = Tally()
    kind = type("MachineOnAChain", (Machine,), {"chain": staticmethod(chain), "tally": tally})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    return tally


def test_machine__a_few_swarms_lives__contract_and_model_say_the_same(anvil: Devnet) -> None:
    lives = 6

    tally = play(lambda: anvil, lives=lives, steps=20)

    assert tally.calls > 10 * lives
    assert tally.outcomes.keys() > {"ok"}, "some calls were refused, and why was compared"


@pytest.mark.deep
def test_machine__ten_thousand_calls__contract_and_model_say_the_same(tmp_path: Path) -> None:
    with renewed(tmp_path / "anvil.log", every=4) as chain:
        tally = play(chain, lives=140, steps=70)

    assert tally.calls >= 10_000
    missed = set(errors.REVERTS) - DEPLOYING - OUT_OF_REACH - set(tally.outcomes)
    assert len(missed) <= 3, missed
    assert all(tally.events[kind.__name__] > 0 for kind in types.Event.__subclasses__())
    assert set(tally.reasons) == set(AbortReason) - {AbortReason.NONE}


@pytest.mark.deep
def test_machine__on_ganache__contract_and_model_say_the_same(ganache: Devnet) -> None:
    tally = play(lambda: ganache, lives=7, steps=40)

    assert tally.calls >= 300
    assert len(tally.outcomes) > 8, tally.outcomes
