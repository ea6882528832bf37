"""Where this node's blocks are: said on the chain once, and again when that changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from swarm_chain.ports import Chain
from swarm_chain.types import Address, Announce, ChainView, NodeAnnounced, NodeRemoved, NodeStatus

log = logging.getLogger(__name__)

REST = 600.0
"""Seconds between two announcements: an address that comes and goes is not worth a transaction each time."""
_OUTSIDE = (NodeStatus.UNREGISTERED, NodeStatus.REMOVED)

Stores = Callable[[], bytes]
"""Says what to announce now; nothing where this node serves no blocks."""


class Announcing:
    """Compares what the chain says of this node's stores with what is so."""

    def __init__(self, *, account: Address, chain: Chain, stores: Stores, clock: Callable[[], float]) -> None:
        self._account = account
        self._chain = chain
        self._stores = stores
        self._clock = clock
        self._known: bytes | None = None
        self._rests_until = float("-inf")

    def due(self, view: ChainView) -> Announce | None:
        """The call that says where this node's blocks are, where the chain says something else.

        None where there is nothing to say: what a person announced by hand then stays.
        """
        if self._clock() < self._rests_until or view.node.status in _OUTSIDE or not (stores := self._stores()):
            return None
        if self._known is None:
            self._known = self._said(view)
        return None if stores == self._known else Announce(stores=stores)

    def tried(self, call: Announce, *, succeeded: bool) -> None:
        """Called after `call` was sent: what was refused is tried again after a while, too."""
        self._rests_until = self._clock() + REST
        if succeeded:
            self._known = call.stores
            log.info("announced where this node serves its blocks: %s", call.stores.decode("ascii", "replace"))

    def _said(self, view: ChainView) -> bytes:
        """What this node announced last, by the chain; nothing where it was removed since."""
        said = b""
        for event in self._chain.events(to_block=view.block_number, kinds=(NodeAnnounced, NodeRemoved)):
            if isinstance(event, NodeAnnounced) and event.node == self._account:
                said = event.stores
            elif isinstance(event, NodeRemoved) and event.node == self._account:
                said = b""
        return said
