"""Files as IPFS knows them: blocks of a tree whose root CID names the file.

The profile is `unixfs-v1-2025`: raw leaves of 1 MiB, 1024 links a node, balanced, so that a file of one chunk is a
raw block. The shape of a tree follows from the file's size alone; reading therefore never parses what a peer sent:
it writes down the one node that can stand there, with the CIDs it found, and compares.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO, FileIO
from pathlib import Path
from typing import Final

from swarm_chain.core.chunks import Chunk, hashed, map_chunks, read_chunks
from swarm_chain.core.cids import CID_BYTES, Cid, Codec, cid_from_bytes, cid_of, verify
from swarm_chain.core.files import replacing
from swarm_chain.core.varints import read_varint, varint
from swarm_chain.errors import InvalidCid, MalformedFile, TooLarge
from swarm_chain.types import Digest

CHUNK = 1024 * 1024
WIDTH = 1024
IN_FLIGHT: Final = 8
"""Blocks of a file that are asked for at once: what makes up for a store that is far away."""

Get = Callable[[Cid], bytes]
"""Gives the block of a CID, or raises a `StoreError`: the `get` of a store. Called by several threads at once."""
Put = Callable[[Cid, bytes], None]
"""Keeps a block: the `put` of a store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file's root and its bytes."""

    cid: Cid
    size: int


@dataclass(frozen=True, slots=True)
class _Link:
    """A subtree: its root, the bytes of the file under it, and the bytes of its blocks."""

    cid: Cid
    size: int
    cumulative: int


# -------------------------------------------------------------------------------------------------------------- writing


class FileBuilder:
    """Makes a file's tree from its chunks as they come; `close` gives the root.

    >>> builder = FileBuilder()
    >>> str(builder.close().cid)
    'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
    """

    def __init__(self, put: Put | None = None) -> None:
        self._put = put
        self._levels: list[list[_Link]] = [[]]
        self._size = 0

    def add(self, cid: Cid, chunk: bytes | memoryview) -> None:
        """Adds a whole chunk, or the file's last, with its CID."""
        if self._put:
            self._put(cid, bytes(chunk))
        self.add_known(cid, len(chunk))

    def add_known(self, cid: Cid, size: int) -> None:
        """Adds a chunk by its CID and size alone: whoever wants it put does so."""
        self._size += size
        self._add(0, _Link(cid, size, size))

    def close(self) -> File:
        """The finished file."""
        if not self._size:
            self.add(cid_of(b"", Codec.RAW), b"")
        level = 0
        while level + 1 < len(self._levels) or len(self._levels[level]) > 1:
            self._raise(level)
            level += 1
        return File(cid=self._levels[level][0].cid, size=self._size)

    def _add(self, level: int, link: _Link) -> None:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == WIDTH:
            self._raise(level)
        self._levels[level].append(link)

    def _raise(self, level: int) -> None:
        links, self._levels[level] = self._levels[level], []
        data = _node(links)
        cid = cid_of(data, Codec.DAG_PB)
        if self._put:
            self._put(cid, data)
        self._add(level + 1, _Link(cid, sum(k.size for k in links), len(data) + sum(k.cumulative for k in links)))


def import_stream(stream: FileIO | BytesIO, put: Put | None = None) -> File:
    """The file that a stream holds from here to its end; its blocks go to `put`, the root last."""
    return _import(read_chunks(stream, CHUNK), put)


def import_file(path: Path, put: Put | None = None) -> File:
    """The file at a path; its blocks go to `put`, the root last. Without `put`, only its CID is computed.

    Nobody may cut it short meanwhile.
    """
    with path.open("rb", buffering=0) as stream:
        return _import(map_chunks(stream, CHUNK), None) if put is None else import_stream(stream, put)


def import_bytes(data: bytes | bytearray | memoryview, put: Put | None = None) -> File:
    """The file that bytes in memory are; its blocks go to `put`, the root last."""
    return _import(_cut(data), put)


def _import(chunks: Iterable[Chunk], put: Put | None) -> File:
    builder = FileBuilder(put)
    for cid, chunk in hashed(chunks):
        builder.add(cid, chunk)
    return builder.close()


def _cut(data: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    view = memoryview(data).cast("B")
    return (view[start : start + CHUNK] for start in range(0, len(view), CHUNK))


def blocks_of(file: Path | bytes) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of a file at a path, or of bytes in memory, the root last; few chunks of it are in memory."""
    made: list[tuple[Cid, bytes]] = []
    builder = FileBuilder(lambda cid, data: made.append((cid, data)))
    with BytesIO(file) if isinstance(file, bytes) else file.open("rb", buffering=0) as stream:
        for cid, chunk in hashed(read_chunks(stream, CHUNK)):
            builder.add(cid, chunk)
            yield from made
            made.clear()
    builder.close()
    yield from made


# -------------------------------------------------------------------------------------------------------------- reading


def walk(get: Get, file: File) -> Iterator[tuple[Cid, bytes]]:
    """Every block of a file, parents before children and in the file's order, each checked before it is passed on.

    Raises `MalformedFile` at the first block that is not the one this profile has there for a file of `file.size`
    bytes, and what `get` raises. A block is checked against its CID even if `get` did so.

    `get` is called by up to `IN_FLIGHT` threads at once, for the blocks that come next: so many are held, however
    large the file is.
    """
    depth = _depth(file.size)
    root = _Link(file.cid, file.size, 0)
    data = _checked(get, root, depth)
    yield root.cid, data
    if not depth:
        return
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="unixfs")
    try:
        yield from _below(pool, get, _links(root.cid, data, root.size, depth), depth - 1)
    finally:
        # Nobody waits for what is not wanted any more.
        pool.shutdown(wait=False, cancel_futures=True)


def read(get: Get, file: File) -> Iterator[bytes]:
    """A file's bytes, chunk by chunk. Raises as `walk` does."""
    for cid, data in walk(get, file):
        if cid.codec is Codec.RAW:
            yield data


def find_file(get: Get, cid: Cid, *, max_bytes: int) -> File:
    """The file a root names, with the size that the root declares. Raises `TooLarge`, `MalformedFile`."""
    data = get(cid)
    verify(cid, data)
    size = len(data) if cid.codec is Codec.RAW else _declared_size(cid, data)
    if size > max_bytes:
        raise TooLarge(f"the file {cid} declares {size} bytes where {max_bytes} are allowed; ask for a smaller one")
    return File(cid=cid, size=size)


def save(get: Get, file: File, path: Path, *, sync: bool = True) -> None:
    """Writes a file to a path, which appears only when all of it was checked. Raises as `walk` does.

    `sync` is as `replacing` has it.
    """
    with replacing(path, sync=sync) as stream:
        for data in read(get, file):
            stream.write(data)


def _below(pool: ThreadPoolExecutor, get: Get, links: list[_Link], depth: int) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of sibling trees in the file's order."""
    for link, data in _ahead(pool, partial(_checked, get, depth=depth), links):
        yield link.cid, data
        if depth:
            yield from _below(pool, get, _links(link.cid, data, link.size, depth), depth - 1)


def _ahead(
    pool: ThreadPoolExecutor, fetch: Callable[[_Link], bytes], links: Iterable[_Link]
) -> Iterator[tuple[_Link, bytes]]:
    """Blocks in their links' order, while those that follow are under way."""
    waiting: deque[tuple[_Link, Future[bytes]]] = deque()
    for link in links:
        if len(waiting) == IN_FLIGHT:
            first, fetched = waiting.popleft()
            yield first, fetched.result()
        waiting.append((link, pool.submit(fetch, link)))
    while waiting:
        first, fetched = waiting.popleft()
        yield first, fetched.result()


def _checked(get: Get, link: _Link, depth: int) -> bytes:
    """The block at a link, if it can stand there."""
    expected = Codec.DAG_PB if depth else Codec.RAW
    if link.cid.codec is not expected:
        raise MalformedFile(
            f"{link.cid} stands where a file of the swarm's profile has a {expected.name} block; ask again"
        )
    data = get(link.cid)
    verify(link.cid, data)
    if depth == 0 and len(data) != link.size:
        raise MalformedFile(
            f"the chunk {link.cid} has {len(data)} bytes where {link.size} were declared; ask for another file"
        )
    return data


def _links(cid: Cid, data: bytes, size: int, depth: int) -> list[_Link]:
    links, position = [], 0
    for part in _parts(size, depth):
        cumulative = _cumulative(part, depth - 1)
        start = position + len(_link_head(cumulative))
        position = start + CID_BYTES + len(_link_tail(cumulative))
        try:
            child = cid_from_bytes(data[start : start + CID_BYTES])
        except InvalidCid as error:
            raise MalformedFile(f"the node {cid} links to what no file links to: {error}") from error
        links.append(_Link(child, part, cumulative))
    if _node(links) != data:
        raise MalformedFile(f"the node {cid} is not the one for {size} bytes in the profile; ask for another file")
    return links


def _declared_size(cid: Cid, data: bytes) -> int:
    # The node is checked in full when the file is walked; here a wrong answer only leads to that check.
    position = 0
    try:
        while data[position] == 0x12:
            length, start = read_varint(data, position + 1)
            position = start + length
        _, start = read_varint(data, position + 1)
        if data[position] == 0x0A and data[start : start + 3] == b"\x08\x02\x18":
            return read_varint(data, start + 3)[0]
    except IndexError:
        pass
    raise MalformedFile(f"{cid} is no file's root; ask for another CID")


# ---------------------------------------------------------------------------------------------------------------- shape


def _depth(size: int) -> int:
    depth, capacity = 0, CHUNK
    while capacity < size:
        depth, capacity = depth + 1, capacity * WIDTH
    return depth


def _parts(size: int, depth: int) -> list[int]:
    part = CHUNK * WIDTH ** (depth - 1)
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest else [])


@lru_cache(maxsize=1024)
def _cumulative(size: int, depth: int) -> int:
    if depth == 0:
        return size
    cid = Cid(Codec.RAW, Digest(bytes(32)))
    links = [_Link(cid, part, _cumulative(part, depth - 1)) for part in _parts(size, depth)]
    return len(_node(links)) + sum(link.cumulative for link in links)


def _node(links: list[_Link]) -> bytes:
    out = bytearray()
    for link in links:
        out += _link_head(link.cumulative) + bytes(link.cid) + _link_tail(link.cumulative)
    file = b"\x08\x02\x18" + varint(sum(link.size for link in links))
    file += b"".join(b"\x20" + varint(link.size) for link in links)
    return bytes(out + b"\x0a" + varint(len(file)) + file)


def _link_head(cumulative: int) -> bytes:
    return b"\x12" + varint(2 + CID_BYTES + len(_link_tail(cumulative))) + b"\x0a\x24"


def _link_tail(cumulative: int) -> bytes:
    return b"\x12\x00\x18" + varint(cumulative)
