"""What stands between a hospital's agent and an IPFS node elsewhere: TLS with a private CA, a token, a proxy."""

from __future__ import annotations

import shutil
import socket
import socketserver
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest


@dataclass(kw_only=True)
class Door:
    """A running server; `passed` says who came through, or was sent away."""

    port: int
    passed: list[str] = field(default_factory=list)


@contextmanager
def guarded(target: tuple[str, int], certificate: Path, token: str) -> Iterator[Door]:
    """HTTPS before a node: whoever has the token gets through."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def meet(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            head = _read_head(inside)
            if f"\r\nauthorization: bearer {token}\r\n".encode() not in head.lower():
                door.passed.append("refused")
                inside.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nConnection: close\r\n\r\nForbidden")
                return
            door.passed.append("let in")
            _connect(inside, target, head)

    with _listening(meet) as door:
        yield door


@contextmanager
def proxy() -> Iterator[Door]:
    """A proxy that connects to whatever it is asked for."""

    def meet(connection: socket.socket) -> None:
        method, place, *_ = _read_head(connection).split()
        door.passed.append(f"{method.decode()} {place.decode()}")
        host, _, port = place.decode().partition(":")
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        _connect(connection, (host, int(port)), b"")

    with _listening(meet) as door:
        yield door


def make_ca(folder: Path) -> tuple[Path, Path]:
    """A private CA's certificate, and key and certificate of this machine signed by it, for `localhost`."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    ca, server = folder / "ca.pem", folder / "server.pem"
    key, request, signed = folder / "key.pem", folder / "request.pem", folder / "signed.pem"
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost\n")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=our own CA", "-keyout", folder / "ca.key", "-out", ca],
        [*new, "-subj", "/CN=localhost", "-keyout", key, "-out", request],
        [
            *("openssl", "x509", "-req", "-days", "2", "-in", request, "-extfile", names, "-out", signed),
            *("-CA", ca, "-CAkey", folder / "ca.key", "-CAcreateserial"),
        ],
    ):
        subprocess.run(command, check=True, capture_output=True)
    server.write_bytes(key.read_bytes() + signed.read_bytes())
    return ca, server


@contextmanager
def _listening(meet: Callable[[socket.socket], None]) -> Iterator[Door]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, ValueError):
                meet(self.request)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listener(("127.0.0.1", 0), Handler) as listener:
        Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield Door(port=listener.server_address[1])
        listener.shutdown()


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionAbortedError
        head += piece
    return head


def _connect(connection: socket.socket, target: tuple[str, int], already: bytes) -> None:
    """Passes bytes on in both directions until one side ends."""
    with socket.create_connection(target) as there:
        there.sendall(already)
        back = Thread(target=_pass_on, args=(there, connection), daemon=True)
        back.start()
        _pass_on(connection, there)
        back.join(5)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
