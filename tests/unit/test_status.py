"""What `status` says of a swarm, over the in-memory chain and store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.memory import MemoryChain, MemoryStore
from swarm_chain.core.cids import Cid, Codec, document_cid
from swarm_chain.core.commitments import commitment_to
from swarm_chain.core.documents import UpdateDocument
from swarm_chain.schemas import load_schema
from swarm_chain.status.swarm import SETTLED_DEPTH, EventHistory, SwarmStatus, document_of, read_status
from swarm_chain.types import (
    AddNode,
    Address,
    Announce,
    Attest,
    BlockNumber,
    CloseRound,
    CommitUpdate,
    Digest,
    Event,
    OpenRound,
    Phase,
    RemoveNode,
    RevealUpdate,
    RoundNumber,
    Salt,
    Samples,
    Seconds,
    SubmitUpdate,
    Suspend,
    SwarmConfig,
)

ADMIN = Address(b"\xad" * 20)
A, B, C = (Address(bytes([number]) * 20) for number in (1, 2, 3))
SALT = Salt(b"\x5a" * 32)
RESULT = Digest(b"\x77" * 32)

CONFIG = SwarmConfig(
    task_digest=Digest(b"\x01" * 32),
    genesis_digest=Digest(b"\x02" * 32),
    is_sealed=True,
    quorum_bps=5001,
    min_updates=2,
    initial_window=Seconds(100),
    min_window=Seconds(10),
    max_window=Seconds(1000),
    reveal_window=Seconds(60),
    merge_window=Seconds(60),
    absence_limit=3,
    open_registration=False,
    admin=ADMIN,
)


def swarm(*nodes: Address, config: SwarmConfig = CONFIG) -> MemoryChain:
    chain = MemoryChain(config).as_account(ADMIN)
    for node in nodes:
        chain.send(AddNode(node=node, label=f"node-{node[0]}"))
    return chain


def update(chain: MemoryChain, node: Address, round_number: int) -> UpdateDocument:
    return UpdateDocument(
        chain=chain.chain_id,
        contract=chain.coordinator,
        round=RoundNumber(round_number),
        node=node,
        base=document_cid(CONFIG.genesis_digest),
        weights=Cid(Codec.RAW, Digest(b"\x09" * 32)),
        bytes=10,
        samples=Samples(70),
        base_metrics={"accuracy": 0.25},
        local_metrics={"accuracy": 0.5},
    )


def commit(chain: MemoryChain, node: Address, round_number: int) -> None:
    commitment = commitment_to(
        chain_id=chain.chain_id,
        coordinator=chain.coordinator,
        round_number=RoundNumber(round_number),
        node=node,
        digest=update(chain, node, round_number).digest(),
        samples=Samples(70),
        salt=SALT,
    )
    chain.as_account(node).send(CommitUpdate(round=RoundNumber(round_number), commitment=commitment))


def reveal(chain: MemoryChain, node: Address, round_number: int) -> None:
    digest = update(chain, node, round_number).digest()
    call = RevealUpdate(round=RoundNumber(round_number), digest=digest, samples=Samples(70), salt=SALT)
    chain.as_account(node).send(call)


def open_round(chain: MemoryChain, node: Address) -> None:
    chain.as_account(node).send(OpenRound())


def close(chain: MemoryChain) -> None:
    """Lets the deadline of the running phase pass, and closes it."""
    chain.set_time(chain.look().round.deadline)
    chain.send(CloseRound(round=chain.look().round.round))


def state(found: SwarmStatus, address: Address) -> tuple[str, tuple[str, ...]]:
    return next((node.status, node.has_done) for node in found.nodes if node.address == address)


def test_read_status__before_the_first_round__shows_genesis_and_waits_for_nobody() -> None:
    found = read_status(swarm(A, B))
    assert found.head_round == 0
    assert found.waiting is None
    assert found.seconds_left is None
    assert [node.label for node in found.nodes] == ["node-1", "node-2"]
    assert not any(node.is_expected for node in found.nodes)


def test_read_status__training__names_who_has_not_committed() -> None:
    chain = swarm(A, B, C)
    open_round(chain, A)
    commit(chain, B, 1)
    chain.advance(40)
    found = read_status(chain)
    assert found.waiting is not None
    assert (found.waiting.act, found.waiting.nodes) == ("commit", (A, C))
    assert found.seconds_left == 60
    assert state(found, B) == ("active", ("committed",))


def test_read_status__revealing__names_committers_only() -> None:
    chain = swarm(A, B, C)
    open_round(chain, A)
    commit(chain, A, 1)
    commit(chain, B, 1)
    close(chain)
    reveal(chain, A, 1)
    found = read_status(chain)
    assert found.view.round.phase == Phase.REVEALING
    assert found.waiting is not None
    assert (found.waiting.act, found.waiting.nodes) == ("reveal", (B,))


def test_read_status__merging__names_who_has_not_attested() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    for node in (A, B):
        commit(chain, node, 1)
    for node in (A, B):
        reveal(chain, node, 1)
    chain.as_account(B).send(Attest(round=RoundNumber(1), result=RESULT))
    found = read_status(chain)
    assert found.waiting is not None
    assert (found.waiting.act, found.waiting.nodes) == ("attest", (A,))
    assert state(found, B) == ("active", ("committed", "revealed", "attested"))


def test_read_status__direct_swarm__waits_for_submissions() -> None:
    chain = swarm(A, B, config=replace(CONFIG, is_sealed=False))
    open_round(chain, A)
    digest = update(chain, A, 1).digest()
    chain.as_account(A).send(SubmitUpdate(round=RoundNumber(1), digest=digest, samples=Samples(70)))
    found = read_status(chain)
    assert found.waiting is not None
    assert (found.waiting.act, found.waiting.nodes) == ("submit", (B,))
    assert state(found, A) == ("active", ("submitted",))


def test_read_status__update_in_store__shows_its_metrics() -> None:
    chain, store = swarm(A, B), MemoryStore()
    open_round(chain, A)
    for node in (A, B):
        commit(chain, node, 1)
    reveal(chain, A, 1)
    document = update(chain, A, 1)
    store.put(document.cid(), document.encode())
    last = read_status(chain, store).nodes[0].last_update
    assert last is not None
    assert (last.local_metrics, last.samples, last.problem) == ({"accuracy": 0.5}, 70, None)


def test_read_status__update_in_no_store__says_why_there_are_no_metrics() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    for node in (A, B):
        commit(chain, node, 1)
    reveal(chain, A, 1)
    last = read_status(chain, MemoryStore()).nodes[0].last_update
    assert last is not None
    assert not last.local_metrics
    assert "does not have" in (last.problem or "")


def test_read_status__round_finalized__head_is_of_that_round() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    for act in (commit, reveal):
        for node in (A, B):
            act(chain, node, 1)
    for node in (A, B):
        chain.as_account(node).send(Attest(round=RoundNumber(1), result=RESULT))
    found = read_status(chain)
    assert (found.head_round, found.view.swarm.head) == (1, RESULT)


def test_read_status__node_removed_between_rounds__is_not_listed() -> None:
    chain = swarm(A, B, C)
    chain.send(RemoveNode(node=C))
    assert [node.address for node in read_status(chain).nodes] == [A, B]


def test_read_status__announced__lists_stores_of_the_latest() -> None:
    chain = swarm(A, B)
    chain.as_account(A).send(Announce(stores=b"https://old.example"))
    chain.as_account(A).send(Announce(stores=b"https://one.example\nhttps://two.example"))
    assert read_status(chain).nodes[0].stores == ("https://one.example", "https://two.example")


class CountingChain(MemoryChain):
    """Remembers from which block events were asked for."""

    asked: ClassVar[list[int | None]] = []

    def events(self, *, from_block: BlockNumber | None = None, **options: Any) -> Sequence[Event]:
        self.asked.append(from_block)
        return super().events(from_block=from_block, **options)


def test_event_history__looking_again__asks_for_what_may_be_new_and_misses_nothing() -> None:
    chain = CountingChain(CONFIG)
    CountingChain.asked.clear()
    admin = MemoryChain.as_account(chain, ADMIN)
    history = EventHistory(chain)
    for step in range(5):
        admin.send(AddNode(node=Address(bytes([step + 1]) * 20), label=str(step)))
        admin.mine(SETTLED_DEPTH // 2)
        tip = chain.look().block_number
        assert history.up_to(tip) == list(MemoryChain.events(chain, to_block=tip))
    assert CountingChain.asked[0] is None
    assert CountingChain.asked[-1] == chain.look().block_number - SETTLED_DEPTH - SETTLED_DEPTH // 2


def test_event_history__chain_started_anew__forgets_the_old_one() -> None:
    old, new = swarm(A, B), swarm(C)
    history = EventHistory(old)
    old.mine(2 * SETTLED_DEPTH)
    history.up_to(old.look().block_number)
    history._chain = new
    assert [event.node for event in history.up_to(new.look().block_number)] == [C]  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------------------- advice


def advice(chain: MemoryChain) -> str:
    return "\n".join(read_status(chain).advice)


def test_advice__all_is_well__is_empty() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    assert advice(chain) == ""


def test_advice__deadline_passed__says_who_can_close() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    chain.advance(1000)
    assert "swarm-chain round close" in advice(chain)


def test_advice__half_stay_away_again_and_again__a_registrars_action_helps_and_who() -> None:
    chain = swarm(A, B, C, Address(b"\x04" * 20))
    for number in (1, 2):
        open_round(chain, A)
        for node in (A, B):
            commit(chain, node, number)
        close(chain)  # 2 of 4 committed, and 3 are needed
    text = advice(chain)
    assert "rounds 1 to 2 ended without a result" in text
    assert "a registrar's action is what helps" in text
    assert "node-3" in text
    assert "node-4" in text
    assert "node-1" not in text


def test_advice__one_aborted_round__says_nothing_yet() -> None:
    chain = swarm(A, B)
    open_round(chain, A)
    close(chain)
    assert advice(chain) == ""


def test_advice__too_few_would_be_left__asks_for_more_nodes() -> None:
    chain = swarm(A, B)
    for number in (1, 2):
        open_round(chain, A)
        commit(chain, A, number)
        close(chain)
    assert "invite more nodes" in advice(chain)


def test_advice__no_quorum_though_all_attested__points_to_logs() -> None:
    chain = swarm(A, B)
    for number in (1, 2):
        open_round(chain, A)
        for act in (commit, reveal):
            for node in (A, B):
                act(chain, node, number)
        for node in (A, B):
            chain.as_account(node).send(Attest(round=RoundNumber(number), result=Digest(bytes(node) + bytes(12))))
        close(chain)
    assert "logs say why" in advice(chain)


def test_advice__suspended_by_registrar__names_lift() -> None:
    chain = swarm(A, B)
    chain.send(Suspend(node=B))
    text = advice(chain)
    assert "no round can open: 1 nodes are active, 2 are needed" in text
    assert "swarm-chain node lift" in text
    assert "node-2" in text


def test_advice__suspended_itself__says_that_it_can_come_back() -> None:
    chain = swarm(A, B)
    chain.as_account(B).send(Suspend(node=B))
    assert "swarm-chain node resume" in advice(chain)


# ----------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("steps", range(5))
def test_document_of__at_every_phase__fits_its_schema(steps: int) -> None:
    chain, store = swarm(A, B), MemoryStore()
    document = update(chain, A, 1)
    store.put(document.cid(), document.encode())
    acts = [
        lambda: open_round(chain, A),
        lambda: [commit(chain, node, 1) for node in (A, B)],
        lambda: [reveal(chain, node, 1) for node in (A, B)],
        lambda: [chain.as_account(node).send(Attest(round=RoundNumber(1), result=RESULT)) for node in (A, B)],
    ]
    for act in acts[:steps]:
        act()
    written = document_of(read_status(chain, store))
    Draft202012Validator(load_schema("status")).validate(written)
