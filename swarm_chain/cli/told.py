"""What an invitation tells of this machine: endpoints and stores as others reach them, and nothing that they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from swarm_chain.cli.output import say


def endpoints_to_tell(rpc_urls: Sequence[str], chain_id: int) -> tuple[str, ...]:
    """The endpoints that an invitation names. Says so where they are of use on this machine only.

    One on this machine is named by this machine's address on its network, where the same chain answers there too.
    """
    from swarm_chain.config import is_this_machine

    told = tuple(dict.fromkeys(_for_others(url, chain_id) if is_this_machine(url) else url for url in rpc_urls))
    if told != tuple(rpc_urls):
        say(f"the invitation names {', '.join(told)}, where other machines reach this chain")
    elif all(map(is_this_machine, told)):
        say(
            f"an invitation for this machine: nobody else reaches {', '.join(told)}; for others let the chain listen "
            "for them (devnet --host 0.0.0.0), or give --rpc URL as they reach it"
        )
    return told


def stores_to_tell(stores: Sequence[str], rpc_urls: Sequence[str]) -> tuple[str, ...]:
    """The stores that an invitation names. Says which it does not.

    A folder, or a node that takes commands, is of use to somebody on the same machine; a folder's path tells others
    who works there. Whoever is invited to a chain on this machine is on it.
    """
    from swarm_chain.adapters.stores import is_for_others
    from swarm_chain.config import is_this_machine

    hidden = [] if all(map(is_this_machine, rpc_urls)) else [spec for spec in stores if not is_for_others(spec)]
    told = tuple(spec for spec in stores if spec not in hidden)
    if hidden:
        say(f"not in the invitation, being this machine's: {' '.join(hidden)}")
    if hidden and not told:
        say(
            "who joins fetches from nodes whose agents run; before there is one, serve the store: "
            "`swarm-chain store serve --host ADDRESS`, and --store gateway:http://ADDRESS:8080 here"
        )
    return told


def url_on_network(url: str) -> str | None:
    """A URL of this machine with its address on the network that leads to others; None where it is on none."""
    from swarm_chain.adapters.own_address import address_on_network

    address = address_on_network()
    if address is None:
        return None
    parts = urlsplit(url)
    host = f"[{address}]" if address.version == 6 else str(address)
    return parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()


def _for_others(url: str, chain_id: int) -> str:
    """The URL with which others reach an endpoint of this machine, where they do; else as it is."""
    other = url_on_network(url)
    return other if other is not None and _is_same_chain(url, other, chain_id) else url


def _is_same_chain(url: str, other: str, chain_id: int) -> bool:
    from swarm_chain.adapters.ethereum.endpoints import Endpoints
    from swarm_chain.errors import ChainError

    def first_block(of: str) -> object:
        return Endpoints((of,), chain_id=chain_id, timeout=3.0).request("eth_getBlockByNumber", "0x0", False)["hash"]

    try:
        return first_block(other) == first_block(url)
    except (ChainError, TypeError, KeyError):
        return False
