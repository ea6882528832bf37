"""A round of the swarm, as the user's code sees it: the model holds the base, and an update is wanted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex

from torch.nn import Module

from swarm_chain.api.held import HeldModel
from swarm_chain.api.measuring import Measure, checked_metrics
from swarm_chain.api.session import Handed, Session
from swarm_chain.errors import ContributionError
from swarm_chain.types import Digest, Metrics, RoundNumber, Samples, TrainingOutcome

log = logging.getLogger(__name__)

MOST_SAMPLES = 2**64 - 1
"""What the contract can count."""


class Round:
    """One round to train in. `number` counts from 1; `base` is the result that the model holds when it begins.

    `base_metrics` is how good that is on this node's held-out data; nothing where it was not told how to measure.
    """

    def __init__(
        self,
        *,
        number: RoundNumber,
        base: Digest,
        base_metrics: Metrics,
        session: Session,
        held: HeldModel,
        measure: Measure,
    ) -> None:
        self.number = number
        self.base = base
        self.base_metrics = base_metrics
        self._session = session
        self._held = held
        self._measure = measure
        self._ended_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether this round still takes an update: look at it between batches, to stop early where it does not.

        It may be read often: the chain is asked no more often than an agent asks.
        """
        return self._ended_by is None and self._session.is_open(self.number, self.base)

    def contribute(
        self, model: Module, *, samples: SupportsIndex, metrics: Mapping[str, SupportsFloat] | None = None
    ) -> Handed:
        """Gives a model's tensors, trained on so many examples, to the round, and says what became of them.

        They are on disk and journalled before anything else happens, then committed to on the chain where the round
        still takes them: a process that is killed loses nothing after that. `metrics` are the model's on this node's
        held-out data, instead of what `join` was told to measure.

        Raises `ContributionError`, `ShapeMismatch`, `NotFinite` and `DiskFull`; the round then waits for another.
        """
        self._require_first()
        count = _samples(samples)
        shared, memory = self._held.outcome_of(model, self._session.memory())
        outcome = TrainingOutcome(
            parameters=shared,
            samples=count,
            base_metrics=self.base_metrics,
            local_metrics=self._measure.trained(model, shared, memory) if metrics is None else checked_metrics(metrics),
            memory=memory,
        )
        handed = self._session.hand_in(self.number, self.base, outcome)
        self._ended_by = "contributed to"
        log.log(logging.INFO if handed is Handed.IN_TIME else logging.WARNING, _SAID[handed], self.number)
        return handed

    def skip(self) -> None:
        """Sits the round out: peers wait for this node until the training's deadline."""
        self._require_first()
        self._ended_by = "skipped"
        self._session.sit_out(self.number)
        log.info("round %d: sitting it out", self.number)

    def end(self) -> None:
        """Sits the round out where nothing was done about it. Called when the loop goes on."""
        if self._ended_by is None:
            log.warning("round %d: nothing was contributed; sitting it out", self.number)
            self.skip()

    def _require_first(self) -> None:
        if self._ended_by is not None:
            raise ContributionError(f"round {self.number} was {self._ended_by} already; wait for the next one")

    def __repr__(self) -> str:
        return f"<Round {self.number}{'' if self._ended_by is None else ', ' + self._ended_by}>"


_SAID = {
    Handed.IN_TIME: "round %d: contributed",
    Handed.KEPT: "round %d does not take the contribution any more; it is kept for the next from the same base",
    Handed.TOO_LATE: "round %d: the contribution is too late, the swarm has agreed on another model",
}


def _samples(given: SupportsIndex) -> Samples:
    is_number = hasattr(given, "__index__") and not isinstance(given, bool)
    count = given.__index__() if is_number else 0
    if not 1 <= count <= MOST_SAMPLES:
        raise ContributionError(f"samples is {given!r}: give the number of training examples, a whole number from 1 on")
    return Samples(count)
