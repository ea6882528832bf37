"""A node that misbehaves: each way ends soon, in a named error, with few bytes taken and little memory used."""

from __future__ import annotations

import gzip
import os
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest

from swarm_chain.adapters import kubo_store
from swarm_chain.adapters.kubo import rpc
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.config import StoreSettings
from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.publication import Publication
from swarm_chain.errors import BlockNotFound, CorruptedBlock, StoreUnavailable, SwarmChainError, TooLarge
from tests.rpc_server import Say, Server, answer, hang_up, lines, serving

BLOCK = bytes(range(256)) * 400
CID = cid_of(BLOCK, Codec.RAW)
MEGABYTE = 1 << 20
PLAIN = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.raw\r\n"
STREAM_ERROR = "X-Stream-Error: the disk is full"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # What waits for slow nodes, made short: the least of them is what a test takes.
    monkeypatch.setattr(rpc, "GRACE", 0.2)
    monkeypatch.setattr(kubo_store, "_PINNING", 0.3)
    monkeypatch.setattr(kubo_store, "_SLOWEST_LINE", 1 << 30)
    with serving(answer(b"")) as server:
        yield server


def sent(text: str | bytes, *, then: Say = hang_up) -> Say:
    def say(connection: socket.socket) -> None:
        connection.sendall(text.encode() if isinstance(text, str) else text)
        then(connection)

    return say


def endless(piece: bytes, *, head: str = "", pause: float = 0.0) -> Say:
    def say(connection: socket.socket) -> None:
        connection.sendall(head.encode())
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return say


def silent(connection: socket.socket, *, seconds: float = 60) -> None:
    time.sleep(seconds)


CHUNKED = PLAIN + "Transfer-Encoding: chunked\r\n\r\n"
GET: Mapping[str, tuple[Say, type[SwarmChainError]]] = {
    "wrong bytes": (answer(BLOCK[1:]), CorruptedBlock),
    "nothing": (answer(b""), CorruptedBlock),
    "wrong bytes of the right length": (answer(BLOCK[::-1]), CorruptedBlock),
    "more than a block": (answer(bytes(3 * MEGABYTE), chunk=MEGABYTE), TooLarge),
    "endless chunks": (endless(b"10000\r\n" + bytes(65536) + b"\r\n", head=CHUNKED), TooLarge),
    "an endless chunk": (endless(bytes(65536), head=CHUNKED + "7fffffffffffffff\r\n"), TooLarge),
    "an exabyte announced": (endless(bytes(65536), head=PLAIN + f"Content-Length: {1 << 60}\r\n\r\n"), TooLarge),
    "endless without a length": (endless(bytes(65536), head=PLAIN + "\r\n"), TooLarge),
    "cut in a chunk": (answer(BLOCK, is_whole=False), StoreUnavailable),
    "less than announced": (sent(PLAIN + "Content-Length: 200000\r\n\r\n" + "x" * 100), StoreUnavailable),
    "an error in the trailer": (answer(BLOCK[:500], trailer=STREAM_ERROR), StoreUnavailable),
    "all of it, and an error in the trailer": (answer(BLOCK, trailer=STREAM_ERROR), StoreUnavailable),
    "nobody has it, in the trailer": (answer(b"", trailer="X-Stream-Error: context deadline exceeded"), BlockNotFound),
    "endless trailers": (endless(b"X-A: b\r\n", head=CHUNKED + "0\r\n"), StoreUnavailable),
    "an endless trailer": (endless(b"a" * 65536, head=CHUNKED + "0\r\nX-A: "), StoreUnavailable),
    "an endless size of a chunk": (endless(b"0" * 65536, head=CHUNKED), StoreUnavailable),
    "chunks of a byte": (endless(b"1\r\nx\r\n" * 1000, head=CHUNKED), StoreUnavailable),
    "a byte a moment": (endless(b"1\r\nx\r\n", head=CHUNKED, pause=0.05), StoreUnavailable),
    "headers a byte a moment": (endless(b"x", head=PLAIN + "X-A: ", pause=0.05), StoreUnavailable),
    "endless headers": (endless(b"X-A: b\r\n", head=PLAIN), StoreUnavailable),
    "an endless header": (endless(b"x" * 65536, head=PLAIN + "X-A: "), StoreUnavailable),
    "continue, for ever": (endless(b"HTTP/1.1 100 Continue\r\n\r\n"), StoreUnavailable),
    "silence": (silent, StoreUnavailable),
    "no word": (hang_up, StoreUnavailable),
    "no HTTP": (sent("SSH-2.0-OpenSSH_9.2\r\n"), StoreUnavailable),
    "packed": (answer(gzip.compress(bytes(50 * MEGABYTE)), headers={"Content-Encoding": "gzip"}), StoreUnavailable),
    "a page for people": (answer(b"<html>log in</html>", headers={"Content-Type": "text/html"}), StoreUnavailable),
    "a redirect": (answer(b"", status=307, headers={"Location": "http://127.0.0.1:1/"}), StoreUnavailable),
    "a redirect with an endless body": (
        endless(bytes(65536), head=CHUNKED.replace("200 OK", "302 OK\r\nLocation: /") + "7fffffffff\r\n"),
        StoreUnavailable,
    ),
    "an endless error": (
        endless(b"10000\r\n" + bytes(65536) + b"\r\n", head=CHUNKED.replace("200 OK", "500 no")),
        StoreUnavailable,
    ),
    "an error of many lines": (
        answer(lines({"Message": "\x1b[2J" + "no " * 9000, "Code": 0, "Type": "error"}), status=500),
        StoreUnavailable,
    ),
}


@pytest.mark.parametrize("way", GET)
def test_get__a_node_misbehaves__ends_soon_in_an_error(
    node: Server, way: str, record_property: Callable[[str, object], None]
) -> None:
    node.say, error = GET[way]
    store = KuboStore(StoreSettings(address=node.address, timeout=1))
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(SwarmChainError) as raised:
        store.get(CID)
    seconds = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    record_property("seconds", seconds)
    record_property("peak", peak)
    assert isinstance(raised.value, error), raised.value
    assert seconds < 15
    assert peak < 16 * MEGABYTE
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


DOCUMENT = dagcbor.encode({"weights": CID})
PUBLICATION = Publication(document=DOCUMENT, files=(BLOCK,))
PINNED = {"Root": {"Cid": {"/": str(PUBLICATION.root)}, "PinErrorMsg": ""}}
STATS = {"Stats": {"BlockCount": 2, "BlockBytesCount": 9}}
PUBLISH: Mapping[str, Say] = {
    "nothing": answer(b""),
    "only numbers": answer(lines(STATS)),
    "another root": answer(lines({"Root": {"Cid": {"/": str(CID)}, "PinErrorMsg": ""}}, STATS)),
    "a root that is none": answer(lines({"Root": {"Cid": "x", "PinErrorMsg": ""}}, {"Root": None}, {"Root": []})),
    "not pinned": answer(lines({"Root": {"Cid": {"/": str(PUBLICATION.root)}, "PinErrorMsg": "no"}})),
    "pinned, then an error": answer(lines(PINNED, {"Message": "no", "Code": 0, "Type": "error"})),
    "pinned, then an error in the trailer": answer(lines(PINNED), trailer=STREAM_ERROR),
    "pinned, then cut": answer(lines(PINNED), is_whole=False),
    "half a line": answer(lines(PINNED)[:40]),
    "no JSON": answer(b"all is well\n"),
    "no object": answer(b"[1]\n"),
    "deep": answer(b"[" * 200_000),
    "a huge number": answer(b'{"Root": 1' + b"0" * 100_000 + b"}"),
    "endless": endless(b"10000\r\n" + b" " * 65536 + b"\r\n", head=CHUNKED),
    "silence": partial(silent, seconds=3),
    "an answer before it was asked": sent("HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("way", PUBLISH)
def test_publish__a_node_misbehaves__never_passes_for_a_success(node: Server, way: str) -> None:
    node.say = PUBLISH[way]
    with pytest.raises(StoreUnavailable) as raised:
        KuboStore(StoreSettings(address=node.address, timeout=1)).publish(PUBLICATION)
    assert str(raised.value).isprintable()


def test_get__a_connection_that_was_kept_is_closed__asks_on_a_new_one(node: Server) -> None:
    def once(connection: socket.socket) -> None:
        answer(BLOCK)(connection)
        hang_up(connection)

    node.say = once
    store = KuboStore(StoreSettings(address=node.address, timeout=1))
    assert [store.get(CID) for _ in range(20)] == [BLOCK] * 20


def test_get__a_block_in_chunks_of_a_byte__is_read(node: Server) -> None:
    node.say = answer(b"a block", chunk=1)
    store = KuboStore(StoreSettings(address=node.address, timeout=1))
    assert store.get(cid_of(b"a block", Codec.RAW)) == b"a block"


def test_publish__bytes_that_look_like_the_end_of_what_is_sent__are_sent_whole(node: Server) -> None:
    node.say = answer(lines(PINNED, STATS))
    weights = b"\r\n--swarm-chain--\r\n" * 100 + os.urandom(10)
    document = dagcbor.encode({"weights": cid_of(weights, Codec.RAW)})
    publication = Publication(document=document, files=(weights,))
    node.say = answer(lines({"Root": {"Cid": {"/": str(publication.root)}, "PinErrorMsg": ""}}))
    KuboStore(StoreSettings(address=node.address)).publish(publication)
    boundary = node.heard[0][2]["content-type"].partition("boundary=")[2]
    assert boundary.encode() not in weights
