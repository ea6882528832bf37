"""Bytes up and down are counted where they pass, and go on from what was counted before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.counting_store import CountingStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.meter import Meter
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.traffic import Traffic
from swarm_chain.errors import BlockNotFound, CidMismatch
from tests.swarm import Swarm

BLOCK = b"some bytes of a block"
CID = cid_of(BLOCK, Codec.RAW)


def test_add__counts_are_added_name_by_name() -> None:
    total = Traffic(rpc_sent=1, store_read=2) + Traffic(rpc_sent=10, rpc_received=20, store_written=30)
    assert total == Traffic(rpc_sent=11, rpc_received=20, store_written=30, store_read=2)
    assert (total.up, total.down) == (41, 22)


def test_parse__what_was_written__is_the_same() -> None:
    traffic = Traffic(rpc_sent=1, rpc_received=2, store_written=3, store_read=4)
    assert Traffic.parse(json.loads(json.dumps(traffic.document()))) == traffic
    assert Traffic.parse({"rpc_sent": 7}) == Traffic(rpc_sent=7)


@pytest.mark.parametrize("wrong", [-1, "7", 1.5, None])
def test_parse__no_count__is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="rpc_sent"):
        Traffic.parse({"rpc_sent": wrong})


def test_counting_store__blocks_that_pass__are_counted_by_their_length() -> None:
    meter = Meter(Traffic(store_written=100, rpc_sent=5))
    store = CountingStore(MemoryStore(), meter)
    store.put(CID, BLOCK)
    store.put(CID, BLOCK)
    assert store.get(CID) == BLOCK
    assert store.has(CID)
    assert meter.total() == Traffic(store_written=100 + 2 * len(BLOCK), store_read=len(BLOCK), rpc_sent=5)


def test_counting_store__nothing_passed__nothing_is_counted() -> None:
    meter = Meter()
    store = CountingStore(MemoryStore(), meter)
    with pytest.raises(CidMismatch):
        store.put(CID, b"other bytes")
    with pytest.raises(BlockNotFound):
        store.get(CID)
    assert meter.total() == Traffic()


def test_counting_store__over_any_stores__is_the_store_that_it_counts(tmp_path: Path) -> None:
    read_only = LocalStore(tmp_path, writable=False)
    for store in (MemoryStore("one"), read_only, CompositeStore([MemoryStore("one"), read_only])):
        counting = CountingStore(store, Meter())
        assert (counting.name, counting.is_writable) == (store.name, store.is_writable)


def test_agents__behind_counting_stores__agree_and_count_what_they_exchange(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    meters = []
    for node in swarm.nodes:
        meters.append(Meter())
        node.store._store = CountingStore(node.store._store, meters[-1])
    swarm.run(rounds=2)
    for node, meter in zip(swarm.nodes, meters, strict=True):
        written = sum(len(swarm.shared.get(cid)) for cid in node.store.written)
        assert meter.total().store_written == written > 0
        assert meter.total().store_read > 0
