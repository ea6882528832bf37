"""Chunks are hashed by several threads, and come out as one thread would give them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest

from swarm_chain.core import chunks
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import CHUNK, FileBuilder, blocks_of, import_bytes, import_file, import_stream

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 17 * CHUNK + 5, 32 * CHUNK, 33 * CHUNK + 1]


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """As on a machine with so many cores."""
    monkeypatch.setattr(chunks, "hashing_threads", lambda: request.param)
    count: int = request.param
    return count


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("threads")
def test_import__any_number_of_cores__gives_what_one_chunk_after_the_other_does(size: int, tmp_path: Path) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    kept: dict[Cid, bytes] = {}
    builder = FileBuilder(kept.__setitem__)
    for start in range(0, size, CHUNK):
        chunk = data[start : start + CHUNK]
        builder.add(cid_of(chunk, Codec.RAW), chunk)
    expected = builder.close()
    blocks: list[tuple[Cid, bytes]] = []
    assert import_file(path) == import_bytes(data) == expected
    assert import_file(path, lambda cid, block: blocks.append((cid, block))) == expected
    assert list(blocks_of(path)) == list(blocks_of(data)) == blocks
    assert dict(blocks) == kept
    assert blocks[-1][0] == expected.cid
    assert all(type(block) is bytes for _, block in blocks), "a store may keep what it was given"


@pytest.mark.usefixtures("threads")
def test_import__a_pipe_that_gives_a_little_at_a_time__gives_the_same_file() -> None:
    data = os.urandom(2 * CHUNK + 9)
    out, into = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(into, data[:9]), _write(into, data[9:]), os.close(into)))
    writer.start()
    with os.fdopen(out, "rb", buffering=0) as stream:
        assert import_stream(stream) == import_bytes(data)
    writer.join()


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def test_hashed__many_chunks__few_are_taken_before_the_first_is_given(threads: int) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"%d" % taken

    found = chunks.hashed(endless())
    for number in range(1, 20):
        assert next(found) == (cid_of(b"%d" % number, Codec.RAW), b"%d" % number)
        assert taken <= number + 2 * threads
    found.close()


def test_hashed__two_cores__hash_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "hashing_threads", lambda: 2)
    together = Barrier(2, timeout=10)

    def slowly(data: bytes, codec: Codec) -> Cid:
        together.wait()  # Breaks unless two are in here.
        return cid_of(data, codec)

    monkeypatch.setattr(chunks, "cid_of", slowly)
    assert [data for _, data in chunks.hashed([b"a", b"b", b"c", b"d"])] == [b"a", b"b", b"c", b"d"]


def test_hashing_threads__this_machine__are_no_more_than_its_cores() -> None:
    assert 1 <= chunks.hashing_threads() <= min(os.cpu_count() or 1, chunks.MOST_THREADS)
