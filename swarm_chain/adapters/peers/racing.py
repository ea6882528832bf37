"""Several ways to the same thing, the next one begun where the last does not get there soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

AT_ONCE: Final = 3
"""Ways that are under way at the same time."""


class NoneArrivedError(Exception):
    """None of the ways got there: those that failed did so with `failures`; others were not in time."""

    def __init__(self, failures: Sequence[Exception], *, in_time: bool) -> None:
        super().__init__(*failures)
        self.failures, self.in_time = failures, in_time


def first_of(ways: Sequence[Callable[[], T]], *, after: float, seconds: float) -> T:
    """What the first way gives that succeeds. The next is begun once one failed, or `after` so many seconds.

    Ways that are no longer wanted end by themselves, unseen. Raises `NoneArrivedError`.
    """
    return _Race(ways, until=time.monotonic() + seconds).run(after)


class _Race(Generic[T]):
    def __init__(self, ways: Sequence[Callable[[], T]], *, until: float) -> None:
        self._ways, self._until = ways, until
        self._arrived: SimpleQueue[tuple[tuple[T] | None, Exception | None]] = SimpleQueue()
        self._failures: list[Exception] = []
        self._begun = 0

    def run(self, after: float) -> T:
        while len(self._failures) < len(self._ways):
            if self._has_room:
                self._begin()
            with suppress(Empty):
                found, failure = self._arrived.get(timeout=self._patience(after))
                if found is not None:
                    return found[0]
                self._failures += [failure] if failure else []
        raise NoneArrivedError(self._failures, in_time=True)

    @property
    def _has_room(self) -> bool:
        """Whether there is a way that can be begun now."""
        return self._begun < len(self._ways) and self._begun - len(self._failures) < AT_ONCE

    def _patience(self, after: float) -> float:
        """Seconds to wait before another way is begun, or all are given up."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise NoneArrivedError(self._failures, in_time=False)
        return min(after, left) if self._has_room else left

    def _begin(self) -> None:
        way = self._ways[self._begun]
        self._begun += 1
        Thread(target=self._go, args=(way,), daemon=True, name="asking a peer").start()

    def _go(self, way: Callable[[], T]) -> None:
        try:
            self._arrived.put(((way(),), None))
        except Exception as error:
            self._arrived.put((None, error))
