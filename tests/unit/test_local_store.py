"""The local store: a directory of blocks that several processes share, and that never passes on a wrong byte."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm_chain.adapters import local_store
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core.cids import Cid, Codec, cid_of, parse_cid
from swarm_chain.errors import BlockNotFound, CidMismatch, CorruptedBlock, StoreUnavailable, TooLarge
from swarm_chain.ports import UpdateStore

BLOCK = b"some bytes of a block"
CID = cid_of(BLOCK, Codec.RAW)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture(params=["unnamed", "named"], autouse=True)
def _way_of_writing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test with unnamed temporary files, and as on a system that has none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_put__a_block__is_in_a_file_of_its_cid_and_nothing_else(store: LocalStore, tmp_path: Path) -> None:
    store.put(CID, BLOCK)
    assert files(tmp_path) == [f"store/{str(CID)[-3:-1]}/{CID}"]
    assert store.get(CID) == BLOCK
    assert store.has(CID)
    assert [*store.cids()] == [CID]


def test_store__as_a_port__has_all_of_it(store: LocalStore, tmp_path: Path) -> None:
    port: UpdateStore = store
    assert port.name == f"local:{tmp_path / 'store'}"
    assert port.is_writable


@pytest.mark.parametrize("codec", Codec)
def test_get__blocks_of_every_codec__are_apart(store: LocalStore, codec: Codec) -> None:
    store.put(Cid(codec, CID.digest), BLOCK)
    assert store.get(Cid(codec, CID.digest)) == BLOCK
    assert [*store.cids()] == [Cid(codec, CID.digest)]


def test_put__bytes_of_another_cid__raises_cid_mismatch_and_keeps_nothing(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(CidMismatch):
        store.put(CID, BLOCK + b"x")
    assert files(tmp_path) == []


def test_get__a_missing_block__raises_block_not_found(store: LocalStore) -> None:
    with pytest.raises(BlockNotFound, match=str(CID)):
        store.get(CID)
    assert not store.has(CID)


def test_get__one_bit_flipped__raises_corrupted_block_with_cid_and_path(store: LocalStore) -> None:
    store.put(CID, BLOCK)
    flip_a_bit(store.path(CID))
    with pytest.raises(CorruptedBlock) as raised:
        store.get(CID)
    assert str(CID) in str(raised.value)
    assert str(store.path(CID)) in str(raised.value)


@pytest.mark.parametrize("damage", [b"", BLOCK[:-1], BLOCK + b"x" * 3_000_000])
def test_get__bytes_lost_or_added__raises_corrupted_block(store: LocalStore, damage: bytes) -> None:
    store.put(CID, BLOCK)
    store.path(CID).write_bytes(damage)
    with pytest.raises(CorruptedBlock):
        store.get(CID, max_bytes=100)


def test_put__again_over_a_corrupted_block__repairs_it(store: LocalStore, tmp_path: Path) -> None:
    store.put(CID, BLOCK)
    flip_a_bit(store.path(CID))
    store.put(CID, BLOCK)
    assert store.get(CID) == BLOCK
    assert len(files(tmp_path)) == 1


def test_put__again__leaves_the_file_alone(store: LocalStore) -> None:
    store.put(CID, BLOCK)
    before = store.path(CID).stat()
    store.put(CID, BLOCK)
    after = store.path(CID).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_get__more_bytes_than_allowed__raises_too_large(store: LocalStore) -> None:
    store.put(CID, BLOCK)
    assert store.get(CID, max_bytes=len(BLOCK)) == BLOCK
    with pytest.raises(TooLarge):
        store.get(CID, max_bytes=len(BLOCK) - 1)


def test_open__for_reading__neither_makes_nor_writes(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no store"):
        LocalStore(tmp_path / "store", writable=False)
    assert not (tmp_path / "store").exists()
    LocalStore(tmp_path / "store").put(CID, BLOCK)
    reader = LocalStore(tmp_path / "store", writable=False)
    assert reader.get(CID) == BLOCK
    assert not reader.is_writable
    with pytest.raises(StoreUnavailable, match="for reading"):
        reader.put(CID, BLOCK)


def test_open__where_a_file_is__raises_store_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(StoreUnavailable):
        LocalStore(tmp_path / "store")


def test_get__a_folder_where_the_block_should_be__raises_store_unavailable(store: LocalStore) -> None:
    store.path(CID).mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        store.get(CID)


def test_put__disk_full__raises_store_unavailable_and_leaves_nothing(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local_store.os, "write", write)
    with pytest.raises(StoreUnavailable, match="No space left"):
        store.put(CID, BLOCK)
    assert files(tmp_path) == []


@pytest.mark.parametrize("sync", [True, False])
def test_put__synced_or_not__syncs_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{handle}"))  # noqa: PTH112
        fsync(handle)

    monkeypatch.setattr(local_store.os, "fsync", record)
    LocalStore(tmp_path, sync=sync).put(CID, BLOCK)
    assert (False in synced, True in synced) == (sync, sync)


def test_open__leftovers_of_a_crash__removes_the_old_ones_only(tmp_path: Path) -> None:
    LocalStore(tmp_path)
    old, new = tmp_path / ".swarm-chain-old", tmp_path / ".swarm-chain-new"
    for path in (old, new):
        path.write_bytes(b"half a block")
    os.utime(old, (time.time() - 7200,) * 2)
    assert [*LocalStore(tmp_path).cids()] == []
    assert files(tmp_path) == [new.name]


def test_cids__files_that_are_no_blocks__are_passed_over(store: LocalStore, tmp_path: Path) -> None:
    store.put(CID, BLOCK)
    (tmp_path / "store" / "README").write_text("notes")
    (tmp_path / "store" / str(CID)[-3:-1] / "notes").write_text("notes")
    assert [*store.cids()] == [CID]


def test_put__threads_with_the_same_blocks__all_succeed(store: LocalStore, tmp_path: Path) -> None:
    blocks = {cid_of(data, Codec.RAW): data for data in (bytes([number]) * 10_000 for number in range(20))}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: store.put(*item), [*blocks.items()] * 8))
    assert {cid: store.get(cid) for cid in store.cids()} == blocks
    assert len(files(tmp_path)) == len(blocks)


WRITER = """
import sys
from pathlib import Path
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.core.cids import Codec, cid_of
store = LocalStore(Path(sys.argv[1]), sync=False)
print("ready", flush=True)
number = 0
while True:
    data = b"%d" % (number % 50) * 200_000
    store.put(cid_of(data, Codec.RAW), data)
    number += 1
    if number == int(sys.argv[2]):
        break
"""


def writer(folder: Path, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(count)], stdout=subprocess.PIPE)


def test_put__processes_at_once__every_block_is_whole(tmp_path: Path) -> None:
    running = [writer(tmp_path, 100) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = LocalStore(tmp_path)
    cids = [*store.cids()]
    assert len(cids) == 50
    assert all(store.get(cid) for cid in cids)


def test_put__a_process_killed_in_the_middle__leaves_whole_blocks_only(tmp_path: Path) -> None:
    process = writer(tmp_path, -1)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.kill()
    process.wait()
    store = LocalStore(tmp_path)
    assert all(parse_cid(Path(name).name) for name in files(tmp_path) if not name.startswith("."))
    assert all(store.get(cid) for cid in store.cids())


def test_open__a_block__is_its_file(store: LocalStore) -> None:
    store.put(CID, BLOCK)
    with store.open(CID) as file:
        assert file.read() == BLOCK


def test_open__block_that_is_not_there__raises_block_not_found(store: LocalStore) -> None:
    with pytest.raises(BlockNotFound):
        store.open(CID)


def test_open__block_that_was_changed_on_disk__raises_whenever_that_was(store: LocalStore) -> None:
    store.put(CID, BLOCK)
    with store.open(CID):
        pass
    flip_a_bit(store.path(CID))
    for _ in range(2):
        with pytest.raises(CorruptedBlock, match="delete the file"):
            store.open(CID)
    store.put(CID, BLOCK)
    with store.open(CID) as file:
        assert file.read() == BLOCK


def test_open__again_and_again__reads_the_file_through_once(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(CID, BLOCK)
    monkeypatch.setattr(local_store, "_REMEMBERED", 1)
    other = cid_of(b"other", Codec.RAW)
    store.put(other, b"other")
    checked = []
    digest = local_store.hashlib.file_digest
    monkeypatch.setattr(local_store.hashlib, "file_digest", lambda *args: checked.append(1) or digest(*args))
    for cid, expected in ((CID, 1), (CID, 1), (other, 2), (CID, 3)):
        store.open(cid).close()
        assert len(checked) == expected
