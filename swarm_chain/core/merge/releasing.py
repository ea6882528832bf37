"""Giving mapped files' memory back while they are read, so that as much is held of many files as of few."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

BY_NUMPY = 16 * 1024 * 1024
"""Bytes of mapped files that are held while NumPy merges."""
COMPILED = 64 * 1024 * 1024
"""Bytes that are held while compiled code does, which is done with 16 MiB so soon that giving them back is felt."""
_LEAST = 2 * 1024 * 1024
_AROUND = 64 * 1024
"""Bytes that systems map at once where a byte of a file is read."""


class Releasing:
    """Calls `release` before more than `most` bytes are held, what threads read ahead and systems add included."""

    def __init__(self, release: Callable[[], None], *, most: int, files: int, ahead: int) -> None:
        """`ahead` is how many bytes may be read before it is told of them."""
        self._release, self._read, self._lock = release, 0, Lock()
        self._most = max(_LEAST, most - ahead - files * _AROUND)

    def read(self, size: int) -> None:
        """So many bytes were read, and are not needed any more; told by whatever thread."""
        with self._lock:
            self._read += size
            if self._read < self._most:
                return
            self._read = 0
        self._release()
