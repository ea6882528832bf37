"""The chunks of a file with their CIDs, as fast as the cores there are can hash them, in bounded memory."""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO, FileIO
from typing import Final, TypeVar

from swarm_chain.core.cids import Cid, Codec, cid_of

MOST_THREADS: Final = 4
"""Hashing is one part of what a node does, and a disk is not faster than this many cores."""
_AHEAD: Final = 2
"""Chunks a thread: one that is hashed and one that waits."""
_WINDOW: Final = 16
"""Chunks of a file that are mapped at once."""

Chunk = TypeVar("Chunk", bytes, memoryview)


def hashed(chunks: Iterable[Chunk]) -> Iterator[tuple[Cid, Chunk]]:
    """Chunks in their order, each with its CID, while those that follow are hashed by other threads.

    On one core, and for a single chunk, by this thread alone.
    """
    if (threads := hashing_threads()) == 1:
        for chunk in chunks:
            yield cid_of(chunk, Codec.RAW), chunk
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="hashing") as pool:
        yield from _hashed_ahead(pool, chunks, threads * _AHEAD)


def _hashed_ahead(pool: ThreadPoolExecutor, chunks: Iterable[Chunk], ahead: int) -> Iterator[tuple[Cid, Chunk]]:
    waiting: deque[tuple[Chunk, Future[Cid]]] = deque()
    remaining = iter(chunks)
    first = next(remaining, None)
    if first is None:
        return
    if (second := next(remaining, None)) is None:
        yield cid_of(first, Codec.RAW), first
        return
    waiting += ((chunk, pool.submit(cid_of, chunk, Codec.RAW)) for chunk in (first, second))
    for chunk in remaining:
        if len(waiting) == ahead:
            done, cid = waiting.popleft()
            yield cid.result(), done
        waiting.append((chunk, pool.submit(cid_of, chunk, Codec.RAW)))
    while waiting:
        done, cid = waiting.popleft()
        yield cid.result(), done


def hashing_threads() -> int:
    """How many threads hash: as many as there are cores for this process, and no more than `MOST_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


def read_chunks(stream: FileIO | BytesIO, size: int) -> Iterator[bytes]:
    """What a stream holds from here to its end, in pieces of `size` bytes, the last of what is left."""
    while piece := stream.read(size):
        # A pipe gives less at a time than was asked for.
        while len(piece) < size and (more := stream.read(size - len(piece))):
            piece += more
        yield piece


def map_chunks(stream: FileIO, size: int) -> Iterator[memoryview]:
    """The same of a file, without a copy of it, which would cost a seventh of what hashing does.

    For files that nobody cuts short meanwhile: the system ends a program that reads where a file was. An area is let
    go of with the last of its chunks.
    """
    end = os.fstat(stream.fileno()).st_size
    for start in range(0, end, window := max(_WINDOW * size, mmap.ALLOCATIONGRANULARITY)):
        view = memoryview(_mapped(stream, start, min(window, end - start)))
        for offset in range(0, len(view), size):
            yield view[offset : offset + size]


def _mapped(stream: FileIO, start: int, length: int) -> mmap.mmap:
    if hasattr(mmap, "MAP_POPULATE"):
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return mmap.mmap(stream.fileno(), length, flags=flags, prot=mmap.PROT_READ, offset=start)
    return mmap.mmap(stream.fileno(), length, access=mmap.ACCESS_READ, offset=start)
