"""One node's agent, stepped by whoever trains: between two trainings it does all that an agent does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarm_chain.agent.agent import Agent
from swarm_chain.agent.disk import translated
from swarm_chain.agent.heads import Head
from swarm_chain.agent.journal import Journal
from swarm_chain.api.handover import HandingTrainer, TrainingWantedError
from swarm_chain.errors import ChainError, ContributionError
from swarm_chain.ports import Chain
from swarm_chain.serving.served import Served
from swarm_chain.types import ChainView, Digest, Parameters, Phase, RoundNumber, SwarmInfo, TrainingOutcome

log = logging.getLogger(__name__)

HANDING_IN: Final = 3
"""Steps from a training to its place in the round: stage, publish where nothing is sealed, commit or submit."""


class Handed(StrEnum):
    """What became of a contribution.

    `IN_TIME`: it is in the round. `KEPT`: the round did not take it any more; it goes into the next one, should that
    start from the same base. `TOO_LATE`: the swarm has agreed on another model meanwhile.
    """

    IN_TIME = "in time"
    KEPT = "kept"
    TOO_LATE = "too late"


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A round in which this node is to train: from which result, and with which parameters that has."""

    round: RoundNumber
    base: Digest
    parameters: Parameters


class Session:
    """An agent whose trainings are somebody else's: nothing happens while nobody calls, but that peers are served."""

    def __init__(
        self,
        *,
        agent: Agent,
        chain: Chain,
        journal: Journal,
        trainer: HandingTrainer,
        poll: float,
        served: Served | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent
        self._chain = chain
        self._journal = journal
        self._served = served
        self._trainer = trainer
        self._poll = poll
        self._sleep = sleep
        self._clock = clock
        self._seen: tuple[float, RoundNumber, bool] | None = None
        self._handed_over_at = 0.0
        self.is_closed = False

    def aim(self, *, finalized: int | None, until: tuple[str, float] | None) -> None:
        """Ends `next_turn` once the swarm has finalised so many rounds, or a metric of the head is so good."""
        self._require_open()
        self._agent.aim(rounds=finalized, until=until)

    def next_turn(self) -> Turn | None:
        """The next round to train in, once there is one; None where the end that `aim` said is reached.

        Until then it is an agent: it reveals, merges, attests, opens and closes rounds. Raises what an agent does.
        """
        self._require_open()
        while True:
            try:
                wait = self._agent.step()
            except TrainingWantedError as signal:
                wanted, self._handed_over_at = signal.wanted, self._clock()
                return Turn(round=wanted.round, base=self._adopted(), parameters=wanted.base)
            if self._agent.has_ended:
                return None
            self._sleep(wait)

    def hand_in(self, round_number: RoundNumber, base: Digest, outcome: TrainingOutcome) -> Handed:
        """What became of a training: it is on disk, journalled, and where there was time, committed to on chain."""
        self._require_open()
        self._trainer.count = outcome.samples
        with translated():
            self._agent.record(base, round_number, outcome, seconds=self._clock() - self._handed_over_at)
        try:
            for _ in range(HANDING_IN):
                if self._is_awaited(self._chain.look(), round_number, base):
                    self._agent.step()
            return self._what_became(self._chain.look(), round_number, base)
        except ChainError as error:
            log.warning("the contribution to round %d is kept until the chain answers: %s", round_number, error)
            return Handed.KEPT

    def is_open(self, round_number: RoundNumber, base: Digest) -> bool:
        """Whether a round still takes this node's update; looked at not oftener than an agent looks."""
        self._require_open()
        now = self._clock()
        if self._seen is None or self._seen[1] != round_number or now - self._seen[0] >= self._poll:
            self._seen = now, round_number, self._look_whether_open(round_number, base)
        return self._seen[2]

    def sit_out(self, round_number: RoundNumber) -> None:
        """Contributes nothing to a round."""
        self._agent.sit_out(round_number)

    def swarm(self) -> SwarmInfo:
        """The swarm at a glance, as the chain shows it now."""
        self._require_open()
        return self._chain.look().swarm

    def head(self) -> Head:
        """The model that the swarm agreed on last, fetched and checked."""
        self._require_open()
        return self._agent.head()

    def adopted(self) -> Head:
        """The agreed model that this node holds already."""
        return self._agent.head(self._adopted())

    def memory(self) -> Parameters:
        """What this node keeps from round to round. Raises `MemoryLost`."""
        self._require_open()
        return self._agent.memory()

    def abandon(self) -> None:
        """Closes the journal of a node that did nothing yet."""
        self.is_closed = True
        self._close()

    def close(self, *, in_order: bool = False) -> None:
        """Suspends the node, so that no peer waits for it, and closes its journal.

        One that ended `in_order` serves on for peers that are slower.
        """
        if self.is_closed:
            return
        self.is_closed = True
        try:
            self._agent.leave()
            if in_order and self._served is not None:
                self._served.serve_on(self._wait)
        finally:
            self._close()

    def _wait(self, seconds: float) -> bool:
        self._sleep(seconds)
        return False

    def _close(self) -> None:
        self._journal.close()
        if self._served is not None:
            self._served.close()

    # --------------------------------------------------------------------------------------------------------- looking

    def _look_whether_open(self, round_number: RoundNumber, base: Digest) -> bool:
        """Where the chain does not answer, training goes on."""
        try:
            return self._is_awaited(self._chain.look(), round_number, base)
        except ChainError as error:
            log.warning("%s", error)
            return True

    def _is_awaited(self, view: ChainView, round_number: RoundNumber, base: Digest) -> bool:
        """Whether this node's update is missing in a round, and can still get into it."""
        running = view.round
        is_running = (running.round, running.base, running.phase) == (round_number, base, Phase.TRAINING)
        return is_running and view.now < running.deadline and view.node.committed_round != round_number

    def _what_became(self, view: ChainView, round_number: RoundNumber, base: Digest) -> Handed:
        if view.node.committed_round == round_number:
            return Handed.IN_TIME
        return Handed.KEPT if view.swarm.head == base else Handed.TOO_LATE

    def _adopted(self) -> Digest:
        """The result that the agent holds: what it trains from."""
        adopted = self._journal.adopted()
        if adopted is None:
            raise ValueError("an agent trains from a result that it holds")
        return adopted[0]

    def _require_open(self) -> None:
        if self.is_closed:
            raise ContributionError("this node was closed; join again to go on")
