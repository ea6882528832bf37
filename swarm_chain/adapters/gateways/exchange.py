"""One question to a gateway and its answer: connections, kept for the next; no redirects, cookies or compression."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Final, cast

from swarm_chain.adapters.addresses import dial, resolve
from swarm_chain.adapters.gateways.failures import Failure, Kind
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.adapters.gateways.route import Route
from swarm_chain.adapters.gateways.urls import GatewayUrl
from swarm_chain.adapters.wire import TooManyBytes, Wire
from swarm_chain.errors import AddressRefused, StoreUnavailable

if TYPE_CHECKING:
    import socket

_LONGEST_WAIT: Final = 10.0
_MAX_SAID: Final = 100
_MOST_SHOWN: Final = 1 << 63
_FRAMING: Final = 64 * 1024
"""Bytes of chunk sizes and trailers that any answer may have, besides an eighth of what it holds."""
_PROXY_HEAD: Final = 16 * 1024
_KEPT: Final = 5.0
"""Seconds for which a connection is used again."""


class Line:
    """The way to one gateway, for several threads."""

    def __init__(self, url: GatewayUrl, limits: Limits, route: Route, *, allow_private: bool) -> None:
        self.url, self._limits, self._route, self._allow_private = url, limits, route, allow_private
        self._lock = Lock()
        self._kept: list[tuple[float, Wire]] = []
        self._round_trip: float | None = None

    def ask(self, method: str, path: str, *, accept: str, max_bytes: int, until: float) -> Answer:
        """An answer whose head was read and is a plain 200. Raises `Failure` for any other."""
        kept = self._take()
        if kept is not None:
            try:
                return self._answer(kept, method, self._request(method, path, accept), max_bytes, until)
            except _ClosedMeanwhile:
                pass
        return self._answer(self._connect(until), method, self._request(method, path, accept), max_bytes, until)

    def round_trip(self, until: float) -> float:
        """Seconds that connecting took last, which is a message there and back. Raises `Failure`."""
        if self._round_trip is None:
            self.keep(self._connect(until))
        return self._round_trip or 0.0

    def close(self) -> None:
        """Ends the connections that are kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for _, wire in kept:
            wire.close()

    def keep(self, wire: Wire) -> None:
        """Keeps a connection for the next question."""
        with self._lock:
            self._kept.append((time.monotonic(), wire))

    def _answer(self, wire: Wire, method: str, request: bytes, max_bytes: int, until: float) -> Answer:
        try:
            with translated("a head that does not end"):
                response = self._exchange(wire, method, request, until)
            return Answer(self, wire, response, self._limits, max_bytes)
        except BaseException:
            wire.close()
            raise

    def _exchange(self, wire: Wire, method: str, request: bytes, until: float) -> HTTPResponse:
        before = wire.received
        wire.allow(seconds=min(self._limits.answer, until - time.monotonic()), received=self._limits.head_bytes)
        try:
            wire.sendall(request)
            # It reads from whatever has `makefile`.
            response = HTTPResponse(cast("socket.socket", wire), method=method)
            response.begin()
        except ConnectionError as error:
            if before and wire.received == before:
                raise _ClosedMeanwhile(Kind.TROUBLE, "closed the connection") from error
            raise
        return response

    def _request(self, method: str, path: str, accept: str) -> bytes:
        is_passed_on = self._route.proxy_url is not None and self.url.scheme == "http"
        target = f"http://{self.url.authority}" if is_passed_on else ""
        headers = {
            "Host": self.url.authority,
            "Accept": accept,
            "Accept-Encoding": "identity",
            "User-Agent": "swarm-chain",
            **self._route.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {target}{self.url.prefix}{path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    def _connect(self, until: float) -> Wire:
        first = self._route.proxy_url or self.url
        seconds = min(self._limits.connect, until - time.monotonic())
        try:
            endpoints = resolve(first.host, first.port, allow_private=self._allow_private, seconds=seconds)
            started = time.monotonic()
            connection = dial(endpoints, seconds=seconds)
            self._round_trip = time.monotonic() - started
            connection = self._encrypted(connection)
        except AddressRefused as error:
            raise Failure(Kind.REFUSED, f"is not asked: {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise Failure(Kind.REFUSED, f"has no certificate that is trusted here: {_name(error)}") from error
        except (OSError, HTTPException, StoreUnavailable) as error:
            raise Failure(Kind.UNREACHABLE, f"cannot be reached: {_name(error)}") from error
        return Wire(connection, idle=self._limits.idle)

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        """The connection as the gateway takes it. Raises `OSError`, `HTTPException`."""
        if self.url.scheme == "http":
            return connection
        try:
            if self._route.proxy_url is not None:
                self._pass_through(connection)
            connection.settimeout(self._limits.connect)
            return self._route.tls.wrap_socket(connection, server_hostname=self.url.host)
        except BaseException:
            connection.close()
            raise

    def _pass_through(self, connection: socket.socket) -> None:
        """Has the proxy pass everything on to the gateway; none of the gateway's headers is for the proxy."""
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        wire = Wire(connection, idle=self._limits.connect)
        wire.allow(seconds=self._limits.connect, received=_PROXY_HEAD)
        wire.sendall(f"CONNECT {host}:{self.url.port} HTTP/1.1\r\nHost: {host}:{self.url.port}\r\n\r\n".encode())
        answer = HTTPResponse(cast("socket.socket", wire), method="CONNECT")
        answer.begin()
        if answer.status != 200:
            raise OSError(f"the proxy refuses with status {answer.status}")

    def _take(self) -> Wire | None:
        """A connection that was used before, and on which nothing came since."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                since, wire = self._kept.pop()
            if time.monotonic() - since < _KEPT and not wire.is_readable():
                return wire
            wire.close()


class Answer:
    """An answer that is being read. A context: its end keeps the connection if all was read, and closes it if not."""

    def __init__(self, line: Line, wire: Wire, response: HTTPResponse, limits: Limits, max_bytes: int) -> None:
        """Raises `Failure` for a head that is not a plain 200, or announces more than `max_bytes`."""
        self._line, self._wire, self._response, self._limits = line, wire, response, limits
        _check_status(response)
        _check_framing(response)
        self._length, self._max_bytes = response.length, max_bytes
        if self._length is not None and self._length > max_bytes:
            raise Failure(
                Kind.REFUSED, f"announces {min(self._length, _MOST_SHOWN)} bytes where {max_bytes} are allowed"
            )

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(was_read=kind is None)

    def close(self, *, was_read: bool = False) -> None:
        """Ends it; the connection serves again where `was_read` to its end."""
        if was_read and self._response.isclosed() and not self._response.will_close:
            self._line.keep(self._wire)
        else:
            self._wire.close()

    @property
    def content_type(self) -> str:
        """What it says that it is, with parameters."""
        return self._response.headers.get("Content-Type", "")

    def allow(self, count: int, *, until: float) -> None:
        """Begins a new allowance, for so many bytes."""
        seconds = min(self._limits.block, until - time.monotonic())
        self._wire.allow(seconds=seconds, received=count + count // 8 + _FRAMING)

    def body(self, *, until: float) -> bytes:
        """All of it. Raises `Failure` where it is longer or shorter than it may be."""
        self.allow(self._max_bytes, until=until)
        data = self.read(self._max_bytes + 1 if self._length is None else self._length)
        if len(data) > self._max_bytes:
            raise Failure(Kind.REFUSED, f"sends more than the {self._max_bytes} bytes allowed")
        if self._length is not None and len(data) < self._length:
            raise Failure(Kind.TROUBLE, f"breaks off after {len(data)} of {self._length} bytes")
        return data

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes, fewer only at the end. Raises `Failure`."""
        with translated(f"more than the {self._max_bytes} bytes allowed"):
            return self._response.read(size)


class _ClosedMeanwhile(Failure):
    """A connection that was kept is closed: that says nothing about the gateway."""


@contextmanager
def translated(too_much: str) -> Iterator[None]:
    """Turns what goes wrong on a connection into a `Failure`."""
    try:
        yield
    except TooManyBytes as error:
        raise Failure(Kind.REFUSED, f"sends {too_much}") from error
    except TimeoutError as error:
        raise Failure(Kind.SLOW, "is too slow") from error
    except (OSError, HTTPException, ValueError) as error:
        raise Failure(Kind.TROUBLE, f"breaks off: {_name(error)}") from error


def _check_status(response: HTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status in (404, 410, 451):
        raise Failure(Kind.MISSING, f"does not have it (status {status})")
    if 300 <= status < 400:
        raise Failure(Kind.REFUSED, f"answers with a redirect (status {status}), which is never followed")
    if status == 504:
        raise Failure(Kind.SLOW, "did not find it in its time (status 504)")
    if status == 429 or status >= 500:
        raise Failure(Kind.TROUBLE, f"fails with status {status}", wait=_retry_after(response))
    raise Failure(Kind.REFUSED, f"answers with status {status}")


def _check_framing(response: HTTPResponse) -> None:
    """Raises `Failure` for a body that is not simply there: compressed, or of a length that is told in two ways."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    transfer = [one.strip().lower() for one in response.headers.get_all("Transfer-Encoding", [])]
    lengths = set(response.headers.get_all("Content-Length", []))
    if encoding != "identity" or transfer not in ([], ["chunked"]):
        raise Failure(
            Kind.REFUSED, f"answers in an encoding that was not asked for ({_shown(str(transfer or encoding))})"
        )
    if len(lengths) > 1 or (lengths and transfer) or not all(one.strip().isdecimal() for one in lengths):
        raise Failure(Kind.REFUSED, "says in two ways how long its answer is")


def _retry_after(response: HTTPResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() and len(text) < 9 else 0.0


def _name(error: BaseException) -> str:
    """An error's text, in which the gateway's own words may stand: few of them, and nothing but characters."""
    return _shown(str(error)) or type(error).__name__


def _shown(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:_MAX_SAID]
