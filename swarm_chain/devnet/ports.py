"""Ports of this machine: free ones, and the errors about others."""

from __future__ import annotations

import errno
import random
import socket
from typing import Final

from swarm_chain.errors import ConfigurationError, PortInUse

_NOT_HERE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
OURS: Final = range(10_000, 32_768)
"""Above those that programs listen at unless told, below those that a system hands out for connections."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now. Raises `ConfigurationError` if `host` is no address of this machine.

    Of `OURS`: one that the system hands out could be some connection's by the time a slow program listens.
    """
    for port in random.sample(OURS, 100):
        if is_free(host, port):
            return port
    with _bound(host, 0) as listener:
        return int(listener.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens there now, and we may."""
    try:
        _bound(host, port).close()
    except OSError:
        return False
    return True


def require_free_port(host: str, port: int) -> None:
    try:
        _bound(host, port).close()
    except PermissionError:
        raise PortInUse(f"port {port} needs privileges; choose one above 1023 with --port") from None
    except OSError:
        raise port_in_use(host, port) from None


def port_in_use(host: str, port: int) -> PortInUse:
    """The error that says how to go on when a port is taken."""
    return PortInUse(f"port {port} of {host} is in use; stop what listens there, or choose another with --port")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except socket.gaierror:
        listener.close()
        raise ConfigurationError(f"{host} is not an address; use 127.0.0.1, or 0.0.0.0 for the local network") from None
    except OSError as error:
        listener.close()
        if error.errno in _NOT_HERE:
            raise ConfigurationError(f"{host} is no address of this machine; use 127.0.0.1 or 0.0.0.0") from None
        raise
    return listener
