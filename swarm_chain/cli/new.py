"""`swarm-chain new`: a task of one's own to start from."""

from __future__ import annotations

import keyword
import re
import shlex
from pathlib import Path

import click

from swarm_chain.cli.output import next_steps, say
from swarm_chain.errors import ConfigurationError


@click.command()
@click.argument("file", metavar="FILE.py", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--class", "name", metavar="NAME", help="What the class is called; without it MyTask for my_task.py.")
def new(file: Path, name: str | None) -> None:
    """Write a task of your own to start from.

    It runs as it is, on data that scikit-learn brings. Change model, dataset and loss to yours.
    """
    from swarm_chain.tasks.template import template

    if not re.fullmatch(r"[\w .-]+\.py", file.name):
        raise click.UsageError(f"{file} is no Python file: give it a name of letters and digits that ends in .py.")
    name = _class_name(file) if name is None else _checked(name)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template(name, file.name))
    except FileExistsError:
        raise ConfigurationError(f"{file} is there already; choose another name") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}; choose another place") from error
    say(f"{file} holds the task {name}")
    next_steps(
        f"swarm-chain demo --task {shlex.quote(f'{file}:{name}')}",
        f"swarm-chain deploy --task {shlex.quote(f'{file}:{name}')}",
    )


def _class_name(file: Path) -> str:
    """`my_task.py` to `MyTask`. Raises a usage error where no class can be called so."""
    return _checked("".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", file.stem)))


def _checked(name: str) -> str:
    """The name, if a class can have it, and a document."""
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        raise click.UsageError(f"no class can be called {name!r}: give --class NAME.")
    return name
