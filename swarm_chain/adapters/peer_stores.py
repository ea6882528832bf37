"""Blocks from the other nodes, where they announced that they serve them: strangers' word, checked byte by byte."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Final, TypeVar

from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.peers.announced import Announced
from swarm_chain.adapters.peers.peer import Peer
from swarm_chain.adapters.peers.racing import NoneArrivedError, first_of
from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.links import links_of
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.errors import BlockNotFound, Malformed, StoreError, StoreUnavailable
from swarm_chain.ports import MAX_BLOCK, Chain, UpdateStore
from swarm_chain.types import Address

T = TypeVar("T")

MAX_ASKED: Final = 8
"""Peers that are asked for one block."""
HEDGE: Final = 0.5
"""Seconds after which another peer is asked too; twice what a block takes, where that is more."""
SHARE: Final = 15
"""A block may take so many times less than the merge window; that is what a node which lies can cost at once."""
LEAST, MOST = 2.0, 20.0
"""Seconds that a block may take at least, and at most."""


class PeerStores:
    """The other nodes' stores as one that is only read, by as many threads as like.

    Asked first for a document and its files are those who gave it out, and for any other block the one that gave the
    last. A peer that does not answer soon is asked beside others, and one that fails rests for a while: so it costs
    what only it has.
    """

    def __init__(
        self, chain: Chain, *, allow_private: bool, every: float = 3.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`allow_private` lets peers be at addresses of this machine and of private networks.

        The chain is looked at when a block is wanted, but not more often than `every` so many seconds.
        """
        self._announced = Announced(chain, every=every, clock=clock)
        self._allow_private, self._clock = allow_private, clock
        self._lock = Lock()
        self._peers: dict[Address, Peer] = {}
        self._giver: Address | None = None
        self._pace = 0.0

    @property
    def name(self) -> str:
        """What it is: these stores are nobody's choice."""
        return "peers"

    @property
    def is_writable(self) -> bool:
        """Never: peers are read."""
        return False

    def put(self, cid: Cid, data: bytes) -> None:
        """Raises `StoreUnavailable`."""
        raise StoreUnavailable("peers' stores can only be read; add a store to write to, as --store local:PATH")

    def publish(self, publication: Publication) -> None:
        """Raises `StoreUnavailable`."""
        self.put(publication.root, publication.document)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes, verified, from the first peer that gives it; soon, whatever peers do.

        Raises `BlockNotFound` where all that are there say that they lack it, else `StoreUnavailable`.
        """

        def ask(peer: Peer, is_its_own: bool) -> bytes:
            begun = self._clock()
            data = peer.get(cid, max_bytes, is_its_own=is_its_own)
            self._giver, self._pace = peer.node, (self._pace * 3 + self._clock() - begun) / 4
            self._learn(cid, data, peer.node)
            return data

        return self._first(ask, cid)

    def has(self, cid: Cid) -> bool:
        """Whether a peer says that it has the block. Raises `StoreUnavailable` where too few could be asked."""

        def ask(peer: Peer, is_its_own: bool) -> bool:
            if not peer.has(cid, is_its_own=is_its_own):
                raise BlockNotFound(f"{peer.node.hex()} lacks {cid}")
            return True

        try:
            return self._first(ask, cid)
        except BlockNotFound:
            return False

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """None: peers keep what is there."""
        return frozenset()

    def prune(self, retention: Retention) -> None:
        """Does nothing: peers keep what is there."""

    def close(self) -> None:
        """Ends all connections. The store can be used again."""
        with self._lock:
            for peer in self._peers.values():
                peer.close()

    # ---------------------------------------------------------------------------------------------------------- asking

    def _first(self, ask: Callable[[Peer, bool], T], cid: Cid) -> T:
        """What the first peer gives that does not fail. Raises `BlockNotFound`, `StoreUnavailable`."""
        self._announced.refresh()
        senders = self._announced.senders.of(cid.digest)
        peers = [(peer, peer.node in senders) for peer in self._known()]
        awake = [(peer, is_its_own) for peer, is_its_own in peers if not peer.is_resting(is_its_own=is_its_own)]
        ways = [partial(ask, peer, is_its_own) for peer, is_its_own in self._in_order(awake)]
        try:
            return first_of(ways, after=max(HEDGE, min(2 * self._pace, self._seconds / 3)), seconds=self._seconds)
        except NoneArrivedError as none:
            raise _error(none, cid, resting=len(peers) > len(awake)) from None

    def _learn(self, cid: Cid, data: bytes, giver: Address) -> None:
        """Remembers who has what a block links to: whoever gave the block out, or gave it now."""
        if cid.codec is not Codec.RAW:
            with suppress(Malformed):
                nodes = self._announced.senders.of(cid.digest) or (giver,)
                self._announced.senders.learn((link.digest for link in links_of(cid, data)), nodes)

    @property
    def _seconds(self) -> float:
        """How long a block may take: of the merge window, which may be short, a small part."""
        window = self._announced.merge_window
        return MOST if window is None else min(max(window / SHARE, LEAST), MOST)

    def _in_order(self, peers: Sequence[tuple[Peer, bool]]) -> Sequence[tuple[Peer, bool]]:
        """The peers to ask, the most promising first; among equals by chance, so that not all nodes ask the same."""

        def rank(one: tuple[Peer, bool]) -> tuple[bool, bool, int, float]:
            peer, is_its_own = one
            return not is_its_own, peer.node != self._giver, peer.failures(is_its_own=is_its_own), random.random()

        return sorted(peers, key=rank)[:MAX_ASKED]

    def _known(self) -> Sequence[Peer]:
        """The nodes that announced a gateway, each with what it announced last."""
        announced = {node: urls for node, urls in self._announced.gateways().items() if urls}
        with self._lock:
            for node in [node for node, peer in self._peers.items() if announced.get(node) != peer.urls]:
                self._peers.pop(node).close()
            for node, urls in announced.items():
                if node not in self._peers:
                    self._peers[node] = self._peer(node, urls)
            return list(self._peers.values())

    def _peer(self, node: Address, urls: tuple[str, ...]) -> Peer:
        return Peer(node, urls, seconds=self._seconds, allow_private=self._allow_private, clock=self._clock)


def with_peers(store: UpdateStore | None, chain: Chain, *, allow_private: bool, every: float = 3.0) -> UpdateStore:
    """A store, and after it the other nodes' stores; what comes from these is kept where it can be written to."""
    peers = PeerStores(chain, allow_private=allow_private, every=every)
    own = store.stores if isinstance(store, CompositeStore) else () if store is None else (store,)
    return CompositeStore([*own, peers])


def _error(none: NoneArrivedError, cid: Cid, *, resting: bool) -> StoreError:
    """The error that says what asking the peers came to."""
    troubles = [failure for failure in none.failures if not isinstance(failure, BlockNotFound)]
    if troubles:
        return StoreUnavailable(str(troubles[-1]))
    if not none.in_time or resting:
        return StoreUnavailable(f"the peers that may have the block {cid} do not answer; it is tried again")
    return BlockNotFound(
        f"no peer that announced where it serves has the block {cid}; start the agent that has it, or give a store "
        "that does"
    )
