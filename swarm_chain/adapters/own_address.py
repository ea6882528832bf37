"""Which of this machine's addresses others reach it by, as far as it can know: the one it reaches them from."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from swarm_chain.adapters.addresses import Endpoint, IpAddress, resolve
from swarm_chain.errors import StoreUnavailable

_ANYWHERE: Final = Endpoint(ipaddress.ip_address("198.51.100.1"), 9)
"""An address of nobody (RFC 5737), beyond this machine's network."""
_SECONDS: Final = 3.0


def address_towards(urls: Iterable[str]) -> IpAddress | None:
    """This machine's address on the way to the first of some URLs that a way leads to. None where there is no way.

    Where the host is this machine itself, it is the host's own address.
    """
    for url in urls:
        for endpoint in _endpoints(url):
            if (address := address_to(endpoint)) is not None:
                return address
    return None


def address_on_network() -> IpAddress | None:
    """This machine's address on the network that leads to others; None where it is on none."""
    address = address_to(_ANYWHERE)
    return None if address is None or address.is_loopback else address


def address_to(endpoint: Endpoint) -> IpAddress | None:
    """The address that the system would send from. Nothing is sent: a datagram socket only looks for the way."""
    try:
        with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe:
            probe.connect(endpoint.sockaddr)
            return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return None


def _endpoints(url: str) -> tuple[Endpoint, ...]:
    try:
        host = urlsplit(url).hostname or ""
        return resolve(host, 9, allow_private=True, seconds=_SECONDS)
    except (StoreUnavailable, ValueError):
        return ()
