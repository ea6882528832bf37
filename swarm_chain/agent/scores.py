"""How the models that a swarm agreed on do on this node's own held-out data."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal
from swarm_chain.errors import DataError, NotFinite
from swarm_chain.ports import Trainer
from swarm_chain.types import Digest, Metrics, RoundNumber

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A result, the round it came from, and its metrics here; none where the data cannot be read."""

    result: Digest
    round: RoundNumber
    metrics: Metrics


class Scores:
    """Scores of results. A training scores its base, so that only what is not trained from is evaluated here.

    Not journalled: after a start a score is had anew, from the data as they are then.
    """

    def __init__(self, *, trainer: Trainer, heads: Heads, contribution: Contribution, journal: Journal) -> None:
        self._trainer = trainer
        self._heads = heads
        self._contribution = contribution
        self._journal = journal

    def is_known(self, result: Digest) -> bool:
        """Whether it takes no evaluation: the newest training started from it."""
        training = self._journal.training()
        return training is not None and training.base == result

    def of(self, result: Digest) -> Score:
        """The score of a result, evaluated now unless it is known. Raises what a store does."""
        training = self._journal.training()
        is_known = training is not None and training.base == result
        metrics = training.base_metrics if training is not None and is_known else self._evaluate(result)
        return Score(result=result, round=self._heads.document(result).round, metrics=metrics)

    def _evaluate(self, result: Digest) -> Metrics:
        try:
            return self._trainer.evaluate(self._heads.parameters(result), memory=self._contribution.memory())
        except (DataError, NotFinite) as error:
            log.error("the head cannot be evaluated: %s", error)
            return {}
