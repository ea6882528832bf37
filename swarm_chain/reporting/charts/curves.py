"""Curves of a metric by round: all sites in one drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from swarm_chain.core.metrics import is_lower_better
from swarm_chain.reporting.charts.axes import Axes, axes
from swarm_chain.reporting.charts.drawing import Dot, Drawing, Key, Path, area, at, polyline
from swarm_chain.reporting.charts.scales import thinned
from swarm_chain.reporting.series import Series, Value
from swarm_chain.reporting.words import Names, apart, number
from swarm_chain.types import Address

COLOURS: Final = 8
"""Sites that have a colour and a dash pattern each; of more, the worst and the best have."""
OTHERS: Final = 24
"""Thin lines between the worst and the best."""
POINTS: Final = 160
"""Rounds of a line; of more, every second, third or so."""
DOTS: Final = 250
"""Points of a drawing that can be pointed at; where there are more, only lines can."""

_WIDTH, _HEIGHT, _LEFT = 520, 260, 56


def frame_of(lines: Sequence[Series]) -> Axes:
    """Axes with room for several drawings' values, so that these can be compared."""
    values = [value.value for series in lines for line in series.sites.values() for value in line]
    rounds = [number_ for series in lines for number_ in series.rounds]
    return axes(rounds, values, width=_WIDTH, height=_HEIGHT, left=_LEFT)


def draw_curves(series: Series, frame: Axes, names: Names, styles: Mapping[Address, str], what: str) -> Drawing:
    """All sites' lines, and their mean where there are several. `styles` are the sites' own, empty where they have
    none; `what` says whose metric it is."""
    chosen = _chosen(series, names, styles)
    return Drawing(
        title=f"{series.metric} of {what}, by round and site",
        width=_WIDTH,
        height=_HEIGHT,
        paths=[
            *frame.lines(),
            *_range(series, frame, styles),
            *_lines(series, frame, {node: style for node, style in chosen.items() if style == "other"}, names),
            *mean_line(series, frame),
            *_lines(series, frame, {node: style for node, style in chosen.items() if style != "other"}, names),
        ],
        dots=list(_dots(series, frame, chosen, names)),
        words=frame.words(),
        keys=list(_keys(series, chosen, names, styles)),
        notes=list(_notes(series, frame, chosen)),
    )


def _chosen(series: Series, names: Names, styles: Mapping[Address, str]) -> dict[Address, str]:
    """The sites that have a line, with its style; the ones that matter last, to be drawn above the others."""
    if styles:
        return {node: styles[node] for node in series.sites if node in styles}
    ranked = series.ranked()
    others = [node for node in series.sites if node not in (*ranked[:1], *ranked[-1:])]
    drawn = {others[place]: "other" for place in thinned(len(others), OTHERS)}
    return drawn | dict.fromkeys(ranked[-1:], "best") | dict.fromkeys(ranked[:1], "worst")


def _lines(series: Series, frame: Axes, chosen: Mapping[Address, str], names: Names) -> Iterator[Path]:
    for node, style in chosen.items():
        line = series.sites[node]
        title = f"{apart(names.of(node))}: {number(line[-1].value)} in round {line[-1].round}"
        yield Path(style=f"line {style}", d=through(line, series.rounds, frame), title=title)


def mean_line(series: Series, frame: Axes) -> Iterator[Path]:
    if len(series.sites) > 1:
        last = series.mean[-1]
        title = f"mean of all sites: {number(last.value)} in round {last.round}"
        yield Path(style="line mean", d=through(series.mean, series.rounds, frame), title=title)


def through(line: Sequence[Value], rounds: Sequence[int], frame: Axes) -> str:
    """A path through the rounds that are drawn, broken where one of them was not measured."""
    drawn = [rounds[place] for place in thinned(len(rounds), POINTS)]
    by_round = {value.round: value for value in line}
    pieces: list[list[tuple[float, float]]] = [[]]
    for number_ in drawn:
        if number_ in by_round:
            pieces[-1].append(frame.place(number_, by_round[number_].value))
        elif pieces[-1]:
            pieces.append([])
    return "".join(polyline(piece) for piece in pieces if piece)


def _range(series: Series, frame: Axes, styles: Mapping[Address, str]) -> Iterator[Path]:
    """The area between the least and the most of all sites, where not every one has a line."""
    if styles:
        return
    spans: dict[int, list[float]] = {number_: [] for number_ in series.rounds}
    for line in series.sites.values():
        for value in line:
            spans[value.round].append(value.value)
    places = thinned(len(series.rounds), POINTS)
    # What is drawn at a round stands for all rounds since the one that was drawn before it.
    stretches = [series.rounds[before + 1 : place + 1] for before, place in pairwise([-1, *places])]
    found = [(rounds[-1], [each for one in rounds for each in spans[one]]) for rounds in stretches]
    above = [frame.place(number_, max(values)) for number_, values in found]
    below = [frame.place(number_, min(values)) for number_, values in found]
    yield Path(style="area range", d=area(above, below), title="between the least and the most of all sites")


def _dots(series: Series, frame: Axes, chosen: Mapping[Address, str], names: Names) -> Iterator[Dot]:
    if sum(len(series.sites[node]) for node in chosen) > DOTS:
        return
    for node, style in chosen.items():
        for value in series.sites[node]:
            yield dot(value, frame, style, f"{apart(names.of(node))}, {said(value)}")


def dot(value: Value, frame: Axes, style: str, title: str) -> Dot:
    x, y = frame.place(value.round, value.value)
    return Dot(style=style, x=at(x), y=at(y), title=title)


def said(value: Value) -> str:
    ends = f" [{number(value.interval[0])} to {number(value.interval[1])}]" if value.interval else ""
    return f"round {value.round}: {number(value.value)}{ends}"


def _keys(series: Series, chosen: Mapping[Address, str], names: Names, styles: Mapping[Address, str]) -> Iterator[Key]:
    if styles:
        yield from (Key(style=style, text=names.of(node)) for node, style in chosen.items())
    else:
        for style in ("worst", "best"):
            found = (node for node in chosen if chosen[node] == style)
            yield from (Key(style=style, text=f"{style} in the last round: {apart(names.of(node))}") for node in found)
        yield Key(style="other", text="other sites")
        yield Key(style="range", text="all sites", is_area=True)
    if len(series.sites) > 1:
        yield Key(style="mean", text="mean of all sites")


def _notes(series: Series, frame: Axes, chosen: Mapping[Address, str]) -> Iterator[str]:
    yield f"{'Less' if is_lower_better(series.metric) else 'More'} is better."
    if len(chosen) < len(series.sites):
        yield f"{len(chosen)} of {len(series.sites)} sites have a line."
    if len(series.rounds) > POINTS:
        drawn = len(thinned(len(series.rounds), POINTS))
        yield f"{drawn} of {len(series.rounds)} rounds are drawn."
    far = sum(not frame.values.holds(value.value) for line in series.sites.values() for value in line)
    if far:
        yield f"{far} values far from all others lie beyond the axis; the drawing has them at its edge."
