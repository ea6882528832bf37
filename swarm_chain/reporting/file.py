"""A report's file: made again and again, and never in place of something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from swarm_chain.errors import ConfigurationError, WouldOverwrite
from swarm_chain.reporting.page import GENERATOR, identity, render
from swarm_chain.reporting.report import Report

_TOP: Final = 4096
"""Bytes of a page in which it says what it is."""


def write_page(report: Report, path: Path, *, force: bool = False) -> None:
    """Writes the page. An older report on the same swarm is replaced; anything else only with `force`.

    Raises `WouldOverwrite`, and `ConfigurationError` where the file cannot be written.
    """
    try:
        if not force:
            _require_free(report, path)
        _place(render(report), path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another file") from error


def _place(text: str, path: Path) -> None:
    """Gives the text its name once all of it is there. Others may read it, unlike temporary files."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Returns where a report can be written: nothing is there, or an older one, on whatever swarm.

    Raises `WouldOverwrite`, and `ConfigurationError` where there is no folder to write to.
    """
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written: there is no such folder; choose another file")
    top = _top(path)
    if top is not None and GENERATOR not in top:
        raise WouldOverwrite(f"{path} is there already, and is no report; choose another file")


def _require_free(report: Report, path: Path) -> None:
    top = _top(path)
    instead = "choose another --out, or replace it with --force"
    if top is None:
        return
    if GENERATOR not in top:
        raise WouldOverwrite(f"{path} is there already, and is no report; {instead}")
    if f'content="{identity(report)}"' not in top:
        raise WouldOverwrite(f"{path} is a report on another swarm; {instead}")


def _top(path: Path) -> str | None:
    """How what is there begins; None where nothing is."""
    if not path.exists():
        return None
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(_TOP).decode("utf-8", "replace")
