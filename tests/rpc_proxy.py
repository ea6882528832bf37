"""An RPC endpoint that passes requests on to a real chain, remembers them, and misbehaves as a test wants."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

Answer = Mapping[str, Any]
"""A JSON-RPC answer: `result` or `error`."""
Pass = Callable[[], Answer]
"""Asks the real chain."""
Fault = Callable[[list[Any], Pass], Answer]
"""What a method answers instead, from its parameters and what the real chain would say."""


class RpcProxy:
    """Listens at `url` inside its `with` block. `faults` are by method; `status` is what HTTP says instead of 200."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: dict[str, Fault] = {}
        self.asked: Counter[str] = Counter()
        self.parameters: list[tuple[str, list[Any]]] = []
        self.round_trips = 0
        self.takes_batches = True
        self.refuses_batches_by_http = False
        self.status = 200
        self.delay = 0.0
        self.body: bytes | None = None
        self.heard: list[bytearray] = []
        """All bytes that came, head lines included, by connection."""
        self.bodies = Bodies()
        self._has_ended = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._server.shutdown()
        self._server.server_close()

    def sleep(self, seconds: float) -> None:
        """Lets time pass, but none after the `with` block."""
        self._has_ended.wait(seconds)

    def answer(self, body: bytes) -> bytes:
        """The bytes to answer a request with."""
        self.round_trips += 1
        self.sleep(self.delay)
        if self.body is not None:
            return self.body
        requests = json.loads(body)
        if isinstance(requests, dict):
            return json.dumps(self._one(requests)).encode()
        if not self.takes_batches:
            return json.dumps(error(-32600, "batches are not supported") | {"jsonrpc": "2.0", "id": None}).encode()
        return json.dumps([self._one(each) for each in requests]).encode()

    def _one(self, request: dict[str, Any]) -> Answer:
        method, parameters = request["method"], request.get("params", [])
        self.asked[method] += 1
        self.parameters.append((method, parameters))
        fault = self.faults.get(method)
        answer = fault(parameters, lambda: self._upstream(request)) if fault else self._upstream(request)
        return {**answer, "jsonrpc": "2.0", "id": request["id"]}

    def _upstream(self, request: dict[str, Any]) -> Answer:
        content = {"Content-Type": "application/json"}
        query = urllib.request.Request(self.upstream, json.dumps(request).encode(), content)  # noqa: S310
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(query, timeout=20) as response:
            answer: Answer = json.load(response)
            return answer

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:  # noqa: N805  `self` is the handler's.
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.rfile = Listening(self.rfile, proxy)  # type: ignore[assignment]

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refused = proxy.refuses_batches_by_http and body.startswith(b"[")
                answer = b"no batches" if refused else proxy.answer(body)
                proxy.bodies.count(asked=len(body), answered=len(answer))
                self.send_response(413 if refused else proxy.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        return Handler


class Bodies:
    """How many bytes the bodies of requests and answers had."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self._lock = Lock()

    def count(self, *, asked: int, answered: int) -> None:
        """Adds one exchange; several connections do so at once."""
        with self._lock:
            self.asked += asked
            self.answered += answered


class Listening:
    """A stream of a connection that keeps a copy of what is read from it."""

    def __init__(self, stream: BufferedIOBase, proxy: RpcProxy) -> None:
        self._stream, self._copy = stream, bytearray()
        proxy.heard.append(self._copy)

    def read(self, size: int) -> bytes:
        return self._kept(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._kept(self._stream.readline(size))

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def _kept(self, data: bytes) -> bytes:
        self._copy += data
        return data


def error(code: int, message: str, data: object = None) -> dict[str, Any]:
    """A JSON-RPC error."""
    return {"error": {"code": code, "message": message} | ({} if data is None else {"data": data})}
