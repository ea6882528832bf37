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
@click.option("--class", "name", metavar="NAME", default="MyTask", show_default=True, help="What to call the class.")
def new(file: Path, name: str) -> None:
    """Write a task of your own to start from.

    It runs as it is, on data that scikit-learn brings. Change model, dataset and loss to yours.
    """
    from swarm_chain.tasks.template import is_taken, template

    if not re.fullmatch(r"[\w .-]+\.py", file.name):
        raise click.UsageError(f"{file} is no Python file: give it a name of letters and digits that ends in .py.")
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name) or is_taken(name):
        raise click.UsageError(f"no class can be called {name!r}: give --class another name.")
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
