"""HTTP to a node: the session of `ipfshttpclient`, made safe against answers that never end and errors that come last.

requests and urllib3 wait for each piece of an answer anew, read chunks of any size in one go, follow redirects, take
proxies and passwords from the environment, and drop trailers, where a node says what went wrong after it said 200.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from ipfshttpclient import requests_wrapper as patched

from swarm_chain.adapters.wire import Wire

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

STREAM_ERROR: Final = b"x-stream-error:"
AT_ONCE: Final = 16
"""Connections that are kept: a few files may be read at the same time, each with several blocks in flight."""
_PIECE: Final = 256 * 1024
_BUFFER: Final = 64 * 1024
_MAX_ERROR: Final = 64 * 1024
"""Bytes of an answer that is an error."""


class UnusableAnswer(requests.RequestException):
    """An answer that no node gives, or one that ended in an error."""


class StreamError(UnusableAnswer):
    """What a trailer says went wrong after the answer began."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    seconds: float
    received: int


_BOUNDS: ContextVar[_Bounds] = ContextVar("_BOUNDS")


@contextmanager
def bounded(*, seconds: float, received: int) -> Iterator[None]:
    """While inside, an answer may take so long, counted from when all of the question was sent, and so many bytes."""
    token = _BOUNDS.set(_Bounds(seconds, received + received // 8 + _MAX_ERROR))
    try:
        yield
    finally:
        _BOUNDS.reset(token)


def prepare(session: Any, *, ca_file: str | None, proxy: str | None) -> None:
    """Makes a session of `ipfshttpclient` keep the bounds of `bounded`, for as many threads as like."""
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if ca_file is not None:
        session.verify = ca_file
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
        # A family would change the URL's scheme, and a proxy would not know it. It looks the name up itself, too.
        session.family = patched.socket.AF_UNSPEC
    adapter = _Adapter(pool_connections=1, pool_maxsize=AT_ONCE)
    for prefix in list(session.adapters):
        session.mount(prefix, adapter)


class _Lines(io.BufferedReader):
    """What comes in, with an error noted that stands in a trailer (or a header)."""

    def __init__(self, incoming: _Incoming) -> None:
        super().__init__(incoming, _BUFFER)
        self.error: str | None = None

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_BUFFER if size is None or size < 0 else size)
        if line[: len(STREAM_ERROR)].lower() == STREAM_ERROR:
            self.error = line[len(STREAM_ERROR) :].strip().decode("utf-8", "replace")
        return line


class _Incoming(io.RawIOBase):
    """What comes in on a wire. `file` is what keeps its socket open until the answer was read."""

    def __init__(self, wire: Wire, file: io.RawIOBase) -> None:
        self._wire, self._file = wire, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._wire.recv_into(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Reply(HTTPResponse):
    """An answer of `http.client`, read within bounds."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        bounds = _BOUNDS.get()
        wire = Wire(sock, idle=bounds.seconds)
        wire.allow(seconds=bounds.seconds, received=bounds.received)
        self.lines = _Lines(_Incoming(wire, self.fp.detach()))
        self.fp = self.lines


class _Connection(patched.HTTPConnection):  # type: ignore[misc]  # ipfshttpclient has no types
    response_class = _Reply


class _SecureConnection(patched.HTTPSConnection):  # type: ignore[misc]
    response_class = _Reply


class _Pool(patched.HTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Connection


class _SecurePool(patched.HTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _SecureConnection


class _Answer(requests.Response):
    """An answer whose pieces are never large, never unpacked, and end in `StreamError` where a trailer says so."""

    def iter_content(self, chunk_size: int | None = None, decode_unicode: bool = False) -> Iterator[Any]:
        """The pieces. `ipfshttpclient` reads them all, of an error too."""
        left = None if self.status_code == 200 else _MAX_ERROR
        for piece in self.raw.stream(_PIECE, decode_content=False):
            yield piece if left is None else piece[:left]
            if left is not None and (left := left - len(piece)) <= 0:
                return
        if said := self.raw._original_response.lines.error:
            raise StreamError(said)


class _Adapter(patched.HTTPAdapter):  # type: ignore[misc]
    """What `requests` sends with."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = patched.PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self.poolmanager.pool_classes_by_scheme)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _pools(("http", "https"))
        return manager

    def build_response(self, request: Any, response: Any) -> requests.Response:
        problem = _problem(response)
        if problem is not None:
            response.close()
            raise UnusableAnswer(problem)
        answer = _Answer()
        answer.__dict__.update(super().build_response(request, response).__dict__)
        return answer


def _pools(schemes: Any) -> dict[str, type]:
    return {scheme: _SecurePool if scheme.startswith("https") else _Pool for scheme in schemes}


def _problem(response: Any) -> str | None:
    """Why an answer cannot be a node's; None for one that may be."""
    if 300 <= response.status < 400:
        return f"it answers with a redirect (status {response.status}), which is never followed"
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "it answers in an encoding that was not asked for"
    if response.status == 200 and response.headers.get("content-type", "").lower().startswith("text/html"):
        return "it answers with a page for people"
    return None
