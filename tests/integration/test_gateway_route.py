"""Gateways behind something: a token, a private CA, a proxy that is the only way out."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarm_chain import serving
from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.adapters.gateways.route import Route
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.stores import open_store
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.errors import ConfigurationError, StoreUnavailable
from swarm_chain.serving import Gateway

DATA = b"a block behind a wall"
CID = cid_of(DATA, Codec.RAW)
LIMITS = Limits(tries=1)
HEADERS = {"Authorization": "Bearer a-secret", "X-Site": "ward 7"}

Wrap = Callable[[socket.socket], socket.socket]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    store = LocalStore(tmp_path / "store")
    store.put(CID, DATA)
    with serving.start(store) as started:
        yield started


@dataclass
class Passing:
    """A program on the way that notes the head of each request and passes everything on."""

    port: int
    heads: list[bytes] = field(default_factory=list)


@contextmanager
def passing(gateway: Gateway, *, wrap: Wrap = lambda it: it, is_proxy: bool = False) -> Iterator[Passing]:
    """Passes connections on to the gateway, whatever they say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        passer = Passing(port=listener.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with suppress(OSError), wrap(connection) as reader:
                head = read_head(reader)
                passer.heads.append(head)
                target = gateway.address
                if head.startswith(b"CONNECT "):
                    host, _, port = head.split()[1].decode().rpartition(":")
                    target = (host, int(port))
                with socket.create_connection(target) as other:
                    if head.startswith(b"CONNECT "):
                        reader.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    else:
                        other.sendall(
                            head.replace(
                                b"GET http://" + b":".join(str(part).encode() for part in gateway.address), b"GET ", 1
                            )
                            if is_proxy
                            else head
                        )
                    back = threading.Thread(target=pour, args=(other, reader), daemon=True)
                    back.start()
                    pour(reader, other)
                    back.join(5)

        threading.Thread(target=serve, daemon=True).start()
        yield passer


def pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return head
        head += piece
    return head


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that no public CA signed, with its key in the same file."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no `openssl` on the PATH")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem", "-days", "2",
         "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def encrypted(certificate: Path) -> Wrap:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    return lambda connection: context.wrap_socket(connection, server_side=True)


def test_get__headers_are_told__go_to_the_gateway(gateway: Gateway) -> None:
    with passing(gateway) as front:
        store = GatewayStore([f"http://127.0.0.1:{front.port}"], limits=LIMITS, route=Route(headers=HEADERS))
        assert store.get(CID) == DATA
    assert b"\r\nAuthorization: Bearer a-secret\r\nX-Site: ward 7\r\n" in front.heads[0]


def test_get__private_ca_is_told__is_trusted_and_others_are_not(gateway: Gateway, certificate: Path) -> None:
    with passing(gateway, wrap=encrypted(certificate)) as front:
        urls = [f"https://127.0.0.1:{front.port}"]
        known = GatewayStore(urls, limits=LIMITS, route=Route(ca_file=certificate / "ca.pem"))
        assert known.get(CID) == DATA
        with pytest.raises(StoreUnavailable, match="no certificate that is trusted"):
            GatewayStore(urls, limits=LIMITS).get(CID)
        other_name = GatewayStore(
            [f"https://localhost:{front.port}"], limits=LIMITS, route=Route(ca_file=certificate / "ca.pem")
        )
        with pytest.raises(StoreUnavailable, match="no certificate that is trusted"):
            other_name.get(CID)


def test_get__through_a_proxy__asks_it_for_the_whole_url(gateway: Gateway) -> None:
    with passing(gateway, is_proxy=True) as proxy:
        route = Route(proxy=f"http://127.0.0.1:{proxy.port}")
        assert GatewayStore([gateway.url], limits=LIMITS, route=route).get(CID) == DATA
    assert proxy.heads[0].startswith(f"GET {gateway.url}/ipfs/{CID}?format=raw HTTP/1.1\r\n".encode())


def test_get__tls_through_a_proxy__tells_it_no_secret(gateway: Gateway, certificate: Path) -> None:
    with passing(gateway, wrap=encrypted(certificate)) as front, passing(gateway) as proxy:
        route = Route(headers=HEADERS, ca_file=certificate / "ca.pem", proxy=f"http://127.0.0.1:{proxy.port}")
        store = GatewayStore([f"https://127.0.0.1:{front.port}"], limits=LIMITS, route=route)
        assert store.get(CID) == DATA
    assert proxy.heads == [f"CONNECT 127.0.0.1:{front.port} HTTP/1.1\r\nHost: 127.0.0.1:{front.port}\r\n\r\n".encode()]
    assert b"a-secret" in front.heads[0]


def test_open_store__gateway_by_name__is_reached_as_the_settings_say(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with passing(gateway) as front:
        (tmp_path / "site.token").write_text("a-secret\n")
        settings = tmp_path / "swarm-chain.toml"
        settings.write_text(
            f'[stores.site]\naddress = "http://127.0.0.1:{front.port},{gateway.url}"\ntoken_file = "site.token"\n'
        )
        monkeypatch.setenv("SWARM_CHAIN_SETTINGS", str(settings))
        store = open_store("gateway:site")
        assert store.name == "gateway:site"
        assert store.get(CID) == DATA
    assert b"\r\nAuthorization: Bearer a-secret\r\n" in front.heads[0]
    with pytest.raises(ConfigurationError, match="unknown store"):
        open_store("gateway:nowhere")


def test_route__cannot_be_taken__says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="proxy"):
        GatewayStore(["http://127.0.0.1:1"], route=Route(proxy="https://proxy.example:3128"))
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigurationError, match="certificates"):
        GatewayStore(["https://127.0.0.1:1"], route=Route(ca_file=tmp_path / "ca.pem"))
