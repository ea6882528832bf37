"""Several stores as one: written to every writable one, read from the first that has it."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence

from swarm_chain.core.cids import Cid, verify
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.errors import (
    BlockNotFound,
    CidMismatch,
    ConfigurationError,
    CorruptedBlock,
    StoreError,
    StoreUnavailable,
    TooLarge,
)
from swarm_chain.ports import MAX_BLOCK, UpdateStore

log = logging.getLogger(__name__)

SLOW: float = 1.0
"""Seconds after which a store that has nothing to give is not asked first any more."""
REST: float = 60.0
"""Seconds for which it is asked after the others."""


class CompositeStore:
    """Stores in the order in which they are asked.

    A read goes on to the next store where one lacks the block, holds bytes that are not it, or cannot be reached. One
    that took long to come to that, as an IPFS node does that asks around, is asked after the others for a while: a file
    has many blocks, and who has one of them has the others.

    Where no store gives it, the error says whether that is so because one is corrupted, because one could not be
    asked, or because nobody has it: these mean different things to an audit.
    """

    def __init__(self, stores: Sequence[UpdateStore]) -> None:
        """Raises `ConfigurationError` where there is no store."""
        if not stores:
            raise ConfigurationError("no store is given; use --store local:PATH")
        self.stores = tuple(stores)
        self._rests_until = [0.0] * len(stores)

    @property
    def name(self) -> str:
        """The stores' names, separated by spaces."""
        return " ".join(store.name for store in self.stores)

    @property
    def is_writable(self) -> bool:
        """Whether there is one to write to."""
        return any(store.is_writable for store in self.stores)

    def put(self, cid: Cid, data: bytes) -> None:
        """Keeps a block in every writable store. Raises `CidMismatch`, and `StoreUnavailable` if one failed."""
        verify(cid, data)
        for store in self._writable():
            store.put(cid, data)

    def publish(self, publication: Publication) -> None:
        """Keeps a document with its files in every writable store. Raises `StoreUnavailable` if one failed."""
        for store in self._writable():
            store.publish(publication)

    def _writable(self) -> list[UpdateStore]:
        """The stores to write to. Raises `StoreUnavailable` where there is none."""
        writable = [store for store in self.stores if store.is_writable]
        if not writable:
            raise StoreUnavailable(f"{self.name} can only be read; add a store to write to, as --store local:PATH")
        return writable

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block from the first store that gives it; kept in the writable ones too where that one is not.

        So a node serves what it fetched from others. A corrupted copy on the way is repaired, whoever gave the bytes.
        Raises `BlockNotFound`, or what says more: `StoreUnavailable`, `CidMismatch`, `TooLarge`, which no store that
        others run is believed at once.
        """
        problems: list[StoreError | TooLarge] = []
        for index in self._in_order():
            began = time.monotonic()
            try:
                data = self.stores[index].get(cid, max_bytes=max_bytes)
            except (StoreError, TooLarge) as problem:
                problems.append(problem)
                self._note(index, time.monotonic() - began)
                continue
            corrupted = [one for one in problems if isinstance(one, CorruptedBlock)]
            for one in corrupted:
                log.warning("%s; %s has the right bytes", one, self.stores[index].name)
            if corrupted or not self.stores[index].is_writable:
                self._keep(cid, data)
            return data
        raise _worst(problems)

    def _in_order(self) -> list[int]:
        """Which store to ask first, and which next: those that rest come last."""
        return sorted(range(len(self.stores)), key=self._rests)

    def _rests(self, index: int) -> bool:
        return self._rests_until[index] > time.monotonic()

    def _note(self, index: int, seconds: float) -> None:
        """Remembers that a store gave nothing in so much time."""
        if seconds > SLOW:
            self._rests_until[index] = time.monotonic() + REST

    def _keep(self, cid: Cid, data: bytes) -> None:
        """Reading must not fail because a copy could not be kept, nor wait for each block for a store that is away."""
        for index, store in enumerate(self.stores):
            if store.is_writable and not self._rests(index):
                began = time.monotonic()
                try:
                    store.put(cid, data)
                except StoreError as error:
                    log.warning("%s could not keep a copy of %s: %s", store.name, cid, error)
                    self._note(index, time.monotonic() - began)

    def has(self, cid: Cid) -> bool:
        """Whether a store that can be asked has the block."""
        return any(_has(store, cid) for store in self.stores)

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """What stays in any of the stores. Raises `StoreUnavailable` if one cannot be asked."""
        return frozenset().union(*(store.pinned(cids) for store in self.stores))

    def prune(self, retention: Retention) -> None:
        """Lets every writable store let go of the files of old rounds. Raises `StoreUnavailable` if one failed."""
        for store in self._writable():
            store.prune(retention)


def _has(store: UpdateStore, cid: Cid) -> bool:
    try:
        return store.has(cid)
    except StoreUnavailable:
        return False


def _worst(problems: Sequence[StoreError | TooLarge]) -> StoreError | TooLarge:
    """What says most: too many bytes, wrong ones, a store that could not be asked, a block that is not there."""
    for kind in (TooLarge, CorruptedBlock, CidMismatch, StoreUnavailable, BlockNotFound):
        for problem in problems:
            if isinstance(problem, kind):
                return problem
    return problems[0]
