"""A metric by round: each site's line, all sites' mean, and between which values they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from swarm_chain.chronicle import mean_of
from swarm_chain.core.metrics import PREFERRED, TEST_SAMPLES, interval, is_better, is_end
from swarm_chain.reporting.report import Report
from swarm_chain.types import Address, Metrics

MOST_METRICS: Final = 12
"""Metrics of all examples that have charts of their own."""
MOST_GROUP_METRICS: Final = 36
"""Metrics of classes and groups that have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A metric in one round, with the ends of its interval where it has one."""

    round: int
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One metric of one kind of model, by round. `sites` are in the swarm's order; `mean` is None where it is of one.

    `rounds` are all that some site measured it in.
    """

    metric: str
    rounds: tuple[int, ...]
    sites: Mapping[Address, tuple[Value, ...]]
    mean: tuple[Value, ...]

    @property
    def has_intervals(self) -> bool:
        """Whether some site says how sure it is."""
        return any(value.interval for values in self.sites.values() for value in values)

    def ranked(self) -> list[Address]:
        """The sites, the worst in the newest round first; those that did not measure then are left out."""
        last = [(node, values[-1]) for node, values in self.sites.items() if values[-1].round == self.rounds[-1]]
        in_order = sorted(last, key=lambda item: item[1].value)
        if not is_better(self.metric, 1.0, 0.0):
            in_order.reverse()
        return [node for node, _ in in_order]


Measurements = Sequence[tuple[int, Mapping[Address, Metrics]]]
"""What the sites measured, round by round."""


def agreed(report: Report) -> Measurements:
    """The agreed models at the sites, by the round that they came from; 0 is the genesis."""
    return [(one.round, one.sites) for one in report.measured]


def own(report: Report) -> Measurements:
    """What each node trained in a round, before it was merged, on what the node holds out."""
    found = [(one.number, {each.node: each.metrics for each in one.nodes if each.metrics}) for one in report.rounds]
    return [(number, sites) for number, sites in found if sites]


def series_of(metric: str, measurements: Measurements, order: Sequence[Address]) -> Series:
    """One metric's lines."""
    having = [(number, {n: said for n, said in sites.items() if metric in said}) for number, sites in measurements]
    having = [(number, sites) for number, sites in having if sites]
    lines: dict[Address, list[Value]] = {}
    for number, sites in having:
        for node, said in sites.items():
            lines.setdefault(node, []).append(Value(round=number, value=said[metric], interval=interval(metric, said)))
    return Series(
        metric=metric,
        rounds=tuple(number for number, _ in having),
        sites={node: tuple(lines[node]) for node in order if node in lines},
        mean=tuple(_means(metric, having)),
    )


def _means(metric: str, having: Measurements) -> Iterator[Value]:
    for number, sites in having:
        if mean := mean_of(metric, sites.values()):
            yield Value(round=number, value=mean.value)


# -------------------------------------------------------------------------------------------------------------- metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The metrics that a page shows, of all examples and of classes or groups; how many more there are."""

    whole: tuple[str, ...]
    grouped: tuple[str, ...]
    left_out: int


def choose_metrics(report: Report) -> Chosen:
    """What to show: what models are usually compared by comes first, and last what few sites measured."""
    said = [metrics for _, sites in (*agreed(report), *own(report)) for metrics in sites.values()]
    uses: dict[str, int] = {}
    for metrics in said:
        for name in metrics:
            uses[name] = uses.get(name, 0) + 1
    names = [name for name in _in_order(uses) if not _is_no_metric(name, uses)]
    whole, grouped = [n for n in names if "." not in n], [n for n in names if "." in n]
    shown = tuple(whole[:MOST_METRICS]), tuple(sorted(grouped[:MOST_GROUP_METRICS]))
    return Chosen(whole=shown[0], grouped=shown[1], left_out=len(names) - len(shown[0]) - len(shown[1]))


def _in_order(uses: Mapping[str, int]) -> list[str]:
    preferred = {name: place for place, name in enumerate(PREFERRED)}
    often = max(uses.values(), default=0) / 2
    return sorted(uses, key=lambda name: (uses[name] < often, preferred.get(name, len(preferred)), name))


def _is_no_metric(name: str, names: Collection[str]) -> bool:
    """Whether it is a count, or an end of another's interval."""
    return name.rpartition(".")[2] == TEST_SAMPLES or is_end(name, names)
