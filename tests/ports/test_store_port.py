"""What every writable `UpdateStore` does: in a directory, in memory, and on an IPFS node."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm_chain.adapters import kubo_store
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.config import StoreSettings
from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.publication import Publication
from swarm_chain.core.unixfs import CHUNK, import_bytes, read
from swarm_chain.errors import BlockNotFound, CidMismatch, TooLarge
from swarm_chain.ports import MAX_BLOCK, UpdateStore


def make_store(kind: str, request: pytest.FixtureRequest, folder: Path) -> UpdateStore:
    if kind == "kubo":
        # js-ipfs takes all of the time that it gets to say that it lacks a block.
        request.getfixturevalue("monkeypatch").setattr(kubo_store, "_STAT", 0.2)
        return KuboStore(StoreSettings(address=request.getfixturevalue("ipfs").api, timeout=1))
    return LocalStore(folder / "store") if kind == "local" else MemoryStore()


@pytest.fixture(params=["local", "memory", "kubo"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> UpdateStore:
    return make_store(request.param, request, tmp_path)


@pytest.fixture(params=["local", "memory"])
def own_store(request: pytest.FixtureRequest, tmp_path: Path) -> UpdateStore:
    """A store that is nobody else's."""
    return make_store(request.param, request, tmp_path)


@pytest.fixture
def block() -> bytes:
    """Bytes that no store has yet: a node serves all tests of a session."""
    return os.urandom(21)


def test_store__before_anything__is_named_and_writable(store: UpdateStore) -> None:
    assert store.name
    assert store.is_writable


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [0, 1, 1024 * 1024], ids=["empty", "one", "largest"])
def test_put__a_block__is_there_as_it_was(store: UpdateStore, codec: Codec, size: int) -> None:
    data = os.urandom(size)
    cid = cid_of(data, codec)
    assert size < 2 or not store.has(cid)

    store.put(cid, data)

    assert store.has(cid)
    assert store.get(cid) == data


def test_put__a_block_twice__changes_nothing(store: UpdateStore, block: bytes) -> None:
    cid = cid_of(block, Codec.RAW)
    store.put(cid, block)
    store.put(cid, block)

    assert store.get(cid) == block


def test_put__bytes_that_are_not_the_cids__raises_and_keeps_nothing(store: UpdateStore, block: bytes) -> None:
    cid = cid_of(block, Codec.RAW)
    with pytest.raises(CidMismatch):
        store.put(cid, block + b"!")

    assert not store.has(cid)


def test_put__same_bytes_under_another_codec__is_another_block(own_store: UpdateStore, block: bytes) -> None:
    # Not so on an IPFS node: it keeps bytes by their hash, whatever they are said to be.
    own_store.put(cid_of(block, Codec.RAW), block)

    assert not own_store.has(cid_of(block, Codec.DAG_CBOR))


def test_get__a_block_that_is_not_there__raises_block_not_found(store: UpdateStore, block: bytes) -> None:
    cid = cid_of(block, Codec.RAW)
    with pytest.raises(BlockNotFound, match=str(cid)):
        store.get(cid)


def test_get__a_block_above_what_was_asked_for__raises_too_large(store: UpdateStore, block: bytes) -> None:
    cid = cid_of(block, Codec.RAW)
    store.put(cid, block)

    with pytest.raises(TooLarge):
        store.get(cid, max_bytes=len(block) - 1)

    assert store.get(cid, max_bytes=len(block)) == block


def test_get__a_block_above_what_any_store_passes_on__raises(own_store: UpdateStore) -> None:
    # An IPFS node may refuse to take one.
    data = bytes(MAX_BLOCK + 1)
    cid = cid_of(data, Codec.RAW)
    own_store.put(cid, data)

    with pytest.raises(TooLarge):
        own_store.get(cid)


def test_put__many_at_once__all_are_there(store: UpdateStore) -> None:
    blocks = [os.urandom(20) for _ in range(64)] * 2

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: store.put(cid_of(data, Codec.RAW), data), blocks))
        found = list(pool.map(lambda data: store.get(cid_of(data, Codec.RAW)), blocks))

    assert found == blocks


@pytest.mark.parametrize("size", [0, 1000, CHUNK, 3 * CHUNK + 5])
def test_publish__a_document_with_a_file__all_of_it_is_there(store: UpdateStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = import_bytes(data)
    (tmp_path / "weights").write_bytes(data)
    publication = Publication(document=dagcbor.encode({"weights": file.cid}), files=(tmp_path / "weights",))

    store.publish(publication)
    store.publish(publication)

    assert store.get(publication.root) == publication.document
    assert b"".join(read(store.get, file)) == data


def test_publish__files_that_the_document_does_not_link_to__are_there_too(store: UpdateStore, block: bytes) -> None:
    files = (block, os.urandom(CHUNK + 1))
    publication = Publication(document=dagcbor.encode({"nothing": block}), files=files)

    store.publish(publication)

    assert all(b"".join(read(store.get, import_bytes(data))) == data for data in files)
