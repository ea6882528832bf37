"""What is the memory chain's own: its clock, its blocks, its accounts. Its rules are tested by the port's suite."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from swarm_chain.adapters import coordinator_model
from swarm_chain.adapters.ethereum.abi import CALLS
from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.core.gas import GAS_CAPS, gas_limit
from swarm_chain.errors import AlreadyRegistered, NodeLimitReached, NotRegistrar, QuorumOutOfRange, Reverted
from swarm_chain.ports import Chain
from swarm_chain.types import (
    AddNode,
    Address,
    Announce,
    CloseRound,
    Commitment,
    CommitUpdate,
    Invitation,
    OpenRound,
    RegisterNode,
    RegisterWithInvitation,
    RoundNumber,
    Timestamp,
)
from tests.chains import CONFIG, commit, digest

A, B = Address(b"\xaa" * 20), Address(b"\xbb" * 20)


def test_memory_chain__as_a_port__has_all_of_it() -> None:
    chain: Chain = MemoryChain(CONFIG).as_account(A)

    assert (chain.account, chain.chain_id) == (A, 31337)


def test_memory_chain__imported__does_not_import_web3() -> None:
    script = (
        "import sys, swarm_chain.adapters.memory\n"
        "found = {'web3', 'torch', 'eth_account', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'imports {found}' if found else 0)"
    )

    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_deploying__nonsense__raises_the_constructors_error() -> None:
    with pytest.raises(QuorumOutOfRange):
        MemoryChain(replace(CONFIG, quorum_bps=5_000))


def test_as_account__several__share_one_chain() -> None:
    chain = MemoryChain(CONFIG)
    chain.as_account(A).send(RegisterNode(label="a"))

    chain.as_account(B).send(RegisterNode(label="b"))

    assert chain.look().swarm.active_nodes == 2
    assert chain.as_account(A).look().node != chain.look().node


def test_clock__advanced_and_set__never_runs_backwards() -> None:
    chain = MemoryChain(CONFIG, now=Timestamp(1_000))
    chain.advance(5)
    chain.set_time(Timestamp(900))

    assert chain.as_account(A).look().now == 1_005


def test_mine__blocks_without_calls__let_a_call_become_deep() -> None:
    chain = MemoryChain(CONFIG).as_account(A)
    chain.send(RegisterNode(label="a"))
    assert chain.look(depth=2).swarm.active_nodes == 0

    chain.mine(2)

    assert chain.look(depth=2).swarm.active_nodes == 1


def test_look__at_an_earlier_block__is_not_changed_by_later_calls() -> None:
    chain = MemoryChain(CONFIG)
    for account in (A, B):
        chain.as_account(account).send(RegisterNode(label=""))
    chain.as_account(A).send(OpenRound())
    before = chain.as_account(A).look()

    commit(chain.as_account(A), 1, digest(1))

    assert chain.as_account(A).look(depth=1) == before
    assert chain.as_account(A).look() != before


def test_send__refused__changes_nothing_and_makes_no_block() -> None:
    chain = MemoryChain(CONFIG).as_account(A)
    chain.send(RegisterNode(label=""))
    before = chain.look()

    with pytest.raises(AlreadyRegistered):
        chain.send(RegisterNode(label=""))

    assert chain.look() == before


def test_send__from_many_threads__each_is_a_block_of_its_own() -> None:
    chain = MemoryChain(CONFIG)
    accounts = [Address(bytes([index]) * 20) for index in range(1, 33)]

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda each: chain.as_account(each).send(RegisterNode(label="")), accounts))

    assert sorted(receipt.block_number for receipt in receipts) == list(range(1, 33))
    assert chain.look().swarm.active_nodes == 32


def test_blocks__after_some_calls__hold_who_called_what_and_when() -> None:
    chain = MemoryChain(CONFIG, now=Timestamp(1_000))
    chain.advance(7)
    receipt = chain.as_account(A).send(RegisterNode(label="a"))
    chain.mine()

    deployment, call, empty = chain.blocks

    assert (deployment.call, empty.call) == (None, None)
    assert (call.sender, call.call, call.timestamp) == (A, RegisterNode(label="a"), 1_007)
    assert (call.events, call.transaction) == (receipt.events, receipt.transaction)


def test_set_registrar__granted_and_taken__decides_who_adds_nodes() -> None:
    chain = MemoryChain(CONFIG)
    chain.set_registrar(A)
    chain.as_account(A).send(AddNode(node=B, label=""))

    chain.set_registrar(A, is_registrar=False)

    with pytest.raises(NotRegistrar):
        chain.as_account(A).send(AddNode(node=A, label=""))


def test_register__swarm_is_full__raises_node_limit_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_model, "MAX_NODES", 1)
    chain = MemoryChain(CONFIG)
    chain.as_account(A).send(RegisterNode(label=""))

    with pytest.raises(NodeLimitReached) as raised:
        chain.as_account(B).send(RegisterNode(label=""))

    assert raised.value.arguments == {"limit": 1}


def test_settle__signed_but_never_sent__is_executed_once() -> None:
    chain = MemoryChain(CONFIG).as_account(A)
    signed: list[tuple[bytes, int]] = []

    def die(found: bytes, raw: bytes, nonce: int) -> None:
        signed.append((raw, nonce))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chain.send(RegisterNode(label="a"), on_signed=die)
    assert chain.look().swarm.active_nodes == 0

    raw, nonce = signed[0]
    chain.settle([raw], nonce)
    chain.settle([raw], nonce)

    assert chain.look().swarm.active_nodes == 1
    assert len(chain.events()) == 1


def test_gas__every_call__has_a_limit_above_its_cap() -> None:
    assert set(GAS_CAPS) == set(CALLS.values())
    calls = (
        OpenRound(),
        CloseRound(round=RoundNumber(1)),
        CommitUpdate(round=RoundNumber(1), commitment=Commitment(bytes(32))),
        Announce(stores=b""),
    )
    for call in calls:
        assert 1.2 * GAS_CAPS[type(call)] < gas_limit(call) < 200_000


def test_gas__invitation_of_a_contract_wallet__has_room_for_the_wallets_code() -> None:
    call = RegisterWithInvitation(
        invitation=Invitation(account=A, registrar=B, expiry=Timestamp(0)), signature=b"", label=""
    )

    assert gas_limit(call) > GAS_CAPS[RegisterWithInvitation] + 300_000


def test_reverted__from_memory__is_a_swarm_chain_error() -> None:
    with pytest.raises(Reverted, match=r"NotActive\(caller=0xaaaa"):
        MemoryChain(CONFIG).as_account(A).send(OpenRound())
