"""Any store, with the bytes counted that are handed to it and that come from it."""

from __future__ import annotations

from collections.abc import Collection

from swarm_chain.adapters.meter import Meter
from swarm_chain.core.cids import Cid
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.core.traffic import Traffic
from swarm_chain.ports import MAX_BLOCK, UpdateStore


class CountingStore:
    """A store behind a meter. A block that a store has already counts like any other: it was handed over."""

    def __init__(self, store: UpdateStore, meter: Meter) -> None:
        self._store, self._meter = store, meter

    @property
    def name(self) -> str:
        """The store's own."""
        return self._store.name

    @property
    def is_writable(self) -> bool:
        """Whether the store is."""
        return self._store.is_writable

    def put(self, cid: Cid, data: bytes) -> None:
        """Hands a block to the store; one that it refuses is not counted."""
        self._store.put(cid, data)
        self._meter.count(Traffic(store_written=len(data)))

    def publish(self, publication: Publication) -> None:
        """Hands a document with its files to the store."""
        self._store.publish(publication)
        self._meter.count(Traffic(store_written=publication.size))

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block from the store."""
        data = self._store.get(cid, max_bytes=max_bytes)
        self._meter.count(Traffic(store_read=len(data)))
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the store has the block."""
        return self._store.has(cid)

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """What stays in the store."""
        return self._store.pinned(cids)

    def prune(self, retention: Retention) -> None:
        """Lets the store let go of the files of old rounds."""
        self._store.prune(retention)
