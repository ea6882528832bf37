"""Options that several commands share, each described once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from swarm_chain.adapters.stores import KINDS

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Which chain a command speaks to."""

    rpc: tuple[str, ...]
    network: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who signs, and how deep a transaction must be in the chain before the command ends."""

    account: str | None
    password_file: Path | None
    confirmations: int | None


password_file_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the keystore's password; without it SWARM_CHAIN_PASSWORD, or a question.",
)

contract_option = click.option(
    "--contract",
    metavar="ADDRESS|NAME",
    help="The swarm: its contract's address, or a deployment's name. Not needed where the chain has one deployment.",
)

store_option = click.option(
    "--store",
    "stores",
    metavar="|".join(KINDS),
    multiple=True,
    help="A store of documents and weights: a folder, an IPFS node, or gateways to read from; may be given again. "
    "Written to each that can be, read from the first that has a block.",
)

read_store_option = click.option(
    "--store",
    "stores",
    metavar="|".join(KINDS),
    multiple=True,
    help="A store to read documents and weights from: a folder, an IPFS node, or gateways; again for another, asked "
    "where the first lacks a block.",
)

json_option = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write the same for programs to a file; - is stdout. docs/reference/json.md describes it.",
)


def place_options(command: F) -> F:
    """Adds --rpc and --network; the command gets them as `place`."""

    @click.option(
        "--rpc",
        metavar="URL",
        multiple=True,
        help="RPC endpoint of the chain; may be given again: the next is asked where one does not answer.",
    )
    @click.option("--network", metavar="NAME", help="A network by its name in the settings, instead of --rpc.")
    @wraps(command)
    def run(*args: Any, rpc: tuple[str, ...], network: str | None, **options: Any) -> Any:
        if rpc and network:
            raise click.UsageError("give --rpc or --network, not both.")
        return command(*args, place=Place(rpc=rpc, network=network), **options)

    return run  # type: ignore[return-value]  # click reads the options off the function it is given


def sender_options(command: F) -> F:
    """Adds --account, --password-file and --confirmations; the command gets them as `sender`."""

    @click.option(
        "--account",
        metavar="NAME",
        help="Who signs: a keystore's name or address, or on a development chain dev0, dev1, …",
    )
    @password_file_option
    @click.option(
        "--confirmations",
        metavar="N",
        type=click.IntRange(min=0),
        help="Blocks on top of a transaction's before the command ends; without it the network's.",
    )
    @wraps(command)
    def run(
        *args: Any, account: str | None, password_file: Path | None, confirmations: int | None, **options: Any
    ) -> Any:
        sender = Sender(account=account, password_file=password_file, confirmations=confirmations)
        return command(*args, sender=sender, **options)

    return run  # type: ignore[return-value]  # click reads the options off the function it is given
