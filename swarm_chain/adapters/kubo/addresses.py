"""Where a node's RPC API is: a multiaddr, as Kubo's configuration has it, or a URL."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from swarm_chain.errors import ConfigurationError

_API = "api/v0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What `ipfshttpclient` takes: a multiaddr, and the path of the API there."""

    multiaddr: str
    base: str = _API


def is_address(text: str) -> bool:
    """Whether a text is an address, and not a name of one."""
    return text.startswith("/") or "://" in text


def find_place(text: str) -> Place:
    """The API at a multiaddr like /ip4/127.0.0.1/tcp/5001, or at a URL. Raises `ConfigurationError`.

    >>> find_place("https://node.example/ipfs")
    Place(multiaddr='/dns/node.example/tcp/443/https', base='ipfs/api/v0')
    """
    if text.startswith("/"):
        return Place(multiaddr=text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no address of an IPFS node: {error}") from error
    return Place(multiaddr=_multiaddr(text, parts, port), base=_base(parts.path))


def _multiaddr(text: str, parts: SplitResult, port: int | None) -> str:
    if "@" in parts.netloc:
        raise ConfigurationError(
            "an address of an IPFS node holds no password; put it into a file, and name that as token_file "
            "or headers_file of a [stores.NAME] in the settings"
        )
    is_plain = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    if not is_plain or not text.isascii() or "/" in (parts.hostname or ""):
        raise ConfigurationError(
            f"{text!r} is no address of an IPFS node's RPC API; write /ip4/127.0.0.1/tcp/5001 or https://host/path"
        )
    host = parts.hostname or ""
    return f"/{_protocol(host)}/{host}/tcp/{port or (443 if parts.scheme == 'https' else 80)}/{parts.scheme}"


def _protocol(host: str) -> str:
    try:
        return f"ip{ip_address(host).version}"
    except ValueError:
        return "dns"


def _base(path: str) -> str:
    path = path.strip("/").removesuffix(_API).strip("/")
    return f"{path}/{_API}" if path else _API
