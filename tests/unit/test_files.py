"""Files that appear whole, and stay after a crash: what is synced, and when."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from swarm_chain.core.files import replacing
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import import_file


class Disk:
    """What would be there after a crash of the machine: names as of a folder's last sync, bytes as of a file's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, int] = {}
        self._bytes: dict[int, bytes] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._synced)

    def read(self, path: Path) -> bytes | None:
        return self._bytes.get(self._names.get(path.name, -1))

    def _synced(self, handle: int) -> None:
        self._fsync(handle)
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            assert status.st_ino == self.folder.stat().st_ino
            self._names = {path.name: path.stat().st_ino for path in self.folder.iterdir()}
        else:
            (path,) = (path for path in self.folder.iterdir() if path.stat().st_ino == status.st_ino)
            self._bytes[status.st_ino] = path.read_bytes()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Disk:
    return Disk(monkeypatch, tmp_path)


def test_replacing__it_is_done__bytes_and_name_are_on_disk(disk: Disk) -> None:
    path = disk.folder / "file"
    with replacing(path) as stream:
        stream.write(b"bytes")
    assert disk.read(path) == b"bytes"


def test_replacing__without_sync__nothing_waits_for_the_disk(disk: Disk) -> None:
    path = disk.folder / "file"
    with replacing(path, sync=False) as stream:
        stream.write(b"bytes")
    assert path.read_bytes() == b"bytes"
    assert disk.read(path) is None


def test_replacing__an_error_while_writing__leaves_what_was_there(disk: Disk) -> None:
    path = disk.folder / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as stream:
            stream.write(b"new")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert [(one.name, one.read_bytes()) for one in disk.folder.iterdir()] == [("file", b"old")]


def _no_block(*_: object, **__: object) -> bytes:
    raise AssertionError("nothing has to be fetched")


def test_spool__weights_are_added__are_on_disk_under_their_root(disk: Disk) -> None:
    spool = Spool(disk.folder, _no_block)
    path = spool.path(spool.add({"a": np.zeros(3)}).cid)
    assert path.exists()
    assert disk.read(path) == path.read_bytes()


def test_spool__a_synced_file_is_adopted__is_on_disk_under_its_root(disk: Disk) -> None:
    spool = Spool(disk.folder, _no_block)
    with replacing(spool.scratch) as stream:
        stream.write(b"merged")
    path = spool.adopt(spool.scratch, import_file(spool.scratch))
    assert disk.read(path) == b"merged"
