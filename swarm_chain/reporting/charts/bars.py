"""Amounts by round: what a round cost in gas, and in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import fmean

from swarm_chain.reporting.charts.axes import axes
from swarm_chain.reporting.charts.curves import POINTS
from swarm_chain.reporting.charts.drawing import Drawing, Path, box
from swarm_chain.reporting.charts.scales import thinned

_WIDTH, _HEIGHT, _LEFT = 520, 220, 64


def draw_bars(title: str, amounts: Sequence[tuple[int, int]], say: Callable[[float], str]) -> Drawing:
    """A bar for each round's amount; of many rounds, for the mean of several in a row."""
    bars = list(_bars(amounts))
    most = max([1.0, *(amount for _, _, amount in bars)])
    rounds = [number for number, _ in amounts]
    frame = axes(rounds, [0.0, most], width=_WIDTH, height=_HEIGHT, left=_LEFT + 8, say=say, has_bars=True)
    width = max(1.0, (frame.rounds.end - frame.rounds.start) / len(bars) * 0.7)
    width = min(width, 24.0)
    return Drawing(
        title=title,
        width=_WIDTH,
        height=_HEIGHT,
        paths=[*frame.lines(), *(_bar(frame.place, frame.values.start, width, bar, say) for bar in bars)],
        words=frame.words(),
        notes=[f"Each bar is the mean of up to {-(-len(amounts) // POINTS)} rounds."]
        if len(bars) < len(amounts)
        else [],
    )


def _bars(amounts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, float]]:
    """First round, last round and mean amount of each bar."""
    places = [-1, *thinned(len(amounts), POINTS)]
    for before, place in pairwise(places):
        rounds = amounts[before + 1 : place + 1]
        yield rounds[0][0], rounds[-1][0], fmean(amount for _, amount in rounds)


def _bar(
    place: Callable[[float, float], tuple[float, float]],
    foot: float,
    width: float,
    bar: tuple[int, int, float],
    say: Callable[[float], str],
) -> Path:
    first, last, amount = bar
    x, y = place((first + last) / 2, amount)
    when = f"round {first}" if first == last else f"rounds {first} to {last}, mean"
    return Path(style="bar", d=box(x - width / 2, y, width, foot - y), title=f"{when}: {say(amount)}")
