"""One node's agent: it looks at the chain, decides, acts, and says when to look again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from swarm_chain.agent.activity import Activity, Health, OnActivity
from swarm_chain.agent.announcing import Announcing, Stores
from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.convergence import Convergence
from swarm_chain.agent.disk import translated
from swarm_chain.agent.heads import Head, Heads
from swarm_chain.agent.journal import Journal, SignedTransaction, Training
from swarm_chain.agent.lookout import Lookout
from swarm_chain.agent.policy import Condition, Policy
from swarm_chain.agent.pruning import Pruning
from swarm_chain.agent.scores import Score, Scores
from swarm_chain.core.rounds import (
    Action,
    Adopt,
    Merge,
    Publish,
    Send,
    Stage,
    Train,
    Wait,
    decide,
    only_watches,
)
from swarm_chain.errors import (
    ChainError,
    DataError,
    DiskFull,
    ForeignCommitment,
    JournalError,
    Malformed,
    NotACoordinator,
    NotFinite,
    Reverted,
    StoreError,
    SwarmChainError,
    UpdateLost,
    WrongChain,
)
from swarm_chain.ports import Chain, OnSigned, Trainer
from swarm_chain.types import (
    Address,
    Attest,
    Call,
    ChainView,
    Digest,
    Metrics,
    NodeStatus,
    Parameters,
    RoundNumber,
    Suspend,
    Timestamp,
    TrainingOutcome,
)

log = logging.getLogger(__name__)

LONGEST_BACKOFF = 30.0
"""Seconds between two tries of what keeps failing."""
HEARTBEAT = 10.0
"""Seconds after which an agent says again what it does, though that is the same: it lives, and counts."""


class _GiveUpError(Exception):
    """A training is no longer wanted: nothing went wrong."""


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
        stores: Stores | None = None,
        pruning: Pruning | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stores` says what to announce: where peers fetch this node's blocks. Without it, it announces nothing.

        Without `pruning`, old weights stay where they are.
        """
        if chain.account is None:
            raise ValueError("an agent acts for an account")
        self.account: Address = chain.account
        self._chain = chain
        self._trainer = trainer
        self._journal = journal
        self._heads = heads
        self._contribution = contribution
        self._convergence = convergence
        self._pruning = pruning
        self._policy = policy
        self._lookout = Lookout(
            account=chain.account,
            chain=chain,
            trainer=trainer,
            journal=journal,
            heads=heads,
            contribution=contribution,
            policy=policy,
            clock=clock,
        )
        self._announcing = stores and Announcing(account=chain.account, chain=chain, stores=stores, clock=clock)
        self._scores = Scores(trainer=trainer, heads=heads, contribution=contribution, journal=journal)
        self._on_activity = on_activity
        self._sleep = sleep
        self._clock = clock
        self._shown = _remembered(journal)
        self._shown_at = float("-inf")
        self._is_stopping = False
        self._failures = 0

    # ------------------------------------------------------------------------------------------------------------- loop

    def stop(self) -> None:
        """Lets the agent end in order, soon: it finishes what it does, suspends its node, and `run` returns."""
        self._is_stopping = True

    def run(self) -> None:
        """Takes part until the policy ends it or `stop` is called, then suspends its own node.

        So it does before it raises an error; interrupted from the keyboard, it ends at once.
        """
        try:
            while not self._is_stopping:
                self._sleep(self.step())
        except Exception:
            self.leave()
            raise
        self.leave()

    @property
    def has_ended(self) -> bool:
        """Whether the policy's end is reached, or `stop` was called."""
        return self._is_stopping

    def aim(self, *, rounds: int | None, until: tuple[str, float] | None) -> None:
        """Gives the agent another end, as `Policy` says it; it goes on where it had reached the last one."""
        condition = None if until is None else Condition.of(*until)
        self._policy = replace(self._policy, rounds=rounds, until=condition)
        self._is_stopping = False

    def step(self) -> float:
        """Looks, decides, acts once. Returns the seconds until it wants to look again.

        An error of the chain or of a store that may pass is shown, and tried again later and later; others are raised.
        A disk that is full is one of these: `DiskFull`.
        """
        try:
            with translated():
                wait = self._act()
        except _GiveUpError:
            return 0.0
        except (WrongChain, NotACoordinator):
            raise
        except (ChainError, StoreError, ForeignCommitment, UpdateLost) as error:
            return self._trouble(error)
        self._failures = 0
        return wait

    def _act(self) -> float:
        self._settle()
        view = self._chain.look()
        if self._pruning is not None:
            self._pruning.advance(view)
        if self._is_done(view):
            self._score_last(view)
            self._is_stopping = True
            return 0.0
        self._lookout.check_commitment(view)
        situation = self._lookout.situation(view)
        if only_watches(view, situation) or self._scores.is_known(view.swarm.head):
            self._score(view)
        action = decide(view, situation)
        if not isinstance(action, _URGENT):
            self._say_where(view)
        return self._perform(action, view)

    def _say_where(self, view: ChainView) -> None:
        """Announces where this node's blocks are, where the chain says something else."""
        call = self._announcing and self._announcing.due(view)
        if not self._announcing or not call:
            return
        try:
            self._send(call, view)
        except Reverted as error:
            log.warning("could not announce where this node serves its blocks: %s", error)
            self._announcing.tried(call, succeeded=False)
        else:
            self._announcing.tried(call, succeeded=True)

    def _is_done(self, view: ChainView) -> bool:
        """Whether the policy's end is reached, and the head that reached it is here."""
        adopted = self._journal.adopted()
        if adopted is None or adopted[0] != view.swarm.head:
            return False
        if self._policy.rounds is not None and view.swarm.finalized_rounds >= self._policy.rounds:
            return True
        return self._policy.until is not None and self._has_reached(self._policy.until, view)

    def _has_reached(self, until: Condition, view: ChainView) -> bool:
        is_new = self._shown.head != view.swarm.head
        metrics = self._score(view)
        if is_new and until.metric not in metrics:
            known = ", ".join(sorted(metrics)) or "none"
            log.warning("the head has no metric %s on this node's data; it has %s", until.metric, known)
        return until.is_met(metrics)

    # ---------------------------------------------------------------------------------------------------------- scoring

    def _score(self, view: ChainView) -> Metrics:
        """The head's metrics on this node's held-out data, shown. Raises what a store does."""
        head = view.swarm.head
        if self._shown.head != head:
            if not self._scores.is_known(head):
                self._announce("scoring", view.round.round, progress=0.0)
            self._show_score(self._scores.of(head))
        return self._shown.head_metrics

    def _show_score(self, score: Score) -> None:
        progress = 1.0 if self._shown.does == "scoring" else self._shown.progress
        scored = replace(self._shown, head=score.result, head_round=score.round, head_metrics=score.metrics)
        self._show(replace(scored, progress=progress))

    def _score_last(self, view: ChainView) -> None:
        """Scores what this node will not train from, unless that cannot be done: it ends all the same."""
        try:
            self._score(view)
        except (StoreError, Malformed) as error:
            log.warning("the head is not scored: %s", error)

    def _trouble(self, error: SwarmChainError) -> float:
        self._failures += 1
        is_race = isinstance(error, Reverted) and self._failures == 1
        if not is_race:
            log.warning("%s", error)
            self._show(replace(self._shown, note=str(error), health=Health.TROUBLED))
        return min(self._policy.poll * 2.0 ** (self._failures - 1), LONGEST_BACKOFF)

    def leave(self) -> None:
        """Suspends the node, so that nobody waits for it, once what it signed before is settled."""
        try:
            with translated():
                self._settle()
                if self._chain.node_info(self.account).status == NodeStatus.ACTIVE:
                    self._announce("suspending", RoundNumber(self._shown.round))
                    self._send_journalled(Suspend(node=self.account))
        except (ChainError, DiskFull, JournalError) as error:
            log.warning("could not suspend this node: peers wait for it until it counts as absent: %s", error)
        self._show(replace(self._shown, does="stopped", progress=None))

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
                self._publish(round_number)
            case Merge():
                return self._merge(view)
            case Send(call=call):
                self._send(call, view)
            case Wait(why=why, until=until):
                self._announce("waiting", view.round.round, note=why)
                return self._pause(view, until)
        return 0.0

    def _publish(self, round_number: RoundNumber) -> None:
        try:
            self._contribution.publish(round_number)
        except UpdateLost:
            self._lookout.sit_out(round_number)
            raise

    def _adopt(self, result: Digest, view: ChainView) -> float:
        self._announce("adopting", view.round.round)
        self._heads.adopt(result)
        return 0.0

    def _train(self, action: Train, view: ChainView) -> float:
        self._announce("training", action.round, progress=0.0)
        began = self._clock()
        try:
            training = self._contribution.train(action.base, action.round, self._watch_training(action))
        except (DataError, NotFinite) as error:
            return self._cannot_train(action.round, error)
        self._trained(training, seconds=self._clock() - began)
        return 0.0

    def record(self, base: Digest, round_number: RoundNumber, outcome: TrainingOutcome, *, seconds: float) -> None:
        """Keeps what was trained from a base by other code than the trainer's, as if that had. Raises `TooLarge`."""
        self._trained(self._contribution.record(base, round_number, outcome), seconds=seconds)

    def sit_out(self, round_number: RoundNumber) -> None:
        """Contributes nothing to a round."""
        self._lookout.sit_out(round_number)

    def head(self, result: Digest | None = None) -> Head:
        """The swarm's head, or another result, fetched and checked. Raises what the chain and the stores do."""
        return self._heads.head(result or self._chain.look().swarm.head)

    def memory(self) -> Parameters:
        """What this node keeps from round to round. Raises `MemoryLost`."""
        return self._contribution.memory()

    def _trained(self, training: Training, *, seconds: float) -> None:
        self._lookout.training_succeeded()
        is_scored = self._shown.head == training.base
        self._show(
            replace(
                self._shown,
                does="training",
                progress=1.0,
                samples=training.samples,
                base_metrics=training.base_metrics,
                local_metrics=training.local_metrics,
                trained_round=training.round,
                training_seconds=seconds,
                # The data may have changed since the base was scored without a training.
                head_metrics=training.base_metrics if is_scored else self._shown.head_metrics,
            )
        )

    def _cannot_train(self, round_number: RoundNumber, error: SwarmChainError) -> float:
        """A node that never contributed ends with the error; later the night's run is worth more than one round."""
        if self._journal.last_samples() is None:
            raise error
        log.error("contributing nothing for a while: %s", error)
        self._lookout.training_failed()
        self._show(
            replace(
                self._shown,
                does="waiting",
                round=round_number,
                note=str(error),
                progress=None,
                health=Health.TROUBLED,
            )
        )
        return self._policy.poll

    def _watch_training(self, action: Train) -> Callable[[float], None]:
        """Shows progress, and gives a training up that is no longer wanted."""
        shown = 0.0
        looked = self._clock()

        def on_progress(done: float) -> None:
            nonlocal shown, looked
            if self._is_stopping:
                raise _GiveUpError
            if done - shown >= 0.05:
                shown = done
            self._show(replace(self._shown, progress=shown))
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
            raise _GiveUpError

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
        try:
            self._chain.send(call, on_signed=self._recorder(call.function, nonces))
        except Reverted:
            self._journal.record_settled(max(nonces, default=-1))
            raise
        self._journal.record_settled(max(nonces, default=-1))

    def _settle(self) -> None:
        """Waits for what was signed before and did not end: the next look at the chain shows what came of it."""
        for nonce, transactions in groupby(self._journal.unsettled(), key=lambda one: one.nonce):
            signed = list(transactions)
            function = signed[-1].function
            log.info("settling %s, signed before and not seen in a block", function)
            self._chain.settle([one.raw for one in signed], nonce, on_signed=self._recorder(function))
            self._journal.record_settled(nonce)

    def _recorder(self, function: str, nonces: list[int] | None = None) -> OnSigned:
        """Puts what is signed on disk, and its nonce into `nonces`."""

        def record(digest: bytes, raw: bytes, nonce: int) -> None:
            if nonces is not None:
                nonces.append(nonce)
            self._journal.record_signed(SignedTransaction(digest=digest, nonce=nonce, raw=raw, function=function))

        return record

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
        return Health.TROUBLED if self._lookout.sits_out(round_number) else Health.GOOD

    def _show(self, activity: Activity) -> None:
        now = self._clock()
        if activity != self._shown or now - self._shown_at >= HEARTBEAT:
            self._shown, self._shown_at = activity, now
            self._on_activity(activity)


def _remembered(journal: Journal) -> Activity:
    """What an agent knows when it starts: its newest training, of an earlier process."""
    training = journal.training()
    if training is None:
        return Activity(does="starting", round=0)
    return Activity(
        does="starting",
        round=training.round,
        samples=training.samples,
        base_metrics=training.base_metrics,
        local_metrics=training.local_metrics,
        trained_round=training.round,
    )


_URGENT = (Stage, Publish, Send)
"""What a phase may be waiting for: nothing else is done before it."""
_DOING = {
    "announce": "announcing",
    "openRound": "opening",
    "closeRound": "closing",
    "commitUpdate": "committing",
    "revealUpdate": "revealing",
    "submitUpdate": "submitting",
    "attest": "attesting",
    "suspend": "suspending",
    "resume": "resuming",
}
