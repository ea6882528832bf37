"""Gateways and nodes that misbehave: each way ends in time, in a named error or with the bytes from the next source.

What each way costs is printed at the end; `python -m tests.hostile_gateway` prints it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.adapters import kubo_store
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.gateway_store import GatewayStore
from swarm_chain.adapters.kubo import rpc
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.config import StoreSettings
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.unixfs import find_file
from swarm_chain.errors import StoreUnavailable, TooLarge
from tests.hostile_gateway import (
    BLOCKS,
    CASES,
    FILE,
    FORGED_SIZES,
    HONEST,
    LEAVES,
    LIMITS,
    MAX_BYTES,
    MAX_MEMORY,
    MAX_SECONDS,
    SLOW,
    VICTIM,
    Case,
    Hostile,
    Row,
    Run,
    measured,
    read_all,
    run,
    serving,
    table,
)

pytestmark = pytest.mark.deep

Keep = Callable[[Run], Run]


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """What the cases cost, printed when all were run."""
    found: list[Row] = []
    yield found
    capturing = request.config.pluginmanager.getplugin("capturemanager")
    with capturing.global_and_fixture_disabled():
        print("\n" + table(found))


def within_bounds(found: Run, rows: list[Row]) -> Run:
    """The same, once it is known that it cost little."""
    rows.append(found.row)
    assert found.row.sent < MAX_BYTES
    assert found.row.seconds < MAX_SECONDS
    assert found.row.memory < MAX_MEMORY
    assert found.counts.bad or CASES[found.row.name].content is None
    assert found.counts.cookies == 0
    assert found.counts.trapped == 0
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_read__gateway_misbehaves_and_there_is_no_other__ends_as_it_should(
    hostile: Hostile, case: Case, rows: list[Row]
) -> None:
    found = within_bounds(run(hostile, case, with_next=False), rows)

    if case.alone is None:
        assert found.content == case.content
    else:
        assert type(found.error) is case.alone
        message = str(found.error)
        assert "\n" not in message
        assert len(message) < 1000


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_read__gateway_misbehaves_and_the_next_does_not__gives_the_bytes(
    hostile: Hostile, case: Case, rows: list[Row]
) -> None:
    found = within_bounds(run(hostile, case, with_next=True), rows)

    if case.content is None:
        assert type(found.error) is case.alone
    else:
        assert found.content == (BLOCKS[VICTIM] if case.is_of_a_block else case.content)


OF_NODES = [
    pytest.param(case, id=name, marks=[pytest.mark.deep] if name in SLOW else [])
    for name, case in CASES.items()
    if case.is_of_a_block
]


@pytest.mark.parametrize("case", OF_NODES)
def test_read__ipfs_node_misbehaves_and_a_gateway_does_not__gives_the_bytes(
    hostile: Hostile, case: Case, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "GRACE", 0.2)
    monkeypatch.setattr(kubo_store, "_SLOWEST_LINE", 1 << 30)
    node = KuboStore(StoreSettings(address=hostile.url(case.name), timeout=1), writable=False)
    gateway = GatewayStore([hostile.url(HONEST)], limits=LIMITS)
    store = CompositeStore([node, gateway])
    found = within_bounds(measured(hostile, case, "ipfs node, gateway", lambda: read_all(store, case.file)), rows)
    assert found.content == case.content


def test_cases__there_are__at_least_twenty_five() -> None:
    assert len(CASES) >= 25
    assert set(CASES) > SLOW


# -------------------------------------------------------------------------------------------------- a gateway that lied


def test_get__gateway_lied__is_not_asked_again_for_a_while(hostile: Hostile) -> None:
    store = GatewayStore([hostile.url("wrong-bytes"), hostile.url(HONEST)], limits=LIMITS)
    assert store.get(VICTIM) == BLOCKS[VICTIM]
    hostile.take_counts()

    for leaf in LEAVES:
        assert store.get(leaf) == BLOCKS[leaf]
    assert hostile.take_counts().requests == len(LEAVES)

    alone = GatewayStore([hostile.url("wrong-bytes")], limits=replace(LIMITS, bench=3.0))
    with pytest.raises(Exception, match="not the block"):
        alone.get(VICTIM)
    with pytest.raises(StoreUnavailable, match="lied"):
        alone.get(LEAVES[0])
    hostile.take_counts()
    time.sleep(3.1)
    assert alone.get(LEAVES[0]) == BLOCKS[LEAVES[0]]


def test_get__gateway_sends_more_than_was_asked_for__is_asked_for_other_blocks(hostile: Hostile) -> None:
    # Whoever published a block chose its size: that says nothing against the gateway that has it.
    store = GatewayStore([hostile.url(HONEST)], limits=LIMITS)
    with pytest.raises(StoreUnavailable, match="1000 are allowed"):
        store.get(VICTIM, max_bytes=1000)
    assert store.get(VICTIM) == BLOCKS[VICTIM]


def test_find_file__size_is_forged__is_too_large(hostile: Hostile) -> None:
    store = GatewayStore([hostile.url(HONEST)], limits=LIMITS)
    with pytest.raises(TooLarge):
        find_file(store.get, FORGED_SIZES, max_bytes=1 << 30)


def test_get__through_other_stores__keeps_no_wrong_byte(hostile: Hostile, tmp_path: Path) -> None:
    local = LocalStore(tmp_path, sync=False)
    gateways = GatewayStore([hostile.url("wrong-bytes"), hostile.url(HONEST)], limits=LIMITS)
    store = CompositeStore([local, gateways])
    for cid in (FILE.cid, *LEAVES):
        assert store.get(cid) == BLOCKS[cid]
    for cid in local.cids():
        assert cid_of(local.get(cid), cid.codec) == cid
    assert {cid.codec for cid in local.cids()} == {Codec.RAW, Codec.DAG_PB}
