"""Counts the bytes that one agent exchanges, whatever endpoint or store they go to."""

from __future__ import annotations

from threading import Lock

from swarm_chain.core.traffic import Traffic


class Meter:
    """A total that only grows. `already` is what an earlier process of the same node counted."""

    def __init__(self, already: Traffic | None = None) -> None:
        self._total = already or Traffic()
        self._lock = Lock()

    def total(self) -> Traffic:
        """What was counted so far."""
        return self._total

    def count(self, traffic: Traffic) -> None:
        """Adds to it. Stores may be read by several threads at once."""
        with self._lock:
            self._total += traffic
