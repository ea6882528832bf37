"""Reading from gateways that do as they should: in one piece or by block, from several, and through what goes wrong."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from swarm_chain import serving
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.stores import open_store
from swarm_chain.core import unixfs
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import CHUNK, File, import_bytes
from swarm_chain.errors import AddressRefused, BlockNotFound, StoreUnavailable
from swarm_chain.serving import Gateway

LIMITS = Limits(connect=1.0, answer=3.0, idle=3.0, block=5.0, total=10.0, back_off=0.05, far=0.0)
BY_BLOCK = replace(LIMITS, far=60.0)
"""With these every gateway is near, also where this machine is busy."""
UNKNOWN = cid_of(b"nobody has this", Codec.RAW)

Serve = Callable[[LocalStore], Gateway]


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", sync=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as started:
        yield lambda store: started.enter_context(serving.start(store))


@pytest.fixture
def asked(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The requests that gateways have answered since this was asked last."""
    caplog.set_level(logging.DEBUG, "swarm_chain.serving")

    def take() -> list[str]:
        said = [record.getMessage() for record in caplog.records if "HTTP/1.1" in record.getMessage()]
        caplog.clear()
        return said

    return take


def put(store: LocalStore, data: bytes) -> Cid:
    cid = cid_of(data, Codec.RAW)
    store.put(cid, data)
    return cid


def content_of(store: GatewayStore | CompositeStore, file: File) -> bytes:
    return b"".join(unixfs.read(store.get, file))


def test_store__named_by_urls__is_read_only(local: LocalStore, serve: Serve) -> None:
    cid = put(local, b"a block")
    url = serve(local).url

    store = open_store(f"gateway:{url},{url}/,http://127.0.0.1:1")

    assert store.name == f"gateway:{url},http://127.0.0.1:1"
    assert not store.is_writable
    assert store.get(cid) == b"a block"
    with pytest.raises(StoreUnavailable, match="only be read"):
        store.put(cid, b"a block")
    with pytest.raises(StoreUnavailable, match="only be read"):
        store.publish(Publication(document=b"\xa0"))


def test_has__one_of_several_has_it__says_so(local: LocalStore, serve: Serve, tmp_path: Path) -> None:
    cid = put(local, b"a block")
    empty = serve(LocalStore(tmp_path / "empty")).url
    store = GatewayStore([empty, "http://127.0.0.1:1", serve(local).url], limits=LIMITS)

    assert store.has(cid)
    assert not store.has(UNKNOWN)
    with pytest.raises(StoreUnavailable):
        GatewayStore(["http://127.0.0.1:1"], limits=LIMITS).has(cid)


def test_get__nobody_has_it__raises_block_not_found_soon(local: LocalStore, serve: Serve) -> None:
    store = GatewayStore([serve(local).url, serve(local).url])
    started = time.monotonic()
    with pytest.raises(BlockNotFound, match=str(UNKNOWN)):
        store.get(UNKNOWN)
    assert time.monotonic() - started < 1


def test_get__one_lacks_it_and_one_is_not_there__says_that_it_may_be_there(local: LocalStore, serve: Serve) -> None:
    store = GatewayStore([serve(local).url, "http://127.0.0.1:1"], limits=LIMITS)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        store.get(UNKNOWN)


def test_get__gateway_cannot_be_reached__is_left_alone_for_a_moment(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]]
) -> None:
    gateway = serve(local)
    cid = put(local, b"a block")
    host, port = gateway.address
    gateway.stop()
    # After its one try it rests for twice as long as it would be waited for before the second.
    store = GatewayStore([f"http://{host}:{port}"], limits=replace(LIMITS, tries=1, back_off=1.5))

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.get(cid)
    with serving.start(local, host, port):
        with pytest.raises(StoreUnavailable, match="a moment ago"):
            store.get(cid)
        assert asked() == []
        time.sleep(3.1)
        assert store.get(cid) == b"a block"


def test_get__gateway_starts_meanwhile__is_asked_again(local: LocalStore, serve: Serve) -> None:
    gateway = serve(local)
    cid = put(local, b"a block")
    gateway.stop()
    store = GatewayStore([gateway.url], limits=Limits(tries=9, back_off=0.1))
    with ExitStack() as later:
        timer = threading.Timer(0.3, lambda: later.enter_context(serving.start(local, *gateway.address)))
        timer.start()
        assert store.get(cid) == b"a block"
        timer.join()


def test_get__gateway_restarts_between_two_blocks__is_asked_on_a_new_connection(
    local: LocalStore, serve: Serve
) -> None:
    cids = [put(local, bytes([number])) for number in range(2)]
    gateway = serve(local)
    store = GatewayStore([gateway.url], limits=Limits(tries=1))
    assert store.get(cids[0]) == b"\x00"
    gateway.stop()
    with serving.start(local, *gateway.address):
        assert store.get(cids[1]) == b"\x01"


def test_get__its_block_is_corrupted_at_one__the_next_gives_it(
    local: LocalStore, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = LocalStore(tmp_path / "good")
    cid, other = put(local, b"a block"), put(local, b"another")
    put(good, b"a block")
    local.path(cid).write_bytes(b"a blocK")
    store = GatewayStore([serve(local).url, serve(good).url], limits=LIMITS)

    assert store.get(cid) == b"a block"
    # It did not lie: it said that its store fails.
    assert store.get(other) == b"another"


def test_get__private_addresses_not_allowed__connects_to_nobody(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]]
) -> None:
    cid = put(local, b"a block")
    url = serve(local).url
    port = url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"):  # noqa: S104
        store = GatewayStore([f"http://{host}:{port}"], limits=LIMITS, allow_private=False)
        with pytest.raises(StoreUnavailable, match=r"no public address|this machine|cannot be found"):
            store.get(cid)
    assert asked() == []
    assert issubclass(AddressRefused, StoreUnavailable)


# ---------------------------------------------------------------------------------------------------------- whole files


def test_read__file_of_many_chunks__comes_in_one_piece(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]]
) -> None:
    content = os.urandom(40 * CHUNK + 5)
    file = import_bytes(content, local.put)
    store = GatewayStore([serve(local).url], limits=LIMITS)

    assert content_of(store, file) == content
    (request,) = asked()
    assert "format=car" in request
    # And the connection is used again.
    assert store.get(file.cid)
    store.close()


def test_read__gateway_without_cars__comes_block_by_block_on_few_connections(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]]
) -> None:
    content = os.urandom(20 * CHUNK)
    file = import_bytes(content, local.put)
    gateway = serve(local)

    assert content_of(GatewayStore([gateway.url], limits=BY_BLOCK), file) == content
    requests = asked()
    assert len(requests) == 21
    assert all("format=raw" in request for request in requests)
    assert gateway.connections <= unixfs.IN_FLIGHT


def test_read__chunks_that_repeat__are_sent_once(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]]
) -> None:
    content = bytes(30 * CHUNK) + os.urandom(CHUNK) + bytes(30 * CHUNK)
    file = import_bytes(content, local.put)
    assert content_of(GatewayStore([serve(local).url], limits=LIMITS), file) == content
    assert len(asked()) == 1


def test_read__tree_of_two_levels__comes_block_by_block(
    local: LocalStore, serve: Serve, asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unixfs, "CHUNK", 1000)
    monkeypatch.setattr(unixfs, "WIDTH", 32)
    unixfs._cumulative.cache_clear()
    content = random.Random(1).randbytes(150_001)
    file = import_bytes(content, local.put)
    try:
        assert content_of(GatewayStore([serve(local).url], limits=LIMITS), file) == content
    finally:
        unixfs._cumulative.cache_clear()
    requests = asked()
    assert sum("format=car" in request for request in requests) == 1
    assert len(requests) == 1 + 5 + 151


def test_read__part_of_the_file_is_here_already__fetches_the_rest(
    local: LocalStore, serve: Serve, tmp_path: Path
) -> None:
    content = os.urandom(60 * CHUNK)
    file = import_bytes(content, local.put)
    here = LocalStore(tmp_path / "here", sync=False)
    leaves = [cid for cid in local.cids() if cid.codec is Codec.RAW]
    for leaf in leaves[::2]:
        here.put(leaf, local.get(leaf))
    store = CompositeStore([here, GatewayStore([serve(local).url], limits=LIMITS)])

    assert content_of(store, file) == content
    assert sorted(here.cids()) == sorted(local.cids())


def test_read__block_is_missing_at_the_first__comes_from_the_second(
    local: LocalStore, serve: Serve, tmp_path: Path
) -> None:
    content = os.urandom(12 * CHUNK)
    file = import_bytes(content, local.put)
    whole = LocalStore(tmp_path / "whole", sync=False)
    import_bytes(content, whole.put)
    for index in (3, 7):
        local.path(cid_of(content[index * CHUNK : (index + 1) * CHUNK], Codec.RAW)).unlink()

    assert content_of(GatewayStore([serve(local).url, serve(whole).url], limits=LIMITS), file) == content


class Unhurried(LocalStore):
    """A store that takes long enough over each block for others to be asked for meanwhile."""

    def open(self, cid: Cid) -> BinaryIO:
        time.sleep(0.02)
        return super().open(cid)


def test_read__two_gateways__both_work_at_once(tmp_path: Path, serve: Serve, asked: Callable[[], list[str]]) -> None:
    local = Unhurried(tmp_path / "unhurried", sync=False)
    content = os.urandom(64 * CHUNK)
    file = import_bytes(content, local.put)
    gateways = [serve(local), serve(local)]
    store = GatewayStore([gateway.url for gateway in gateways], limits=BY_BLOCK)

    assert content_of(store, file) == content
    assert len(asked()) == 65
    assert all(gateway.connections for gateway in gateways)


def test_read__several_files_by_several_threads__each_is_right(local: LocalStore, serve: Serve) -> None:
    contents = [os.urandom(9 * CHUNK + number) for number in range(6)]
    files = [import_bytes(content, local.put) for content in contents]
    store = GatewayStore([serve(local).url], limits=LIMITS)
    found: dict[int, bytes] = {}

    def read(number: int) -> None:
        found[number] = content_of(store, files[number])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [found.get(number) for number in range(len(files))] == contents


def test_read__gateway_stops_in_the_middle__ends_in_an_error(
    local: LocalStore, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.gateway, "_LAST_ANSWERS", 0.1)
    file = import_bytes(os.urandom(50 * CHUNK), local.put)
    gateway = serve(local)
    chunks = unixfs.read(GatewayStore([gateway.url], limits=LIMITS).get, file)
    next(chunks)
    gateway.stop()
    with pytest.raises(StoreUnavailable):
        b"".join(chunks)
