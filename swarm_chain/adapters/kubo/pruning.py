"""What a node keeps of a swarm, and how it lets go of old rounds: pins are counted by nobody, so all is looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from swarm_chain.adapters.kubo.pins import Pins
from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.links import links_of
from swarm_chain.core.retention import Retention, files_named
from swarm_chain.errors import BlockNotFound, Malformed

Get = Callable[[Cid], bytes]
"""A block that is on the node itself."""

_SECONDS = 60.0


class Shelf:
    """A node's pins, with what its documents link to. Each document is read once."""

    def __init__(self, pins: Pins, get: Get) -> None:
        self._pins, self._get = pins, get
        self._blocks: dict[Cid, tuple[frozenset[Cid], frozenset[Cid]]] = {}

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """Those that are pinned, by themselves or below another document."""
        recursive = self._pins.listed("recursive")
        return frozenset(cids) & (self._below(recursive) | self._pins.listed("direct"))

    def prune(self, retention: Retention) -> None:
        """Unpins the files of old rounds; documents, and what other documents name, stay pinned."""
        recursive = self._pins.listed("recursive")
        if with_all := recursive & retention.documents:
            self._pin_alone(with_all, retention, recursive)
            recursive = self._pins.listed("recursive")
        pinned = recursive | self._pins.listed("direct")
        others = (cid for cid in pinned if cid.codec is Codec.DAG_CBOR and cid not in retention.old)
        spared = frozenset().union(*(self._named(cid) for cid in others)) | retention.kept
        # A pin may be anybody's: only what surely is this swarm's goes.
        for cid in (retention.judged & recursive) - spared:
            self._pins.remove(cid)

    def _pin_alone(self, with_all: Iterable[Cid], retention: Retention, recursive: Collection[Cid]) -> None:
        """Pins documents by themselves that were pinned with all below them, once that is pinned by itself too."""
        below = self._below(with_all)
        for cid in below & retention.kept:
            if cid not in recursive:
                self._pins.add(cid, "recursive", seconds=_SECONDS)
        for cid in below & retention.documents:
            if cid not in recursive:
                self._pins.add(cid, "direct", seconds=_SECONDS)
        for cid in with_all:
            # Nothing in between lets go of it: a node collects rubbish once an hour, if at all.
            self._pins.remove(cid)
            self._pins.add(cid, "direct", seconds=_SECONDS)

    def _below(self, roots: Iterable[Cid]) -> frozenset[Cid]:
        """Documents and files that are pinned with these roots."""
        found: set[Cid] = set()
        waiting = list(roots)
        while waiting:
            cid = waiting.pop()
            if cid not in found:
                found.add(cid)
                waiting.extend(self._linked(cid))
        return frozenset(found)

    def _linked(self, cid: Cid) -> frozenset[Cid]:
        return self._read(cid)[0]

    def _named(self, cid: Cid) -> frozenset[Cid]:
        return self._read(cid)[1]

    def _read(self, cid: Cid) -> tuple[frozenset[Cid], frozenset[Cid]]:
        """What a document links to, and the files that it names; nothing for what is none, or is not here.

        Raises `StoreUnavailable` where that cannot be found out: nothing may go then.
        """
        if cid.codec is not Codec.DAG_CBOR:
            return frozenset(), frozenset()
        if cid not in self._blocks:
            try:
                data = self._get(cid)
                self._blocks[cid] = frozenset(links_of(cid, data)), frozenset(files_named(cid, data))
            except (BlockNotFound, Malformed):
                return frozenset(), frozenset()
        return self._blocks[cid]
