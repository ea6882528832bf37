"""Blocks from where strangers announced them: what an address can lead to, and what a bad one costs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from swarm_chain import serving
from swarm_chain.adapters import peer_stores
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.adapters.own_address import address_on_network
from swarm_chain.adapters.peer_stores import HEDGE, LEAST, PeerStores
from swarm_chain.adapters.peers.racing import AT_ONCE
from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.unixfs import CHUNK, import_bytes, read
from swarm_chain.errors import BlockNotFound, StoreError, StoreUnavailable
from swarm_chain.types import (
    AddNode,
    Address,
    Announce,
    Digest,
    OpenRound,
    RegisterNode,
    RemoveNode,
    RoundNumber,
    Samples,
    Seconds,
    SubmitUpdate,
)
from tests.chains import CONFIG
from tests.hostile_gateway import BLOCKS, CASES, HONEST, VICTIM, Hostile
from tests.hostile_gateway import serving as hostile_serving

DATA = b"a block"
CID = cid_of(DATA, Codec.RAW)
READER = Address(b"\xee" * 20)
ADMIN = Address(b"\xad" * 20)


def node(number: int) -> Address:
    return Address(bytes([number + 1]) * 20)


BRIEF, PATIENT = Seconds(30), Seconds(300)
"""Merge windows in which a block may take two seconds, and twenty: long enough wherever it is to be had."""
SOON = LEAST + 5
"""Seconds in which what may take two has ended, also where much else runs: misbehaving lasts ten and more."""


def chain_of(*announced: bytes | str, merge_window: Seconds = BRIEF) -> MemoryChain:
    """A swarm whose nodes announced these, seen by a node that announced nothing."""
    config = replace(CONFIG, is_sealed=False, merge_window=merge_window, admin=ADMIN)
    chain = MemoryChain(config)
    for number, stores in enumerate(announced):
        chain.as_account(node(number)).send(RegisterNode(label=f"node {number}"))
        announce(chain, number, stores)
    chain.as_account(READER).send(RegisterNode(label="reader"))
    return chain.as_account(READER)


def announce(chain: MemoryChain, number: int, stores: bytes | str) -> None:
    chain.as_account(node(number)).send(Announce(stores=stores if isinstance(stores, bytes) else stores.encode()))


def peers_of(chain: MemoryChain, *, allow_private: bool = True) -> PeerStores:
    return PeerStores(chain, allow_private=allow_private, every=0.0)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with hostile_serving() as server:
        yield server


class Trap:
    """Something on this machine that no stranger's address may lead to."""

    def __init__(self, family: socket.AddressFamily, host: str) -> None:
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind((host, 0))
        self._listener.listen()
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.close()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def trap(host: str = "0.0.0.0") -> Iterator[Trap]:  # noqa: S104
    opened = Trap(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def served(folder: Path, *blocks: bytes) -> Iterator[str]:
    """The URL at which a store with these blocks is served."""
    store = LocalStore(folder, sync=False)
    for data in blocks:
        store.put(cid_of(data, Codec.RAW), data)
    with serving.start(store) as gateway:
        yield gateway.url


# -------------------------------------------------------------------------------------------------------------- reading


def test_get__one_peer_has_it__gives_it_and_a_copy_is_kept(tmp_path: Path) -> None:
    own = LocalStore(tmp_path / "own", sync=False)
    with served(tmp_path / "a") as empty, served(tmp_path / "b", DATA) as full:
        store = CompositeStore([own, peers_of(chain_of(empty, full))])
        assert store.get(CID) == DATA
    assert own.get(CID) == DATA


def test_get__no_peer_has_it__says_so(tmp_path: Path) -> None:
    with served(tmp_path / "a") as first, served(tmp_path / "b") as second, pytest.raises(BlockNotFound):
        peers_of(chain_of(first, second)).get(CID)


@pytest.mark.parametrize("announced", [(), (b"",), ("ftp://peer.example", b"\xff\x00 /ip4/1.2.3.4/udp/1/quic-v1")])
def test_get__nobody_announced_a_gateway__says_so(announced: Sequence[str]) -> None:
    with pytest.raises(BlockNotFound):
        peers_of(chain_of(*announced)).get(CID)


def test_get__announced_later_or_elsewhere__is_found_there(tmp_path: Path) -> None:
    chain = chain_of(b"", b"")
    peers = peers_of(chain)
    with pytest.raises(BlockNotFound):
        peers.get(CID)
    with served(tmp_path / "a", DATA) as first:
        announce(chain, 0, first)
        assert peers.get(CID) == DATA
    with served(tmp_path / "b", DATA) as second:
        announce(chain, 0, second)
        assert peers.get(CID) == DATA


def test_get__announcer_was_removed__is_not_asked(tmp_path: Path) -> None:
    with served(tmp_path / "a", DATA) as url:
        chain = chain_of(url)
        chain.as_account(ADMIN).send(RemoveNode(node=node(0)))
        with pytest.raises(BlockNotFound):
            peers_of(chain).get(CID)
        chain.as_account(ADMIN).send(AddNode(node=node(0), label="again"))
        announce(chain, 0, url)
        assert peers_of(chain).get(CID) == DATA


def test_get__own_announcement__is_not_asked(tmp_path: Path) -> None:
    with served(tmp_path / "a", DATA) as url:
        chain = chain_of()
        chain.send(Announce(stores=url.encode()))
        with pytest.raises(BlockNotFound):
            peers_of(chain).get(CID)


@pytest.fixture
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is asked because a peer is slow: who is asked follows from what is known of the peers alone."""
    monkeypatch.setattr(peer_stores, "HEDGE", 60.0)


@pytest.mark.usefixtures("no_haste")
def test_get__an_update_and_its_weights__are_asked_of_its_sender_alone(tmp_path: Path, hostile: Hostile) -> None:
    store = LocalStore(tmp_path, sync=False)
    file = import_bytes(bytes(CHUNK) + b"more than a chunk", store.put)
    document = dagcbor.encode({"weights": file.cid})
    cid = cid_of(document, Codec.DAG_CBOR)
    store.put(cid, document)
    with serving.start(store) as sender:
        urls = (sender.url if number == 11 else hostile.url(f"empty-{number}") for number in range(20))
        chain = chain_of(*urls, merge_window=PATIENT)
        reveal(
            chain, {number: cid.digest if number == 11 else Digest(bytes([number + 1]) * 32) for number in range(20)}
        )
        peers = peers_of(chain)
        hostile.take_counts()
        assert peers.get(cid) == document
        assert b"".join(read(peers.get, file)) == bytes(CHUNK) + b"more than a chunk"
        assert hostile.take_counts().requests == 0


def reveal(chain: MemoryChain, updates: Mapping[int, Digest]) -> None:
    """A round in which these nodes sent in these updates."""
    chain.as_account(node(0)).send(OpenRound())
    for number, digest in updates.items():
        chain.as_account(node(number)).send(SubmitUpdate(round=RoundNumber(1), digest=digest, samples=Samples(1)))


def test_get__sender_is_slow_to_say_that_it_lacks_others_blocks__is_asked_for_its_own(tmp_path: Path) -> None:
    """As an IPFS node, which asks around first."""
    store = SlowToRefuse(tmp_path)
    document = dagcbor.encode({"weights": cid_of(DATA, Codec.RAW)})
    store.put(cid_of(document, Codec.DAG_CBOR), document)
    store.put(CID, DATA)
    with serving.start(store) as sender:
        chain = chain_of(sender.url, "")
        reveal(chain, {0: cid_of(document, Codec.DAG_CBOR).digest, 1: Digest(bytes(range(32)))})
        peers = peers_of(chain)
        with pytest.raises(StoreUnavailable):
            peers.get(cid_of(b"another", Codec.RAW))
        assert peers.get(cid_of(document, Codec.DAG_CBOR)) == document
        assert peers.get(CID) == DATA


class SlowToRefuse(LocalStore):
    """A store that looks for a block everywhere before it says that it is not there."""

    def open(self, cid: Cid) -> BinaryIO:
        if not self.has(cid):
            time.sleep(LEAST + 2)
        return super().open(cid)


@pytest.mark.usefixtures("no_haste")
def test_get__nobody_said_who_has_it__is_found_among_many(tmp_path: Path, hostile: Hostile) -> None:
    with served(tmp_path, DATA) as full:
        urls = (full if number == 11 else hostile.url(f"empty-{number}") for number in range(20))
        chain = chain_of(*urls, merge_window=PATIENT)
        peers = peers_of(chain)
        hostile.take_counts()
        for _ in range(100):
            with suppress(BlockNotFound):
                assert peers.get(CID) == DATA
                break
        else:
            raise AssertionError("not found")
        # Whoever gave one is asked first for the next.
        hostile.take_counts()
        assert peers.get(CID) == DATA
        assert hostile.take_counts().requests == 0


def test_put__raises(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="can only be read"):
        peers_of(chain_of()).put(CID, DATA)


def test_has__asks_the_peers(tmp_path: Path) -> None:
    with served(tmp_path / "a") as first, served(tmp_path / "b", DATA) as second:
        peers = peers_of(chain_of(first, second))
        assert peers.has(CID)
        assert not peers.has(cid_of(b"another", Codec.RAW))


# ------------------------------------------------------------------------------------------------- where they lead to


def inside(port: int) -> list[str]:
    """Ways to write down an address that leads to this machine."""
    own = address_on_network()
    return [
        f"http://127.0.0.1:{port}",
        f"http://127.0.0.2:{port}/a/path",
        f"http://localhost:{port}",
        f"http://LOCALHOST:{port}",
        f"http://0.0.0.0:{port}",
        f"http://[::1]:{port}",
        f"http://[::]:{port}",
        f"http://[::ffff:127.0.0.1]:{port}",
        f"http://[64:ff9b::7f00:1]:{port}",
        f"http://[2002:7f00:1::]:{port}",
        f"http://127.1:{port}",
        f"http://2130706433:{port}",
        f"http://0x7f.0.0.1:{port}",
        f"http://0177.0.0.1:{port}",
        f"http://user@127.0.0.1:{port}",
        f"http://gateway.example:80@127.0.0.1:{port}",
        f"http://gateway.example%2f@127.0.0.1:{port}",
        f"http://gateway.example\\@127.0.0.1:{port}",
        f"http://127.0.0.1:{port}#@gateway.example",
        f"https://127.0.0.1:{port}",
        f"/ip4/127.0.0.1/tcp/{port}/http",
        f"/ip6/::1/tcp/{port}/http",
        f"/dns4/localhost/tcp/{port}/http",
        f"/dns/localhost/tcp/{port}/https",
        *([f"http://{own}:{port}"] if own is not None and own.version == 4 else []),
    ]


def test_get__addresses_of_this_machine__are_never_connected_to_unless_allowed() -> None:
    with trap() as here:
        for text in inside(here.port):
            with pytest.raises(StoreError):
                peers_of(chain_of(text), allow_private=False).get(CID)
        assert here.connections == 0
        with pytest.raises(StoreError):
            peers_of(chain_of(f"http://127.0.0.1:{here.port}")).get(CID)
        assert here.connections > 0


def test_get__private_networks__are_refused_at_once_unless_allowed() -> None:
    texts = [
        "http://10.0.0.7:4801",
        "http://172.16.0.7",
        "http://192.168.1.7",
        "http://169.254.169.254",
        "http://100.64.0.7",
        "http://[fd00::7]",
        "http://[fe80::7]",
        "http://224.0.0.1",
        "http://255.255.255.255",
    ]
    began = time.monotonic()
    for text in texts:
        with pytest.raises(StoreUnavailable, match="no public address"):
            peers_of(chain_of(text), allow_private=False).get(CID)
    assert time.monotonic() - began < LEAST * len(texts) / 2


def test_get__redirect_inside__is_not_followed(hostile: Hostile) -> None:
    hostile.take_counts()
    with pytest.raises(StoreUnavailable):
        peers_of(chain_of(hostile.url("redirect-inside"))).get(VICTIM)
    assert hostile.take_counts().trapped == 0


def test_get__a_hundred_urls_in_one_announcement__are_four(hostile: Hostile) -> None:
    many = " ".join(f"{hostile.url('silence')}/{number}" for number in range(100)).encode()[:512]
    began = time.monotonic()
    hostile.take_counts()
    with pytest.raises(StoreUnavailable):
        peers_of(chain_of(many)).get(VICTIM)
    assert time.monotonic() - began < SOON
    assert hostile.take_counts().requests <= 4


# ------------------------------------------------------------------------------------------------------ what they cost


WAYS = sorted(name for name, case in CASES.items() if case.alone is not None and case.content is not None)
"""Ways to misbehave over one block, each of which is an error where nobody else has it."""


def test_get__every_way_to_misbehave__costs_its_sender_and_nobody_else(hostile: Hostile) -> None:
    """Alone it ends in time, in an error that is no corrupted store; beside an honest peer the block is had."""
    for way in [name for name in WAYS if not CASES[name].in_cars]:
        began = time.monotonic()
        with pytest.raises((BlockNotFound, StoreUnavailable)):
            peers_of(chain_of(hostile.url(way))).get(VICTIM)
        assert time.monotonic() - began < SOON, way
        began = time.monotonic()
        chain = chain_of(hostile.url(way), hostile.url(HONEST), merge_window=PATIENT)
        assert peers_of(chain).get(VICTIM) == BLOCKS[VICTIM], way
        assert time.monotonic() - began < SOON, way


def test_get__many_bad_peers_and_one_that_is_not__is_had_within_the_time_for_a_block(hostile: Hostile) -> None:
    bad = ["silence", "a-byte-now-and-then", "wrong-bytes", "closes-at-once", "endless-header", "status-500"]
    for turn in range(3):
        urls = [hostile.url(way) for way in (*bad[turn:], *bad[:turn])]
        began = time.monotonic()
        chain = chain_of(*urls, hostile.url(HONEST), merge_window=PATIENT)
        assert peers_of(chain).get(VICTIM) == BLOCKS[VICTIM]
        # One that says nothing would be waited for that long.
        assert time.monotonic() - began < 5
    assert HEDGE * len(bad) / AT_ONCE < LEAST


def test_get__peers_that_failed__rest_and_are_asked_again_later(hostile: Hostile) -> None:
    now = [0.0]
    chain = chain_of(hostile.url("closes-at-once"))
    peers = PeerStores(chain, allow_private=True, every=0.0, clock=lambda: now[0])
    asked = []
    for moment in (0.0, 0.5, 1.5, 2.0, 4.0, 100.0):
        now[0] = moment
        hostile.take_counts()
        with pytest.raises(StoreUnavailable):
            peers.get(VICTIM)
        asked.append(hostile.take_counts().requests > 0)
    assert asked == [True, False, True, False, True, True]


def test_get__nobody_listens_any_more__ends_at_once() -> None:
    with trap("127.0.0.1") as gone:
        port = gone.port
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        peers_of(chain_of(f"http://127.0.0.1:{port}")).get(CID)
    assert time.monotonic() - began < LEAST
