"""The body of an answer on its way: a block, or a CAR file piece by piece."""

from __future__ import annotations

import os
from typing import BinaryIO

from swarm_chain.adapters.wire import Wire
from swarm_chain.core.cids import CID_BYTES, Cid
from swarm_chain.core.varints import varint
from swarm_chain.errors import MalformedFile
from swarm_chain.serving.limits import Limits


class Body:
    """Bytes that are sent, none of them copied where the system can do without.

    `length` is what the head announced; None where it did not. `chunked` says how the reader finds the end then.
    """

    def __init__(self, wire: Wire, limits: Limits, *, length: int | None, chunked: bool = False) -> None:
        self._wire, self._limits = wire, limits
        self._left, self._chunked = length, chunked

    def piece(self, data: bytes) -> None:
        """Sends some bytes."""
        self._count(len(data))
        self._wire.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n" if self._chunked else data)

    def file(self, file: BinaryIO, head: bytes = b"") -> None:
        """Sends a file, after a few bytes. Raises `MalformedFile` where that is more than was announced."""
        size = size_of(file)
        self._count(len(head) + size)
        self._wire.allow(seconds=self._limits.grace + size / self._limits.slowest)
        if self._chunked:
            head = f"{len(head) + size:x}\r\n".encode() + head
        if head:
            self._wire.sendall(head)
        self._wire.send_file(file, size)
        if self._chunked:
            self._wire.sendall(b"\r\n")

    def section(self, cid: Cid, file: BinaryIO) -> None:
        """Sends a block as it stands in a CAR file. Raises as `file` does."""
        self.file(file, varint(CID_BYTES + size_of(file)) + bytes(cid))

    def end(self) -> None:
        """Sends what tells the reader that this was all. Raises `MalformedFile` where less was sent than announced."""
        if self._left:
            raise MalformedFile(f"a tree has {self._left} bytes less than its root says; ask for another CID")
        if self._chunked:
            self._wire.sendall(b"0\r\n\r\n")

    def _count(self, size: int) -> None:
        if self._left is None:
            return
        self._left -= size
        if self._left < 0:
            raise MalformedFile(f"a tree has {-self._left} bytes more than its root says; ask for another CID")


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size
