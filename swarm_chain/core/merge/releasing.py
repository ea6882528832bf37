"""Giving mapped files' memory back while they are read, so that as much is held of many files as of few."""

from __future__ import annotations

from collections.abc import Callable

_MOST = 16 * 1024 * 1024
_LEAST = 2 * 1024 * 1024
_AROUND = 64 * 1024
"""Bytes that systems map at once where a byte of a file is read."""


class Releasing:
    """Calls `release` before more than 16 MiB are held, what other threads read ahead and systems add included."""

    def __init__(self, release: Callable[[], None], *, files: int, ahead: int) -> None:
        """`ahead` is how many bytes may be read before it is told of them."""
        self._release, self._read = release, 0
        self._most = max(_LEAST, _MOST - ahead - files * _AROUND)

    def read(self, size: int) -> None:
        """So many bytes were read, and are not needed any more."""
        self._read += size
        if self._read >= self._most:
            self._release()
            self._read = 0
