"""Which blocks of a store may be removed, where nothing but blocks is known: those below files that nobody names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.links import links_of
from swarm_chain.core.retention import Retention, files_named
from swarm_chain.errors import BlockNotFound, CorruptedBlock, Malformed
from swarm_chain.ports import MAX_BLOCK


class Blocks(Protocol):
    """A store that can list what it has."""

    def cids(self) -> Iterable[Cid]: ...

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes: ...


class Documents:
    """The files that a store's documents name. Each document is read once: it cannot change."""

    def __init__(self) -> None:
        self._named: dict[Cid, frozenset[Cid]] = {}

    def files(self, blocks: Blocks, documents: Iterable[Cid]) -> frozenset[Cid]:
        """What these documents name, as far as they can be read."""
        return frozenset().union(*(self._files(blocks, cid) for cid in documents))

    def _files(self, blocks: Blocks, cid: Cid) -> frozenset[Cid]:
        if cid not in self._named:
            try:
                self._named[cid] = frozenset(files_named(cid, blocks.get(cid)))
            except (BlockNotFound, CorruptedBlock, Malformed):
                return frozenset()
        return self._named[cid]


def removable(blocks: Blocks, retention: Retention, known: Documents) -> list[Cid]:
    """The blocks to remove, each before those that link to it: so that what is left undone can be done later.

    A file stays that any document here names, of this swarm or another, unless it is one of the old ones; and so do
    the blocks that it shares with files that go.
    """
    others = (cid for cid in blocks.cids() if cid.codec is Codec.DAG_CBOR and cid not in retention.old)
    spared = known.files(blocks, others) | retention.kept
    stays = {block for file in spared for block in _tree(blocks, file)}
    going = dict.fromkeys(block for file in retention.files - spared for block in _tree(blocks, file))
    return [block for block in reversed(going) if block not in stays]


def _tree(blocks: Blocks, root: Cid) -> Iterator[Cid]:
    """A file's blocks from the root down, as far as they are here."""
    waiting = [root]
    while waiting:
        cid = waiting.pop()
        yield cid
        if cid.codec is Codec.DAG_PB:
            try:
                waiting.extend(links_of(cid, blocks.get(cid)))
            except (BlockNotFound, CorruptedBlock, Malformed):
                continue
