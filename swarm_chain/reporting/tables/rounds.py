"""Tables of who took part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from swarm_chain.chronicle import Outcome
from swarm_chain.reporting.charts.scales import thinned
from swarm_chain.reporting.report import Part, Report, RoundEntry, Taking
from swarm_chain.reporting.tables.table import MOST_ROWS, Cell, Table, cut, node_cell
from swarm_chain.reporting.words import Names, apart, moment, size, span
from swarm_chain.types import Address

MOST_NAMES: Final = 6
"""Nodes that are named in a cell."""

_ENDED: Final = {Outcome.FINALIZED: "finalised", Outcome.ABORTED: "aborted", Outcome.RUNNING: "not yet"}


def round_table(report: Report, names: Names) -> Table:
    """A row a round: how it ended, who was in it and who was not, how long it took, what it cost."""
    places = thinned(len(report.rounds), MOST_ROWS)
    rows = [_round_row(report.rounds[place], names) for place in places]
    columns = ["round", "ended", "included", "excluded", "not there", "attested", "opened", "took", "gas", "updates"]
    note = f"{len(rows)} of {len(report.rounds)} rounds." if len(rows) < len(report.rounds) else ""
    return Table(columns=columns, rows=rows, note=note, wordy=frozenset({1, 3, 4}))


def _round_row(one: RoundEntry, names: Names) -> list[Cell]:
    excluded = [each for each in one.nodes if each.part is Part.EXCLUDED]
    away = [each for each in one.nodes if each.part in (Part.NOTHING, Part.COMMITTED)]
    ended = _ENDED[one.outcome] if one.abort_reason is None else f"aborted: {one.abort_reason.replace('_', ' ')}"
    return [
        Cell(text=str(one.number)),
        Cell(text=ended),
        Cell(text=_included(one)),
        Cell(text=_listed([f"{apart(names.of(each.node))} ({each.reason})" for each in excluded])),
        Cell(text=_listed([_away(each, names) for each in away])),
        Cell(text=f"{one.attested} of {one.quorum}"),
        Cell(text=moment(one.opened_at)),
        Cell(text=span(one.seconds)),
        Cell(text=f"{one.gas:,}"),
        Cell(text=size(one.put)),
    ]


def _included(one: RoundEntry) -> str:
    expected = len(one.nodes)
    if one.outcome is not Outcome.FINALIZED:
        return "-"
    revealed = one.count(Part.REVEALED)
    return f"{one.count(Part.INCLUDED)} of {expected}" if not revealed else f"unknown, of {expected}"


def _away(one: Taking, names: Names) -> str:
    name = apart(names.of(one.node))
    return f"{name} (did not reveal)" if one.part is Part.COMMITTED else name


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_NAMES} more" if len(words) > MOST_NAMES else ""
    return ", ".join(words[:MOST_NAMES]) + more if words else "-"


def node_table(report: Report, names: Names) -> Table:
    """A row a node: in how many rounds it was what, and its samples in the newest."""
    counts: dict[Address, dict[Part, int]] = defaultdict(lambda: defaultdict(int))
    samples: dict[Address, int] = {}
    for round_ in report.rounds:
        for one in round_.nodes:
            counts[one.node][one.part] += 1
            if one.samples is not None:
                samples[one.node] = one.samples
    rows = [
        [
            node_cell(node, names),
            *(Cell(text=str(counts[node][part])) for part in Part),
            Cell(text=f"{samples[node]:,}" if node in samples else "-"),
        ]
        for node in list(report.labels)[:MOST_ROWS]
    ]
    columns = ["node", "included", "excluded", "revealed, no result", "did not reveal", "did nothing", "samples"]
    return Table(columns=columns, rows=rows, note=cut(len(report.labels)))
