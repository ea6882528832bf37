"""Addresses of gateways as people and peers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from swarm_chain.errors import ConfigurationError

MAX_URL: Final = 512
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+(%[A-Za-z0-9._-]+)?")
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayUrl:
    """Where a gateway is: `/ipfs/CID` follows after it."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """Host and port as a request's Host header has them."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_url(text: str) -> GatewayUrl:
    """The gateway that a URL names. Raises `ConfigurationError` for what is none.

    >>> str(parse_url("http://127.0.0.1:8080/"))
    'http://127.0.0.1:8080'
    """
    # What stands before an @ may be a password.
    shown = "what is given" if "@" in text else repr(text[:MAX_URL])
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        is_plain = _is_plain(text, parts, host)
    except ValueError:
        is_plain = False
    if not is_plain:
        raise ConfigurationError(f"{shown} is no gateway's address; write it like http://host:8080")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    prefix = parts.path.rstrip("/").removesuffix("/ipfs")
    return GatewayUrl(scheme=scheme, host=host, port=port or _default_port(scheme), prefix=prefix)


def _is_plain(text: str, parts: SplitResult, host: str) -> bool:
    """Whether there is nothing in a URL but scheme, host, port and path."""
    plain = text.isascii() and text.isprintable() and len(text) <= MAX_URL and not set(text) & set(" ?#\\@")
    is_path = parts.port != 0 and _PREFIX.fullmatch(parts.path) is not None
    return plain and is_path and parts.scheme in ("http", "https") and _HOST.fullmatch(host) is not None


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
