"""A server that says to an IPFS node's commands whatever a test wants, byte by byte."""

from __future__ import annotations

import json
import socket
import socketserver
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Say = Callable[[socket.socket], None]
"""What a server does once it has read a request."""


@dataclass(kw_only=True)
class Server:
    """A running server. `heard` are the commands that came: path, options, headers, bytes of the body.

    It says its version as a node does.
    """

    port: int
    say: Say
    heard: list[tuple[str, Mapping[str, str], Mapping[str, str], int]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.port}"


@contextmanager
def serving(say: Say) -> Iterator[Server]:
    """A server on a free port of this machine."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while (request := _read_request(self.rfile)) is not None:
                    if request[0] == "/api/v0/version":
                        answer(b'{"Version":"0.44.0"}')(self.connection)
                        continue
                    found.heard.append(request)
                    found.say(self.connection)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listener(("127.0.0.1", 0), Handler) as listener:
        found = Server(port=listener.server_address[1], say=say)
        Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        listener.shutdown()


def answer(
    body: bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    trailer: str = "",
    chunk: int = 1000,
    is_whole: bool = True,
) -> Say:
    """An answer in chunks, as nodes stream it; `trailer` is a line after them, and without `is_whole` the end lacks."""

    def say(connection: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status} said", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        connection.sendall("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode())
        for start in range(0, len(body), chunk):
            piece = body[start : start + chunk]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if not is_whole:
            hang_up(connection)
        connection.sendall(f"0\r\n{trailer}{chr(13) + chr(10) if trailer else ''}\r\n".encode())

    return say


def lines(*values: Any) -> bytes:
    """JSON, a value a line."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def hang_up(connection: socket.socket) -> None:
    """Ends the connection at once."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    raise ConnectionAbortedError


def recorded() -> list[dict[str, Any]]:
    """What a real Kubo answered, call by call."""
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors/kubo/rpc.json").read_text())["records"]
    return found


def replay(record: Mapping[str, Any]) -> Say:
    """A recorded answer, as it came."""
    body = record["body"]
    data = b64decode(body["base64"]) if "base64" in body else body["text"].encode()
    headers = {name: value for name, value in record["headers"].items() if name != "Content-Length"}
    return answer(data, status=record["status"], headers=headers)


def _read_request(stream: Any) -> tuple[str, Mapping[str, str], Mapping[str, str], int] | None:
    first = stream.readline().split()
    if len(first) < 3:
        return None
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    url = urlsplit(first[1].decode())
    return url.path, dict(parse_qsl(url.query)), headers, _read_body(stream, headers)


def _read_body(stream: Any, headers: Mapping[str, str]) -> int:
    if headers.get("transfer-encoding") != "chunked":
        return len(stream.read(int(headers.get("content-length", 0))))
    size = 0
    while count := int(stream.readline(), 16):
        size += len(stream.read(count))
        stream.readline()
    stream.readline()
    return size
