"""What stores keep for ever, and what they let go of when they are told to keep the last rounds only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.agent.pruning import Pruning
from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Cid, Codec, cid_of, document_cid
from swarm_chain.core.documents import ResultDocument, UpdateDocument, read
from swarm_chain.core.retention import Keeper, Past, Retention, files_named
from swarm_chain.core.unixfs import CHUNK, import_bytes, walk
from swarm_chain.errors import StoreUnavailable
from swarm_chain.types import Address, RoundNumber
from tests.swarm import Swarm

STRANGER = Address(b"\x77" * 20)


def keeper_of(swarm: Swarm, keep: int, *, own: Address = STRANGER) -> Keeper:
    config = swarm.chain.look().swarm.config
    past = Past(task=config.task_digest, genesis=config.genesis_digest)
    past.add(swarm.chain.events())
    store = swarm.shared
    return Keeper(past, keep=keep, read=lambda cid: store.get(cid) if store.has(cid) else None, own={own})


def weights_of(swarm: Swarm, round_number: int) -> set[Cid]:
    """The weights of a round's updates."""
    updates = [event for event in swarm.chain.events() if type(event).__name__ == "UpdateRevealed"]
    return {
        read(swarm.shared.get, event.digest, UpdateDocument).weights for event in updates if event.round == round_number
    }


def result_of(swarm: Swarm, round_number: int) -> ResultDocument:
    document = swarm.head()
    while document.round > round_number:
        assert document.base is not None
        document = read(swarm.shared.get, document.base, ResultDocument)
    return document


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    """Four nodes after five rounds."""
    made = Swarm(tmp_path, nodes=4)
    made.run(rounds=5)
    return made


# --------------------------------------------------------------------------------------------------------- what may go


def test_due__the_last_two_rounds_are_kept__all_that_they_need_stays(swarm: Swarm) -> None:
    retention = keeper_of(swarm, 2).due()
    assert retention is not None
    assert retention.lost == (1, 2, 3)
    needed = {result_of(swarm, number).weights for number in (3, 4, 5)} | weights_of(swarm, 4) | weights_of(swarm, 5)
    assert needed <= retention.kept
    assert not needed & retention.files
    gone = {result_of(swarm, number).weights for number in (0, 1, 2)}
    gone |= weights_of(swarm, 1) | weights_of(swarm, 2) | weights_of(swarm, 3)
    assert gone == retention.files == retention.judged


def test_due__nothing_but_the_head_is_kept__its_weights_stay(swarm: Swarm) -> None:
    retention = keeper_of(swarm, 0).due()
    assert retention is not None
    assert retention.lost == (1, 2, 3, 4, 5)
    assert retention.kept == {swarm.head().weights}


@pytest.mark.parametrize("keep", [5, 6, 1000])
def test_due__as_many_rounds_as_there_are__nothing_goes(swarm: Swarm, keep: int) -> None:
    assert keeper_of(swarm, keep).due() is None


def test_due__asked_after_each_round__names_each_file_once(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    config = swarm.chain.look().swarm.config
    past = Past(task=config.task_digest, genesis=config.genesis_digest)
    keeper = Keeper(past, keep=1, read=swarm.shared.get)
    named: list[Cid] = []
    for rounds in range(1, 5):
        swarm.run(rounds=rounds)
        past.add(swarm.chain.events())
        if retention := keeper.due():
            keeper.done(retention)
            assert keeper.due() is None
            named.extend(retention.files)
    everything = keeper_of(swarm, 1).due()
    assert everything is not None
    assert len(named) == len(set(named))
    assert set(named) == everything.files


def test_due__it_was_not_done__is_due_again(swarm: Swarm) -> None:
    keeper = keeper_of(swarm, 1)
    assert keeper.due() == keeper.due() is not None


def test_due__documents_are_not_here__their_files_are_left_alone(swarm: Swarm) -> None:
    config = swarm.chain.look().swarm.config
    past = Past(task=config.task_digest, genesis=config.genesis_digest)
    past.add(swarm.chain.events())
    retention = Keeper(past, keep=1, read=lambda _: None).due()
    assert retention is not None
    assert (retention.files, retention.judged, retention.documents) == (frozenset(), frozenset(), frozenset())


def test_due__an_update_that_nobody_judged__is_a_peers_word_only(swarm: Swarm) -> None:
    """Its document may name anything, such as what the operator keeps for other reasons."""
    old = next(one for one in result_of(swarm, 1).included)
    document = read(swarm.shared.get, old.update, UpdateDocument)
    lie = replace(document, weights=cid_of(b"a picture of a cat", Codec.RAW))
    config = swarm.chain.look().swarm.config
    events = [
        replace(event, digest=lie.digest()) if getattr(event, "digest", None) == old.update.digest else event
        for event in swarm.chain.events()
    ]
    swarm.shared.put(lie.cid(), lie.encode())
    past = Past(task=config.task_digest, genesis=config.genesis_digest)
    past.add(events)
    strangers = Keeper(past, keep=1, read=swarm.shared.get).due()
    own = Keeper(past, keep=1, read=swarm.shared.get, own={lie.node}).due()
    assert strangers is not None
    assert own is not None
    assert lie.weights in strangers.files - strangers.judged
    assert lie.weights in own.judged


def test_files_named__frozen_tensors_of_a_task__are_among_them(swarm: Swarm) -> None:
    frozen = cid_of(b"frozen", Codec.RAW)
    task = replace(swarm.task, training={**swarm.task.training, "frozen_weights": str(frozen)})
    assert set(files_named(task.cid(), task.encode())) == {frozen}


@pytest.mark.parametrize("data", [b"", b"\xa0", b"\xff", dagcbor.encode({"a": [{"b": 1}]})])
def test_files_named__no_document__names_none(data: bytes) -> None:
    assert list(files_named(cid_of(data, Codec.DAG_CBOR), data)) == []


# ------------------------------------------------------------------------------------------------------------- stores


@pytest.fixture(params=[MemoryStore, lambda folder: LocalStore(folder / "blocks")], ids=["memory", "local"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], MemoryStore | LocalStore]:
    return lambda: request.param() if request.param is MemoryStore else request.param(tmp_path)


def filled(store: MemoryStore | LocalStore, swarm: Swarm) -> MemoryStore | LocalStore:
    for cid in swarm.shared.cids():
        store.put(cid, swarm.shared.get(cid))
    if isinstance(store, LocalStore):
        age()
    return store


def age() -> None:
    """Lets blocks be there for longer than a file system's clock takes for a step."""
    time.sleep(0.15)


def test_prune__a_swarms_store__holds_just_what_must_stay(
    make_store: Callable[[], MemoryStore | LocalStore], swarm: Swarm
) -> None:
    store = filled(make_store(), swarm)
    before = set(store.cids())
    retention = keeper_of(swarm, 2).due()
    assert retention is not None

    store.prune(retention)

    assert before - set(store.cids()) == retention.files
    assert store.pinned(retention.files | retention.kept) == retention.kept


def test_prune__another_swarm_starts_from_an_old_round__that_rounds_weights_stay(
    make_store: Callable[[], MemoryStore | LocalStore], swarm: Swarm
) -> None:
    store = filled(make_store(), swarm)
    old = result_of(swarm, 2)
    successor = replace(swarm.task, name="successor")
    start = replace(
        old, round=RoundNumber(0), chain=None, contract=None, task=successor.cid(), included=(), excluded=()
    )
    store.put(start.cid(), start.encode())
    retention = keeper_of(swarm, 1).due()
    assert retention is not None

    store.prune(retention)

    assert store.has(old.weights)
    assert not store.has(result_of(swarm, 1).weights)


def test_prune__a_chunk_is_in_an_old_and_in_a_kept_file__it_stays(
    make_store: Callable[[], MemoryStore | LocalStore],
) -> None:
    store = make_store()
    shared, mine, other = (np.random.default_rng(seed).bytes(CHUNK) for seed in range(3))
    old, kept = (import_bytes(shared + data, store.put) for data in (mine, other))
    documents = [dagcbor.encode({"weights": file.cid}) for file in (old, kept)]
    cids = [cid_of(data, Codec.DAG_CBOR) for data in documents]
    for cid, data in zip(cids, documents, strict=True):
        store.put(cid, data)
    if isinstance(store, LocalStore):
        age()

    store.prune(retention_of(old=cids[0], file=old.cid))

    left = set(store.cids())
    assert left == {*cids, *(cid for cid, _ in walk(store.get, kept))}


def test_prune__somebody_publishes_the_same_block_meanwhile__it_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    data = b"the same block"
    cid = cid_of(data, Codec.RAW)
    document = dagcbor.encode({"weights": cid})
    store.put(cid, data)
    age()
    store.put(cid, data)

    store.prune(retention_of(old=cid_of(document, Codec.DAG_CBOR), file=cid))

    assert store.has(cid)


def test_prune__store_opened_for_reading__is_refused(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, writable=False)
    with pytest.raises(StoreUnavailable, match="reading"):
        store.prune(retention_of(old=document_cid(bytes(32)), file=cid_of(b"", Codec.RAW)))  # type: ignore[arg-type]


def retention_of(*, old: Cid, file: Cid) -> Retention:
    return Retention(
        base=RoundNumber(1),
        files=frozenset({file}),
        judged=frozenset({file}),
        old=frozenset({old}),
        documents=frozenset({old}),
        kept=frozenset(),
        lost=(RoundNumber(1),),
    )


# -------------------------------------------------------------------------------------------------------------- agents


def test_advance__after_each_round__keeps_what_was_asked_for(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    pruning = Pruning(chain=swarm.chain, store=swarm.shared, keep=1, account=swarm.nodes[0].account)
    for rounds in range(1, 5):
        swarm.run(rounds=rounds)
        pruning.advance(swarm.chain.look())
    assert not swarm.shared.has(result_of(swarm, 2).weights)
    assert swarm.shared.has(result_of(swarm, 3).weights)
    assert not any(map(swarm.shared.has, weights_of(swarm, 3)))
    assert all(map(swarm.shared.has, weights_of(swarm, 4)))
    assert all(swarm.shared.has(cid) for cid in swarm.shared.cids() if cid.codec is Codec.DAG_CBOR)


def test_run__agents_that_keep_one_round__go_on_and_hold_no_more_than_that(tmp_path: Path) -> None:
    class Forgetful(Swarm):
        def pruning(self, account: Address) -> Pruning:
            return Pruning(chain=self.chain, store=self.shared, keep=1, account=account)

    swarm = Forgetful(tmp_path, nodes=3)
    swarm.run(rounds=6)
    swarm.restart(swarm.nodes[0])
    swarm.run(rounds=8)
    files = [cid for cid in swarm.shared.cids() if cid.codec is not Codec.DAG_CBOR]
    documents = [cid for cid in swarm.shared.cids() if cid.codec is Codec.DAG_CBOR]
    assert len(documents) == 2 + 8 * 4
    # Two results and a round's updates; one round more, since agents prune when they see a new head.
    assert len(files) <= 3 + 2 * 3
    assert not any(swarm.shared.has(cid) for number in range(1, 6) for cid in weights_of(swarm, number))


def test_advance__rounds_are_not_deep_enough__nothing_goes_yet(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3)
    pruning = Pruning(chain=swarm.chain, store=swarm.shared, keep=0, account=STRANGER, confirmations=1000)
    swarm.run(rounds=2)
    pruning.advance(swarm.chain.look())
    assert swarm.shared.has(result_of(swarm, 1).weights)
    swarm.chain.mine(1000)
    pruning.advance(swarm.chain.look())
    assert not swarm.shared.has(result_of(swarm, 1).weights)


def test_advance__a_store_fails__is_done_after_the_next_round(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(MemoryStore):
        is_failing = True

        def prune(self, retention: Retention) -> None:
            if self.is_failing:
                raise StoreUnavailable("the node is away")
            super().prune(retention)

    swarm = Swarm(tmp_path, nodes=3)
    swarm.run(rounds=2)
    store = Failing()
    for cid in swarm.shared.cids():
        store.put(cid, swarm.shared.get(cid))
    pruning = Pruning(chain=swarm.chain, store=store, keep=0, account=STRANGER)
    pruning.advance(swarm.chain.look())
    assert "the node is away" in caplog.text
    store.is_failing = False
    swarm.run(rounds=3)
    for cid in swarm.shared.cids():
        store.put(cid, swarm.shared.get(cid))
    pruning.advance(swarm.chain.look())
    assert not store.has(result_of(swarm, 1).weights)
    assert store.has(swarm.head().weights)
