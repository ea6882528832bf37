"""Which of a swarm's results is the best, by each metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from swarm_chain.chronicle import Mean
from swarm_chain.core.metrics import compared_metric, is_better, is_lower_better, whole_metrics
from swarm_chain.errors import NoSuchMetric
from swarm_chain.models.reading import SwarmReading
from swarm_chain.models.scores import Scores, scores_of
from swarm_chain.types import Digest, RoundNumber

_SHOWN = 20
"""Names of metrics that a message lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """The best result by one metric: its mean over `mean.sites` sites, on `test_samples` examples if all say so."""

    metric: str
    round: RoundNumber
    result: Digest
    mean: Mean
    test_samples: int | None

    @property
    def is_lower_better(self) -> bool:
        """Whether it ranks by the least."""
        return is_lower_better(self.metric)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """All results of a swarm with their scores, by round, and the best of them by each metric. `main` is the metric to
    go by; None where nothing is scored yet."""

    results: Mapping[RoundNumber, Digest]
    scores: Mapping[RoundNumber, Scores]
    best: tuple[Best, ...]
    main: str | None

    @property
    def head(self) -> RoundNumber:
        """The newest result's round."""
        return max(self.results)

    @property
    def is_head_scored(self) -> bool:
        """Whether an update was trained from the head."""
        return bool(self.scores[self.head].metrics)

    def of(self, metric: str) -> Best | None:
        """The best by one metric."""
        return next((one for one in self.best if one.metric == metric), None)


def rank(reading: SwarmReading, by: str | None = None) -> Ranking:
    """The swarm's results, ranked by every metric of all examples; by one of any kind if asked.

    Raises `NoSuchMetric` for one that nobody measured.
    """
    results = reading.chronicle.results
    scores = {number: scores_of(digest, reading.chronicle, reading.library) for number, digest in results.items()}
    names = sorted({name for one in scores.values() for name in one.names})
    if by is not None and by not in names:
        raise NoSuchMetric(_nobody_measured(by, names))
    chosen = whole_metrics(names) if by is None else [by]
    best = [found for name in chosen if (found := _best_by(name, results, scores))]
    return Ranking(results=results, scores=scores, best=tuple(best), main=by or _main(scores.values(), chosen))


def _best_by(name: str, results: Mapping[RoundNumber, Digest], scores: Mapping[RoundNumber, Scores]) -> Best | None:
    """The best by one metric; of equals the earliest, which took the least to get to."""
    found: Best | None = None
    for number, score in sorted(scores.items()):
        mean = score.mean(name)
        if mean is not None and (found is None or is_better(name, mean.value, found.mean.value)):
            samples = score.test_samples(name)
            found = Best(metric=name, round=number, result=results[number], mean=mean, test_samples=samples)
    return found


def _main(scores: Iterable[Scores], names: Sequence[str]) -> str | None:
    """What all scored results have, as swarms are compared; else what some have."""
    scored = [one.names for one in scores if one.metrics]
    return compared_metric(scored) or compared_metric([names])


def _nobody_measured(name: str, names: Sequence[str]) -> str:
    if not names:
        return f"nobody measured {name}: no result is scored yet; the first updates score what a swarm started from"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"nobody measured {name}; choose one of {', '.join(names[:_SHOWN])}{more}"
