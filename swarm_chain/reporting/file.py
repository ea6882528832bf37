"""A report's file: made again and again, and never in place of something else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from swarm_chain.core.files import replacing
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
        text = render(report)
        with replacing(path) as stream:
            stream.write(text.encode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another file") from error


def _require_free(report: Report, path: Path) -> None:
    if not path.exists():
        return
    top = _top(path) if path.is_file() else ""
    instead = "choose another --out, or replace it with --force"
    if GENERATOR not in top:
        raise WouldOverwrite(f"{path} is there already, and is no report; {instead}")
    if f'content="{identity(report)}"' not in top:
        raise WouldOverwrite(f"{path} is a report on another swarm; {instead}")


def _top(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_TOP).decode("utf-8", "replace")
