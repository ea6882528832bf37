"""`swarm-chain new`: a task of one's own to start from."""

from __future__ import annotations

import re
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

    if file.suffix != ".py":
        raise click.UsageError(f"{file} is no Python file: give it a name that ends in .py.")
    name = name or _class_name(file)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template(name, file.name))
    except FileExistsError:
        raise ConfigurationError(f"{file} is there already; choose another name") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}; choose another place") from error
    say(f"{file} holds the task {name}")
    next_steps(
        f"swarm-chain demo --task {file}:{name}",
        f"swarm-chain deploy --task {file}:{name}",
    )


def _class_name(file: Path) -> str:
    """`my_task.py` to `MyTask`. Raises a usage error where no class can be called so."""
    found = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", file.stem))
    if not found.isidentifier():
        raise click.UsageError(f"no class can be called {found!r}: give --class NAME.")
    return found
