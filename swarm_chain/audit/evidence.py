"""The bytes that stores hold: each block verified, whole files kept on disk, and every failure remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swarm_chain.core import unixfs
from swarm_chain.core.cids import Cid, Codec, document_cid, verify
from swarm_chain.core.documents import Document
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import File
from swarm_chain.errors import CidMismatch, CorruptedBlock, StoreError
from swarm_chain.ports import MAX_BLOCK, UpdateStore
from swarm_chain.types import Digest

T = TypeVar("T")
D = TypeVar("D", bound=Document)

Failures = dict[Cid, StoreError]
"""What could not be had or did not match its CID, by the document or file that needed it."""


class Evidence:
    """The `judge.Library` of an audit. Weights go to `folder`; nothing else is ever written."""

    def __init__(self, store: UpdateStore, folder: Path) -> None:
        self._store = store
        self._spool = Spool(folder, self.block)
        self._failures: Failures = {}

    @property
    def scratch(self) -> Path:
        """Where to write a merge."""
        return self._spool.scratch

    def take_failures(self) -> Failures:
        """The failures since this was asked last."""
        taken, self._failures = self._failures, {}
        return taken

    def block(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """A block's bytes, verified. Raises what the store does, `CorruptedBlock` too where it does not verify."""
        data = self._store.get(cid, max_bytes=max_bytes)
        try:
            verify(cid, data)
        except CidMismatch as error:
            raise CorruptedBlock(f"{self._store.name} gave {error}") from error
        return data

    def document(self, digest: Digest) -> bytes:
        """A document's bytes."""
        return self._noting(document_cid(digest), lambda: self._spool.document(digest))

    def read(self, digest: Digest, kind: type[D]) -> D:
        """A document. Raises a `StoreError`, or `MalformedDocument`."""
        return kind.decode(self.document(digest))

    def weights(self, file: File) -> Path:
        """A local file with these bytes. Raises a `StoreError`, or `MalformedFile`."""
        return self._noting(file.cid, lambda: self._spool.weights(file))

    def check_file(self, file: File) -> None:
        """Returns if the store has every block of a file. Raises a `StoreError`, or `MalformedFile`."""
        self._noting(file.cid, lambda: self._walk(file))

    def glance(self, cid: Cid, *, size: int | None = None, max_bytes: int = MAX_BLOCK) -> bool:
        """Whether all of a document or file is there, where nothing depends on it: only corruption is a failure."""
        try:
            if cid.codec is Codec.DAG_CBOR:
                self.block(cid)
            else:
                self._walk(File(cid=cid, size=size) if size is not None else self._find(cid, max_bytes))
        except CidMismatch as error:
            self._failures[cid] = error
            return False
        except StoreError:
            return False
        return True

    def adopt(self, path: Path, file: File) -> Path:
        """Keeps a local file that has these bytes: what needs it does not ask the store."""
        return self._spool.adopt(path, file)

    def keep_only(self, cids: set[Cid]) -> None:
        """Removes all other weights from disk."""
        self._spool.keep_only(cids)

    def _walk(self, file: File) -> None:
        for _ in unixfs.walk(self.block, file):
            pass

    def _find(self, cid: Cid, max_bytes: int) -> File:
        return unixfs.find_file(self.block, cid, max_bytes=max_bytes)

    def _noting(self, root: Cid, read: Callable[[], T]) -> T:
        try:
            return read()
        except StoreError as error:
            self._failures[root] = error
            raise
