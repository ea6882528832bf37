"""A gateway that misbehaves, in every way that somebody thought of, and what each costs whoever reads from it.

`python -m tests.hostile_gateway [NAME …]` prints the table: bytes that it sent, seconds, and the memory it took. It
runs in a process of its own, so that only the reader's memory is counted; a path begins with the way to misbehave.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.core import unixfs
from swarm_chain.core.cars import car
from swarm_chain.core.cids import Cid, Codec, cid_of, parse_cid
from swarm_chain.core.unixfs import CHUNK, File
from swarm_chain.core.varints import varint
from swarm_chain.errors import (
    BlockNotFound,
    CidMismatch,
    MalformedFile,
    StoreUnavailable,
    SwarmChainError,
)
from swarm_chain.ports import UpdateStore

LIMITS: Final = Limits(
    connect=1.0,
    answer=1.0,
    idle=0.6,
    block=1.0,
    total=4.0,
    tries=2,
    back_off=0.02,
    bench=60.0,
    head_bytes=64 * 1024,
    far=0.0,
)
"""Patience for tests: what is slow ends soon."""
MAX_BYTES: Final = 24 << 20
"""What a way to misbehave may make anybody send, the file of three megabytes and the system's buffers included."""
MAX_SECONDS: Final = 8.0
MAX_MEMORY: Final = 48 << 20

RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car;version=1;order=dfs;dups=n"
HONEST: Final = "honest"

# ----------------------------------------------------------------------------------------------------------- the blocks


def _blocks() -> tuple[dict[Cid, bytes], File]:
    """A file of four chunks, the same in every process."""
    blocks: dict[Cid, bytes] = {}
    content = random.Random(7).randbytes(3 * CHUNK + 77)
    return blocks, unixfs.import_bytes(content, blocks.__setitem__)


BLOCKS, FILE = _blocks()
LEAVES = [cid for cid in BLOCKS if cid.codec is Codec.RAW]
CONTENT = b"".join(BLOCKS[leaf] for leaf in LEAVES)
VICTIM, OTHER = LEAVES[1], LEAVES[0]
"""The block that is served badly where nothing else is said; every other block is served as it should."""


def node(links: Sequence[tuple[bytes, int]], size: int, sizes: Sequence[int], *, times: int = 1) -> bytes:
    """A file's node that says whatever it is told to, `times` over."""
    out = b""
    for cid, cumulative in links:
        inner = b"\x0a" + varint(len(cid)) + cid + b"\x12\x00\x18" + varint(cumulative)
        out += b"\x12" + varint(len(inner)) + inner
    file = b"\x08\x02\x18" + varint(size) + b"".join(b"\x20" + varint(one) for one in sizes) * times
    return out * times + b"\x0a" + varint(len(file)) + file


def _tree(data: bytes) -> Cid:
    cid = cid_of(data, Codec.DAG_PB)
    BLOCKS[cid] = data
    return cid


_two = [(bytes(leaf), CHUNK) for leaf in LEAVES[:2]]
FORGED_SIZES = _tree(node(_two, 1 << 60, [1 << 59, 1 << 59]))
OTHER_SIZES = _tree(node([(bytes(LEAVES[3]), 77), (bytes(LEAVES[0]), CHUNK)], CHUNK + 77, [77, CHUNK]))
SHORT_LEAF = _tree(node([(bytes(LEAVES[3]), CHUNK), (bytes(LEAVES[0]), CHUNK)], 2 * CHUNK, [CHUNK, CHUNK]))
WIDE = _tree(node([(bytes(VICTIM), 1)], 40_000, [1], times=40_000))
MILLION = _tree(node([(bytes(VICTIM), CHUNK)], 1_000_000 * CHUNK, [CHUNK], times=1_000_000))
IDENTITY = b"\x01\x55\x00\x05hello"
WITH_IDENTITY = _tree(node([(IDENTITY, CHUNK), (bytes(VICTIM), CHUNK)], 2 * CHUNK, [CHUNK, CHUNK]))
SELF = _tree(node([(bytes(VICTIM), CHUNK)] * 2, 2 * CHUNK, [CHUNK] * 2))
"""Its links are answered with itself."""


@cache
def bomb() -> bytes:
    """A hundred kilobytes that unpack to a hundred megabytes."""
    return gzip.compress(bytes(100 << 20), 1)


def _deep() -> Cid:
    below = SELF
    for _ in range(200):
        below = _tree(node([(bytes(below), 1)] * 2, 1 << 50, [1 << 49] * 2))
    return below


DEEP = _deep()

# ----------------------------------------------------------------------------------------------------------- the server


@dataclass
class Talk:
    """One request, and the connection to answer on."""

    connection: socket.socket
    counts: Counts
    case: str
    cid: Cid | None
    wants_car: bool
    is_head: bool

    @property
    def block(self) -> bytes:
        """What was asked for."""
        return BLOCKS[self.cid] if self.cid else b""

    def send(self, data: bytes, *, pause: float = 0.0) -> None:
        """Sends bytes, counted as they leave."""
        view = memoryview(data)
        while view:
            sent = self.connection.send(view[: 64 * 1024])
            self.counts.sent += sent
            view = view[sent:]
        if pause:
            time.sleep(pause)

    def head(self, *lines: str, status: str = "200 OK", kind: str = RAW) -> None:
        """The head of an answer."""
        text = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {kind}", *lines))
        self.send(text.encode() + b"\r\n\r\n")

    def answer(self, body: bytes, *lines: str, status: str = "200 OK", kind: str = RAW) -> None:
        """A whole answer."""
        self.head(f"Content-Length: {len(body)}", *lines, status=status, kind=kind)
        if not self.is_head:
            self.send(body)

    def honest(self) -> None:
        """What a gateway answers that offers blocks and nothing else."""
        if self.wants_car:
            self.answer(b"only blocks\n", status="406 Not Acceptable", kind="text/plain")
        elif self.cid in BLOCKS:
            self.answer(self.block)
        else:
            self.answer(b"not here\n", status="404 Not Found", kind="text/plain")

    def chunk(self, data: bytes) -> None:
        """A piece of an answer whose length is not known."""
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def for_ever(self, piece: bytes, *, pause: float = 0.0) -> None:
        """Sends until nobody takes it any more."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            self.send(piece, pause=pause)

    def reset(self) -> None:
        """Ends the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed


class Closed(Exception):
    """The connection is to be closed."""


@dataclass
class Counts:
    """What happened since the last look."""

    sent: int = 0
    requests: int = 0
    bad: int = 0
    """Requests that were answered as no gateway should."""
    cookies: int = 0
    trapped: int = 0
    """Requests to where a redirect led."""


Play = Callable[[Talk], None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A way to misbehave: how the victim is served (everything, if `everywhere`), and how reading must end."""

    name: str
    play: Play
    alone: type[SwarmChainError] | None = StoreUnavailable
    """The error where there is no other source; None where the bytes are to be had all the same."""
    in_cars: bool = False
    """Whether it is the CAR that is bad; blocks are then served as they should."""
    file: File = FILE
    content: bytes | None = field(default=CONTENT, repr=False)
    """What is read in the end, if another gateway is honest; None where the tree itself is wrong."""

    @property
    def is_of_a_block(self) -> bool:
        """Whether it is the victim that is served badly."""
        return self.content is not None and not self.in_cars


CASES: dict[str, Case] = {}
SLOW: Final = frozenset(
    {"silence", "slow-headers", "a-byte-now-and-then", "stops-half-way", "slow-flood-of-100", "chunks-of-a-byte"}
)
"""Those that last until somebody's patience ends."""


def way(alone: type[SwarmChainError] | None = StoreUnavailable, *, in_cars: bool = False) -> Callable[[Play], Play]:
    """Makes a function a case of its name."""

    def add(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        CASES[name] = Case(name=name, play=play, alone=alone, in_cars=in_cars)
        return play

    return add


def tree(name: str, root: Cid, size: int, error: type[SwarmChainError] = MalformedFile) -> None:
    """A case in which every block is what its CID says, and the file is none of the swarm's."""
    CASES[name] = Case(name=name, play=Talk.honest, alone=error, file=File(cid=root, size=size), content=None)


# --------------------------------------------------------------------------------------------- bytes that are not right


@way(CidMismatch)
def wrong_bytes(talk: Talk) -> None:
    talk.answer(bytes(len(talk.block)))


@way(CidMismatch)
def one_bit_wrong(talk: Talk) -> None:
    talk.answer(talk.block[:-1] + bytes([talk.block[-1] ^ 1]))


@way(CidMismatch)
def another_block(talk: Talk) -> None:
    talk.answer(BLOCKS[OTHER])


@way(CidMismatch)
def wrong_codec(talk: Talk) -> None:
    """The block as the file's node that it is not."""
    talk.answer(BLOCKS[FILE.cid])


@way(CidMismatch)
def the_file_and_not_the_block(talk: Talk) -> None:
    """As a gateway that knows nothing of blocks: the chunk wrapped as it wraps files."""
    talk.answer(b"\x0a" + varint(len(talk.block)) + talk.block)


@way(CidMismatch)
def empty_answer(talk: Talk) -> None:
    talk.answer(b"")


@way(CidMismatch)
def html_with_status_200(talk: Talk) -> None:
    talk.answer(b"<!doctype html><title>Log in</title>" * 50, kind="text/html")


@way(CidMismatch)
def length_says_less(talk: Talk) -> None:
    """The rest would be taken for the next answer, were the connection used again."""
    talk.head(f"Content-Length: {len(talk.block) // 2}")
    talk.send(talk.block)


@way(CidMismatch)
def compressed_unasked(talk: Talk) -> None:
    """Without saying so."""
    talk.answer(bomb())


# ----------------------------------------------------------------------------------------------------- bytes and length


@way()
def truncated(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}")
    talk.send(talk.block[: len(talk.block) // 2])
    raise Closed


@way()
def truncated_in_a_chunk(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.send(f"{len(talk.block):x}\r\n".encode() + talk.block[: len(talk.block) // 2])
    raise Closed


@way()
def closes_at_once(talk: Talk) -> None:
    raise Closed


@way()
def resets(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}")
    talk.reset()


@way()
def endless_stream(talk: Talk) -> None:
    talk.head("Connection: close")
    talk.for_ever(bytes(64 * 1024))


@way()
def endless_chunks(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.for_ever(b"10000\r\n" + bytes(0x10000) + b"\r\n")


@way()
def huge_length(talk: Talk) -> None:
    talk.head(f"Content-Length: {1 << 60}")
    talk.for_ever(bytes(64 * 1024))


@way()
def length_of_a_thousand_digits(talk: Talk) -> None:
    talk.head(f"Content-Length: {'9' * 1000}")
    talk.for_ever(bytes(64 * 1024))


@way()
def negative_length(talk: Talk) -> None:
    talk.head("Content-Length: -1")
    talk.for_ever(bytes(64 * 1024))


@way()
def two_lengths(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}", "Content-Length: 5")
    talk.send(talk.block)


@way()
def length_and_chunks(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}", "Transfer-Encoding: chunked")
    talk.chunk(talk.block)
    talk.send(b"0\r\n\r\n")


@way()
def huge_chunk(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.send(b"7fffffffffffffff\r\n")
    talk.for_ever(bytes(64 * 1024))


@way()
def negative_chunk(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.send(b"-1\r\n")
    talk.for_ever(bytes(64 * 1024))


@way()
def chunks_of_a_byte(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.for_ever(b"1\r\n\x00\r\n" * 10_000)


@way()
def chunk_extension_without_end(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.send(b"5;")
    talk.for_ever(b"a=b;" * 10_000)


@way()
def endless_trailers(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked")
    talk.chunk(talk.block)
    talk.send(b"0\r\n")
    talk.for_ever(b"X-A: b\r\n" * 1000)


# ----------------------------------------------------------------------------------------------------------------- time


@way()
def silence(talk: Talk) -> None:
    time.sleep(10)


@way()
def slow_headers(talk: Talk) -> None:
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(talk.block)}\r\n\r\n"
    for character in text.encode():
        talk.send(bytes([character]), pause=0.1)
    talk.send(talk.block)


@way()
def a_byte_now_and_then(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}")
    talk.for_ever(b"\x00", pause=0.1)


@way()
def stops_half_way(talk: Talk) -> None:
    talk.head(f"Content-Length: {len(talk.block)}")
    talk.send(talk.block[: len(talk.block) // 2])
    time.sleep(10)


# ---------------------------------------------------------------------------------------------------------------- heads


@way()
def endless_header(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nX-A: ")
    talk.for_ever(b"a" * 4096)


@way()
def endless_headers(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\n")
    talk.for_ever(b"X-A: b\r\n" * 100)


@way()
def flood_of_100(talk: Talk) -> None:
    talk.for_ever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@way()
def flood_of_103(talk: Talk) -> None:
    talk.for_ever(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100)


@way()
def slow_flood_of_100(talk: Talk) -> None:
    talk.for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.1)


@way()
def no_http(talk: Talk) -> None:
    talk.send(b"\x16\x03\x03\x00\x7a" + bytes(500))
    raise Closed


@way()
def http_9(talk: Talk) -> None:
    talk.send(b"HTTP/9.9 200 OK\r\n\r\n")
    talk.for_ever(bytes(64 * 1024))


@way()
def status_of_text(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 two-hundred OK\r\n\r\n")
    raise Closed


@way()
def partial_content(talk: Talk) -> None:
    talk.answer(talk.block[:100], f"Content-Range: bytes 0-99/{len(talk.block)}", status="206 Partial Content")


@way(CidMismatch)
def cookies(talk: Talk) -> None:
    """None may come back."""
    talk.answer(b"wrong", *(f"Set-Cookie: c{index}={'x' * 100}; Path=/" for index in range(50)))


# ------------------------------------------------------------------------------------------------ elsewhere, and packed


@way()
def redirect_loop(talk: Talk) -> None:
    talk.answer(b"", f"Location: /{talk.case}/ipfs/{talk.cid}?format=raw", status="302 Found")


@way()
def redirect_inside(talk: Talk) -> None:
    host, port = talk.connection.getsockname()[:2]
    talk.answer(b"", f"Location: http://{host}:{port}/trap", status="307 Temporary Redirect")


@way()
def redirect_to_a_file(talk: Talk) -> None:
    talk.answer(b"", "Location: file:///etc/passwd", status="301 Moved Permanently")


@way()
def compressed_bomb(talk: Talk) -> None:
    talk.answer(bomb(), "Content-Encoding: gzip")


@way()
def compressed_on_the_way(talk: Talk) -> None:
    talk.head("Transfer-Encoding: gzip, chunked")
    talk.chunk(bomb())
    talk.send(b"0\r\n\r\n")


# ----------------------------------------------------------------------------------------------------------- it refuses


@way()
def status_500(talk: Talk) -> None:
    talk.answer(b"oh no\n", status="500 Internal Server Error", kind="text/plain")


@way()
def come_back_in_a_year(talk: Talk) -> None:
    talk.answer(b"", "Retry-After: 31536000", status="503 Service Unavailable")


@way()
def too_many_requests(talk: Talk) -> None:
    talk.answer(b"", "Retry-After: 1", status="429 Too Many Requests")


@way()
def unauthorised(talk: Talk) -> None:
    talk.answer(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")


@way(BlockNotFound)
def endless_404(talk: Talk) -> None:
    talk.head("Connection: close", status="404 Not Found")
    talk.for_ever(bytes(64 * 1024))


@way(BlockNotFound)
def gone(talk: Talk) -> None:
    talk.answer(b"blocked\n", status="410 Gone", kind="text/plain")


@way(None)
def error_once(talk: Talk) -> None:
    """It is asked again, and gives it then."""
    if talk.counts.bad % 2:
        talk.answer(b"", status="502 Bad Gateway")
    else:
        talk.honest()


@way(CidMismatch)
def an_answer_to_something_else(talk: Talk) -> None:
    talk.answer(json.dumps({"Root": {"PinErrorMsg": "no"}}).encode(), kind="application/json")


# ----------------------------------------------------------------------------------------------------------------- CARs


def _car(talk: Talk, blocks: Sequence[tuple[Cid, bytes]], roots: Sequence[Cid] = (FILE.cid,), *lines: str) -> None:
    talk.answer(b"".join(car(roots, blocks)), *lines, kind=CAR)


def _whole() -> list[tuple[Cid, bytes]]:
    return [(cid, BLOCKS[cid]) for cid in (FILE.cid, *LEAVES)]


@way(None, in_cars=True)
def car_with_other_roots(talk: Talk) -> None:
    _car(talk, _whole(), [OTHER, VICTIM])


@way(None, in_cars=True)
def car_of_another_file(talk: Talk) -> None:
    _car(talk, [(OTHER, BLOCKS[OTHER])], [OTHER])


@way(None, in_cars=True)
def car_with_extra_blocks(talk: Talk) -> None:
    _car(talk, [item for pair in zip(_whole(), [(DEEP, BLOCKS[DEEP])] * 5, strict=True) for item in pair])


@way(None, in_cars=True)
def car_with_more_behind(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked", kind=CAR)
    talk.chunk(b"".join(car([FILE.cid], _whole())))
    talk.for_ever(b"10000\r\n" + bytes(0x10000) + b"\r\n")


@way(None, in_cars=True)
def car_out_of_order(talk: Talk) -> None:
    _car(talk, _whole()[::-1])


@way(None, in_cars=True)
def car_truncated(talk: Talk) -> None:
    _car(talk, _whole()[:3])


@way(None, in_cars=True)
def car_cut_in_a_block(talk: Talk) -> None:
    talk.answer(b"".join(car([FILE.cid], _whole()))[:-500_000], kind=CAR)


@way(StoreUnavailable, in_cars=True)
def car_with_wrong_bytes(talk: Talk) -> None:
    """It lied: even its blocks, which are right, are not asked for."""
    _car(talk, [(cid, bytes(len(data)) if cid == VICTIM else data) for cid, data in _whole()])


@way(StoreUnavailable, in_cars=True)
def car_with_a_wrong_root(talk: Talk) -> None:
    _car(talk, [(FILE.cid, b"no node at all")])


@way(None, in_cars=True)
def car_with_an_identity_block(talk: Talk) -> None:
    section = varint(len(IDENTITY) + 5) + IDENTITY + b"hello"
    talk.answer(b"".join(car([FILE.cid], [])) + section, kind=CAR)


@way(None, in_cars=True)
def car_with_a_header_of_gigabytes(talk: Talk) -> None:
    talk.head("Connection: close", kind=CAR)
    talk.send(varint(4 << 30))
    talk.for_ever(bytes(64 * 1024))


@way(None, in_cars=True)
def car_with_a_block_of_gigabytes(talk: Talk) -> None:
    talk.head("Connection: close", kind=CAR)
    talk.send(b"".join(car([FILE.cid], [])) + varint(4 << 30) + bytes(FILE.cid))
    talk.for_ever(bytes(64 * 1024))


@way(None, in_cars=True)
def car_with_an_endless_length(talk: Talk) -> None:
    talk.head("Connection: close", kind=CAR)
    talk.for_ever(b"\xff" * 4096)


@way(None, in_cars=True)
def car_that_repeats_a_block(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked", kind=CAR)
    talk.chunk(b"".join(car([FILE.cid], _whole()[:2])))
    talk.for_ever(b"".join(_chunked(b"".join(list(car([], [(OTHER, BLOCKS[OTHER])]))[1:]))))


@way(None, in_cars=True)
def car_of_version_2(talk: Talk) -> None:
    talk.answer(bytes.fromhex("0aa16776657273696f6e02") + bytes(5000), kind=CAR)


@way(None, in_cars=True)
def car_that_is_html(talk: Talk) -> None:
    talk.answer(b"<!doctype html><title>Log in</title>" * 50, kind=CAR)


@way(None, in_cars=True)
def car_in_no_order(talk: Talk) -> None:
    talk.answer(b"".join(car([FILE.cid], _whole())), kind="application/vnd.ipld.car;version=1")


@way(None, in_cars=True)
def car_with_an_error_in_the_trailer(talk: Talk) -> None:
    talk.head("Transfer-Encoding: chunked", "Trailer: X-Stream-Error", kind=CAR)
    talk.chunk(b"".join(car([FILE.cid], _whole()[:3])))
    talk.send(b"0\r\nX-Stream-Error: the disk is on fire\r\n\r\n")


@way(None, in_cars=True)
def car_a_byte_now_and_then(talk: Talk) -> None:
    talk.head("Connection: close", kind=CAR)
    for byte in b"".join(car([FILE.cid], _whole()[:1])):
        talk.send(bytes([byte]), pause=0.1)


def _chunked(data: bytes) -> Iterator[bytes]:
    yield f"{len(data):x}\r\n".encode()
    yield data
    yield b"\r\n"


# ---------------------------------------------------------------------------------------------------------------- trees

tree("tree-of-other-sizes", OTHER_SIZES, CHUNK + 77)
tree("tree-of-forged-sizes", FORGED_SIZES, 2 * CHUNK)
tree("tree-of-forged-sizes-believed", FORGED_SIZES, 1 << 60)
tree("leaf-shorter-than-declared", SHORT_LEAF, 2 * CHUNK)
tree("forty-thousand-links", WIDE, 40_000)
tree("a-million-links", MILLION, 1_000_000 * CHUNK, StoreUnavailable)
tree("link-to-an-identity-cid", WITH_IDENTITY, 2 * CHUNK)
tree("deeper-than-any-file", DEEP, 1 << 50)
tree("tree-where-a-chunk-stands", FILE.cid, 5)
tree("chunk-where-a-tree-stands", VICTIM, 2 * CHUNK)


def _links_to_itself(talk: Talk) -> None:
    """The node's links are answered with the node."""
    if talk.wants_car:
        _car(talk, [(SELF, BLOCKS[SELF]), *[(VICTIM, BLOCKS[SELF])] * 1000], [SELF])
    else:
        talk.answer(BLOCKS[SELF])


for _name, _in_cars, _error in (
    ("link-to-itself", False, CidMismatch),
    ("link-to-itself-in-a-car", True, StoreUnavailable),
):
    CASES[_name] = Case(
        name=_name,
        play=_links_to_itself,
        alone=_error,
        in_cars=_in_cars,
        file=File(cid=SELF, size=2 * CHUNK),
        content=BLOCKS[VICTIM] * 2,
    )


# -------------------------------------------------------------------------------------------------------------- serving


class Server:
    """Listens, and gives each connection a thread."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # Little lies in the system's buffers, so that what was sent is about what was taken.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(20)
        with suppress(OSError, Closed), connection:
            while head := _read_head(connection):
                self._answer(connection, head)

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        method, target, *_ = head.decode("latin-1").split()
        if target == "/counts":
            body = json.dumps(self.counts.__dict__).encode()
            self.counts.__init__()  # type: ignore[misc]
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return
        self.counts.requests += 1
        self.counts.cookies += b"\r\ncookie:" in head.lower()
        self.counts.trapped += "/trap" in target
        _, name, *_ = target.split("/")
        found = re.search(r"/ipfs/(\w+)|arg=(\w+)", target)
        talk = Talk(
            connection=connection,
            counts=self.counts,
            case=name,
            cid=parse_cid(found[1] or found[2]) if found else None,
            wants_car="format=car" in target,
            is_head=method == "HEAD",
        )
        case = CASES.get(name)
        if case is not None and _is_bad(case, talk):
            self.counts.bad += 1
            case.play(talk)
        else:
            talk.honest()


def _is_bad(case: Case, talk: Talk) -> bool:
    """Whether this request is one of those that are answered badly."""
    return talk.wants_car if case.in_cars else talk.cid == VICTIM and not talk.wants_car


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            return b""
        head += piece
    return head


@dataclass(frozen=True)
class Hostile:
    """The server, running."""

    port: int

    def url(self, name: str) -> str:
        """The gateway that misbehaves in this way."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def take_counts(self) -> Counts:
        """What happened since this was asked last."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=10) as answer:
            return Counts(**json.load(answer))


@contextmanager
def serving() -> Iterator[Hostile]:
    """The server in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile_gateway", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout is not None
        try:
            yield Hostile(int(process.stdout.readline()))
        finally:
            process.kill()


# ------------------------------------------------------------------------------------------------------------ measuring


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a case cost, and how it ended."""

    name: str
    way: str
    sent: int
    seconds: float
    memory: int
    ended: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """A case that was run."""

    row: Row
    counts: Counts
    error: SwarmChainError | None
    content: bytes | None


def run(hostile: Hostile, case: Case, *, with_next: bool) -> Run:
    """Reads a case's file from the gateway that misbehaves, alone or with an honest one after it."""
    urls = [hostile.url(case.name)] + ([hostile.url(HONEST)] if with_next else [])
    store = GatewayStore(urls, limits=LIMITS)
    try:
        way_ = "then an honest one" if with_next else "alone"
        only_victim = with_next and case.is_of_a_block
        return measured(hostile, case, way_, lambda: _victim(store) if only_victim else read_all(store, case.file))
    finally:
        store.close()


def measured(hostile: Hostile, case: Case, way_: str, read: Callable[[], bytes]) -> Run:
    """What reading a case's file costs and ends in."""
    hostile.take_counts()
    before = _reset_peak()
    started = time.monotonic()
    content, error = None, None
    try:
        content = read()
        ended = f"success, {len(content)} bytes"
    except SwarmChainError as problem:
        error, ended = problem, type(problem).__name__
    seconds = time.monotonic() - started
    memory = _peak() - before
    counts = hostile.take_counts()
    row = Row(name=case.name, way=way_, sent=counts.sent, seconds=seconds, memory=memory, ended=ended)
    return Run(row=row, counts=counts, error=error, content=content)


def read_all(store: UpdateStore, file: File) -> bytes:
    """A file's bytes."""
    return b"".join(unixfs.read(store.get, file))


def _victim(store: UpdateStore) -> bytes:
    """The block that is served badly, as the first that is asked for: the first gateway is asked for it.

    For a second one, whichever answered faster would be.
    """
    return store.get(VICTIM)


def _reset_peak() -> int:
    """Bytes of memory that are resident now, and from which the peak is counted (on Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _peak() -> int:
    return _memory("VmHWM")


def _memory(key: str) -> int:
    try:
        found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    lines = [f"{'way to misbehave':36} {'read':20} {'KiB sent':>9} {'seconds':>8} {'MiB more':>9}  ended in"]
    for row in rows:
        figures = f"{row.sent / 1024:9,.0f} {row.seconds:8.2f} {row.memory / 2**20:9.1f}"
        lines.append(f"{row.name:36} {row.way:20} {figures}  {row.ended}")
    return "\n".join(lines)


def main(names: Sequence[str]) -> None:
    """Prints what each case costs."""
    rows = []
    with serving() as hostile:
        for name in names or CASES:
            for with_next in (False, True):
                rows.append(run(hostile, CASES[name], with_next=with_next).row)
    print(table(rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        bomb()
        server = Server()
        print(server.port, flush=True)
        server.run()
    main(sys.argv[1:])
