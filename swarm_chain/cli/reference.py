"""The reference of all commands, made from the commands themselves.

python -m swarm_chain.cli.reference > docs/reference/commands.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

_INTRODUCTION = """\
# Commands

Made from the commands themselves (`python -m swarm_chain.cli.reference > docs/reference/commands.md`); a test compares.

Results go to stdout, everything else to stderr. Exit status: 0 done; 1 an expected error, told in one line
`error: …` that says what to do; 2 wrong usage; 130 interrupted. A traceback is a bug: please report it.
`devnet`, `agent run` and `pull --follow` end in order on Ctrl-C, with 0.
`audit` has its own: 0 only where every round passed.

Environment: `SWARM_CHAIN_HOME` (keystores, nodes, stores and development chains; `.swarm-chain` in the current folder),
`SWARM_CHAIN_SETTINGS` (named networks; `swarm-chain.toml`), `SWARM_CHAIN_PASSWORD` (opens keystores),
`SWARM_CHAIN_ANVIL`, `SWARM_CHAIN_GANACHE`, `SWARM_CHAIN_SOLC` (programs, where they are not found by themselves).
"""


def render(root: click.Group, name: str) -> str:
    """The whole reference in Markdown."""
    context = click.Context(root, info_name=name)
    sections = [section for command, path in walk(root, context) for section in (_section(command, path),)]
    return "\n".join([_INTRODUCTION, *sections])


def walk(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below a group with its context, groups before their commands."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        below = click.Context(command, info_name=name, parent=context)
        yield command, below
        if isinstance(command, click.Group):
            yield from walk(command, below)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f"## `{context.command_path}`",
        "",
        f"`{context.command_path} {usage}`",
        "",
        inspect.cleandoc(command.help or ""),
    ]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        lines += ["", "| option | meaning |", "| --- | --- |", *(_row(option, context) for option in options)]
    return "\n".join([*lines, ""])


def _row(option: click.Option, context: click.Context) -> str:
    names, meaning = option.get_help_record(context) or ("", "")
    return f"| `{_cell(names)}` | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Prints the reference."""
    from swarm_chain.cli.tree import cli

    click.echo(render(cli, "swarm-chain"), nl=False)


if __name__ == "__main__":
    main()
