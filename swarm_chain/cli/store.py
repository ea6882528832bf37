"""`swarm-chain store`: a store for other machines to read."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.output import say
from swarm_chain.cli.told import url_on_network
from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.serving import Gateway

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.group()
def store() -> None:
    """Let other machines read a store."""


@store.command()
@click.option(
    "--store",
    "spec",
    metavar="local:PATH",
    help="The store whose blocks are served. By default the one in SWARM_CHAIN_HOME.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Where it listens; 0.0.0.0 is all networks of this machine.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Its port; 0: a free one.",
)
def serve(spec: str | None, host: str, port: int) -> None:
    """Serve a local store as a read-only IPFS gateway, until Ctrl-C.

    Anybody who reaches the address, and knows a block's CID, reads it there: agents with --store gateway:URL, Kubo,
    Helia and any other program that reads trustless gateways. Nothing is ever written or fetched for them. Prints the
    gateway's URL.
    """
    from swarm_chain import serving

    shelf = _local(spec)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with serving.start(shelf, host, port) as gateway:
        _describe(gateway, shelf, host)
        while not ended.wait(60):
            pass
        say("\nstopping")
    say("stopped")


def _local(spec: str | None) -> LocalStore:
    """The folder of blocks that is served. Raises `ConfigurationError` for any other store, `StoreUnavailable`."""
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.cli.connect import store_specs

    (found,) = store_specs((spec,) if spec else ())
    kind, _, path = found.partition(":")
    if kind != "local" or not path:
        raise ConfigurationError(
            f"only a local store can be served, not {found}; an IPFS node has a gateway of its own"
        )
    return LocalStore(Path(path), writable=False)


def _describe(gateway: Gateway, shelf: LocalStore, host: str) -> None:
    click.echo(gateway.url)
    say(f"serving {shelf.name}")
    if host in EVERYWHERE:
        url = url_on_network(gateway.url) or f"http://ADDRESS:{gateway.address[1]}"
        say(f"from another machine: --store gateway:{url}")
    else:
        say(f"to read it: --store gateway:{gateway.url}")
    if host not in LOOPBACK:
        say(f"everybody who reaches {host}, and knows a CID, can read that block")
    say("\nCtrl-C stops it")
