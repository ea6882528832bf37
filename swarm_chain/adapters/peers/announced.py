"""What the chain says of where blocks are: what each node announced, and who gave out which document."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Final

from swarm_chain.adapters.peers.senders import Senders
from swarm_chain.core.announcements import gateways_in
from swarm_chain.errors import ChainError
from swarm_chain.ports import Chain
from swarm_chain.types import (
    Address,
    BlockNumber,
    Event,
    NodeAnnounced,
    NodeRemoved,
    ResultAttested,
    UpdateRevealed,
)

log = logging.getLogger(__name__)

REORGANISED: Final = 32
"""Blocks by which a chain may go back and tell another story."""
_OF_NODES: Final = (NodeAnnounced, NodeRemoved)
_OF_ROUNDS: Final = (UpdateRevealed, ResultAttested)


class Announced:
    """Read from events, of which each look fetches only those that may be new. For several threads."""

    def __init__(self, chain: Chain, *, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Looks at the chain when `refresh` is called, but not more often than `every` so many seconds."""
        self._chain, self._every, self._clock = chain, every, clock
        self._lock = Lock()
        self._looked_at = float("-inf")
        self._next: BlockNumber | None = None
        self._window: int | None = None
        self._gateways: dict[Address, tuple[str, ...]] = {}
        self.senders = Senders()
        """Who gave out which document: the node whose update it is, and those that attested to it."""

    def refresh(self) -> None:
        """Reads what is new. Where the chain cannot be asked, what was known before still counts."""
        if not self._lock.acquire(blocking=self._next is None):
            return
        try:
            if self._clock() - self._looked_at >= self._every:
                self._looked_at = self._clock()
                self._read()
        except ChainError as error:
            log.debug("what peers announced is not known: %s", error)
        finally:
            self._lock.release()

    def gateways(self) -> Mapping[Address, tuple[str, ...]]:
        """The URLs at which each other node says that it serves its blocks."""
        return dict(self._gateways)

    @property
    def merge_window(self) -> int | None:
        """Seconds of the swarm's merge window before stretching; None before the chain answered."""
        return self._window

    def _read(self) -> None:
        view = self._chain.look()
        self._window = view.swarm.config.merge_window
        if self._next is None:
            # Of rounds that are over, everybody who took part has everything.
            events = [
                *self._chain.events(to_block=view.block_number, kinds=_OF_NODES),
                *self._chain.events(to_block=view.block_number, round_number=view.round.round, kinds=_OF_ROUNDS),
            ]
        else:
            kinds = (*_OF_NODES, *_OF_ROUNDS)
            events = [*self._chain.events(from_block=self._next, to_block=view.block_number, kinds=kinds)]
        self._take(events)
        self._next = BlockNumber(max(view.block_number - REORGANISED, 0))

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case NodeAnnounced() if event.node != self._chain.account:
                    self._gateways[event.node] = gateways_in(event.stores)
                case NodeRemoved():
                    self._gateways.pop(event.node, None)
                case UpdateRevealed():
                    self.senders.learn((event.digest,), (event.node,))
                case ResultAttested():
                    self.senders.learn((event.result,), (event.node,))
                case _:
                    pass
