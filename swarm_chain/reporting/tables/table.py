"""A table as the page's template writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarm_chain.reporting.words import Names, short
from swarm_chain.types import Address

MOST_ROWS: Final = 200
"""Rows of a table; of more rounds the first, the last, and some evenly between, of more nodes the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A cell's text, a smaller remark behind it, and a mark that stands out: `worst` or `best`."""

    text: str
    remark: str = ""
    mark: str = ""
    is_name: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table with a header row. The first column names each row; `note` says what is not in it.

    `wordy` are the places of the columns that hold words instead of numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    wordy: frozenset[int] = frozenset()
    summary: Sequence[Cell] = ()


def name_cell(text: str) -> Cell:
    """A cell with a name that somebody else chose."""
    return Cell(text=text, is_name=True)


def node_cell(node: Address, names: Names) -> Cell:
    """A cell that names a node, with its account."""
    name = names.of(node)
    return Cell(text=name, remark="" if short(node) in name else short(node), is_name=True)


def cut(rows: int) -> str:
    """The note of a table that would have more rows than it may."""
    return f"{MOST_ROWS} of {rows}." if rows > MOST_ROWS else ""
