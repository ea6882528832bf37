"""Several stores as one, and stores by their names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from swarm_chain.adapters import composite_store
from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.kubo_store import KuboStore
from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.stores import absolute_spec, open_store, open_stores
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.errors import (
    BlockNotFound,
    CidMismatch,
    ConfigurationError,
    CorruptedBlock,
    StoreError,
    StoreUnavailable,
    TooLarge,
)
from swarm_chain.ports import MAX_BLOCK

DATA = b"a block"
CID = cid_of(DATA, Codec.RAW)


class FailingStore(MemoryStore):
    """A store whose every answer is an error: a disk that is gone, or bytes that changed."""

    def __init__(self, error: type[StoreError | TooLarge]) -> None:
        super().__init__(error.__name__)
        self.error = error

    def put(self, cid: Cid, data: bytes) -> None:
        raise self.error(f"{self.name} cannot be written")

    def get(self, cid: Cid, *, max_bytes: int = 0) -> bytes:
        raise self.error(f"{self.name} cannot be read")

    def has(self, cid: Cid) -> bool:
        raise self.error(f"{self.name} cannot be asked")


def test_put__several_stores__every_writable_one_has_the_block(tmp_path: Path) -> None:
    read_only = LocalStore(tmp_path, writable=False)
    first, second = MemoryStore(), MemoryStore()
    CompositeStore([first, read_only, second]).put(CID, DATA)
    assert first.get(CID) == second.get(CID) == DATA
    assert not read_only.has(CID)


def test_put__bytes_are_not_the_block__reaches_no_store() -> None:
    store = MemoryStore()
    with pytest.raises(CidMismatch):
        CompositeStore([store]).put(CID, b"other bytes")
    assert not store.has(CID)


def test_put__one_store_fails__raises() -> None:
    with pytest.raises(StoreUnavailable):
        CompositeStore([MemoryStore(), FailingStore(StoreUnavailable)]).put(CID, DATA)


def test_put__no_store_can_be_written__says_what_to_add(tmp_path: Path) -> None:
    store = CompositeStore([LocalStore(tmp_path, writable=False)])
    assert not store.is_writable
    with pytest.raises(StoreUnavailable, match="--store local:PATH"):
        store.put(CID, DATA)


@pytest.mark.parametrize("error", [StoreUnavailable, CorruptedBlock, BlockNotFound])
def test_get__first_store_fails__the_next_is_asked(error: type[StoreError]) -> None:
    second = MemoryStore()
    second.put(CID, DATA)
    store = CompositeStore([FailingStore(error), second])
    assert store.get(CID) == DATA
    if error is StoreUnavailable:
        assert store.has(CID)


@pytest.mark.parametrize(
    ("errors", "worst"),
    [
        ((BlockNotFound, StoreUnavailable, CorruptedBlock), CorruptedBlock),
        ((StoreUnavailable, CidMismatch), CidMismatch),
        ((BlockNotFound, StoreUnavailable), StoreUnavailable),
        ((BlockNotFound, BlockNotFound), BlockNotFound),
    ],
)
def test_get__no_store_gives_it__raises_what_says_most(
    errors: tuple[type[StoreError], ...], worst: type[StoreError]
) -> None:
    with pytest.raises(StoreError) as raised:
        CompositeStore([FailingStore(error) for error in errors]).get(CID)
    assert raised.type is worst


def test_get__too_large__says_so_whatever_other_stores_say() -> None:
    first, second = MemoryStore(), FailingStore(CorruptedBlock)
    first.put(CID, DATA)
    with pytest.raises(TooLarge):
        CompositeStore([first, second]).get(CID, max_bytes=3)


def test_get__one_store_claims_that_it_is_too_large__the_next_is_asked() -> None:
    second = MemoryStore()
    second.put(CID, DATA)
    assert CompositeStore([FailingStore(TooLarge), second]).get(CID) == DATA


def test_composite__no_store__is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--store"):
        CompositeStore([])


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0


class Searching(MemoryStore):
    """A store that takes its time before it says that it lacks a block."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("searching:")
        self.clock, self.asked = clock, list[Cid]()

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        self.asked.append(cid)
        if not self.has(cid):
            self.clock.now += composite_store.SLOW + 0.1
        return super().get(cid, max_bytes=max_bytes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which stores are slow and rest."""
    made = Clock()
    monkeypatch.setattr(composite_store, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_get__a_store_searched_for_long_in_vain__is_asked_last_for_a_while(clock: Clock) -> None:
    searching, other = Searching(clock), MemoryStore()
    blocks = {cid_of(data, Codec.RAW): data for data in (b"1", b"2", b"3")}
    for cid, data in blocks.items():
        other.put(cid, data)
    store = CompositeStore([searching, other])
    assert [store.get(cid) for cid in blocks] == list(blocks.values())
    assert searching.asked == list(blocks)[:1]
    searching.put(CID, DATA)
    assert store.get(CID) == DATA  # it is asked all the same
    clock.now += composite_store.REST
    store.get(next(iter(blocks)))
    assert len(searching.asked) == 3


# ---------------------------------------------------------------------------------------------------------------- names


def test_open_store__local__keeps_blocks_in_that_folder(tmp_path: Path) -> None:
    open_store(f"local:{tmp_path}/blocks").put(CID, DATA)
    assert LocalStore(tmp_path / "blocks", writable=False).get(CID) == DATA


@pytest.mark.parametrize(
    "spec", ["ipfs:/ip4/127.0.0.1/tcp/5001", "https://ipfs.io", "blocks", "", "local", "local:", "kubo:", "gateway:"]
)
def test_open_store__another_kind__says_what_is_known(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="local:PATH, kubo:ADDRESS or gateway:URL"):
        open_store(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "kubo:/ip4/127.0.0.1/tcp/5001",
        "kubo:/dns4/node.example/tcp/443/https",
        "kubo:http://127.0.0.1:5001",
        "kubo:https://node.example/ipfs",
        "gateway:http://127.0.0.1:8080",
        "gateway:https://one.example,https://two.example",
    ],
)
def test_open_store__somewhere_else__is_named_as_it_was_and_not_asked_yet(spec: str) -> None:
    assert open_store(spec).name == spec


def test_open_store__kubo_for_reading__is_not_written_to() -> None:
    store = open_store("kubo:/ip4/127.0.0.1/tcp/5001", writable=False)
    assert isinstance(store, KuboStore)
    assert not store.is_writable
    with pytest.raises(StoreUnavailable, match="reading"):
        store.put(CID, DATA)


@pytest.mark.parametrize(
    "address", ["/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/5001", "/ip4/1.2.3/tcp/1", "ftp://host", "http://", "http://h:x"]
)
def test_open_store__kubo_at_no_address__says_what_one_is(address: str) -> None:
    with pytest.raises(ConfigurationError, match="address of an IPFS node"):
        open_store(f"kubo:{address}")


def test_open_store__a_password_in_the_address__is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="token_file") as raised:
        open_store("kubo:https://me:secret@host/")
    assert "secret" not in str(raised.value)


def test_open_store__not_for_writing_and_not_there__makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(f"local:{tmp_path}/nowhere", writable=False)
    assert not (tmp_path / "nowhere").exists()


def test_open_stores__several__read_in_their_order(tmp_path: Path) -> None:
    LocalStore(tmp_path / "b").put(CID, DATA)
    store = open_stores([f"local:{tmp_path}/a", f"local:{tmp_path}/b"])
    assert store.get(CID) == DATA
    assert store.name == f"local:{tmp_path}/a local:{tmp_path}/b"


def test_absolute_spec__relative_path__is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("local:blocks") == f"local:{tmp_path}/blocks"
    assert absolute_spec("kubo:http://host") == "kubo:http://host"


def test_get__only_a_read_only_store_has_it__the_writable_ones_keep_a_copy(tmp_path: Path) -> None:
    LocalStore(tmp_path).put(CID, DATA)
    own = MemoryStore()
    assert CompositeStore([own, LocalStore(tmp_path, writable=False)]).get(CID) == DATA
    assert own.get(CID) == DATA


def test_get__a_copy_is_corrupted_and_another_is_not__is_repaired(tmp_path: Path) -> None:
    own, backup = LocalStore(tmp_path), MemoryStore()
    store = CompositeStore([own, backup])
    store.put(CID, DATA)
    own.path(CID).write_bytes(b"other bytes")
    assert store.get(CID) == DATA
    assert own.get(CID) == DATA


def test_get__a_store_that_is_away_takes_long_to_keep_no_copy__is_spared_for_a_while(
    tmp_path: Path, clock: Clock
) -> None:
    class Away(MemoryStore):
        asked = 0

        def put(self, cid: Cid, data: bytes) -> None:
            self.asked += 1
            clock.now += composite_store.SLOW + 0.1
            raise StoreUnavailable("no answer")

    served, away, own = LocalStore(tmp_path), Away(), MemoryStore()
    blocks = {cid_of(data, Codec.RAW): data for data in (b"1", b"2", b"3")}
    for cid, data in blocks.items():
        served.put(cid, data)
    store = CompositeStore([away, own, LocalStore(tmp_path, writable=False)])
    assert [store.get(cid) for cid in blocks] == list(blocks.values())
    assert away.asked == 1
    assert all(map(own.has, blocks))


def test_get__a_copy_cannot_be_kept__gives_the_block_all_the_same(tmp_path: Path) -> None:
    LocalStore(tmp_path).put(CID, DATA)
    full = FailingStore(StoreUnavailable)
    assert CompositeStore([full, LocalStore(tmp_path, writable=False)]).get(CID) == DATA
