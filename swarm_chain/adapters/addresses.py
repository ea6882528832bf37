"""Where a name leads, found out once and checked: a peer's address must not make this machine ask itself or its LAN.

Whoever connects goes to the addresses that were checked and never asks for the name again, so that a name server that
answers something else the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from threading import Thread
from typing import Final, TypeAlias

from swarm_chain.errors import AddressRefused, StoreUnavailable

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_ADDRESSES: Final = 4
"""How many addresses of one name are tried."""

# Networks whose IPv6 addresses hold an IPv4 address that something on the way may unpack.
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
# Not private to Python 3.11, but no stranger's: shared with a provider, for protocols, for benchmarks.
_SHARED: Final = tuple(map(ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "fec0::/10")))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port to connect to: nothing is looked up for it any more."""

    address: IpAddress
    port: int
    scope: int = 0
    """The interface of a link-local IPv6 address."""

    @property
    def family(self) -> socket.AddressFamily:
        """The kind of socket that gets there."""
        return socket.AF_INET if self.address.version == 4 else socket.AF_INET6

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """What `socket.connect` takes."""
        if self.address.version == 4:
            return str(self.address), self.port
        return str(self.address).partition("%")[0], self.port, 0, self.scope


def resolve(host: str, port: int, *, allow_private: bool, seconds: float) -> tuple[Endpoint, ...]:
    """Where a host's name, or an address as text, leads: at most `MAX_ADDRESSES`.

    Unless `allow_private`, every one of them must be public and none this machine's own: a name that leads inside too
    is a trick. Raises `AddressRefused`, and `StoreUnavailable` where the name leads nowhere or nobody says in time.
    """
    found = tuple(dict.fromkeys(_look_up(host, port, seconds)))[:MAX_ADDRESSES]
    if not found:
        raise StoreUnavailable(f"{host} has no address; check the name")
    if not allow_private:
        for endpoint in found:
            check_public(endpoint.address, host)
    return found


def check_public(address: IpAddress, host: str = "") -> None:
    """Returns if a stranger may send this machine to an address, raises `AddressRefused` if not."""
    name = f"{host} ({address})" if host and host != str(address) else str(address)
    advice = "set allow_private_addresses where peers are on your own network"
    if not is_public(address):
        raise AddressRefused(f"{name} is no public address; {advice}")
    if is_own(address):
        raise AddressRefused(f"{name} is this machine itself; {advice}")


def is_public(address: IpAddress) -> bool:
    """Whether an address is somebody's on the internet: also what IPv6 addresses hide an IPv4 address in must be."""
    inner = _unwrapped(address)
    if any(inner.version == network.version and inner in network for network in _SHARED):
        return False
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or inner.is_unspecified)


def is_own(address: IpAddress) -> bool:
    """Whether an address is one of this machine's: then the system would answer from that same address."""
    inner = _unwrapped(address)
    if inner.is_loopback or inner.is_unspecified:
        return True
    endpoint = Endpoint(inner, 9)
    try:
        # Connecting a datagram socket sends nothing: it only chooses the address to send from.
        with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe:
            probe.connect(endpoint.sockaddr)
            return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == inner
    except OSError:
        return False


def dial(endpoints: Sequence[Endpoint], *, seconds: float) -> socket.socket:
    """A connection to the first of `endpoints` that takes one, within the time for all. Raises `OSError`."""
    until = time.monotonic() + seconds
    problem: OSError = TimeoutError("timed out")
    for position, endpoint in enumerate(endpoints):
        left = until - time.monotonic()
        if left <= 0:
            break
        connection = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            connection.settimeout(left / (len(endpoints) - position))
            connection.connect(endpoint.sockaddr)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            problem = error
    raise problem


def _unwrapped(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address stands for, where it does; else the address."""
    if address.version == 4:
        return address
    mapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if mapped is not None:
        return mapped
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and low > 1):
        return ipaddress.IPv4Address(low)
    return address


def _look_up(host: str, port: int, seconds: float) -> list[Endpoint]:
    """What the system says about a name; it may take as long as it likes, and this no longer than `seconds`."""
    if (address := _as_address(host)) is not None:
        return [Endpoint(address, port)]
    answer: Future[list[Endpoint]] = Future()
    Thread(target=_ask_system, args=(host, port, answer), daemon=True, name="look-up").start()
    try:
        return answer.result(timeout=seconds)
    except NotInTime:
        raise StoreUnavailable(f"no name server said in {seconds:g} s where {host} is; try again") from None
    except (OSError, UnicodeError) as error:
        raise StoreUnavailable(f"{host} cannot be found: {error}; check the name") from error


def _as_address(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _ask_system(host: str, port: int, answer: Future[list[Endpoint]]) -> None:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        answer.set_result([_endpoint(*row[4]) for row in rows])
    except Exception as error:
        answer.set_exception(error)


def _endpoint(host: str, port: int, flow: int = 0, scope: int = 0) -> Endpoint:
    return Endpoint(ipaddress.ip_address(host.partition("%")[0]), port, scope)
