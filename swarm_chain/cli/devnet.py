"""`swarm-chain devnet`: a development chain in the foreground."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.output import next_steps, say, show, table
from swarm_chain.errors import ChainUnavailable, ConfigurationError

if TYPE_CHECKING:
    from swarm_chain.devnet import Devnet
    from swarm_chain.devnet.ipfs import IpfsNode

LOOPBACK = ("127.0.0.1", "localhost", "::1")
USUAL_IPFS_NODES = 4
_LOOK = 0.5
"""Seconds between two looks at whether IPFS nodes still run."""
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  it is only compared with


@click.command()
@click.option(
    "--client", type=click.Choice(["anvil", "ganache"]), default="anvil", show_default=True, help="What runs it."
)
@click.option("--host", metavar="ADDRESS", help="Where it listens; 0.0.0.0 is the local network too. From anvil.toml.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65_535), help="Its port, 0 for a free one. From anvil.toml."
)
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that keeps the chain between runs. By default in SWARM_CHAIN_HOME.",
)
@click.option("--fresh", is_flag=True, help="Forget the chain of the last run, and start a new one.")
@click.option(
    "--ipfs",
    "ipfs_nodes",
    metavar="[N]",
    type=click.IntRange(1, 32),
    is_flag=False,
    flag_value=USUAL_IPFS_NODES,
    help=f"Also run N private IPFS nodes, {USUAL_IPFS_NODES} without N; needs `ipfs` or SWARM_CHAIN_IPFS.",
)
def devnet(
    client: str, host: str | None, port: int | None, state: Path | None, fresh: bool, ipfs_nodes: int | None
) -> None:
    """Run a development chain until Ctrl-C.

    Its accounts dev0, dev1, … have money that is worth nothing, and keys that everybody knows.
    What happened on it is kept for the next run.

    With --ipfs, IPFS nodes run beside it, one for each node of a swarm: connected with each other and with nobody else,
    on this machine only. Their blocks are kept, too.
    """
    from swarm_chain import config
    from swarm_chain.devnet import Devnet

    folder = state or config.home() / "devnet" / client
    if fresh:
        _forget(folder)
    signal.signal(signal.SIGTERM, _interrupt)
    with (
        _running_ipfs(ipfs_nodes or 0, folder / "ipfs") as nodes,
        Devnet.start(client="ganache" if client == "ganache" else "anvil", host=host, port=port, state=folder) as chain,
    ):
        try:
            _describe(chain, folder, nodes)
            status = _wait(chain, nodes)
        except KeyboardInterrupt:
            say("\nstopping")
            chain.stop()
            say(f"stopped; {folder} keeps the chain")
            return
    raise ChainUnavailable(f"{client} ended by itself with status {status}; see {chain.log_path}")


@contextmanager
def _running_ipfs(count: int, folder: Path) -> Iterator[Sequence[IpfsNode]]:
    """So many IPFS nodes; where they are none, what runs them is not even looked for."""
    if not count:
        yield ()
        return
    from swarm_chain.devnet.ipfs import IpfsNodes

    with IpfsNodes(folder) as nodes:
        say(f"starting {count} IPFS nodes")
        yield nodes.add(*(f"node-{number}" for number in range(1, count + 1)))


def _wait(chain: Devnet, nodes: Sequence[IpfsNode]) -> int:
    """The chain's exit status. Raises `StoreUnavailable` where an IPFS node ends before it."""
    while nodes and chain.is_running:
        for node in nodes:
            node.require_running()
        time.sleep(_LOOK)
    return chain.wait()


def _url(chain: Devnet) -> str:
    """Where the chain is reached, from other machines too where it listens for them."""
    from swarm_chain.cli.told import url_on_network

    is_everywhere = chain.settings.host in EVERYWHERE
    return (url_on_network(chain.rpc_url) if is_everywhere else None) or chain.rpc_url


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _forget(folder: Path) -> None:
    """Removes what a chain wrote to the folder, and nothing that something else did."""
    try:
        (folder / "anvil-state.json").unlink(missing_ok=True)
        for name in ("ganache", "ipfs"):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be emptied: {error.strerror}; remove it by hand") from error


def _describe(chain: Devnet, folder: Path, nodes: Sequence[IpfsNode]) -> None:
    from swarm_chain.devnet import development_addresses

    rows = [(f"dev{index}", address) for index, address in enumerate(development_addresses(chain.settings))]
    show(table("account", "address", rows=rows))
    url = _url(chain)
    click.echo(f"RPC URL   {url}\nchain id  {chain.chain_id}\nlog       {chain.log_path}\nstate     {folder}")
    if nodes:
        show(table("IPFS node", "store", "peer", rows=[(node.name, node.store, node.peer) for node in nodes]))
    if chain.settings.host not in LOOPBACK:
        say(f"everybody who reaches {chain.settings.host} can use this chain and its accounts")
    next_steps(f"swarm-chain deploy --rpc {url}")
    say("\nCtrl-C stops it")
