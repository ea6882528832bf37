"""A row of the table: what was asked, what came out, and whether that is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 20
"""Faults of a row that are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question's answer. `faults` says why it is red, and is empty where it is green."""

    name: str
    figures: str
    faults: Sequence[str] = field(default=())


class GateError(Exception):
    """A tool did not say what was asked of it: nothing it wrote can be read as a figure."""


Step = Callable[[], Sequence[Row]]


@contextmanager
def seconds() -> Iterator[list[float]]:
    """A list that holds, once the block is left, how long it took."""
    started, took = time.monotonic(), [0.0]
    try:
        yield took
    finally:
        took[0] = time.monotonic() - started


def render(rows: Sequence[Row]) -> str:
    """The table, as text: a line a row, red ones with what is wrong below."""
    width = max(len(row.name) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{'red  ' if row.faults else 'green'}  {row.name:<{width}}  {row.figures}")
        lines += [f"       {' ' * width}  {fault}" for fault in row.faults[:MOST]]
        if len(row.faults) > MOST:
            lines.append(f"       {' ' * width}  … and {len(row.faults) - MOST} more")
    return "\n".join(lines)
