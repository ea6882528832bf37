"""Tables of numbers in CSV files, for tasks of one's own: what does not parse is named by file, line and column.

Messages quote nothing of a file: they get into logs, and logs get around. A file without a line of names has data there
too, so that a column is named only where the task did.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    """Where a column is, what a message calls it, and what it may hold where that is not any number."""

    position: int
    label: str
    codes: Sequence[int] | None


def read_table(
    path: str | Path, columns: Sequence[str] | None = None, *, codes: Mapping[str, Sequence[int]] | None = None
) -> torch.Tensor:
    """The numbers of a CSV file whose first line names its columns: float64, of shape (rows, columns).

    All columns in their order, or those that are named, in that order; of these, `codes` says which hold nothing but
    some whole numbers: `{"rating": range(1, 6)}`. Raises `DataError`, naming file, line and column.
    """
    import torch

    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(_rows(path, csv.reader(stream, strict=True), columns, codes or {}))
    except FileNotFoundError as error:
        raise DataError(f"there is no data file {path}: check --data, or `data` in the node's configuration") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check it") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 (byte {error.start}): save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{path} has no rows below its first line: add data")
    return torch.tensor(rows, dtype=torch.float64)


def _rows(
    path: Path, reader: Iterator[list[str]], columns: Sequence[str] | None, codes: Mapping[str, Sequence[int]]
) -> Iterator[list[float]]:
    records = _records(path, reader)
    _, names = next(records, (1, []))
    wanted = _wanted(path, names, columns, codes)
    for line, fields in records:
        if fields:
            yield _numbers(path, line, len(names), fields, wanted)


def _records(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins in: a quote that nobody closed swallows all lines that follow."""
    while True:
        line = int(getattr(reader, "line_num", 0)) + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: {error}: repair the line") from error


def _wanted(
    path: Path, names: list[str], columns: Sequence[str] | None, codes: Mapping[str, Sequence[int]]
) -> list[_Column]:
    """The wanted columns. Raises `DataError` for one that is not there."""
    if names and all(_is_number(name) for name in names):
        raise DataError(
            f"{path}, line 1: numbers where the columns' names should be: give the file a first line of names"
        )
    if columns is None:
        return [_Column(position=at, label=f"column {at + 1}", codes=None) for at in range(len(names))]
    if missing := [name for name in columns if name not in names]:
        raise DataError(
            f"{path}, line 1: none of its {len(names)} columns is called {' or '.join(missing)}: give the file a first "
            "line with the columns' names"
        )
    if twice := [name for name in columns if names.count(name) > 1]:
        raise DataError(f"{path}, line 1: more than one column is called {' or '.join(twice)}: rename one")
    places = [(name, names.index(name)) for name in columns]
    return [_Column(position=at, label=f"column {at + 1} ({name})", codes=codes.get(name)) for name, at in places]


def _numbers(path: Path, line: int, width: int, fields: list[str], wanted: list[_Column]) -> list[float]:
    if len(fields) != width:
        raise DataError(
            f"{path}, line {line}: {len(fields)} fields where line 1 names {width} columns: repair the line"
        )
    return [_number(path, line, column, fields[column.position]) for column in wanted]


def _number(path: Path, line: int, column: _Column, text: str) -> float:
    where = f"{path}, line {line}, {column.label}"
    if not _is_number(text):
        raise DataError(f"{where}: no number: repair or remove the line")
    value = float(text)
    # Looked up as a whole number: a range answers at once for one, and goes through all its numbers for any other.
    if column.codes is not None and not (value.is_integer() and int(value) in column.codes):
        raise DataError(f"{where}: none of {_told(column.codes)}: repair or remove the line")
    return value


def _told(codes: Sequence[int]) -> str:
    """The numbers, or the first, second and last of many.

    >>> _told(range(1, 4)), _told(range(1, 2973))
    ('1, 2, 3', '1, 2, …, 2972')
    """
    return ", ".join(map(str, codes)) if len(codes) <= 10 else f"{codes[0]}, {codes[1]}, …, {codes[-1]}"


def _is_number(text: str) -> bool:
    """Whether this is a finite number as other programs write one: `1_000` is one for Python alone."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
