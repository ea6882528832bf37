"""Who took part: a row for each node, a column for each round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from swarm_chain.reporting.charts.drawing import Drawing, Key, Path, Word, at, box
from swarm_chain.reporting.report import Part, Report, RoundEntry, Taking
from swarm_chain.reporting.words import Names, apart
from swarm_chain.types import Address

MOST_ROWS: Final = 120
"""Nodes that have a row; of more, those that were left out or stayed away most."""
SAID: Final = {
    Part.INCLUDED: "included",
    Part.EXCLUDED: "excluded",
    Part.REVEALED: "revealed, no result",
    Part.COMMITTED: "committed, did not reveal",
    Part.NOTHING: "did nothing",
}

_LEFT, _TOP, _ROW, _BELOW = 150, 6, 16, 22
_WIDTH: Final = 1080
_WIDEST: Final = 26


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    """Rounds in a row in which a node had the same part."""

    first: int
    last: int
    said: Taking


def draw_grid(report: Report, names: Names) -> Drawing:
    """All rounds of all nodes, or of those that missed most."""
    nodes = _rows(report)
    by_round = [{one.node: one for one in round_.nodes} for round_ in report.rounds]
    column = min(_WIDEST, (_WIDTH - _LEFT) / len(report.rounds))
    height = _TOP + _ROW * len(nodes) + _BELOW
    return Drawing(
        title="who took part in which round",
        width=round(_LEFT + column * len(report.rounds)) + 4,
        height=height,
        paths=[
            path
            for row, node in enumerate(nodes)
            for path in _cells(report, [there.get(node) for there in by_round], row, column, names.of(node))
        ],
        words=[*_names(nodes, names), *_numbers(report, column, height)],
        keys=[Key(style=f"part-{part}", text=SAID[part], is_area=True) for part in _parts(report)],
        notes=[f"{len(nodes)} of {len(report.labels)} nodes: those that missed most."] if _is_cut(report) else [],
    )


def missed(report: Report) -> Mapping[Address, int]:
    """How often each node was expected and not included, in rounds that ended in a result."""
    return Counter(
        one.node
        for round_ in report.rounds
        if round_.result is not None
        for one in round_.nodes
        if one.part is not Part.INCLUDED
    )


def _rows(report: Report) -> list[Address]:
    nodes = list(report.labels)
    if not _is_cut(report):
        return nodes
    often = missed(report)
    kept = set(sorted(nodes, key=lambda node: -often.get(node, 0))[:MOST_ROWS])
    return [node for node in nodes if node in kept]


def _is_cut(report: Report) -> bool:
    return len(report.labels) > MOST_ROWS


def _parts(report: Report) -> list[Part]:
    """The parts that somebody had, in their order."""
    had = {one.part for round_ in report.rounds for one in round_.nodes}
    return [part for part in Part if part in had]


def _cells(report: Report, parts: Sequence[Taking | None], row: int, column: float, name: str) -> Iterator[Path]:
    gap = 2 if column > 8 else 0
    for one in _stretches(parts):
        width = column * (one.last - one.first + 1) - gap
        d = box(_LEFT + column * one.first, _TOP + _ROW * row, width, _ROW - 3)
        said = f"{SAID[one.said.part]}{f' ({one.said.reason})' if one.said.reason else ''}"
        title = f"{apart(name)}, {_span(report.rounds, one)}: {said}"
        yield Path(style=f"cell part-{one.said.part}", d=d, title=title)


def _stretches(parts: Sequence[Taking | None]) -> Iterator[_Stretch]:
    """A node's rounds, those in a row with the same part and reason as one; none where it was not expected."""
    for _, group in groupby(enumerate(parts), key=lambda item: item[1] and (item[1].part, item[1].reason)):
        stretch = list(group)
        said = stretch[0][1]
        if said is not None:
            yield _Stretch(first=stretch[0][0], last=stretch[-1][0], said=said)


def _span(rounds: Sequence[RoundEntry], one: _Stretch) -> str:
    first, last = rounds[one.first].number, rounds[one.last].number
    return f"round {first}" if first == last else f"rounds {first} to {last}"


def _names(nodes: Sequence[Address], names: Names) -> Iterator[Word]:
    for row, node in enumerate(nodes):
        name = names.of(node)
        text = name if len(name) <= 21 else f"{name[:20]}…"
        yield Word(x=at(_LEFT - 8), y=at(_TOP + _ROW * row + 10), text=text, anchor="end", title=name)


def _numbers(report: Report, column: float, height: int) -> Iterator[Word]:
    """The rounds' numbers, as many as there is room for."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if step * column >= 24)
    for place, round_ in enumerate(report.rounds):
        if round_.number % step == 0 or (place == 0 and step > len(report.rounds)):
            yield Word(x=at(_LEFT + column * (place + 0.5)), y=at(height - 6), text=str(round_.number), anchor="middle")
