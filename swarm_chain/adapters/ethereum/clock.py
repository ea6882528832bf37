"""What time it is on a chain, whose clock stands still between blocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from swarm_chain.types import Seconds, Timestamp


class ChainClock:
    """The chain's time now: never the machine's calendar, only its monotonic clock beside the chain's blocks."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` counts seconds."""
        self._monotonic = monotonic
        self._lock = Lock()
        self._latest = b""
        self._first_seen = 0.0

    def now(self, *, latest: bytes, latest_at: Timestamp, pending_at: Timestamp | None) -> Timestamp:
        """The later of the pending block's time and the latest block's plus how long that block has been known here.

        `latest` is the latest block's hash. A development chain that mines on demand tells the time in its pending
        block (Anvil) or not at all (Ganache); a public chain in both.
        """
        with self._lock:
            if latest != self._latest:
                self._latest, self._first_seen = latest, self._monotonic()
            passed = Seconds(int(self._monotonic() - self._first_seen))
        return Timestamp(max(latest_at + passed, pending_at or 0))
