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
MOST_COLUMNS: Final = 500
"""Rounds that have a column; of more, the newest."""
MOST_CELLS: Final = 600
"""Cells that are drawn one by one; of more, rounds in a row are drawn as one."""
MOST_STRETCHES: Final = 4000
"""Rounds in a row that can be pointed at; of more, only rows can."""
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
_WIDE: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    """Rounds in a row in which a node had the same part: their places among the columns."""

    first: int
    last: int
    said: Taking


@dataclass(frozen=True, kw_only=True, slots=True)
class _Columns:
    """The rounds that are drawn, and how wide."""

    rounds: Sequence[RoundEntry]
    width: float

    def box(self, row: int, one: _Stretch) -> str:
        gap = 2 if self.width > _WIDE else 0
        width = self.width * (one.last - one.first + 1) - gap
        return box(_LEFT + self.width * one.first, _TOP + _ROW * row, width, _ROW - 3)

    def span(self, one: _Stretch) -> str:
        first, last = self.rounds[one.first].number, self.rounds[one.last].number
        return f"round {first}" if first == last else f"rounds {first} to {last}"


def draw_grid(report: Report, names: Names) -> Drawing:
    """Rounds by nodes, with what became of each node in each round."""
    nodes, rounds = _rows(report), report.rounds[-MOST_COLUMNS:]
    columns = _Columns(rounds=rounds, width=min(_WIDEST, (_WIDTH - _LEFT) / len(rounds)))
    height = _TOP + _ROW * len(nodes) + _BELOW
    return Drawing(
        title="who took part in which round",
        width=round(_LEFT + columns.width * len(rounds)) + 16,
        height=height,
        paths=list(_cells(nodes, columns, names)),
        words=[*_names(nodes, names), *_numbers(columns, height)],
        keys=[Key(style=f"cell part-{part}", text=SAID[part], is_area=True) for part in _parts(rounds)],
        notes=list(_notes(report, nodes, rounds)),
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
    if len(nodes) <= MOST_ROWS:
        return nodes
    often = missed(report)
    kept = set(sorted(nodes, key=lambda node: -often.get(node, 0))[:MOST_ROWS])
    return [node for node in nodes if node in kept]


def _parts(rounds: Sequence[RoundEntry]) -> list[Part]:
    """The parts that somebody had, in their order."""
    had = {one.part for round_ in rounds for one in round_.nodes}
    return [part for part in Part if part in had]


def _notes(report: Report, nodes: Sequence[Address], rounds: Sequence[RoundEntry]) -> Iterator[str]:
    if len(nodes) < len(report.labels):
        yield f"{len(nodes)} of {len(report.labels)} nodes: those that missed most."
    if len(rounds) < len(report.rounds):
        yield f"The newest {len(rounds)} of {len(report.rounds)} rounds."


# --------------------------------------------------------------------------------------------------------------- cells


def _cells(nodes: Sequence[Address], columns: _Columns, names: Names) -> Iterator[Path]:
    by_round = [{one.node: one for one in round_.nodes} for round_ in columns.rounds]
    is_small = len(nodes) * len(by_round) <= MOST_CELLS
    rows = [list(_stretches([there.get(node) for there in by_round], one_by_one=is_small)) for node in nodes]
    draw = _row if sum(map(len, rows)) <= MOST_STRETCHES else _plain_row
    for place, (node, row) in enumerate(zip(nodes, rows, strict=True)):
        yield from draw(place, row, columns, apart(names.of(node)))


def _stretches(parts: Sequence[Taking | None], *, one_by_one: bool) -> Iterator[_Stretch]:
    """A node's rounds, those in a row with the same part and reason as one; none where it was not expected."""
    for _, group in groupby(enumerate(parts), key=lambda item: _kind(*item, one_by_one=one_by_one)):
        stretch = list(group)
        first, said = stretch[0]
        if said is not None:
            yield _Stretch(first=first, last=stretch[-1][0], said=said)


def _kind(place: int, said: Taking | None, *, one_by_one: bool) -> tuple[object, ...]:
    if said is None:
        return (None,)
    return said.part, said.reason, place if one_by_one else None


def _row(place: int, row: Sequence[_Stretch], columns: _Columns, name: str) -> Iterator[Path]:
    for one in row:
        reason = f" ({one.said.reason})" if one.said.reason else ""
        title = f"{name}, {columns.span(one)}: {SAID[one.said.part]}{reason}"
        yield Path(style=f"cell part-{one.said.part}", d=columns.box(place, one), title=title)


def _plain_row(place: int, row: Sequence[_Stretch], columns: _Columns, name: str) -> Iterator[Path]:
    """The same in one path for each part."""
    for part in Part:
        found = [one for one in row if one.said.part is part]
        rounds = sum(one.last - one.first + 1 for one in found)
        if found:
            d = "".join(columns.box(place, one) for one in found)
            yield Path(style=f"cell part-{part}", d=d, title=f"{name}: {SAID[part]} in {rounds} rounds")


# --------------------------------------------------------------------------------------------------------------- words


def _names(nodes: Sequence[Address], names: Names) -> Iterator[Word]:
    for row, node in enumerate(nodes):
        name = names.of(node)
        text = name if len(name) <= 21 else f"{name[:20]}…"
        yield Word(x=at(_LEFT - 8), y=at(_TOP + _ROW * row + 10), text=text, anchor="end", title=name)


def _numbers(columns: _Columns, height: int) -> Iterator[Word]:
    """The rounds' numbers, as many as there is room for."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if step * columns.width >= 24)
    for place, round_ in enumerate(columns.rounds):
        if round_.number % step == 0:
            x = at(_LEFT + columns.width * (place + 0.5))
            yield Word(x=x, y=at(height - 6), text=str(round_.number), anchor="middle")
