"""One node's agent: it looks at the chain, decides, acts, and says when to look again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from swarm_chain.agent.activity import Activity, Health, OnActivity
from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.convergence import Convergence
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal, SignedTransaction
from swarm_chain.core.rounds import (
    Action,
    Adopt,
    Merge,
    Publish,
    Send,
    Situation,
    Stage,
    Train,
    Wait,
    decide,
)
from swarm_chain.errors import (
    ChainError,
    DataError,
    NotFinite,
    Reverted,
    StoreError,
    SwarmChainError,
)
from swarm_chain.ports import Chain, Trainer
from swarm_chain.types import (
    Address,
    Attest,
    BlockNumber,
    Call,
    ChainView,
    Digest,
    Metrics,
    NodeRegistered,
    NodeStatus,
    Phase,
    RoundNumber,
    Suspend,
    Timestamp,
)

log = logging.getLogger(__name__)

LONGEST_BACKOFF = 30.0
"""Seconds between two tries of what keeps failing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How long an agent runs, and how eager it is.

    `rounds`: end when the swarm has finalised so many since deployment. `until`: end when a metric of the head, on this
    node's held-out data, is at least so much. `min_new_samples`: sit rounds out until there are so many more than in
    the last update. `confirmations`: blocks on top of a round's revealing before an update is published. `poll` and
    `spread`: seconds between looks, and the longest that calls which anyone can make are put off.
    """

    rounds: int | None = None
    until: tuple[str, float] | None = None
    min_new_samples: int = 0
    confirmations: int = 0
    poll: float = 1.0
    spread: float = 4.0


class Stopped(SwarmChainError):
    """The agent was told to end while it trained."""


class Agent:
    """One node's agent. `run` returns when its policy says so or `stop` was called; it raises what it cannot mend."""

    def __init__(
        self,
        *,
        chain: Chain,
        trainer: Trainer,
        journal: Journal,
        heads: Heads,
        contribution: Contribution,
        convergence: Convergence,
        policy: Policy,
        on_activity: OnActivity,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if chain.account is None:
            raise ValueError("an agent acts for an account")
        self.account: Address = chain.account
        self._chain = chain
        self._trainer = trainer
        self._journal = journal
        self._heads = heads
        self._contribution = contribution
        self._convergence = convergence
        self._policy = policy
        self._on_activity = on_activity
        self._sleep = sleep
        self._clock = clock
        self._shown = Activity(does="starting", round=0)
        self._is_stopping = False
        self._due: tuple[tuple[RoundNumber, Phase] | None, float] | None = None
        self._peers: dict[Address, None] = {}
        self._scanned: BlockNumber | None = None
        self._absent: tuple[tuple[int, int], tuple[Address, ...]] = ((0, 0), ())
        self._sits_out: RoundNumber | None = None
        self._head_metrics: tuple[Digest, Metrics] | None = None
        self._failures = 0

    # ------------------------------------------------------------------------------------------------------------- loop

    def stop(self) -> None:
        """Lets the agent end in order, soon: it finishes what it does, suspends its node, and `run` returns."""
        self._is_stopping = True

    def run(self) -> None:
        """Takes part until the policy ends it or `stop` is called, then suspends its own node."""
        try:
            while not self._is_stopping:
                self._sleep(self.step())
        finally:
            self._leave()

    def step(self) -> float:
        """Looks, decides, acts once. Returns the seconds until it wants to look again.

        An error of the chain or of a store is shown, and tried again later and later; others are raised.
        """
        try:
            wait = self._act()
        except Stopped:
            return 0.0
        except (ChainError, StoreError) as error:
            return self._trouble(error)
        self._failures = 0
        return wait

    def _act(self) -> float:
        self._settle()
        view = self._chain.look()
        if self._is_done(view):
            self._is_stopping = True
            return 0.0
        self._check_commitment(view)
        return self._perform(decide(view, self._situation(view)), view)

    def _trouble(self, error: SwarmChainError) -> float:
        self._failures += 1
        is_race = isinstance(error, Reverted) and self._failures == 1
        if not is_race:
            log.warning("%s", error)
            self._show(replace(self._shown, note=str(error), health=Health.TROUBLED))
        return min(self._policy.poll * 2.0 ** (self._failures - 1), LONGEST_BACKOFF)

    def _leave(self) -> None:
        """Suspends the node, so that nobody waits for it, and closes what is open."""
        try:
            if self._chain.node_info(self.account).status == NodeStatus.ACTIVE:
                self._show(Activity(does="suspending", round=self._shown.round))
                self._send_journalled(Suspend(node=self.account))
        except ChainError as error:
            log.warning("could not suspend this node: peers wait for it until it counts as absent: %s", error)
        self._show(replace(self._shown, does="stopped", progress=None))

    # -------------------------------------------------------------------------------------------------------- situation

    def _situation(self, view: ChainView) -> Situation:
        adopted, update = self._journal.adopted(), self._journal.update(view.round.round)
        training = self._contribution.training()
        return Situation(
            account=self.account,
            adopted=adopted[0] if adopted and self._heads.holds(adopted[1]) else None,
            trained_on=training.base if training else None,
            staged=update.staged if update else None,
            is_willing=self._is_willing(view),
            is_deep=self._is_deep(view),
            sits_out=self._sits_out,
            waited=self._waited(view),
            absent=self._absent_nodes(view),
            spread=self._policy.spread,
        )

    def _is_done(self, view: ChainView) -> bool:
        """Whether the policy's end is reached, and the head that reached it is here."""
        adopted = self._journal.adopted()
        if adopted is None or adopted[0] != view.swarm.head:
            return False
        if self._policy.rounds is not None and view.swarm.finalized_rounds >= self._policy.rounds:
            return True
        return self._policy.until is not None and self._has_reached(*self._policy.until, view.swarm.head)

    def _has_reached(self, metric: str, wanted: float, head: Digest) -> bool:
        if self._head_metrics is None or self._head_metrics[0] != head:
            self._head_metrics = head, self._trainer.evaluate(self._heads.parameters(head))
        return self._head_metrics[1].get(metric, float("-inf")) >= wanted

    def _is_willing(self, view: ChainView) -> bool:
        """Whether there is enough new data; never changed its mind on while an update of this round is under way."""
        if self._journal.update(view.round.round) is not None and view.round.phase != Phase.IDLE:
            return True
        last = self._journal.last_samples()
        if self._policy.min_new_samples == 0 or last is None:
            return True
        try:
            return self._trainer.samples() >= last + self._policy.min_new_samples
        except DataError as error:
            log.error("no new data to contribute: %s", error)
            return False

    def _is_deep(self, view: ChainView) -> bool:
        if self._policy.confirmations == 0:
            return True
        deep = self._chain.look(depth=self._policy.confirmations).round
        return deep.round == view.round.round and deep.phase == view.round.phase

    def _waited(self, view: ChainView) -> float:
        """Seconds since this node first saw what it sees now: the swarm idle, or a deadline passed."""
        is_due = view.round.phase == Phase.IDLE or view.now >= view.round.deadline
        seen = (view.round.round, view.round.phase) if is_due else None
        if self._due is None or self._due[0] != seen:
            self._due = seen, self._clock()
        return self._clock() - self._due[1]

    def _absent_nodes(self, view: ChainView) -> tuple[Address, ...]:
        """The other nodes that anyone may suspend; looked for when a round is over, and when one was suspended."""
        if view.round.phase != Phase.IDLE:
            return ()
        seen = view.round.round, view.swarm.active_nodes
        if self._absent[0] != seen:
            self._absent = seen, tuple(self._find_absent(view))
        return self._absent[1]

    def _find_absent(self, view: ChainView) -> Sequence[Address]:
        for event in self._chain.events(from_block=self._scanned):
            if isinstance(event, NodeRegistered):
                self._peers[event.node] = None
        self._peers.pop(self.account, None)
        self._scanned = view.block_number
        return [node for node in self._peers if self._chain.node_info(node).is_absent]

    def _check_commitment(self, view: ChainView) -> None:
        """Sits a round out, loudly, in which the chain holds a commitment that this node does not know."""
        round_number = view.round.round
        is_committed = view.round.phase != Phase.IDLE and view.node.committed_round == round_number
        if not is_committed or view.node.revealed_round == round_number or self._sits_out == round_number:
            return
        update = self._journal.update(round_number)
        if update is None or update.staged.commitment != view.commitment:
            self._sits_out = round_number
            note = (
                f"round {round_number} holds a commitment of this account that its journal does not know: another "
                "agent uses the same account, or the journal was lost; sitting the round out"
            )
            log.error(note)
            self._show(Activity(does="waiting", round=round_number, note=note, health=Health.TROUBLED))

    # ----------------------------------------------------------------------------------------------------------- acting

    def _perform(self, action: Action, view: ChainView) -> float:
        match action:
            case Adopt(result=result):
                return self._adopt(result, view)
            case Train():
                return self._train(action, view)
            case Stage(round=round_number):
                self._announce("staging", round_number)
                self._contribution.stage(view)
            case Publish(round=round_number):
                self._announce("publishing", round_number)
                self._contribution.publish(round_number)
            case Merge():
                return self._merge(view)
            case Send(call=call):
                self._send(call, view)
            case Wait(why=why, until=until):
                self._announce("waiting", view.round.round, note=why)
                return self._pause(view, until)
        return 0.0

    def _adopt(self, result: Digest, view: ChainView) -> float:
        self._announce("adopting", view.round.round)
        self._heads.adopt(result)
        return 0.0

    def _train(self, action: Train, view: ChainView) -> float:
        self._announce("training", action.round, progress=0.0)
        try:
            training = self._contribution.train(action.base, action.round, self._watch_training(action))
        except (DataError, NotFinite) as error:
            return self._cannot_train(action.round, error)
        self._show(
            replace(
                self._shown,
                does="training",
                progress=1.0,
                samples=training.samples,
                base_metrics=training.base_metrics,
                local_metrics=training.local_metrics,
            )
        )
        return 0.0

    def _cannot_train(self, round_number: RoundNumber, error: SwarmChainError) -> float:
        """A node that never contributed ends with the error; later the night's run is worth more than one round."""
        if self._journal.last_samples() is None:
            raise error
        log.error("sitting round %d out: %s", round_number, error)
        self._sits_out = round_number
        self._show(Activity(does="waiting", round=round_number, note=str(error), health=Health.TROUBLED))
        return self._policy.poll

    def _watch_training(self, action: Train) -> Callable[[float], None]:
        """Shows progress, and gives a training up that is no longer wanted."""
        shown = 0.0
        looked = self._clock()

        def on_progress(done: float) -> None:
            nonlocal shown, looked
            if self._is_stopping:
                raise Stopped("the agent was told to end while it trained; it trains again when it is started")
            if done - shown >= 0.05:
                shown = done
                self._show(replace(self._shown, progress=done))
            if self._clock() - looked > max(5.0, self._policy.poll):
                looked = self._clock()
                self._require_wanted(action.base)

        return on_progress

    def _require_wanted(self, base: Digest) -> None:
        try:
            head = self._chain.look().swarm.head
        except ChainError as error:
            log.warning("%s", error)
            return
        if head != base:
            raise Stopped("the swarm moved on while this node trained")

    def _merge(self, view: ChainView) -> float:
        self._announce("merging", view.round.round)
        wanted = self._convergence.advance(view)
        if wanted is None:
            return self._pause(view, view.round.deadline)
        self._send(Attest(round=view.round.round, result=wanted), view)
        return 0.0

    def _send(self, call: Call, view: ChainView) -> None:
        self._announce(_DOING[call.function], view.round.round)
        self._send_journalled(call)

    def _send_journalled(self, call: Call) -> None:
        """Sends a call whose transaction is on disk before it leaves: after a kill it is settled, not sent twice."""
        nonces: list[int] = []

        def record(digest: bytes, raw: bytes, nonce: int) -> None:
            nonces.append(nonce)
            self._journal.record_signed(SignedTransaction(hash=digest, nonce=nonce, raw=raw, function=call.function))

        try:
            self._chain.send(call, on_signed=record)
        except Reverted:
            self._journal.record_settled(max(nonces, default=-1))
            raise
        self._journal.record_settled(max(nonces, default=-1))

    def _settle(self) -> None:
        """Waits for what was signed before a kill, so that the next look at the chain shows what came of it."""
        for transaction in self._journal.unsettled():
            log.info("settling %s, signed before this agent was started", transaction.function)
            self._chain.settle(transaction.raw, transaction.nonce)
            self._journal.record_settled(transaction.nonce)

    def _pause(self, view: ChainView, until: Timestamp | None) -> float:
        """Seconds to the next look: the poll interval, or less when something is due before."""
        if until is None or until <= view.now:
            return self._policy.poll
        return min(self._policy.poll, float(until - view.now))

    # ---------------------------------------------------------------------------------------------------------- showing

    def _announce(self, does: str, round_number: RoundNumber, *, note: str = "", progress: float | None = None) -> None:
        self._show(
            replace(
                self._shown,
                does=does,
                round=round_number,
                note=note,
                progress=progress,
                health=self._health(round_number),
            )
        )

    def _health(self, round_number: RoundNumber) -> Health:
        return Health.TROUBLED if self._sits_out == round_number else Health.GOOD

    def _show(self, activity: Activity) -> None:
        if activity != self._shown:
            self._shown = activity
            self._on_activity(activity)


_DOING = {
    "openRound": "opening",
    "closeRound": "closing",
    "commitUpdate": "committing",
    "revealUpdate": "revealing",
    "submitUpdate": "submitting",
    "attest": "attesting",
    "suspend": "suspending",
    "resume": "resuming",
}
