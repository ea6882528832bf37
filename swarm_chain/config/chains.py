"""Chains that people gave a name to, and what follows from a chain's id and endpoint."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from swarm_chain.config.devnet import load_devnet_settings
from swarm_chain.config.places import settings_file
from swarm_chain.config.tables import Table
from swarm_chain.errors import ConfigurationError

DEVELOPMENT_CHAINS: Final = frozenset({31337, 1337})
"""Chain ids whose accounts anybody can use, and where nothing is worth anything."""
DEVNET: Final = "devnet"
"""The network that needs no writing down: the one of `anvil.toml`, on this machine."""
CONFIRMATIONS: Final = 3
"""Blocks that must lie on top of one before it is believed, where nobody said otherwise."""
MAX_CHAIN_ID: Final = 2**53 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A chain and how to reach it. The endpoints are tried in order."""

    name: str
    chain_id: int
    rpc_urls: tuple[str, ...]
    confirmations: int
    allow_private_addresses: bool


def default_confirmations(chain_id: int, rpc_urls: Iterable[str]) -> int:
    """0 on a development chain, where mining on demand adds no depth; 3 elsewhere."""
    return 0 if is_development(chain_id, rpc_urls) else CONFIRMATIONS


def load_networks(path: Path | None = None) -> Mapping[str, Network]:
    """Networks by name: `devnet`, and those in the settings file. A missing file names none.

    Raises `ConfigurationError`, naming file and key.
    """
    path = path or settings_file()
    found = {DEVNET: _devnet()}
    if path.exists():
        top = Table.read(path)
        for name, table in top.table("networks").tables():
            found[name] = _network(name, table)
        top.table("stores")  # read by what opens them
        top.finish()
    return found


def find_network(name: str, path: Path | None = None) -> Network:
    """The network of that name. Raises `ConfigurationError`, naming those there are."""
    networks = load_networks(path)
    if name not in networks:
        raise ConfigurationError(
            f"unknown network {name}; there are {', '.join(sorted(networks))}: "
            f"add [networks.{name}] to {path or settings_file()}, or give --rpc URL"
        )
    return networks[name]


def is_development(chain_id: int, rpc_urls: Iterable[str]) -> bool:
    """Whether a chain is for trying things: by its id, and reached on this machine or a private network."""
    return chain_id in DEVELOPMENT_CHAINS and any(is_private_endpoint(url) for url in rpc_urls)


def is_private_endpoint(url: str) -> bool:
    """Whether a URL names this machine or an address of a private network. Names are not looked up."""
    host = _host(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_private


def is_this_machine(url: str) -> bool:
    """Whether a URL names this machine itself. Names are not looked up."""
    host = _host(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_endpoints(table: Table, key: str, urls: tuple[str, ...]) -> tuple[str, ...]:
    """The URLs, if each is one of HTTP. Raises `ConfigurationError`."""
    for url in urls:
        if not url.startswith(("http://", "https://")) or not _host(url):
            raise table.wrong(key, "a list of URLs like https://host:8545", url)
    return urls


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _network(name: str, table: Table) -> Network:
    chain_id = table.integer("chain_id", least=1, most=MAX_CHAIN_ID)
    rpc_urls = check_endpoints(table, "rpc_urls", table.texts("rpc_urls", least=1))
    usual = default_confirmations(chain_id, rpc_urls)
    network = Network(
        name=name,
        chain_id=chain_id,
        rpc_urls=rpc_urls,
        confirmations=table.integer("confirmations", least=0, most=1000, default=usual),
        allow_private_addresses=table.flag("allow_private_addresses", is_development(chain_id, rpc_urls)),
    )
    table.finish()
    return network


def _devnet() -> Network:
    settings = load_devnet_settings()
    return Network(
        name=DEVNET,
        chain_id=settings.chain_id,
        rpc_urls=(f"http://127.0.0.1:{settings.port}",),
        confirmations=0,
        allow_private_addresses=True,
    )
