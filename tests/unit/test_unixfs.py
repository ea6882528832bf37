"""UnixFS: files become the blocks that Kubo makes, and nothing else is read as one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from Crypto.Hash import SHAKE256
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_chain.core import unixfs
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import (
    CHUNK,
    IN_FLIGHT,
    File,
    FileBuilder,
    find_file,
    import_bytes,
    import_file,
    read,
    save,
    walk,
)
from swarm_chain.errors import BlockNotFound, CidMismatch, MalformedFile, TooLarge
from swarm_chain.types import Digest

KUBO = json.loads((Path(__file__).parents[1] / "vectors/kubo/unixfs.json").read_text())["files"]
SMALL = [file for file in KUBO if file["bytes"] < 8 * CHUNK]
MEDIUM = [file for file in KUBO if 8 * CHUNK < file["bytes"] < 128 * CHUNK]
LARGE = [file for file in KUBO if file["bytes"] > 128 * CHUNK]


class Blocks(dict[Cid, bytes]):
    """A store in memory that checks nothing, as a hostile one would."""

    def get_block(self, cid: Cid) -> bytes:
        if cid not in self:
            raise BlockNotFound(str(cid))
        return self[cid]


def content(size: int) -> bytes:
    return hashlib.shake_256(b"swarm-chain").digest(size)


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.mark.parametrize("expected", SMALL + MEDIUM, ids=lambda file: str(file["bytes"]))
def test_import__bytes_that_kubo_imported__gives_its_cid_and_blocks(expected: dict[str, Any], blocks: Blocks) -> None:
    data = content(expected["bytes"])
    file = import_bytes(data, blocks.__setitem__)
    assert (str(file.cid), file.size) == (expected["cid"], expected["bytes"])
    assert len(blocks) == expected["blocks"]
    assert sum(map(len, blocks.values())) == expected["cumulative_size"]
    if "root_block_hex" in expected:
        assert blocks[file.cid].hex() == expected["root_block_hex"]
    assert b"".join(read(blocks.get_block, file)) == data
    assert find_file(blocks.get_block, file.cid, max_bytes=file.size) == file


@pytest.mark.deep
def test_import__files_of_all_sizes_as_a_stream__gives_kubo_cids() -> None:
    """More than 1024 MiB too, which is two levels of links; nothing of it is kept."""
    source, position = SHAKE256.new(b"swarm-chain"), 0
    builders = {file["bytes"]: FileBuilder() for file in KUBO}
    while position < max(builders):
        data = source.read(4 * CHUNK)
        for size, builder in builders.items():
            some = memoryview(data)[: max(0, size - position)]
            for start in range(0, len(some), CHUNK):
                chunk = some[start : start + CHUNK]
                builder.add(cid_of(chunk, Codec.RAW), chunk)
        position += len(data)
    assert {size: str(builder.close().cid) for size, builder in builders.items()} == {
        file["bytes"]: file["cid"] for file in KUBO
    }


@pytest.mark.parametrize("expected", LARGE, ids=lambda file: str(file["bytes"]))
def test_shape__files_of_several_levels__has_kubo_sizes(expected: dict[str, Any]) -> None:
    size = expected["bytes"]
    depth = unixfs._depth(size)
    assert unixfs._cumulative(size, depth) == expected["cumulative_size"]
    assert len(unixfs._parts(size, depth)) == expected["root_links"]


def test_import__any_way_of_cutting__gives_the_same_file(tmp_path: Path) -> None:
    data = content(2 * CHUNK + 77)
    path = tmp_path / "file"
    path.write_bytes(data)
    expected = import_bytes(data)
    assert import_file(path) == expected
    assert unixfs.import_stream(BytesIO(data)) == expected


def test_builder__levels_of_three__are_as_wide_as_reading_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unixfs, "CHUNK", 4)
    monkeypatch.setattr(unixfs, "WIDTH", 3)
    unixfs._cumulative.cache_clear()
    for size in range(1, 4 * 3**4 + 2):
        blocks = Blocks()
        data = content(size)
        file = import_bytes(data, blocks.__setitem__)
        assert b"".join(read(blocks.get_block, file)) == data
        assert sum(map(len, dict(walk(blocks.get_block, file)).values())) == sum(map(len, blocks.values()))
    unixfs._cumulative.cache_clear()


def test_walk__a_file__gives_parents_before_children(blocks: Blocks) -> None:
    file = import_bytes(content(2 * CHUNK + 1), blocks.__setitem__)
    walked = list(walk(blocks.get_block, file))
    assert walked[0][0] == file.cid
    assert dict(walked) == blocks


def test_read__a_file__asks_for_eight_chunks_at_once(blocks: Blocks) -> None:
    data = content(12 * CHUNK)
    file = import_bytes(data, blocks.__setitem__)
    together = Barrier(IN_FLIGHT, timeout=10)
    first_eight = {cid_of(data[start : start + CHUNK], Codec.RAW) for start in range(0, 8 * CHUNK, CHUNK)}

    def get(cid: Cid) -> bytes:
        if cid in first_eight:
            together.wait()  # Breaks unless all eight are asked for before one of them is here.
        return blocks.get_block(cid)

    assert b"".join(read(get, file)) == data


def test_read__whoever_reads_is_slow__no_more_than_eight_chunks_are_held(blocks: Blocks) -> None:
    asked: list[Cid] = []
    file = import_bytes(content(30 * CHUNK), blocks.__setitem__)

    def get(cid: Cid) -> bytes:
        asked.append(cid)
        return blocks.get_block(cid)

    reading = read(get, file)
    for number in range(1, 20):
        next(reading)
        time.sleep(0.01)
        assert len(asked) <= 1 + number + IN_FLIGHT


def test_read__nobody_wants_the_rest__it_is_not_asked_for(blocks: Blocks) -> None:
    data = content(40 * CHUNK)
    file = import_bytes(data, blocks.__setitem__)
    asked = 0

    def get(cid: Cid) -> bytes:
        nonlocal asked
        asked += 1
        return blocks.get_block(cid)

    reading = read(get, file)
    next(reading)
    reading.close()
    time.sleep(0.05)
    assert asked <= 2 + IN_FLIGHT


def test_save__a_file__writes_it(tmp_path: Path, blocks: Blocks) -> None:
    data = content(2 * CHUNK + 1)
    save(blocks.get_block, import_bytes(data, blocks.__setitem__), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_save__a_block_is_missing__leaves_nothing(tmp_path: Path, blocks: Blocks) -> None:
    file = import_bytes(content(2 * CHUNK + 1), blocks.__setitem__)
    del blocks[cid_of(content(2 * CHUNK + 1)[2 * CHUNK :], Codec.RAW)]
    with pytest.raises(BlockNotFound):
        save(blocks.get_block, file, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------------------------------- hostile


def node(links: list[tuple[Cid, int, int]], *, total: int | None = None, kind: int = 2) -> bytes:
    """A dag-pb node, written independently of the code under test."""
    out = b""
    for cid, _, cumulative in links:
        body = b"\x0a\x24" + bytes(cid) + b"\x12\x00\x18" + varint(cumulative)
        out += b"\x12" + varint(len(body)) + body
    size = sum(part for _, part, _ in links) if total is None else total
    data = b"\x08" + varint(kind) + b"\x18" + varint(size) + b"".join(b"\x20" + varint(part) for _, part, _ in links)
    return out + b"\x0a" + varint(len(data)) + data


def varint(number: int) -> bytes:
    out = []
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


FULL = content(CHUNK)
REST = b"rest"
LEAVES = [
    (cid_of(FULL, Codec.RAW), CHUNK, CHUNK),
    (cid_of(REST, Codec.RAW), len(REST), len(REST)),
]
SIZE = CHUNK + len(REST)


def rooted(data: bytes, codec: Codec = Codec.DAG_PB) -> tuple[Blocks, Cid]:
    root = cid_of(data, codec)
    return Blocks({LEAVES[0][0]: FULL, LEAVES[1][0]: REST, root: data}), root


def test_read__a_tree_made_by_hand__is_the_one_we_make() -> None:
    blocks, root = rooted(node(LEAVES))
    assert import_bytes(FULL + REST).cid == root
    assert b"".join(read(blocks.get_block, File(cid=root, size=SIZE))) == FULL + REST


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "leaves swapped": node(LEAVES[::-1]),
    "total too small": node(LEAVES, total=CHUNK),
    "total too large": node(LEAVES, total=1 << 62),
    "a directory": node(LEAVES, kind=1),
    "raw kind": node(LEAVES, kind=0),
    "one link less": node(LEAVES[:1]),
    "one link more": node([*LEAVES, LEAVES[1]]),
    "a million links": node([LEAVES[1]] * 20_000, total=SIZE),
    "wrong cumulative size": node([LEAVES[0], (LEAVES[1][0], 4, 5)]),
    "wrong part size": node([LEAVES[0], (LEAVES[1][0], 5, 4)], total=SIZE),
    "bytes after the end": node(LEAVES) + b"\x00",
    "unknown field": b"\x1a\x01a" + node(LEAVES),
    "link to a document": node([LEAVES[0], (Cid(Codec.DAG_CBOR, Digest(LEAVES[1][0].digest)), 4, 4)]),
    "link to a node": node([LEAVES[0], (Cid(Codec.DAG_PB, Digest(LEAVES[1][0].digest)), 4, 4)]),
    "link to no CID": node(LEAVES).replace(bytes(LEAVES[1][0])[:4], b"\x01\x55\x11\x20"),
    "cut short": node(LEAVES)[:-1],
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_read__a_node_that_is_not_canonical__raises_malformed_file(data: bytes) -> None:
    blocks, root = rooted(data)
    with pytest.raises(MalformedFile):
        list(read(blocks.get_block, File(cid=root, size=SIZE)))


@pytest.mark.parametrize("size", [0, 1, 4, CHUNK, SIZE - 1, SIZE + 1, 2 * CHUNK, 1 << 40, (1 << 64) - 1])
def test_read__another_size_declared__raises_malformed_file(size: int) -> None:
    blocks, root = rooted(node(LEAVES))
    with pytest.raises(MalformedFile):
        list(read(blocks.get_block, File(cid=root, size=size)))


def test_read__one_block_of_more_than_a_chunk__raises_malformed_file() -> None:
    blocks, root = rooted(FULL + b"x", Codec.RAW)
    with pytest.raises(MalformedFile):
        list(read(blocks.get_block, File(cid=root, size=CHUNK + 1)))


def test_read__a_small_file_under_a_node__raises_malformed_file() -> None:
    blocks, root = rooted(node(LEAVES[1:]))
    with pytest.raises(MalformedFile):
        list(read(blocks.get_block, File(cid=root, size=len(REST))))


def test_read__a_leaf_of_another_size__raises_malformed_file() -> None:
    short = cid_of(b"res", Codec.RAW)
    blocks, root = rooted(node([LEAVES[0], (short, 4, 4)]))
    blocks[short] = b"res"
    with pytest.raises(MalformedFile, match="4 were declared"):
        list(read(blocks.get_block, File(cid=root, size=SIZE)))


def test_read__bytes_were_changed__raises_cid_mismatch() -> None:
    blocks, root = rooted(node(LEAVES))
    blocks[LEAVES[1][0]] = b"Rest"
    with pytest.raises(CidMismatch):
        list(read(blocks.get_block, File(cid=root, size=SIZE)))


def test_read__a_document_as_file__raises_malformed_file() -> None:
    blocks, root = rooted(b"\xa0", Codec.DAG_CBOR)
    with pytest.raises(MalformedFile):
        list(read(blocks.get_block, File(cid=root, size=1)))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (node(LEAVES), TooLarge),
        (node(LEAVES, total=1 << 62), TooLarge),
        (b"", MalformedFile),
        (b"\x12", MalformedFile),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", MalformedFile),
        (b"\x0a\x04\x08\x01\x18\x01", MalformedFile),
    ],
)
def test_find_file__more_than_allowed_or_no_file__raises(data: bytes, error: type[Exception]) -> None:
    blocks, root = rooted(data)
    with pytest.raises(error):
        find_file(blocks.get_block, root, max_bytes=CHUNK)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_read__any_damage_to_a_node__is_never_read(data: st.DataObject) -> None:
    good = node(LEAVES)
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[position] ^= data.draw(st.integers(1, 255))
    blocks, root = rooted(bytes(damaged))
    with pytest.raises((MalformedFile, BlockNotFound)):
        list(read(blocks.get_block, File(cid=root, size=SIZE)))


def test_read__first_problem_in_the_files_order__decides(blocks: Blocks) -> None:
    data = content(3 * CHUNK)
    file = import_bytes(data, blocks.__setitem__)
    first, last = (cid_of(data[start : start + CHUNK], Codec.RAW) for start in (0, 2 * CHUNK))
    del blocks[first]
    blocks[last] = b"other"
    with pytest.raises(BlockNotFound):
        list(read(blocks.get_block, file))


def test_blocks__a_stores_get__is_a_get() -> None:
    get: Callable[[Cid], bytes] = Blocks({LEAVES[1][0]: REST}).get_block
    assert list(read(get, File(cid=LEAVES[1][0], size=4))) == [REST]
