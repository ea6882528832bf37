"""HTTP on one connection, with limits below everything that is read and written."""

from __future__ import annotations

import logging
import socket
import struct
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any, Final, cast

from swarm_chain.adapters.wire import TooManyBytes, Wire
from swarm_chain.errors import SwarmChainError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from swarm_chain.serving.connections import Server

log = logging.getLogger(__name__)

_PATIENCE: Final = 0.5
_METHODS: Final = "GET, HEAD, OPTIONS"


class Talk(BaseHTTPRequestHandler):
    """Requests that come whole and in time, and answers that break off visibly where they cannot be ended."""

    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        """Makes the streams to read from and write to."""
        self.limits = self.server.limits
        self.wire = Wire(self.request, idle=self.limits.idle)
        self.rfile = self.wire.makefile()
        self.wfile = cast("BufferedIOBase", _Outgoing(self.wire))

    def finish(self) -> None:
        """Nothing is left to be written; the server closes the connection."""

    def handle_one_request(self) -> None:
        """Answers one request."""
        self.has_begun = self.has_ended = False
        self.command = self.path = self.requestline = ""
        self.wire.allow(seconds=self.limits.head, received=self.limits.head_bytes)
        try:
            super().handle_one_request()
        except TooManyBytes:
            self._refuse_quietly(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "that is more than any request needs")
        except (OSError, SwarmChainError) as error:
            log.debug("%s: the answer to %s breaks off: %s", self.client_address[0], self.path, error)
            self.close_connection = True
        if self.has_begun and not self.has_ended:
            self._break_off()

    def parse_request(self) -> bool:
        """Whether it is a request to be answered; from here on, bytes only go out."""
        is_request = super().parse_request()
        self.wire.allow(seconds=self.limits.grace)
        if is_request and self.headers.defects:
            # Whatever is before this server may have read them in another way, and taken what follows for a body.
            self.send_error(HTTPStatus.BAD_REQUEST, "the headers cannot be read")
            return False
        if is_request and (self._has_body() or self.server.is_crowded):
            self.close_connection = True  # What follows is not looked at.
        return is_request

    def version_string(self) -> str:
        """What the Server header says."""
        return "swarm-chain"

    def handle_expect_100(self) -> bool:
        """Nothing that anybody would send is waited for."""
        return True

    def begin(self, status: HTTPStatus, headers: dict[str, str], *, size: int | None) -> None:
        """Sends the head of an answer, of `size` bytes; None where only its end will tell."""
        self.has_begun = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.send_header("Access-Control-Allow-Origin", "*")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def refuse(self, status: HTTPStatus, why: str, headers: dict[str, str] | None = None) -> None:
        """Answers with a status and a line that says why."""
        body = (why + "\n").encode()
        told = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        self.begin(status, {**told, **(headers or {})}, size=len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
        self.has_ended = True

    def refuse_method(self) -> None:
        """Answers to whoever wants to write."""
        self.close_connection = True
        self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "blocks are only read here", {"Allow": _METHODS})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_TRACE = do_CONNECT = refuse_method  # noqa: N815

    def do_OPTIONS(self) -> None:
        """Tells a browser that any page may read here."""
        headers = {"Allow": _METHODS, "Access-Control-Allow-Methods": _METHODS, "Access-Control-Allow-Headers": "*"}
        self.begin(HTTPStatus.NO_CONTENT, headers, size=None)
        self.has_ended = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers to what is no request."""
        self.close_connection = True
        self.refuse(HTTPStatus(code), "".join(char if char.isprintable() else "?" for char in message or "no"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says in the log what was asked for and how it was answered."""
        log.debug("%s %s", self.client_address[0], format % args)

    def _refuse_quietly(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self.wire.allow(seconds=self.limits.grace)
        try:
            self.request_version = "HTTP/1.1"
            self.refuse(status, why)
            self._hear_out()
        except OSError:
            log.debug("%s does not listen", self.client_address[0])

    def _hear_out(self) -> None:
        """Takes a little of what still comes: a connection that is closed before loses what was answered."""
        self.request.shutdown(socket.SHUT_WR)
        self.wire.allow(seconds=_PATIENCE, received=self.limits.head_bytes * 4)
        while self.wire.recv_into(bytearray(self.limits.head_bytes)):
            pass

    def _has_body(self) -> bool:
        lengths = self.headers.get_all("Content-Length", [])
        return any(length.strip() != "0" for length in lengths) or "Transfer-Encoding" in self.headers

    def _break_off(self) -> None:
        """Resets the connection: whoever reads until its end must not take that for the answer's."""
        self.close_connection = True
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()  # At once, since the server would first end it as if all were well.


class _Outgoing(BufferedIOBase):
    """What `http.server` writes to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def write(self, data: ReadableBuffer) -> int:
        self._wire.sendall(data)
        return memoryview(data).nbytes
