"""A gateway that runs: started with a store and an address, stopped in order."""

from __future__ import annotations

import errno
import socket
from threading import Thread
from types import TracebackType
from typing import Final

from swarm_chain.errors import ConfigurationError, PortInUse
from swarm_chain.serving.connections import Server
from swarm_chain.serving.handler import Handler
from swarm_chain.serving.limits import Limits
from swarm_chain.serving.trees import Shelf

_LAST_ANSWERS: Final = 3.0
"""Seconds that answers under way have to end when a gateway stops."""


class Gateway:
    """A trustless gateway over a local store: it reads blocks that are there, and nothing else. A context, too."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="gateways")
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._server.server_address
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Its URL for this machine; `gateway:URL` is the store that reads it."""
        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def connections(self) -> int:
        """How many readers are connected."""
        return self._server.count

    def stop(self) -> None:
        """Takes no more connections, and returns once the answers under way have ended or had their time."""
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections(_LAST_ANSWERS)
        self._thread.join()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(shelf: Shelf, host: str = "127.0.0.1", port: int = 0, *, limits: Limits | None = None) -> Gateway:
    """A gateway over a local store that answers from now on; port 0 is a free one.

    Raises `PortInUse`, and `ConfigurationError` where this machine has no such address.
    """
    try:
        return Gateway(Server((host, port), shelf, limits or Limits(), Handler))
    except socket.gaierror as error:
        raise ConfigurationError(f"{host!r} is no address of this machine: {error.strerror}; use another") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"something listens on port {port} of {host} already; choose another port") from error
        raise ConfigurationError(f"nothing can listen on {host}:{port}: {error.strerror}; use another") from error
