"""How commands are found, and how they end: one line for an expected error, a traceback for a bug."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from swarm_chain.errors import SwarmChainError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used. `lazy` maps a name to ("module:command", one line)."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they were given: that in which people need them."""
        return [*self.lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])


class Program(LazyGroup):
    """The whole command line. Its `main` ends the process as people and scripts expect."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Runs a command. Exit status: 0 done, 1 an expected error, 2 wrong usage, 130 interrupted."""
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.Abort:
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            _say(error.format_message() + _usage_hint(error))
            sys.exit(error.exit_code)
        except SwarmChainError as error:
            _say_details(error.details)
            _say(str(error))
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" See `{context.command_path} --help`." if context else ""


def _say_details(details: str) -> None:
    for line in details.splitlines():
        click.echo("".join(char if char.isprintable() else "?" for char in line.expandtabs()), err=True)


def _say(message: str) -> None:
    """The one line of an error. What came from a chain or a peer may not play tricks on the terminal."""
    line = " ".join(message.split())
    click.echo("error: " + "".join(char if char.isprintable() else "?" for char in line), err=True)
