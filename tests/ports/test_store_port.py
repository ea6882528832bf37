"""What every writable `UpdateStore` does: in a directory and in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.errors import BlockNotFound, CidMismatch, TooLarge
from swarm_chain.ports import MAX_BLOCK, UpdateStore

BLOCK = b"some bytes of a block"
CID = cid_of(BLOCK, Codec.RAW)

STORES: dict[str, Callable[[Path], UpdateStore]] = {
    "local": lambda folder: LocalStore(folder / "store"),
    "memory": lambda folder: MemoryStore(),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> UpdateStore:
    return STORES[request.param](tmp_path)


def test_store__before_anything__is_named_and_writable(store: UpdateStore) -> None:
    assert store.name
    assert store.is_writable


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("data", [b"", b"x", bytes(1024 * 1024)], ids=["empty", "one", "largest"])
def test_put__a_block__is_there_as_it_was(store: UpdateStore, codec: Codec, data: bytes) -> None:
    cid = cid_of(data, codec)
    assert not store.has(cid)

    store.put(cid, data)

    assert store.has(cid)
    assert store.get(cid) == data


def test_put__a_block_twice__changes_nothing(store: UpdateStore) -> None:
    store.put(CID, BLOCK)
    store.put(CID, BLOCK)

    assert store.get(CID) == BLOCK


def test_put__bytes_that_are_not_the_cids__raises_and_keeps_nothing(store: UpdateStore) -> None:
    with pytest.raises(CidMismatch):
        store.put(CID, BLOCK + b"!")

    assert not store.has(CID)


def test_put__same_bytes_under_another_codec__is_another_block(store: UpdateStore) -> None:
    store.put(CID, BLOCK)

    assert not store.has(cid_of(BLOCK, Codec.DAG_CBOR))


def test_get__a_block_that_is_not_there__raises_block_not_found(store: UpdateStore) -> None:
    with pytest.raises(BlockNotFound, match=str(CID)):
        store.get(CID)


def test_get__a_block_above_what_was_asked_for__raises_too_large(store: UpdateStore) -> None:
    store.put(CID, BLOCK)

    with pytest.raises(TooLarge):
        store.get(CID, max_bytes=len(BLOCK) - 1)

    assert store.get(CID, max_bytes=len(BLOCK)) == BLOCK


def test_get__a_block_above_what_any_store_passes_on__raises(store: UpdateStore) -> None:
    data = bytes(MAX_BLOCK + 1)
    cid = cid_of(data, Codec.RAW)
    store.put(cid, data)

    with pytest.raises(TooLarge):
        store.get(cid)


def test_put__many_at_once__all_are_there(store: UpdateStore) -> None:
    blocks = [index.to_bytes(2, "big") for index in range(64)] * 2

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: store.put(cid_of(data, Codec.RAW), data), blocks))

    assert all(store.get(cid_of(data, Codec.RAW)) == data for data in blocks)
