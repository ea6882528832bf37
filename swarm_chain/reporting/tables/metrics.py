"""Tables of metrics: a result at every site, and a metric by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

from swarm_chain.chronicle import mean_of
from swarm_chain.core.metrics import TEST_SAMPLES, interval, is_better
from swarm_chain.reporting.charts.scales import thinned
from swarm_chain.reporting.report import ResultEntry
from swarm_chain.reporting.series import Series
from swarm_chain.reporting.tables.table import MOST_ROWS, Cell, Table, name_cell, node_cell
from swarm_chain.reporting.words import Names, apart, number, shown
from swarm_chain.types import Address, Metrics

MOST_SITES: Final = 12
"""Sites that have a column, and that stand in the swarm's order; of more, the worst come first."""
MOST_COLUMNS: Final = 8
"""Metrics that have a column beside the sites."""


def head_table(
    result: ResultEntry, metrics: Sequence[str], names: Names, by: str | None, *, most: int = MOST_ROWS
) -> Table:
    """How a result does at each site, the worst and the best of each metric marked; the last row is the mean.

    Of more than `most` sites those where it does worst, and a few where it does best.
    """
    shown = [name for name in metrics if result.of(name)][:MOST_COLUMNS]
    ends = {name: _ends(name, result.of(name)) for name in shown}
    nodes = _worst_first(result, by) if len(result.sites) > MOST_SITES else list(result.sites)
    drawn = nodes if len(nodes) <= most else [*nodes[: most - most // 4], *nodes[-(most // 4) :]]
    return Table(
        columns=["site", *shown, "test examples"],
        rows=[_site_row(node, result.sites[node], shown, ends, names) for node in drawn],
        note=f"{len(nodes) - len(drawn)} sites between these are left out." if len(drawn) < len(nodes) else "",
        summary=_mean_row(result, shown) if len(nodes) > 1 else (),
    )


def _ends(name: str, values: Mapping[Address, float]) -> tuple[float, float]:
    """The worst and the best value."""
    low, high = min(values.values()), max(values.values())
    return (low, high) if is_better(name, high, low) else (high, low)


def _worst_first(result: ResultEntry, by: str | None) -> list[Address]:
    values = result.of(by) if by else {}
    sign = 1.0 if by is None or is_better(by, 1.0, 0.0) else -1.0
    return sorted(result.sites, key=lambda node: (node not in values, sign * values.get(node, 0.0)))


def _site_row(
    node: Address, metrics: Metrics, shown: Sequence[str], ends: Mapping[str, tuple[float, float]], names: Names
) -> list[Cell]:
    examples = metrics.get(TEST_SAMPLES)
    return [
        node_cell(node, names),
        *(_metric_cell(name, metrics, ends[name]) for name in shown),
        Cell(text="-" if examples is None else f"{examples:,.0f}" if abs(examples) < 1e15 else number(examples)),
    ]


def _metric_cell(name: str, metrics: Metrics, ends: tuple[float, float]) -> Cell:
    if name not in metrics:
        return Cell(text="-")
    value, sure = metrics[name], interval(name, metrics)
    mark = "" if ends[0] == ends[1] else {ends[0]: "worst", ends[1]: "best"}.get(value, "")
    remark = f"{number(sure[0])} to {number(sure[1])}" if sure else ""
    return Cell(text=number(value), remark=remark, mark=mark)


def _mean_row(result: ResultEntry, shown: Sequence[str]) -> list[Cell]:
    cells = [Cell(text="mean of the sites")]
    for name in shown:
        mean = mean_of(name, result.sites.values())
        weighted = "by test examples" if mean and mean.is_weighted else "each site once"
        cells.append(Cell(text=number(mean.value), remark=weighted) if mean else Cell(text="-"))
    return [*cells, Cell(text="")]


def group_table(result: ResultEntry, metrics: Sequence[str], names: Names) -> Table:
    """How a result does by class and group, a row a metric: of a few sites all, of many the mean and both ends."""
    by_metric = {name: values for name in metrics if (values := result.of(name))}
    if len(result.sites) <= MOST_SITES:
        rows = [_sites_row(name, values, list(result.sites)) for name, values in by_metric.items()]
        return Table(columns=["metric", *(names.of(node) for node in result.sites)], rows=rows)
    rows = [
        [name_cell(shown(name, 60)), *_summary(name, values, fmean(values.values()), names)]
        for name, values in by_metric.items()
    ]
    return Table(columns=["metric", *_SUMMARY], rows=rows)


def _sites_row(metric: str, values: Mapping[Address, float], nodes: Sequence[Address]) -> list[Cell]:
    cells = (Cell(text=number(values[node]) if node in values else "-") for node in nodes)
    return [name_cell(shown(metric, 60)), *cells]


# ------------------------------------------------------------------------------------------------------------- by round


def series_table(series: Series, names: Names) -> Table:
    """A metric's values, a row a round: of a few sites all, of many the mean and both ends."""
    places = thinned(len(series.rounds), MOST_ROWS // 2)
    rounds = [series.rounds[place] for place in places]
    note = f"{len(rounds)} of {len(series.rounds)} rounds." if len(rounds) < len(series.rounds) else ""
    means = {value.round: value.value for value in series.mean}
    by_site = {node: {value.round: value.value for value in line} for node, line in series.sites.items()}
    if len(by_site) <= MOST_SITES:
        columns = ["round", *(names.of(node) for node in by_site), "mean"]
        rows = [_few_row(one, by_site.values(), means[one]) for one in rounds]
        return Table(columns=columns, rows=rows, note=note)
    rows = [[Cell(text=str(one)), *_summary(series.metric, _there(by_site, one), means[one], names)] for one in rounds]
    return Table(columns=["round", *_SUMMARY], rows=rows, note=note)


def _few_row(round_: int, sites: Iterable[Mapping[int, float]], mean: float) -> list[Cell]:
    values = [number(site[round_]) if round_ in site else "-" for site in sites]
    return [Cell(text=text) for text in (str(round_), *values, number(mean))]


def _there(by_site: Mapping[Address, Mapping[int, float]], round_: int) -> dict[Address, float]:
    return {node: values[round_] for node, values in by_site.items() if round_ in values}


_SUMMARY: Final = ("mean", "worst", "best", "sites")


def _summary(metric: str, values: Mapping[Address, float], mean: float, names: Names) -> list[Cell]:
    """Many sites in a few cells."""
    worst, best = _ends(metric, values)
    at = {value: node for node, value in reversed(list(values.items()))}
    return [
        Cell(text=number(mean)),
        Cell(text=number(worst), remark=apart(names.of(at[worst]))),
        Cell(text=number(best), remark=apart(names.of(at[best]))),
        Cell(text=str(len(values))),
    ]
