"""A node's store, served where its peers reach it: which address that is, and which port from start to start."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from swarm_chain.adapters.addresses import IpAddress, is_public
from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.own_address import address_on_network, address_towards
from swarm_chain.core.announcements import gateways_in
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.errors import ConfigurationError, PortInUse, StoreError
from swarm_chain.serving import served as served_module
from swarm_chain.serving.served import QUIET, Served, Serving

DATA = b"a block"
CID = cid_of(DATA, Codec.RAW)
HERE = "http://127.0.0.1:8545"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path / "store", sync=False)
    made.put(CID, DATA)
    return made


@pytest.fixture
def own() -> IpAddress:
    """This machine's address on its network."""
    found = address_on_network()
    if found is None:
        pytest.skip("this machine is on no network")
    return found


@pytest.fixture
def serve(store: LocalStore, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serves the store as a node with these settings does."""
    opened: list[Served] = []

    def start(
        serve: str = "auto",
        *,
        announce: tuple[str, ...] = (),
        rpc: str = HERE,
        allow_private: bool = True,
        shelf: LocalStore | None = store,
        clock: Callable[[], float] = time.monotonic,
    ) -> Served:
        serving = Serving(serve=serve, announce=announce, rpc_urls=(rpc,), allow_private=allow_private, folder=tmp_path)
        opened.append(Served(shelf, serving, clock=clock))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def read(url: str) -> bytes:
    with closing(GatewayStore([url])) as store:
        return store.get(CID)


# -------------------------------------------------------------------------------------------------------------- where


def test_auto__chain_on_this_machine__serves_nothing(serve: Callable[..., Served]) -> None:
    assert serve().stores() == b""
    assert serve(rpc="http://localhost:8545").url is None


def test_auto__chain_elsewhere_on_the_network__serves_where_that_is_reached_from(
    serve: Callable[..., Served], own: IpAddress
) -> None:
    served = serve(rpc=f"http://{own}:8545")
    (url,) = gateways_in(served.stores())
    assert url.startswith(f"http://{own}:")
    assert url == served.url
    assert read(url) == DATA


def test_auto__only_peers_inside_could_reach_it__serves_nothing_and_says_so_once(
    serve: Callable[..., Served], own: IpAddress, caplog: pytest.LogCaptureFixture
) -> None:
    if is_public(own):
        pytest.skip("this machine's address is public")
    now = [0.0]
    served = serve(rpc=f"http://{own}:8545", allow_private=False, clock=lambda: now[0])
    for now[0] in (0.0, 60.0, 120.0):
        assert served.stores() == b""
    assert [record.levelno for record in caplog.records if "private" in record.message] == [logging.WARNING]


def test_auto__nobody_knows_the_endpoint__serves_nothing(serve: Callable[..., Served]) -> None:
    assert serve(rpc="http://no-such-host.invalid:8545").stores() == b""


def test_auto__no_local_store__serves_nothing(serve: Callable[..., Served], own: IpAddress) -> None:
    assert serve(rpc=f"http://{own}:8545", shelf=None).stores() == b""


def test_auto__the_address_changes__is_served_there_and_no_more_here(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[IpAddress | None] = [ip_address("127.0.0.5")]
    monkeypatch.setattr(served_module, "address_towards", lambda urls: addresses[-1])
    monkeypatch.setattr(Served, "_is_of_use", lambda self, address: True)
    now = [0.0]
    served = serve(clock=lambda: now[0])
    (before,) = gateways_in(served.stores())
    assert read(before) == DATA
    for now[0], address in ((31.0, None), (62.0, ip_address("127.0.0.6"))):
        addresses.append(address)
        (after,) = gateways_in(served.stores())
        if address is None:
            assert after == before, "a network that is away for a moment changes nothing"
    assert after == before.replace("127.0.0.5", "127.0.0.6")
    assert read(after) == DATA
    with pytest.raises(StoreError):
        read(before)


def test_place__told__is_announced(serve: Callable[..., Served]) -> None:
    (url,) = gateways_in(serve("127.0.0.7:0").stores())
    assert url.startswith("http://127.0.0.7:")
    assert read(url) == DATA


def test_place__every_address__is_announced_by_the_one_that_peers_reach(
    serve: Callable[..., Served], own: IpAddress, caplog: pytest.LogCaptureFixture
) -> None:
    (url,) = gateways_in(serve("0.0.0.0:0", rpc=f"http://{own}:8545").stores())
    assert url.startswith(f"http://{own}:")
    unknown = serve("0.0.0.0:0")
    assert unknown.stores() == b""
    assert "tell it (announce)" in caplog.text


def test_announce__told__takes_the_place_of_where_it_is_served(serve: Callable[..., Served]) -> None:
    said = serve("127.0.0.1:0", announce=("https://store.example", "/dns4/b.example/tcp/443/https")).stores()
    assert said == b"https://store.example /dns4/b.example/tcp/443/https"
    assert serve("off", announce=("https://store.example",)).stores() == b"https://store.example"
    assert serve("off").stores() == b""


@pytest.mark.parametrize("text", ["everywhere", "4801", "http://127.0.0.1:4801", ""])
def test_place__is_none__is_refused(serve: Callable[..., Served], text: str) -> None:
    with pytest.raises(ConfigurationError, match="no place to serve at"):
        serve(text)


def test_place__told_and_not_of_this_machine__is_refused(serve: Callable[..., Served]) -> None:
    with pytest.raises(ConfigurationError, match="nothing can listen on"):
        serve("198.51.100.7:4801")


def test_place__told_and_there_is_no_local_store__is_refused(serve: Callable[..., Served]) -> None:
    with pytest.raises(ConfigurationError, match="no local store"):
        serve("127.0.0.1:0", shelf=None)


def test_announce__is_no_place__is_refused_at_the_start(serve: Callable[..., Served]) -> None:
    with pytest.raises(ConfigurationError, match="no place to fetch blocks from"):
        serve("off", announce=("my-store",))


# --------------------------------------------------------------------------------------------------------------- ports


def test_port__started_again__is_the_same(serve: Callable[..., Served]) -> None:
    first = serve("127.0.0.1:0")
    url = first.url
    first.close()
    assert serve("127.0.0.1:0").url == url


def test_port__taken_meanwhile__is_another_and_remembered(serve: Callable[..., Served]) -> None:
    first = serve("127.0.0.1:0")
    second = serve("127.0.0.1:0")
    assert second.url != first.url
    url = second.url
    first.close()
    second.close()
    assert serve("127.0.0.1:0").url == url


def test_port__told_and_taken__is_refused(serve: Callable[..., Served]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUse):
        serve(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize("rubbish", [b"", b"70000\n", b"-1", b"\xff\xfe", b"80 80"])
def test_port__file_holds_rubbish__is_a_free_one(serve: Callable[..., Served], tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "served-port").write_bytes(rubbish)
    url = serve("127.0.0.1:0").url
    assert url == f"http://127.0.0.1:{int((tmp_path / 'served-port').read_text())}"


# --------------------------------------------------------------------------------------------------------- own address


def test_address_towards__this_machine__is_the_address_itself() -> None:
    assert address_towards([HERE]) == ip_address("127.0.0.1")
    assert address_towards(["http://no-such-host.invalid", "not a url", HERE]) == ip_address("127.0.0.1")
    assert address_towards([]) is None


# ----------------------------------------------------------------------------------------------------------- at the end


def test_serve_on__a_peer_still_reads__waits_for_it_and_a_while(serve: Callable[..., Served]) -> None:
    served = serve("127.0.0.1:0")
    assert served.url is not None
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as reader:
        began = time.monotonic()
        while not served.connections:
            time.sleep(0.01)
        threading.Timer(1.0, reader.close).start()
        served.serve_on(threading.Event().wait, quiet=0.5)
    assert 1.4 <= time.monotonic() - began < QUIET


def test_serve_on__told_to_end__ends_at_once(serve: Callable[..., Served]) -> None:
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    began = time.monotonic()
    serve("127.0.0.1:0").serve_on(asked.wait)
    assert time.monotonic() - began < QUIET / 2


def test_serve_on__nothing_is_served__ends_at_once(serve: Callable[..., Served]) -> None:
    began = time.monotonic()
    serve("off").serve_on(threading.Event().wait)
    assert time.monotonic() - began < QUIET / 2
