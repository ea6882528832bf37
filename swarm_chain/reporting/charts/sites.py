"""Curves of a metric by round: each site in a small drawing of its own, with its intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from swarm_chain.reporting.charts.axes import Axes, axes
from swarm_chain.reporting.charts.curves import POINTS, dot, mean_line, said, through
from swarm_chain.reporting.charts.drawing import Drawing, Path, area
from swarm_chain.reporting.charts.scales import thinned
from swarm_chain.reporting.series import Series, Value
from swarm_chain.reporting.words import Names
from swarm_chain.types import Address

SMALL: Final = 12
"""Sites that have a drawing of their own."""

_WIDTH, _HEIGHT, _LEFT = 250, 140, 50


def draw_sites(
    agreed: Series, own: Series | None, names: Names, styles: Mapping[Address, str]
) -> dict[Address, Drawing]:
    """A small drawing for each site, all with the same axes: of many sites those at both ends of the ranking."""
    lines = [agreed] if own is None else [agreed, own]
    values = [
        each for series in lines for line in series.sites.values() for value in line for each in _with_ends(value)
    ]
    rounds = [number for series in lines for number in series.rounds]
    frame = axes(rounds, values, width=_WIDTH, height=_HEIGHT, left=_LEFT)
    return {node: _draw_site(agreed, own, node, frame, names, styles) for node in _both_ends(agreed, SMALL)}


def _draw_site(
    agreed: Series, own: Series | None, node: Address, frame: Axes, names: Names, styles: Mapping[Address, str]
) -> Drawing:
    line, style = agreed.sites[node], styles.get(node, "s0")
    before = own.sites.get(node, ()) if own else ()
    own_path = [Path(style="line own", d=through(before, own.rounds, frame), title="its own")] if own and before else []
    return Drawing(
        title=f"{agreed.metric} at {names.of(node)}, by round",
        width=_WIDTH,
        height=_HEIGHT,
        paths=[
            *frame.lines(),
            *_band(line, agreed.rounds, frame, style),
            *mean_line(agreed, frame),
            *own_path,
            Path(style=f"line {style}", d=through(line, agreed.rounds, frame), title="the agreed model"),
        ],
        dots=[dot(value, frame, style, said(value)) for value in line] if len(agreed.rounds) <= POINTS // 4 else [],
        words=frame.words(),
    )


def _band(line: Sequence[Value], rounds: Sequence[int], frame: Axes, style: str) -> Iterator[Path]:
    """The intervals, as an area in each stretch of rounds that all have one."""
    drawn = [rounds[place] for place in thinned(len(rounds), POINTS)]
    by_round = {value.round: value.interval for value in line}
    found = [(number_, by_round.get(number_)) for number_ in drawn]
    for stretch in _stretches(found):
        above = [frame.place(number_, ends[1]) for number_, ends in stretch]
        below = [frame.place(number_, ends[0]) for number_, ends in stretch]
        yield Path(style=f"area {style}", d=area(above, below), title="its 95 % interval")


def _stretches(
    found: Iterable[tuple[int, tuple[float, float] | None]],
) -> Iterator[list[tuple[int, tuple[float, float]]]]:
    stretch: list[tuple[int, tuple[float, float]]] = []
    for number_, ends in (*found, (0, None)):
        if ends is not None:
            stretch.append((number_, ends))
        elif stretch:
            yield stretch
            stretch = []


def _both_ends(series: Series, most: int) -> list[Address]:
    """All sites in their order, or of more than `most` the worst and the best halves of that."""
    if len(series.sites) <= most:
        return list(series.sites)
    ranked = series.ranked()
    return ranked if len(ranked) <= most else [*ranked[: most // 2], *ranked[-most // 2 :]]


def _with_ends(value: Value) -> tuple[float, ...]:
    return (value.value, *(value.interval or ()))
