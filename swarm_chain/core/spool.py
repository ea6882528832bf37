"""A folder of whole files, so that weights from a store can be mapped into memory.

All of it can be fetched again, but for what `add` was given and nobody published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path

from swarm_chain.core.cids import Cid, document_cid, verify
from swarm_chain.core.documents import MAX_DOCUMENT
from swarm_chain.core.files import replacing, sync_folder
from swarm_chain.core.unixfs import File, import_file, save
from swarm_chain.core.weights import write
from swarm_chain.types import Digest, Parameters


class Spool:
    """The `judge.Library` over a store's `get`: documents and weights fetched once, weights kept as files.

    A failure is not remembered: the next call asks the store again, since a peer's blocks may have come meanwhile.
    Several threads may fetch at once.
    """

    def __init__(self, folder: Path, get: Callable[..., bytes]) -> None:
        self._folder, self._get = folder, get
        self._documents: dict[Digest, bytes] = {}
        self._checked: set[File] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._leftovers():
            leftover.unlink(missing_ok=True)

    def through(self, get: Callable[..., bytes]) -> Spool:
        """The same spool, with everything that is in it, over another `get`."""
        twin = copy(self)
        twin._get = get
        return twin

    def document(self, digest: Digest) -> bytes:
        """The block of a document. Raises what `get` raises, and `CidMismatch`."""
        if digest not in self._documents:
            data = self._get(document_cid(digest), max_bytes=MAX_DOCUMENT)
            verify(document_cid(digest), data)
            self._documents[digest] = data
        return self._documents[digest]

    def weights(self, file: File) -> Path:
        """A local file with these bytes. Raises what `get` raises, and `MalformedFile`."""
        path = self.path(file.cid)
        if file in self._checked and path.exists():
            return path
        if not (path.exists() and import_file(path) == file):
            # Not synced: it can be fetched again, and after a start it is checked before it is used.
            save(self._get, file, path, sync=False)
        self._checked.add(file)
        return path

    @property
    def scratch(self) -> Path:
        """Where to write a file whose root is not known yet, before `adopt`."""
        return self._folder / ".scratch.tmp"

    def adopt(self, path: Path, file: File) -> Path:
        """Moves a local file that has these bytes into the spool, its new name synced, and says where it is now."""
        self._checked.add(file)
        adopted = path.replace(self.path(file.cid))
        sync_folder(self._folder)
        return adopted

    def add(self, parameters: Parameters) -> File:
        """The weights of some tensors, on disk when this returns."""
        with replacing(self.scratch) as stream:
            write(parameters, stream.write)
        file = import_file(self.scratch)
        self.adopt(self.scratch, file)
        return file

    def holds(self, cid: Cid) -> bool:
        """Whether a file with this root is here."""
        return self.path(cid).exists()

    def path(self, cid: Cid) -> Path:
        """Where a file with this root lies, or will."""
        return self._folder / str(cid)

    def keep_only(self, cids: set[Cid]) -> None:
        """Removes the weights of all other roots."""
        kept = {str(cid) for cid in cids}
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)
        self._checked = {file for file in self._checked if file.cid in cids}
        self._documents.clear()

    def _leftovers(self) -> Iterator[Path]:
        return self._folder.glob(".*.tmp")
