"""Connections to a gateway: so many at once, so many from one address, and each ended in order when it stops."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from contextlib import suppress
from socketserver import BaseRequestHandler, TCPServer
from threading import Condition, Thread
from typing import Any, Final

from swarm_chain.serving.limits import Limits
from swarm_chain.serving.trees import Shelf

log = logging.getLogger(__name__)

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"Access-Control-Allow-Origin: *\r\n\r\n"
)


class Server(TCPServer):
    """Accepts connections, and gives each a thread if there is one left."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], shelf: Shelf, limits: Limits, handler: type[BaseRequestHandler]
    ) -> None:
        """Listens; `handler` answers on each connection. Raises `OSError`."""
        self.shelf, self.limits = shelf, limits
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._changed = Condition()
        self._open: dict[socket.socket, str] = {}
        self._by_address: Counter[str] = Counter()
        super().__init__(address, handler)

    @property
    def count(self) -> int:
        """Connections that are open."""
        return len(self._open)

    @property
    def is_crowded(self) -> bool:
        """Whether connections are scarce: then each serves one request."""
        return len(self._open) * 4 > self.limits.connections * 3

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection in a thread of its own, or turns it away."""
        if not self._enter(request, client_address[0]):
            self._turn_away(request)
            return
        Thread(target=self._serve, args=(request, client_address), daemon=True, name="gateway").start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A fault in one connection ends that one."""
        log.exception("a fault of this gateway while it answered %s", client_address[0])

    def end_connections(self, seconds: float) -> None:
        """Lets answers that are under way end for so long; nothing more is read."""
        until = time.monotonic() + seconds
        with self._changed:
            self._shut(socket.SHUT_RD)
            while self._open and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._shut(socket.SHUT_RDWR)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.finish_request(request, client_address)
        except OSError as error:
            log.debug("%s: %s", client_address[0], error)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self._leave(request)
            self.shutdown_request(request)

    def _enter(self, request: socket.socket, address: str) -> bool:
        with self._changed:
            if (
                len(self._open) >= self.limits.connections
                or self._by_address[address] >= self.limits.connections_of_one
            ):
                return False
            self._open[request] = address
            self._by_address[address] += 1
            return True

    def _leave(self, request: socket.socket) -> None:
        with self._changed:
            address = self._open.pop(request)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._changed.notify_all()

    def _turn_away(self, request: socket.socket) -> None:
        with suppress(OSError):
            request.setblocking(False)
            request.send(_BUSY)
        self.shutdown_request(request)

    def _shut(self, how: int) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(how)
