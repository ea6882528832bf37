"""A drawing as the page's template writes it: paths, dots and words at places, nothing of which is markup yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A line or an area. `style` names a class of the style sheet, `title` what a pointer over it shows."""

    style: str
    d: str
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A point that can be pointed at."""

    style: str
    x: str
    y: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """Text at a place. `anchor` says which end of it is there: start, middle or end."""

    x: str
    y: str
    text: str
    anchor: str = "start"
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A line of a legend. `is_area`: the style is of areas, not of lines."""

    style: str
    text: str
    is_area: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A drawing `width` by `height`; `title` is what it shows, for those who do not see it."""

    title: str
    width: int
    height: int
    paths: Sequence[Path] = ()
    dots: Sequence[Dot] = ()
    words: Sequence[Word] = ()
    keys: Sequence[Key] = ()
    notes: Sequence[str] = ()


def at(value: float) -> str:
    """A coordinate, to a tenth.

    >>> at(12.04), at(12.25), at(-0.01)
    ('12', '12.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def polyline(places: Iterable[Place]) -> str:
    """A line through places.

    >>> polyline([(0, 0), (10, 5), (20, 5)])
    'M0 0L10 5 20 5'
    """
    first, *others = (f"{at(x)} {at(y)}" for x, y in places)
    return f"M{first}" + (f"L{' '.join(others)}" if others else "")


def area(above: Sequence[Place], below: Sequence[Place]) -> str:
    """What lies between two lines."""
    return polyline([*above, *reversed(below)]) + "Z"


def box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle.

    >>> box(1, 2, 10, 4)
    'M1 2h10v4h-10z'
    """
    return f"M{at(x)} {at(y)}h{at(width)}v{at(height)}h-{at(width)}z"
