"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def say(message: str = "") -> None:
    """Prints a line for people to stderr."""
    click.echo(message, err=True)


def next_steps(*commands: str) -> None:
    """Says what to type next."""
    say("\nnext:")
    for command in commands:
        say(f"  {command}")


def table(*columns: str, rows: Sequence[Sequence[object]]) -> Table:
    """A plain table, for `show`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        # Text, because labels are written by strangers and rich reads markup.
        made.add_row(*(Text(printable(str(cell))) for cell in row))
    return made


def show(renderable: object, *, err: bool = False) -> None:
    """Prints something of rich's, at the terminal's width; wide where there is no terminal."""
    _console(err).print(renderable)


def terminal_width() -> int:
    """Columns that `show` has."""
    return _console(err=False).width


def _console(err: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=err, highlight=False)
    if not console.is_terminal:
        console.width = 200
    return console


def printable(text: str) -> str:
    """The text with everything replaced that could play tricks on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def checksum(address: bytes) -> str:
    """An address as people write it."""
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def span(seconds: float) -> str:
    """A span of time as people say it.

    >>> span(95)
    '1:35'
    """
    text = str(timedelta(seconds=max(0, int(seconds))))
    return text.removeprefix("0:").removeprefix("0") if seconds < 3600 else text


def size(count: int) -> str:
    """A number of bytes as people say it.

    >>> size(2_400_000)
    '2.4 MB'
    """
    from rich.filesize import decimal

    return decimal(count)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a document for programs; to stdout for `-`. Raises `ConfigurationError` if it cannot."""
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another file") from error
