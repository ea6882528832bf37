"""A round's updates, several fetched at once, each in its time: what only one node has costs nobody but that node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

from swarm_chain.core.cids import Cid
from swarm_chain.core.judge import Reveal
from swarm_chain.errors import StoreError, StoreUnavailable, TooLarge
from swarm_chain.ports import MAX_BLOCK
from swarm_chain.types import Address, ChainView

AT_ONCE: Final = 8
"""Updates that are fetched at the same time."""
FETCHED: Final = 1 / 4
"""Share of the merge window after which the first look at a round ends, whatever peers do."""
EACH: Final = 1 / 12
"""Share of it that one update may take in one look; what came of it is kept, and the next look goes on."""

Get = Callable[..., bytes]
"""Gives the block of a CID: the `get` of a store."""
Fetch = Callable[[Reveal, Get], None]
"""Fetches all of one update, its blocks by a `Get`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Time:
    """How long a look may fetch: seconds for all, and for one update."""

    all: float
    each: float

    @classmethod
    def of(cls, view: ChainView) -> Self:
        """What the round's merge window leaves: little, once others may wait for this node's word."""
        window = max(view.round.deadline - view.round.phase_started_at, 1)
        passed = (view.now - view.round.phase_started_at) / window
        return cls(all=window * max(FETCHED - passed, EACH), each=window * EACH)


def gather(reveals: Sequence[Reveal], get: Get, fetch: Fetch, allowed: Time) -> Mapping[Address, str]:
    """The nodes whose updates could not be fetched, and why; those first in `reveals` are fetched first."""
    until = time.monotonic() + allowed.all

    def try_one(reveal: Reveal) -> str:
        try:
            fetch(reveal, _before(min(until, time.monotonic() + allowed.each), get))
        except (StoreError, TooLarge) as error:
            return str(error)
        return ""

    if not reveals:
        return {}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gather") as pool:
        found = list(pool.map(try_one, reveals))
    return {reveal.node: why for reveal, why in zip(reveals, found, strict=True) if why}


def _before(until: float, get: Get) -> Get:
    """The same `get`, which asks for nothing any more once it is late."""

    def in_time(cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        if time.monotonic() >= until:
            raise StoreUnavailable(f"{cid} and what follows did not come in time; they are fetched at the next look")
        return get(cid, max_bytes=max_bytes)

    return in_time
