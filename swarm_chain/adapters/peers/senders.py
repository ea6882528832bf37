"""Who gave out what, as far as it is remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from threading import Lock
from typing import Final

from swarm_chain.types import Address, Digest

MAX_REMEMBERED: Final = 32 * 1024
"""Blocks: those of many rounds' documents, and of the files that are being fetched."""
_MAX_AT_ONCE: Final = 1024
"""Links of one block that are remembered: as many as a node of a file has."""
_MAX_NODES: Final = 8


class Senders:
    """The nodes that have a block, by its digest; what was learnt long ago is forgotten first. For several threads."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[Digest, tuple[Address, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, digest: Digest) -> tuple[Address, ...]:
        """The nodes that have it."""
        return self._nodes.get(digest, ())

    def learn(self, digests: Iterable[Digest], nodes: Iterable[Address]) -> None:
        """Remembers that these nodes have these blocks."""
        with self._lock:
            for digest in islice(digests, _MAX_AT_ONCE):
                known = self._nodes.pop(digest, ())
                self._nodes[digest] = tuple(dict.fromkeys((*known, *nodes)))[:_MAX_NODES]
            while len(self._nodes) > MAX_REMEMBERED:
                self._nodes.popitem(last=False)
