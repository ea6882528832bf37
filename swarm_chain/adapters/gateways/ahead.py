"""A file of many blocks, sent by a gateway in one piece and handed out block by block."""

from __future__ import annotations

import time
from collections import Counter, deque
from threading import Lock
from typing import Final

from swarm_chain.adapters.gateways.exchange import Answer
from swarm_chain.adapters.gateways.failures import Failure, Kind
from swarm_chain.core.cars import read_sections
from swarm_chain.core.cids import Cid, Codec, verify
from swarm_chain.core.links import links_of
from swarm_chain.errors import CidMismatch, Malformed
from swarm_chain.ports import MAX_BLOCK

WINDOW: Final = 16
"""Blocks that came and were not asked for yet: as many as are in memory, and more than readers ask for at once."""
_REPEATS: Final = 8
"""Blocks that may come once more, though it was said that none does."""


class Ahead:
    """The blocks of a file of up to a gigabyte, in the only order that is accepted: the root, and what it links to.

    Which block comes next is known before it comes, so one that nobody asked for is never kept. Anything else ends it,
    and what is missing is then asked for block by block. For several threads: the first to need a block reads up to it.
    """

    def __init__(self, root: Cid, answer: Answer) -> None:
        self._answer = answer
        self._sections = read_sections(answer, max_block=MAX_BLOCK)
        self._lock = Lock()
        self._upcoming = deque([root])
        self._wanted = Counter([root])
        self._seen: set[Cid] = set()
        self._here: dict[Cid, bytes] = {}
        self._repeats = 0
        self.is_open = True
        self.parts: frozenset[Cid] = frozenset()
        """The nodes below the root of a file that is too large to come in one piece."""

    def take(self, cid: Cid, *, until: float) -> bytes | None:
        """The block's bytes, verified; None where it is not among what comes. Raises `Failure`, and is closed then."""
        if cid not in self._wanted:
            return None
        try:
            data = self._taken(cid, until)
            if data is not None:
                _check(cid, data)
        except Failure:
            self.close()
            raise
        return data

    def _taken(self, cid: Cid, until: float) -> bytes | None:
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            return None
        try:
            data = self._here[cid] if cid in self._here else self._read_to(cid, until)
            if data is not None:
                self._hand_out(cid)
            return data
        finally:
            self._lock.release()

    def close(self) -> None:
        """Ends it: what has come is forgotten."""
        with self._lock:
            self._close()

    def _read_to(self, cid: Cid, until: float) -> bytes | None:
        """Reads the answer up to a block, and keeps what comes before it."""
        while self.is_open and cid in self._wanted and self._upcoming:
            if len(self._here) >= WINDOW:
                self._close()
                break
            expected, data = self._next(until)
            self._here[expected] = data
            if self.parts:
                self._end()
            elif not self._upcoming:
                self._finish(until)
            if expected == cid:
                return data
        return None

    def _next(self, until: float) -> tuple[Cid, bytes]:
        """The next block, which is the one that must come next."""
        expected = self._upcoming.popleft()
        while True:
            self._answer.allow(MAX_BLOCK, until=until)
            cid, data = self._section()
            if cid == expected:
                break
            self._repeats += 1
            if cid not in self._seen or self._repeats > _REPEATS:
                raise Failure(Kind.REFUSED, f"sends {cid} in a CAR where {expected} should be")
        self._seen.add(expected)
        if expected.codec is not Codec.RAW:
            _check(expected, data)
            self._descend(expected, data)
        while self._upcoming and self._upcoming[0] in self._seen:
            self._upcoming.popleft()
        return expected, data

    def _section(self) -> tuple[Cid, bytes]:
        try:
            return next(self._sections)
        except StopIteration:
            raise Failure(Kind.TROUBLE, "ends a CAR before all blocks came") from None
        except Malformed as error:
            raise Failure(Kind.REFUSED, f"sends no CAR: {error}") from error

    def _descend(self, cid: Cid, data: bytes) -> None:
        try:
            links = links_of(cid, data)
        except Malformed as error:
            raise Failure(Kind.REFUSED, f"sends a block that is no file's: {error}") from error
        nodes = frozenset(link for link in links if link.codec is not Codec.RAW)
        if nodes:
            # Whoever reads looks ahead along these nodes, whose leaves do not come before a gigabyte of others.
            self.parts, self._upcoming = nodes, deque()
        else:
            self._wanted.update(links)
            self._upcoming.extendleft(reversed(links))

    def _hand_out(self, cid: Cid) -> None:
        self._wanted[cid] -= 1
        if not self._wanted[cid]:
            del self._wanted[cid]
            self._here.pop(cid, None)

    def _finish(self, until: float) -> None:
        """All blocks are here: what may follow is not read, and the connection serves again where nothing does."""
        self._answer.allow(0, until=until)
        try:
            is_over = next(self._sections, None) is None
        except (Failure, Malformed):
            is_over = False
        self._answer.close(was_read=is_over)
        self.is_open = False

    def _end(self) -> None:
        if self.is_open:
            self._answer.close()
        self.is_open = False

    def _close(self) -> None:
        self._end()
        self._wanted.clear()
        self._here.clear()


def _check(cid: Cid, data: bytes) -> None:
    try:
        verify(cid, data)
    except CidMismatch as error:
        raise Failure(Kind.LIED, f"gave wrong bytes in a CAR ({error})") from error
