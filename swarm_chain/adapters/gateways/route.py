"""What a gateway needs besides its address: a header that lets one in, a private CA, a proxy."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from swarm_chain.adapters.gateways.urls import GatewayUrl, parse_url
from swarm_chain.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Route:
    """How to get to gateways. `headers` may hold secrets: they go to the gateways and to nobody on the way."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Whose certificates are trusted. Raises `ConfigurationError` for a file that holds none."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.ca_file} has no certificates that can be read (PEM): {error}") from error

    @cached_property
    def proxy_url(self) -> GatewayUrl | None:
        """Where the proxy is. Raises `ConfigurationError` for one that is not reached by plain HTTP."""
        if self.proxy is None:
            return None
        url = parse_url(self.proxy)
        if url.scheme != "http" or url.prefix:
            raise ConfigurationError("a proxy of gateways is reached as http://HOST:PORT; correct the settings")
        return url
