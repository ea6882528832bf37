"""A document and the files below it, as they are handed to a store in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import blocks_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A document's bytes, and the files that it links to: where they lie, or their bytes.

    `merged` is what others published and this document links to: to be kept with it, by a store that lets go of what
    nobody told it to keep.
    """

    document: bytes
    files: tuple[Path | bytes, ...] = ()
    merged: tuple[Publication, ...] = ()

    @property
    def root(self) -> Cid:
        """The document's CID: what is pinned."""
        return cid_of(self.document, Codec.DAG_CBOR)

    @property
    def size(self) -> int:
        """Bytes of the document and the files; the nodes that hold a file's chunks together are not counted."""
        return len(self.document) + sum(
            len(file) if isinstance(file, bytes) else file.stat().st_size for file in self.files
        )

    def blocks(self) -> Iterator[tuple[Cid, bytes]]:
        """Every block with its CID as computed just now, what is linked to before what links, the root last.

        Few chunks are in memory at a time. May be asked again, by a store that has to begin anew.
        """
        for file in self.files:
            yield from blocks_of(file)
        yield self.root, self.document
