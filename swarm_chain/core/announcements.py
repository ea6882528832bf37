"""Where nodes say that they serve their blocks: at most 512 bytes from a stranger, of which only gateways are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from swarm_chain.errors import ConfigurationError

MAX_STORES: Final = 512
"""Bytes of the longest announcement that the contract takes."""
MAX_GATEWAYS: Final = 4
"""How many addresses of one node are used."""

_URL: Final = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]+)*)/?"
)
_MULTIADDR: Final = re.compile(
    r"/(ip4|ip6|dns|dns4|dns6)/([A-Za-z0-9:.-]+)/tcp/([1-9][0-9]{0,4})/(http|https|tls/http)"
)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TEXT: Final = re.compile(r"https?://[!-~]+|/[a-z0-9]+/[!-~]+")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def gateways_in(stores: bytes) -> tuple[str, ...]:
    """The URLs of the gateways that an announcement names, at most `MAX_GATEWAYS`; anything else is passed over.

    Each is nothing but scheme, host, port and a plain path. Whether the host is one that may be asked is not said.

    >>> gateways_in(b"/ip4/192.0.2.7/tcp/4801/http nonsense https://user@host.example")
    ('http://192.0.2.7:4801',)
    """
    words = (word.decode("ascii", "replace") for word in stores[:MAX_STORES].split())
    urls = dict.fromkeys(url for url in map(_gateway, words) if url)
    return tuple(urls)[:MAX_GATEWAYS]


def announcement_of(places: Iterable[str]) -> bytes:
    """What a node announces: gateways' URLs, and multiaddrs. Raises `ConfigurationError` for what says nothing."""
    texts = list(dict.fromkeys(places))
    for text in texts:
        if not _TEXT.fullmatch(text):
            raise ConfigurationError(
                f"{text!r} is no place to fetch blocks from; write e.g. https://HOST or /dns4/HOST/tcp/443/https"
            )
    stores = " ".join(texts).encode()
    if len(stores) > MAX_STORES:
        raise ConfigurationError(
            f"the addresses to announce have {len(stores)} bytes where {MAX_STORES} are allowed; announce fewer"
        )
    return stores


def url_of(host: str, port: int) -> str:
    """The URL of a gateway of plain HTTP at an address.

    >>> url_of("fd00::7", 4801)
    'http://[fd00::7]:4801'
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _gateway(text: str) -> str | None:
    """The URL of a gateway that a text names; None for any other text."""
    if (found := _URL.fullmatch(text)) is not None:
        return _url(found[1], found[2].lower(), int(found[3] or _DEFAULT_PORTS[found[1]]), found[4])
    if (found := _MULTIADDR.fullmatch(text)) is not None:
        return _of_multiaddr(found[1], found[2].lower(), int(found[3]), "http" if found[4] == "http" else "https")
    return None


def _of_multiaddr(kind: str, host: str, port: int, scheme: str) -> str | None:
    """The URL of a gateway whose host is what its multiaddr says that it is."""
    if (kind == "ip6") != (":" in host) or (kind == "ip4") != _is_ipv4(host):
        return None
    return _url(scheme, f"[{host}]" if kind == "ip6" else host, port, "")


def _url(scheme: str, host: str, port: int, path: str) -> str | None:
    shown = _host(host)
    if shown is None or port > 65_535 or any(part in (".", "..") for part in path.split("/")):
        return None
    return f"{scheme}://{shown}{path}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{shown}:{port}{path}"


def _host(host: str) -> str | None:
    """The host as it is written in one way; None for what is neither an address nor a name."""
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1])}]"
        except AddressValueError:
            return None
    return host if _is_ipv4(host) or _is_name(host) else None


def _is_ipv4(host: str) -> bool:
    """Whether this is four numbers: not the shorter and octal forms that some systems take for addresses too."""
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])
