"""A connection on which nobody can take more time or send more bytes than was allowed, whatever they say in between.

The limits lie below whatever reads the protocol, so that endless headers, chunks of one byte, or a byte a second meet
the same two: bytes received, and a deadline.
"""

from __future__ import annotations

import io
import os
import select
import socket
import time
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_BUFFER = 64 * 1024


class TooManyBytes(OSError):
    """The other side sent more than was allowed."""


class Wire:
    """A socket with an allowance of bytes and seconds; without one, nothing moves.

    `idle` is how long the other side may send, or take, nothing at all.
    """

    def __init__(self, connection: socket.socket, *, idle: float) -> None:
        self._socket, self._idle = connection, idle
        self._bytes, self._until = 0, 0.0
        self.received = 0
        """Bytes that came in so far."""

    def allow(self, *, seconds: float, received: int = 0) -> None:
        """Begins a new allowance: so many more bytes in, and so much time from now for everything."""
        self._bytes, self._until = received, time.monotonic() + seconds

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """What comes in, as a stream: what `http.client` and `http.server` read."""
        return io.BufferedReader(_Incoming(self), _BUFFER)

    def recv_into(self, buffer: WriteableBuffer) -> int:
        """Bytes received into a buffer, 0 at the end. Raises `TooManyBytes`, `TimeoutError` and other `OSError`s."""
        if self._bytes <= 0:
            raise TooManyBytes("more bytes came than were allowed")
        self._socket.settimeout(self._patience())
        count = self._socket.recv_into(memoryview(buffer)[: self._bytes])
        self._bytes -= count
        self.received += count
        return count

    def sendall(self, data: ReadableBuffer) -> None:
        """Sends bytes. Raises `TimeoutError` where the other side does not take them in time, and other `OSError`s."""
        view = memoryview(data).cast("B")
        while view:
            self._socket.settimeout(self._patience())
            view = view[self._socket.send(view) :]

    def send_file(self, file: BinaryIO, size: int) -> None:
        """Sends the first `size` bytes of a file, uncopied where the system can. Raises as `sendall`, and `OSError`."""
        handle = _handle(file) if _can_take_files(self._socket) else None
        if handle is None:
            self.sendall(file.read(size))
            return
        self._socket.settimeout(0)
        start = 0
        while start < size:
            try:
                sent = os.sendfile(self._socket.fileno(), handle, start, size - start)
            except BlockingIOError:
                self._wait_to_send()
                continue
            if not sent:
                raise OSError(f"the file ended after {start} of {size} bytes")
            start += sent

    def _wait_to_send(self) -> None:
        ready = select.poll()
        ready.register(self._socket, select.POLLOUT)
        if not ready.poll(self._patience() * 1000):
            raise TimeoutError("the other side takes nothing")

    def is_readable(self) -> bool:
        """Whether something came that nobody asked for, or the other side closed the connection."""
        ready = select.poll()
        ready.register(self._socket, select.POLLIN)
        return bool(ready.poll(0))

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _patience(self) -> float:
        """Seconds to wait for the next bytes. Raises `TimeoutError` once there are none left."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took longer than was allowed")
        return min(left, self._idle)


class _Incoming(io.RawIOBase):
    """What comes in on a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._wire.recv_into(buffer)


def _can_take_files(connection: socket.socket) -> bool:
    """Whether the system may write into a socket past Python: not where bytes are encrypted on their way."""
    return type(connection) is socket.socket and hasattr(os, "sendfile")


def _handle(file: BinaryIO) -> int | None:
    try:
        return file.fileno()
    except (OSError, AttributeError):
        return None
