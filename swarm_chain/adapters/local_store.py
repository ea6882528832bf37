"""Blocks in a directory: the store that needs no other program.

A file a block, named by its CID, in a folder named by the two characters before the CID's last (as Kubo's flatfs
does, since those are spread evenly). There is nothing else in the directory, so any tool that copies files copies
the store. Several processes may use it at once: a block appears whole under its name or not at all.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, cast

from swarm_chain.adapters.pruning import Documents, removable
from swarm_chain.core.cids import Cid, parse_cid, verify
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.errors import BlockNotFound, CidMismatch, CorruptedBlock, InvalidCid, StoreUnavailable, TooLarge
from swarm_chain.ports import MAX_BLOCK

_LEFTOVER = ".swarm-chain-"
_LEFTOVER_AGE = 3600
_CLOCK_STEP = 0.1
"""Seconds by which a file system's clock may lag behind."""
_REMEMBERED = 65_536
"""Blocks of which it is known that their file is as it was when it was checked: 64 GiB of chunks."""


class LocalStore:
    """A directory of blocks. `sync=False` leaves it to the system when they reach the disk: faster, lost in a crash."""

    def __init__(self, path: Path, *, sync: bool = True, writable: bool = True) -> None:
        """Opens the directory, and makes it if it is writable. Raises `StoreUnavailable`."""
        self._root, self._sync, self._writable = path.absolute(), sync, writable
        self._documents = Documents()
        self._checked: dict[Cid, tuple[int, int, int]] = {}
        with _translated(self._root):
            if writable:
                self._root.mkdir(parents=True, exist_ok=True)
                self._remove_leftovers()
            elif not self._root.is_dir():
                raise StoreUnavailable(f"there is no store at {self._root}; check the path")

    @property
    def name(self) -> str:
        """As `--store` takes it."""
        return f"local:{self._root}"

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writable

    def path(self, cid: Cid) -> Path:
        """The file that holds a block, or would."""
        name = str(cid)
        return self._root / name[-3:-1] / name

    def put(self, cid: Cid, data: bytes) -> None:
        """Keeps a block. One that is there already stays as it is, unless it was corrupted: then this repairs it.

        Raises `CidMismatch`, `StoreUnavailable`.
        """
        verify(cid, data)
        self._keep(cid, data)

    def publish(self, publication: Publication) -> None:
        """Keeps a document with its files. Nothing here is removed but by `prune`, so all of it is pinned."""
        for cid, data in publication.blocks():
            self._keep(cid, data)

    def _keep(self, cid: Cid, data: bytes) -> None:
        self._require_writable()
        path = self.path(cid)
        with _translated(self._root):
            if path.exists():
                _show_interest(path)
                if path.read_bytes() != data:
                    self._replace(path, data)
                return
            self._make_folder(path.parent)
            self._create(path, data)
            self._sync_folder(path.parent)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes. Raises `BlockNotFound`, `CorruptedBlock`, `TooLarge`, `StoreUnavailable`."""
        path = self.path(cid)
        with _translated(self._root):
            try:
                with path.open("rb", buffering=0) as stream:
                    data = stream.read(max_bytes + 1)
                    if len(data) > max_bytes:
                        self._check_once(cid, stream, path)
                        raise TooLarge(f"the block {cid} has more than the {max_bytes} bytes allowed; leave it out")
            except FileNotFoundError:
                raise BlockNotFound(f"{cid} is not in {self.name}; add a store that has it") from None
        try:
            verify(cid, data)
        except CidMismatch as error:
            raise _corrupted(cid, path) from error
        return data

    def open(self, cid: Cid) -> BinaryIO:
        """The block's file, for whoever passes its bytes on. They were checked since the file last changed.

        Raises `BlockNotFound`, `CorruptedBlock`, `StoreUnavailable`.
        """
        path = self.path(cid)
        with _translated(self._root):
            try:
                stream = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise BlockNotFound(f"{cid} is not in {self.name}; add a store that has it") from None
            try:
                self._check_once(cid, stream, path)
            except BaseException:
                stream.close()
                raise
        return cast("BinaryIO", stream)

    def _check_once(self, cid: Cid, stream: FileIO, path: Path) -> None:
        """Reads a file through, unless it is the one that was read before."""
        found = os.fstat(stream.fileno())
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._checked.get(cid) == version:
            return
        stream.seek(0)
        if hashlib.file_digest(stream, "sha256").digest() != cid.digest:
            raise _corrupted(cid, path)
        stream.seek(0)
        if len(self._checked) >= _REMEMBERED:
            self._checked.clear()
        self._checked[cid] = version

    def has(self, cid: Cid) -> bool:
        """Whether the block is here; its bytes are not looked at."""
        with _translated(self._root):
            return self.path(cid).exists()

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """Those that are here."""
        return frozenset(filter(self.has, cids))

    def prune(self, retention: Retention) -> None:
        """Removes the files of old rounds that no other document here names. Raises `StoreUnavailable`."""
        self._require_writable()
        began = time.time()
        for cid in removable(self, retention, self._documents):
            path = self.path(cid)
            with _translated(self._root), suppress(FileNotFoundError):
                if path.stat().st_ctime < began - _CLOCK_STEP:
                    path.unlink()

    def cids(self) -> Iterator[Cid]:
        """The blocks that are here, in no order. Files that are none are passed over."""
        with _translated(self._root):
            for path in self._root.glob("??/*"):
                try:
                    yield parse_cid(path.name)
                except InvalidCid:
                    continue

    def _require_writable(self) -> None:
        if not self._writable:
            raise StoreUnavailable(f"the store at {self._root} was opened for reading; open it for writing")

    def _create(self, path: Path, data: bytes) -> None:
        try:
            self._link_unnamed(path, data)
        except FileExistsError:
            return
        except (OSError, AttributeError):
            # No unnamed files on this system or file system.
            self._replace(path, data)

    def _link_unnamed(self, path: Path, data: bytes) -> None:
        # A file without a name: a crash leaves nothing behind.
        handle = os.open(self._root, os.O_TMPFILE | os.O_WRONLY, 0o644)
        with os.fdopen(handle, "wb") as stream:
            self._fill(stream.fileno(), data)
            # Any `src_dir_fd` makes Python call linkat, which follows the link in /proc.
            os.link(f"/proc/self/fd/{stream.fileno()}", path, src_dir_fd=stream.fileno(), follow_symlinks=True)

    def _replace(self, path: Path, data: bytes) -> None:
        handle, name = mkstemp(dir=self._root, prefix=_LEFTOVER)
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), 0o644)
                self._fill(stream.fileno(), data)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        self._sync_folder(path.parent)

    def _fill(self, handle: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        if self._sync:
            os.fsync(handle)

    def _make_folder(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            self._sync_folder(self._root)

    def _sync_folder(self, folder: Path) -> None:
        if self._sync:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _remove_leftovers(self) -> None:
        # Another process may be writing right now: only what is old was left behind.
        for path in self._root.glob(f"{_LEFTOVER}*"):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AGE:
                path.unlink(missing_ok=True)


def _corrupted(cid: Cid, path: Path) -> CorruptedBlock:
    return CorruptedBlock(f"the block {cid} is corrupted at {path}; delete the file and fetch the block again")


def _show_interest(path: Path) -> None:
    """Changes nothing of a file but when it was last changed in any way: who prunes at this moment looks at that."""
    found = path.stat()
    with suppress(PermissionError):  # another user's
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@contextmanager
def _translated(root: Path) -> Iterator[None]:
    """Turns an error of the operating system into `StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the store at {root} failed: {error}; check the path, its rights and the disk"
        ) from error
