"""Tables of numbers in CSV files, for tasks of one's own: what does not parse is named by file, line and column.

Messages quote nothing of a file: they get into logs, and logs get around. A file without a line of names has data there
too, so that a column is named only where the task did.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import torch


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> torch.Tensor:
    """The numbers of a CSV file whose first line names its columns: float64, of shape (rows, columns).

    All columns in their order, or those that are named, in that order.
    Raises `DataError`, naming file, line and column.
    """
    import torch

    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(_rows(path, csv.reader(stream, strict=True), columns))
    except FileNotFoundError as error:
        raise DataError(f"there is no data file {path}: check --data, or `data` in the node's configuration") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check it") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 (byte {error.start}): save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{path} has no rows below its first line: add data")
    return torch.tensor(rows, dtype=torch.float64)


def _rows(path: Path, reader: Iterator[list[str]], columns: Sequence[str] | None) -> Iterator[list[float]]:
    records = _records(path, reader)
    _, names = next(records, (1, []))
    wanted = _wanted(path, names, columns)
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


def _wanted(path: Path, names: list[str], columns: Sequence[str] | None) -> list[tuple[int, str]]:
    """Where the wanted columns are, and what a message calls them. Raises `DataError` for one that is not there."""
    if names and all(_is_number(name) for name in names):
        raise DataError(
            f"{path}, line 1: numbers where the columns' names should be: give the file a first line of names"
        )
    if columns is None:
        return [(position, f"column {position + 1}") for position in range(len(names))]
    if missing := [name for name in columns if name not in names]:
        raise DataError(
            f"{path}, line 1: none of its {len(names)} columns is called {' or '.join(missing)}: give the file a first "
            "line with the columns' names"
        )
    if twice := [name for name in columns if names.count(name) > 1]:
        raise DataError(f"{path}, line 1: more than one column is called {' or '.join(twice)}: rename one")
    return [(names.index(name), f"column {names.index(name) + 1} ({name})") for name in columns]


def _numbers(path: Path, line: int, width: int, fields: list[str], wanted: list[tuple[int, str]]) -> list[float]:
    if len(fields) != width:
        raise DataError(
            f"{path}, line {line}: {len(fields)} fields where line 1 names {width} columns: repair the line"
        )
    return [_number(f"{path}, line {line}, {column}", fields[position]) for position, column in wanted]


def _number(where: str, text: str) -> float:
    if not _is_number(text):
        raise DataError(f"{where}: no number: repair or remove the line")
    return float(text)


def _is_number(text: str) -> bool:
    """Whether this is a finite number as other programs write one: `1_000` is one for Python alone."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
