"""Passwords of keystores: from a file, the environment, or asked for where somebody can answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click


def ask_password(what: str, file: Path | None) -> str:
    """The password that opens `what`. Raises `AccountError` if there is none and nobody to ask."""
    from swarm_chain.accounts import read_password

    return read_password(file=file, prompt=_prompt(f"Password of {what}", confirm=False))


def ask_new_password(name: str, file: Path | None) -> str:
    """A password for the new account `name`, asked for twice. Raises `AccountError` as `ask_password` does."""
    from swarm_chain.accounts import read_password

    return read_password(file=file, prompt=_prompt(f"New password for {name}", confirm=True))


def _prompt(text: str, *, confirm: bool) -> Callable[[], str] | None:
    if not sys.stdin.isatty():
        return None
    return lambda: str(click.prompt(text, hide_input=True, confirmation_prompt=confirm, err=True))
