"""One other node: its gateways, and how it has behaved so far."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Conduct:
    """How a peer behaved with one kind of block."""

    failures: int = 0
    rests_until: float = float("-inf")


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
        # An IPFS node takes long to say that nobody has a block: that is no reason not to ask it for its own.
        self._with_its_own, self._with_others = _Conduct(), _Conduct()

    def is_resting(self, *, is_its_own: bool) -> bool:
        """Whether it failed a moment ago, with a block that it gave out or with another: it is asked again later."""
        return self._clock() < self._conduct(is_its_own).rests_until

    def failures(self, *, is_its_own: bool) -> int:
        """How often it failed with such blocks since it last gave one."""
        return self._conduct(is_its_own).failures

    def get(self, cid: Cid, max_bytes: int, *, is_its_own: bool) -> bytes:
        """The block's bytes, verified. Raises a `StoreError`."""
        try:
            data = self._store.get(cid, max_bytes=max_bytes)
        except BlockNotFound:
            raise
        except StoreError as error:
            self._fail(error, self._conduct(is_its_own))
            raise
        self._conduct(is_its_own).failures = 0
        return data

    def has(self, cid: Cid, *, is_its_own: bool) -> bool:
        """Whether it says that it has a block. Raises a `StoreError`."""
        try:
            return self._store.has(cid)
        except StoreError as error:
            self._fail(error, self._conduct(is_its_own))
            raise

    def _conduct(self, is_its_own: bool) -> _Conduct:
        return self._with_its_own if is_its_own else self._with_others

    def _fail(self, error: StoreError, conduct: _Conduct) -> None:
        conduct.failures += 1
        rest = min(_FIRST_REST * 2.0 ** (conduct.failures - 1), _LONGEST_REST)
        conduct.rests_until = self._clock() + rest
        log.info("0x%s is not asked for %g s: %s", self.node.hex(), rest, error)

    def close(self) -> None:
        """Ends its connections."""
        self._store.close()


def _limits(seconds: float) -> Limits:
    """What a peer may take: it has the block at hand, or it has not."""
    soon = min(5.0, seconds)
    return Limits(connect=min(3.0, seconds), answer=soon, idle=soon, block=seconds, total=seconds, tries=1, at_once=4)
