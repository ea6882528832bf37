"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A stream whose bytes are at `path`, synced, once the `with` ends without an error; else nothing is.

    The bytes are written beside it, under a name that starts with a dot. Without `sync` they may be lost, or be others,
    after a crash of the machine: for what is checked when it is read, or can be had again.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_at(stream: BinaryIO, data: bytes | memoryview, place: int) -> None:
    """Writes all of some bytes to a place of a file, in whatever thread; nothing may wait in the stream's buffer."""
    left = memoryview(data)
    while left:
        written = os.pwrite(stream.fileno(), left, place)
        left, place = left[written:], place + written


def sync_folder(folder: Path) -> None:
    """Returns once the names in a folder are on disk: a file that is synced may still lack its name there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
