"""Where a swarm in one process keeps documents and weights: what `judge` reads them from."""

from __future__ import annotations

from pathlib import Path

from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.documents import Document
from swarm_chain.core.unixfs import File, import_bytes, import_file
from swarm_chain.core.weights import encode
from swarm_chain.errors import BlockNotFound
from swarm_chain.types import Digest, Parameters


class Shelf:
    """A `judge.Library` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._documents: dict[Digest, bytes] = {}

    def add(self, document: Document) -> Digest:
        """Keeps a document, and says its digest."""
        data = document.encode()
        digest = cid_of(data, Codec.DAG_CBOR).digest
        self._documents[digest] = data
        return digest

    def add_weights(self, parameters: Parameters) -> File:
        """Keeps weights, and says which file they are."""
        data = encode(parameters)
        file = import_bytes(data)
        self._path(file).write_bytes(data)
        return file

    def adopt(self, path: Path) -> Path:
        """Keeps a file that was written here, and says where."""
        return path.replace(self._path(import_file(path)))

    def document(self, digest: Digest) -> bytes:
        """The block of a document. Raises `BlockNotFound`."""
        if digest not in self._documents:
            raise BlockNotFound(f"0x{digest.hex()} was never here")
        return self._documents[digest]

    def weights(self, file: File) -> Path:
        """A local file with these bytes. Raises `BlockNotFound`."""
        path = self._path(file)
        if not path.exists():
            raise BlockNotFound(f"{file.cid} was never here")
        return path

    def _path(self, file: File) -> Path:
        return self.folder / str(file.cid)
