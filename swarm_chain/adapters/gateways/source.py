"""One gateway: its blocks, and how it has behaved so far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from swarm_chain.adapters.gateways.ahead import Ahead
from swarm_chain.adapters.gateways.exchange import Line
from swarm_chain.adapters.gateways.failures import Failure, Kind
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.adapters.gateways.route import Route
from swarm_chain.adapters.gateways.urls import GatewayUrl
from swarm_chain.core.cids import Cid, verify
from swarm_chain.errors import CidMismatch

_RAW: Final = "application/vnd.ipld.raw"
_CAR: Final = "application/vnd.ipld.car"
_CAR_WANTED: Final = "format=car&dag-scope=all&car-version=1&car-order=dfs&car-dups=n"
_UNBOUNDED: Final = 1 << 62

_EXPECTED: Final = 0.25
"""Seconds that a block is thought to take at a gateway that gave none yet."""
_IN_VAIN: Final = 0.5
"""What asking for a block that a gateway lacks counts as, in seconds."""
_FORGOTTEN: Final = 60.0
"""Seconds after which a trouble says nothing any more."""
_LONGEST_REST: Final = 8.0


class Source:
    """A gateway that is asked for blocks, by several threads."""

    def __init__(self, url: GatewayUrl, limits: Limits, route: Route, *, allow_private: bool) -> None:
        self._limits = limits
        self._line = Line(url, limits, route, allow_private=allow_private)
        self._slots = BoundedSemaphore(limits.at_once)
        self._busy = 0
        self._pace = _EXPECTED
        self._troubles, self._troubled_at = 0, 0.0
        self._benched_until = self._resting_until = 0.0
        self._has_cars = True

    @property
    def name(self) -> str:
        """Its URL."""
        return str(self._line.url)

    @property
    def rank(self) -> tuple[int, float]:
        """The lower, the sooner to be asked: by its troubles, then by how long a block would take now."""
        recent = time.monotonic() - self._troubled_at < _FORGOTTEN
        return self._troubles if recent else 0, self._pace * (self._busy + 1)

    @property
    def pause(self) -> Failure | None:
        """Why it is not asked at all now, if so."""
        now = time.monotonic()
        if now < self._benched_until:
            return Failure(Kind.REFUSED, f"lied, and is not asked for another {self._benched_until - now:.0f} s")
        if now < self._resting_until:
            return Failure(Kind.UNREACHABLE, "could not be reached a moment ago")
        return None

    def block(self, cid: Cid, *, max_bytes: int, until: float) -> bytes:
        """The block's bytes, verified. Raises `Failure`."""
        with self._judged(until):
            path = f"/ipfs/{cid}?format=raw"
            with self._line.ask("GET", path, accept=_RAW, max_bytes=max_bytes, until=until) as answer:
                data = answer.body(until=until)
            try:
                verify(cid, data)
            except CidMismatch as error:
                said = answer.content_type[:40]
                raise Failure(Kind.LIED, f"gave {len(data)} bytes of {said!r} that are not the block") from error
            return data

    def has(self, cid: Cid, *, until: float) -> bool:
        """Whether it says that it has a block. Raises `Failure`."""
        try:
            with (
                self._judged(until),
                self._line.ask(
                    "HEAD", f"/ipfs/{cid}?format=raw", accept=_RAW, max_bytes=_UNBOUNDED, until=until
                ) as answer,
            ):
                answer.body(until=until)
        except Failure as failure:
            if failure.kind is Kind.MISSING:
                return False
            raise
        return True

    def ahead(self, root: Cid, *, until: float) -> Ahead | None:
        """The blocks below a root as they come; None where they are better asked for one by one. Raises `Failure`."""
        if not self._has_cars:
            return None
        accept = f"{_CAR};version=1;order=dfs;dups=n"
        with self._judged(until):
            if self._line.round_trip(until) < self._limits.far:
                return None
            try:
                answer = self._line.ask(
                    "GET", f"/ipfs/{root}?{_CAR_WANTED}", accept=accept, max_bytes=_UNBOUNDED, until=until
                )
            except Failure as failure:
                if failure.kind is not Kind.REFUSED:
                    raise
                self._has_cars = False
                return None
            if not _is_in_order(answer.content_type):
                answer.close()
                self._has_cars = False
                return None
            return Ahead(root, answer)

    def note(self, failure: Failure) -> None:
        """Remembers how it failed."""
        now = time.monotonic()
        if failure.kind is Kind.LIED:
            self._benched_until = now + self._limits.bench
        elif failure.kind in (Kind.TROUBLE, Kind.SLOW, Kind.UNREACHABLE):
            self._troubles, self._troubled_at = min(self._troubles + 1, 10), now
        elif failure.kind is Kind.MISSING:
            self._pace = (self._pace * 3 + _IN_VAIN) / 4
        if failure.kind is Kind.UNREACHABLE:
            self._resting_until = now + min(self._limits.back_off * 2**self._troubles, _LONGEST_REST)

    def stop_cars(self) -> None:
        """Asks it block by block from now on."""
        self._has_cars = False

    def close(self) -> None:
        """Ends its connections."""
        self._line.close()

    @contextmanager
    def _judged(self, until: float) -> Iterator[None]:
        """Waits for one of the places, and remembers how it went."""
        if not self._slots.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Failure(Kind.SLOW, "is busy with other blocks")
        self._busy += 1
        started = time.monotonic()
        try:
            yield
        except Failure as failure:
            self.note(failure)
            raise
        else:
            self._troubles = 0
            self._pace = (self._pace * 3 + time.monotonic() - started) / 4
        finally:
            self._busy -= 1
            self._slots.release()


def _is_in_order(content_type: str) -> bool:
    """Whether this is a CAR whose blocks come depth first, which must be said."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    return kind == _CAR and "order=dfs" in parameters and "version=2" not in parameters
