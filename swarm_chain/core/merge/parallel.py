"""Work on blocks in several threads, its results in the order of the blocks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
U = TypeVar("U")

_MOST = 8


def usable_processors() -> int:
    """Processors that this process may run on, at most as many as merging has use for."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _MOST)


class Workers:
    """Threads for blocks; NumPy lets them run at once. Use in a `with` statement."""

    def __init__(self, threads: int | None = None) -> None:
        self.count = threads or usable_processors()
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="merge") if self.count > 1 else None

    def in_order(self, work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
        """What `work` makes of each item, in their order; a few are done ahead, never all."""
        if self._pool is None:
            yield from map(work, items)
            return
        ahead: deque[Future[U]] = deque()
        try:
            for item in items:
                ahead.append(self._pool.submit(work, item))
                if len(ahead) > 2 * self.count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
