"""The frame of a chart: its two scales, their numbers, and the lines behind what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from swarm_chain.reporting.charts.drawing import Path, Place, Word, at, polyline
from swarm_chain.reporting.charts.scales import TICKS, Scale, round_step, scale_of
from swarm_chain.reporting.words import number

BELOW: Final = 30
"""Room for the rounds' numbers."""
ABOVE: Final = 10
ASIDE: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """Rounds from left to right, values upwards."""

    width: int
    height: int
    rounds: Scale
    values: Scale
    say: Callable[[float], str] = number

    def place(self, round_: float, value: float) -> Place:
        """Where a round's value is drawn."""
        return self.rounds.at(round_), self.values.at(value)

    def lines(self) -> list[Path]:
        """The lines at the values' numbers."""
        ends = (self.rounds.start, self.rounds.end)
        rows = [polyline([(end, self.values.at(tick)) for end in ends]) for tick in self.values.ticks()]
        return [Path(style="grid", d="".join(rows))]

    def words(self) -> list[Word]:
        """The numbers of both scales."""
        return [*self._of_values(), *self._of_rounds()]

    def _of_values(self) -> Iterable[Word]:
        for tick in self.values.ticks():
            yield Word(x=at(self.rounds.start - 6), y=at(self.values.at(tick) + 4), text=self.say(tick), anchor="end")

    def _of_rounds(self) -> Iterable[Word]:
        for tick in self.rounds.ticks():
            y = at(self.height - BELOW + 18)
            yield Word(x=at(self.rounds.at(tick)), y=y, text=str(int(tick)), anchor="middle")
        yield Word(x=at(self.rounds.end), y=at(self.height - 1), text="round", anchor="end")


def axes(
    rounds: Sequence[int],
    values: Sequence[float],
    *,
    width: int,
    height: int,
    left: int,
    say: Callable[[float], str] = number,
    has_bars: bool = False,
) -> Axes:
    """Axes with room for these rounds and values."""
    low, high = min(rounds), max(rounds)
    few = 0.5 if low == high or has_bars else 0.0
    return Axes(
        width=width,
        height=height,
        rounds=Scale(
            low=low - few,
            high=high + few,
            start=left,
            end=width - ASIDE,
            step=max(1.0, round_step((high - low or 1) / TICKS)),
        ),
        values=scale_of(values, start=height - BELOW, end=ABOVE),
        say=say,
    )
