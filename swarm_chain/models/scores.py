"""How a result does at each site: what the updates say that were trained from it.

An update of a round tells how good the round's base is on what its node holds out. So a result is scored by the round
after it: by the updates that were merged there, which a quorum found to be what they should be. Where there are none,
by others that were trained from it, and `Scores.source` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from swarm_chain.chronicle import Chronicle, Library, Mean, Outcome, Round, mean_of
from swarm_chain.core import documents
from swarm_chain.core.documents import ResultDocument, UpdateDocument
from swarm_chain.core.metrics import TEST_SAMPLES
from swarm_chain.errors import Malformed, StoreError
from swarm_chain.types import Address, Digest, Metrics

_MOST: Final = 2.0**53
"""Test examples that a site can have: counts beyond it are no whole numbers."""


class Source(StrEnum):
    """Whose word scores are, the first that there is: of updates that were merged; of others in the same round; of a
    round that was aborted after they were revealed; of the round that runs."""

    MERGED = "merged"
    LEFT_OUT = "left-out"
    ABORTED = "aborted"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What sites measured a result to be. `unreadable` are the nodes whose updates would count and cannot be had."""

    metrics: Mapping[Address, Metrics] = field(default_factory=dict)
    source: Source | None = None
    unreadable: Mapping[Address, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The metrics that some site has."""
        return frozenset(name for metrics in self.metrics.values() for name in metrics if name != TEST_SAMPLES)

    def mean(self, name: str) -> Mean | None:
        """A metric's mean over the sites that have it, weighted by their test examples."""
        return mean_of(name, self.metrics.values())

    def test_samples(self, name: str) -> int | None:
        """Test examples behind a metric's mean; None where a site does not say how many it has, or no such number."""
        sizes = [metrics.get(TEST_SAMPLES, 0.0) for metrics in self.metrics.values() if name in metrics]
        return int(sum(sizes)) if sizes and min(sizes) >= 1 and max(sizes) <= _MOST else None


def scores_of(result: Digest, chronicle: Chronicle, library: Library) -> Scores:
    """How a result does, as far as documents can be had."""
    unreadable: dict[Address, str] = {}
    for source, updates in _by_source(chronicle.rounds_from(result), library):
        found, problems = _read(updates, library)
        if found:
            return Scores(metrics=found, source=source, unreadable=problems)
        unreadable = unreadable or problems
    return Scores(unreadable=unreadable)


def scores_by(result: ResultDocument, get: Callable[..., bytes]) -> Scores:
    """How the base of a result does, by the updates that the result merged: from documents alone, no chain is asked."""
    found: dict[Address, Metrics] = {}
    for entry in result.included:
        try:
            update = documents.read(get, entry.update, UpdateDocument)
        except (StoreError, Malformed):
            continue
        said = (update.chain, update.contract, update.round, update.base, update.node)
        if said == (result.chain, result.contract, result.round, result.base, entry.node) and update.base_metrics:
            found[entry.node] = update.base_metrics
    return Scores(metrics=found, source=Source.MERGED if found else None)


_Updates = Sequence[tuple[Round, Address]]


def _by_source(rounds: Sequence[Round], library: Library) -> Iterator[tuple[Source, _Updates]]:
    ended = [one for one in rounds if one.outcome is Outcome.FINALIZED]
    merged = {node for one in ended for node in _merged_in(one, library)}
    yield Source.MERGED, _of(ended, merged)
    yield Source.LEFT_OUT, [(one, node) for one, node in _of(ended) if node not in merged]
    yield Source.ABORTED, _of([one for one in reversed(rounds) if one.outcome is Outcome.ABORTED])
    yield Source.RUNNING, _of([one for one in rounds if one.outcome is Outcome.RUNNING])


def _of(rounds: Sequence[Round], nodes: Collection[Address] | None = None) -> _Updates:
    return [(one, node) for one in rounds for node in sorted(one.reveals) if nodes is None or node in nodes]


def _merged_in(round_: Round, library: Library) -> frozenset[Address]:
    document = library.result(round_.result).document if round_.result else None
    return frozenset(entry.node for entry in document.included) if document else frozenset()


def _read(updates: _Updates, library: Library) -> tuple[dict[Address, Metrics], dict[Address, str]]:
    """The metrics of each node, by its first update that has some; and why there are none of others."""
    found: dict[Address, Metrics] = {}
    problems: dict[Address, str] = {}
    for round_, node in updates:
        read = library.update(round_, node)
        if read.document and read.document.base_metrics:
            found.setdefault(node, read.document.base_metrics)
        elif read.problem:
            problems.setdefault(node, read.problem)
    return found, {node: problem for node, problem in problems.items() if node not in found}
