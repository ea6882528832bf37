"""One other node: its gateways, and how it has behaved so far."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.gateways.limits import Limits
from swarm_chain.core.cids import Cid
from swarm_chain.errors import BlockNotFound, StoreError
from swarm_chain.types import Address

log = logging.getLogger(__name__)

_FIRST_REST: Final = 1.0
_LONGEST_REST: Final = 60.0
"""Seconds for which a peer is not asked after it failed once, and after it failed many times in a row."""


class Peer:
    """A node that announced gateways, asked by several threads."""

    def __init__(
        self,
        node: Address,
        urls: tuple[str, ...],
        *,
        seconds: float,
        allow_private: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` bounds each block."""
        self.node, self.urls = node, urls
        self._store = GatewayStore(urls, limits=_limits(seconds), allow_private=allow_private)
        self._clock = clock
        self._failures = 0
        self._rests_until = float("-inf")

    @property
    def is_resting(self) -> bool:
        """Whether it failed a moment ago: it is asked again later, and later each time."""
        return self._clock() < self._rests_until

    @property
    def failures(self) -> int:
        """How often it failed since it last gave something."""
        return self._failures

    def get(self, cid: Cid, max_bytes: int) -> bytes:
        """The block's bytes, verified. Raises a `StoreError`."""
        try:
            data = self._store.get(cid, max_bytes=max_bytes)
        except BlockNotFound:
            raise
        except StoreError as error:
            self._fail(error)
            raise
        self._failures = 0
        return data

    def has(self, cid: Cid) -> bool:
        """Whether it says that it has a block. Raises a `StoreError`."""
        try:
            return self._store.has(cid)
        except StoreError as error:
            self._fail(error)
            raise

    def _fail(self, error: StoreError) -> None:
        self._failures += 1
        rest = min(_FIRST_REST * 2.0 ** (self._failures - 1), _LONGEST_REST)
        self._rests_until = self._clock() + rest
        log.info("0x%s is not asked for %g s: %s", self.node.hex(), rest, error)

    def close(self) -> None:
        """Ends its connections."""
        self._store.close()


def _limits(seconds: float) -> Limits:
    """What a peer may take: it has the block at hand, or it has not."""
    soon = min(5.0, seconds)
    return Limits(connect=min(3.0, seconds), answer=soon, idle=soon, block=seconds, total=seconds, tries=1, at_once=4)
