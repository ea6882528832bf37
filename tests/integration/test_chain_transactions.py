"""How `Web3Chain` sends: fees, nonces, replacements, failures and the clock, on Anvil and on Ganache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from swarm_chain import types
from swarm_chain.accounts import Signer
from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.attempts import Patience
from swarm_chain.adapters.ethereum.fees import highest
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.core.gas import GAS_CAPS
from swarm_chain.devnet import Devnet
from swarm_chain.errors import (
    AlreadyCommitted,
    ChainUnavailable,
    DeadlineNotReached,
    InsufficientFunds,
    TransactionFailed,
    TransactionStuck,
    WrongPhase,
)
from swarm_chain.types import (
    Announce,
    BlockNumber,
    CloseRound,
    OpenRound,
    Phase,
    RegisterNode,
    RoundNumber,
    Seconds,
    Suspend,
)
from tests.chains import CONFIG, DevnetWorld, commit, commitment_call, deploy, digest, reveal, send_raw, signer
from tests.rpc_proxy import Answer, Pass, RpcProxy, error

ONE = RoundNumber(1)
HASTY = Patience(poll=0.02, longest_poll=0.1, replace_after=0.6, replacements=3)
SHORT = replace(CONFIG, initial_window=Seconds(2), min_window=Seconds(1), reveal_window=Seconds(2))


@pytest.fixture(scope="module")
def own_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """An Anvil of this module's own, whose mining and fees its tests play with."""
    with Devnet.start(client="anvil", port=0, log=tmp_path_factory.mktemp("anvil") / "log") as devnet:
        yield devnet


@pytest.fixture
def world(own_anvil: Devnet) -> Iterator[DevnetWorld]:
    """A swarm of three nodes on Anvil that has opened a round."""
    own_anvil.rpc("evm_setAutomine", True)
    world = DevnetWorld(own_anvil, CONFIG)
    for index in range(3):
        world.chain(index).send(RegisterNode(label=f"node {index}"))
    world.chain(0).send(OpenRound())
    yield world
    own_anvil.rpc("evm_setAutomine", True)
    own_anvil.rpc("evm_mine")  # What waits is included: dropped, it would leave a gap in the nonces that Anvil counts.
    own_anvil.rpc("anvil_dropAllTransactions")


@pytest.fixture
def proxy(own_anvil: Devnet) -> Iterator[RpcProxy]:
    with RpcProxy(own_anvil.rpc_url) as proxy:
        yield proxy


def sender(world: DevnetWorld, index: int, *urls: str, patience: Patience = HASTY) -> Web3Chain:
    return Web3Chain.connect(
        urls or world.devnet.rpc_url, world.coordinator, signer=signer(index), patience=patience, timeout=2.0
    )


def balance(devnet: Devnet, account: Signer) -> int:
    return int(devnet.rpc("eth_getBalance", account.checksum_address, "latest"), 16)


@contextmanager
def not_mining(world: DevnetWorld) -> Iterator[None]:
    world.devnet.rpc("evm_setAutomine", False)
    try:
        yield
    finally:
        world.devnet.rpc("evm_setAutomine", True)


def mine_once(world: DevnetWorld, proxy: RpcProxy, is_time: Callable[[], bool]) -> None:
    """Makes a block when a transaction was handed over and it is time for that, however long that took."""

    def and_mine(parameters: list[Any], ask: Pass) -> Answer:
        answer = ask()
        if is_time():
            world.devnet.rpc("evm_mine")
        return answer

    proxy.faults["eth_sendRawTransaction"] = and_mine


def waiting(world: DevnetWorld, index: int) -> list[dict[str, Any]]:
    """An account's transactions in Anvil's pool."""
    pending = world.devnet.rpc("txpool_content")["pending"]
    mine = {address.lower(): found for address, found in pending.items()}.get("0x" + signer(index).address.hex(), {})
    return [mine[nonce] for nonce in sorted(mine, key=int)]


# ---------------------------------------------------------------------------------------------------------------- fees


def test_send__chain_has_a_base_fee__offers_twice_of_it_and_a_tip(world: DevnetWorld) -> None:
    chain = sender(world, 0, patience=replace(HASTY, replace_after=5.0))
    base_fee = int(world.devnet.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    with not_mining(world), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(commit, chain, 1, digest(1))
        while not (pending := waiting(world, 0)):
            time.sleep(0.01)
        world.devnet.rpc("evm_mine")
        sent.result(10)

    (transaction,) = pending
    tip = int(transaction["maxPriorityFeePerGas"], 16)
    assert transaction["type"] == "0x2"
    assert int(transaction["maxFeePerGas"], 16) == 2 * base_fee + tip
    assert tip > 0


def test_send__chain_has_no_base_fee__offers_a_gas_price(world: DevnetWorld, proxy: RpcProxy) -> None:
    def without_base_fee(parameters: list[Any], ask: Pass) -> Answer:
        return {"result": {key: value for key, value in ask()["result"].items() if key != "baseFeePerGas"}}

    proxy.faults["eth_getBlockByNumber"] = without_base_fee
    proxy.faults["eth_maxPriorityFeePerGas"] = lambda parameters, ask: error(-32601, "method not found")

    price = int(world.devnet.rpc("eth_gasPrice"), 16)

    with world.moment():
        receipt = commit(sender(world, 0, proxy.url), 1, digest(1))

    transaction = world.devnet.rpc("eth_getTransactionByHash", "0x" + receipt.transaction.hex())
    assert transaction["type"] == "0x0"
    assert int(transaction["gasPrice"], 16) == price


def test_send__account_is_empty__names_what_is_needed_and_what_is_there(own_anvil: Devnet) -> None:
    stranger = Signer(b"\x77" * 32)
    coordinator, _ = deploy(own_anvil, CONFIG)
    own_anvil.rpc(
        "anvil_setNextBlockBaseFeePerGas", hex(10**9)
    )  # It falls with each block, and free calls need no funds.
    own_anvil.rpc("evm_mine")
    chain = Web3Chain.connect(own_anvil.rpc_url, coordinator, signer=stranger)

    with pytest.raises(InsufficientFunds) as raised:
        chain.send(RegisterNode(label=""))

    assert stranger.address.hex() in str(raised.value)
    assert "0.000000 ether; send it some ether" in str(raised.value)
    assert "registerNode may cost 0.000" in str(raised.value)
    assert balance(own_anvil, stranger) == 0


def test_send__never_estimates_gas(world: DevnetWorld, proxy: RpcProxy) -> None:
    with world.moment():
        commit(sender(world, 0, proxy.url), 1, digest(1))

    assert "eth_estimateGas" not in proxy.asked
    assert proxy.asked["eth_sendRawTransaction"] == 1


# -------------------------------------------------------------------------------------------------------------- nonces


def test_send__many_threads_of_one_account__all_get_in(world: DevnetWorld) -> None:
    chains = [sender(world, 0, patience=Patience()) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda each: each.send(Announce(stores=b"here")), chains * 3))

    assert len({receipt.transaction for receipt in receipts}) == 12
    assert len({receipt.block_number for receipt in receipts}) == 12


def test_send__another_program_takes_the_nonce__is_sent_again_with_the_next(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    raced: list[object] = []

    def after_another(parameters: list[Any], ask: Pass) -> Answer:
        if not raced:
            raced.append(send_raw(world.devnet, to=signer(9).address, index=0))
        return ask()

    proxy.faults["eth_sendRawTransaction"] = after_another

    commit(sender(world, 0, proxy.url, patience=replace(HASTY, replace_after=5.0)), 1, digest(1))

    assert world.chain(0).look().round.commits == 1
    assert proxy.asked["eth_sendRawTransaction"] == 2


def test_send__endpoint_loses_it__is_handed_over_again(world: DevnetWorld, proxy: RpcProxy) -> None:
    def lose_the_first(parameters: list[Any], ask: Pass) -> Answer:
        return {"result": "0x" + "11" * 32} if proxy.asked["eth_sendRawTransaction"] == 1 else ask()

    proxy.faults["eth_sendRawTransaction"] = lose_the_first

    commit(sender(world, 0, proxy.url), 1, digest(1))

    assert world.chain(0).look().round.commits == 1


# -------------------------------------------------------------------------------------------------------- replacements


def test_send__not_included_in_time__is_replaced_with_a_higher_fee(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = sender(world, 0, proxy.url)
    signed: list[tuple[bytes, int]] = []
    mine_once(world, proxy, lambda: len(signed) == 2)
    with not_mining(world):
        call = commitment_call(chain, 1, digest(1))
        receipt = chain.send(call, on_signed=lambda found, raw, nonce: signed.append((found, nonce)))

    assert len(signed) == 2
    assert len({nonce for _, nonce in signed}) == 1
    assert receipt.transaction == signed[-1][0]
    assert world.chain(0).look().round.commits == 1


def test_send__never_included__gives_up_and_says_which_nonce_waits(world: DevnetWorld) -> None:
    chain = sender(world, 0, patience=replace(HASTY, replace_after=0.2))
    pool: list[int] = []
    with not_mining(world):
        with pytest.raises(TransactionStuck, match=r"not in a block after 3 replacements \(nonce"):
            chain.send(commitment_call(chain, 1, digest(1)), on_signed=lambda *_: pool.append(len(waiting(world, 0))))
        assert len(waiting(world, 0)) == 1

    assert pool == [0, 1, 1, 1]


def test_send__base_fee_rose_meanwhile__is_replaced_at_once(world: DevnetWorld, proxy: RpcProxy) -> None:
    def too_low_once(parameters: list[Any], ask: Pass) -> Answer:
        first = proxy.asked["eth_sendRawTransaction"] == 1
        return error(-32003, "max fee per gas less than block base fee") if first else ask()

    proxy.faults["eth_sendRawTransaction"] = too_low_once
    chain = sender(world, 0, proxy.url, patience=replace(HASTY, replace_after=30.0))

    commit(chain, 1, digest(1))

    assert world.chain(0).look().round.commits == 1


def test_send__endpoint_is_gone_while_waiting__goes_on_when_it_is_back(world: DevnetWorld, proxy: RpcProxy) -> None:
    def vanish(parameters: list[Any], ask: Pass) -> Answer:
        proxy.status = 503
        Thread(target=return_soon).start()
        return ask()

    def return_soon() -> None:
        time.sleep(0.4)
        proxy.status = 200

    proxy.faults["eth_sendRawTransaction"] = vanish

    commit(sender(world, 0, proxy.url, patience=replace(HASTY, replace_after=5.0)), 1, digest(1))

    assert proxy.asked["eth_sendRawTransaction"] == 1


def test_send__endpoint_does_not_come_back__raises_chain_unavailable(world: DevnetWorld, proxy: RpcProxy) -> None:
    def vanish(parameters: list[Any], ask: Pass) -> Answer:
        proxy.status = 503
        return ask()

    proxy.faults["eth_sendRawTransaction"] = vanish

    with pytest.raises(ChainUnavailable, match="HTTP 503"):
        commit(sender(world, 0, proxy.url), 1, digest(1))


# ------------------------------------------------------------------------------------------------------------ settling


def test_settle__killed_before_it_left__is_sent_as_it_was_signed(world: DevnetWorld) -> None:
    chain = sender(world, 0)
    signed: list[tuple[bytes, int]] = []

    class Killed(Exception):
        pass

    def die(found: bytes, raw: bytes, nonce: int) -> None:
        signed.append((raw, nonce))
        raise Killed

    with pytest.raises(Killed):
        chain.send(commitment_call(chain, 1, digest(1)), on_signed=die)
    assert world.chain(0).look().round.commits == 0

    raw, nonce = signed[0]
    chain.settle([raw], nonce)
    chain.settle([raw], nonce)

    assert world.chain(0).look().round.commits == 1


def test_settle__its_first_transaction_is_in_a_block__is_not_sent_again(devnet: Devnet) -> None:
    key = Signer(b"\x55" * 32)
    method = "anvil_setBalance" if devnet.client == "anvil" else "evm_setAccountBalance"
    devnet.rpc(method, key.checksum_address, hex(10**18))
    coordinator, _ = deploy(devnet, CONFIG)
    chain = Web3Chain.connect(devnet.rpc_url, coordinator, signer=key)
    signed: list[tuple[bytes, int]] = []
    start = int(devnet.rpc("eth_getTransactionCount", key.checksum_address, "latest"), 16)
    chain.send(RegisterNode(label=""), on_signed=lambda found, raw, nonce: signed.append((raw, nonce)))

    raw, nonce = signed[0]
    chain.settle([raw], nonce)

    assert nonce == start == 0
    assert int(devnet.rpc("eth_getTransactionCount", key.checksum_address, "latest"), 16) == 1


def next_nonce(world: DevnetWorld, index: int = 0) -> int:
    return int(world.devnet.rpc("eth_getTransactionCount", signer(index).checksum_address, "latest"), 16)


def signed_commit(chain: Web3Chain, nonce: int, fee: int, key: Signer | None = None) -> bytes:
    """A commit to update 1, signed by dev0 and not sent."""
    return (key or signer(0)).sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "gas": 120_000,
            "maxFeePerGas": fee,
            "maxPriorityFeePerGas": min(fee, 10**9),
            "to": bytes(chain.coordinator),
            "value": 0,
            "data": coordinator_abi().encode_call(commitment_call(chain, 1, digest(1))),
        }
    )


def hand_over(world: DevnetWorld, raw: bytes) -> None:
    world.devnet.rpc("eth_sendRawTransaction", "0x" + raw.hex())


def test_settle__another_transaction_has_its_nonce__returns(world: DevnetWorld) -> None:
    chain = sender(world, 0)
    nonce = next_nonce(world)
    raw = signed_commit(chain, nonce, 10**11)
    commit(chain, 1, digest(1))

    chain.settle([raw], nonce)

    assert world.chain(0).look().round.commits == 1
    assert next_nonce(world) == nonce + 1


@pytest.mark.parametrize("known", [[0, 1, 2], [0, 1], [0]], ids=["all", "all but the newest", "the oldest"])
def test_settle__a_replacement_is_in_the_pool__is_waited_for(world: DevnetWorld, known: list[int]) -> None:
    chain = sender(world, 0, patience=replace(HASTY, replace_after=20.0))
    nonce = next_nonce(world)
    raws = [signed_commit(chain, nonce, fee * 10**9) for fee in (10, 20, 40)]
    with not_mining(world), ThreadPoolExecutor(1) as pool:
        for raw in raws:
            hand_over(world, raw)
        settling = pool.submit(chain.settle, [raws[each] for each in known], nonce)
        time.sleep(0.5)
        assert not settling.done()
        (left,) = waiting(world, 0)
        world.devnet.rpc("evm_mine")
        settling.result(10)

    assert int(left["maxFeePerGas"], 16) == 40 * 10**9
    assert world.chain(0).look().round.commits == 1
    assert next_nonce(world) == nonce + 1


@pytest.mark.parametrize("was_sent", [False, True])
def test_settle__fee_became_too_low__nonce_is_taken_by_a_higher_one(
    world: DevnetWorld, proxy: RpcProxy, was_sent: bool
) -> None:
    chain = sender(world, 0, proxy.url)
    nonce = next_nonce(world)
    world.devnet.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    raw = signed_commit(chain, nonce, 2 * 10**9)
    told: list[tuple[bytes, bytes, int]] = []
    with not_mining(world):
        if was_sent:
            hand_over(world, raw)
        world.devnet.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**10))
        world.devnet.rpc("evm_mine")
        assert next_nonce(world) == nonce
        mine_once(world, proxy, lambda: bool(told))
        chain.settle([raw], nonce, on_signed=lambda *one: told.append(one))

    assert next_nonce(world) == nonce + 1
    assert {one[2] for one in told} == {nonce}
    (sent,) = [
        found
        for one in told
        if (found := world.devnet.rpc("eth_getTransactionByHash", "0x" + one[0].hex())) and found["blockNumber"]
    ]
    assert (sent["to"], sent["value"], sent["input"]) == (sent["from"], "0x0", "0x")
    assert commit(chain, 1, digest(1)).events


def test_settle__signed_for_more_gas_than_a_block_has__takes_the_nonce_and_goes_on(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    nonce = next_nonce(world)
    raw = signed_commit(world.chain(0), nonce, 10**11)  # type: ignore[arg-type]

    def refuse_the_first(parameters: list[Any], ask: Pass) -> Answer:
        return error(-32000, "exceeds block gas limit") if parameters == ["0x" + raw.hex()] else ask()

    proxy.faults["eth_sendRawTransaction"] = refuse_the_first
    chain = sender(world, 0, proxy.url)

    chain.settle([raw], nonce)

    assert next_nonce(world) == nonce + 1
    commit(chain, 1, digest(1))
    assert world.chain(0).look().round.commits == 1


def test_settle__endpoint_refuses_everything__says_why_and_offers_no_more_each_time(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    nonce = next_nonce(world)
    journal = [signed_commit(world.chain(0), nonce, 10**10)]  # type: ignore[arg-type]
    proxy.faults["eth_sendRawTransaction"] = lambda parameters, ask: error(-32000, "not today")
    chain = sender(world, 0, proxy.url, patience=replace(HASTY, replace_after=0.05))
    suggested = int(world.devnet.rpc("eth_gasPrice"), 16)

    for _ in range(5):
        with pytest.raises(TransactionFailed, match="not today"):
            chain.settle(tuple(journal), nonce, on_signed=lambda found, raw, nonce: journal.append(raw))

    assert len(journal) < 20
    assert highest(journal).most < 10 * max(suggested, 10**10)
    assert next_nonce(world) == nonce

    del proxy.faults["eth_sendRawTransaction"]
    chain.settle(journal, nonce)
    assert next_nonce(world) == nonce + 1


def test_settle__chain_makes_no_blocks__is_stuck_until_it_does(world: DevnetWorld) -> None:
    chain = sender(world, 0, patience=replace(HASTY, replace_after=0.1))
    nonce = next_nonce(world)
    journal = [signed_commit(chain, nonce, 10**10)]
    with not_mining(world):
        for _ in range(3):
            with pytest.raises(TransactionStuck, match=f"nonce {nonce} of 0x"):
                chain.settle(tuple(journal), nonce, on_signed=lambda found, raw, nonce: journal.append(raw))
        assert len(waiting(world, 0)) == 1
        world.devnet.rpc("evm_mine")
        chain.settle(journal, nonce)

    assert next_nonce(world) == nonce + 1


def test_settle__account_cannot_pay__says_so_and_goes_on_when_it_can(world: DevnetWorld) -> None:
    poor = Signer(b"\x66" * 32)
    nonce = int(world.devnet.rpc("eth_getTransactionCount", poor.checksum_address, "latest"), 16)
    chain = Web3Chain.connect(world.devnet.rpc_url, world.coordinator, signer=poor, patience=HASTY)
    raw = signed_commit(chain, nonce, 10**10, poor)
    world.devnet.rpc("anvil_setBalance", poor.checksum_address, hex(1))

    with pytest.raises(InsufficientFunds, match="send it some ether"):
        chain.settle([raw], nonce)
    world.devnet.rpc("anvil_setBalance", poor.checksum_address, hex(10**18))
    chain.settle([raw], nonce)

    assert int(world.devnet.rpc("eth_getTransactionCount", poor.checksum_address, "latest"), 16) == nonce + 1


def test_settle__chain_was_set_back__hands_nothing_over_and_the_nonce_is_free(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    nonce = next_nonce(world) + 7
    chain = sender(world, 0, proxy.url, patience=replace(HASTY, replace_after=0.3))

    chain.settle([signed_commit(chain, nonce, 10**10)], nonce)

    assert "eth_sendRawTransaction" not in proxy.asked
    commit(chain, 1, digest(1))
    assert world.chain(0).look().round.commits == 1


# ------------------------------------------------------------------------------------------------------------- reverts


def test_send__would_revert_as_things_stand__costs_nothing(world: DevnetWorld) -> None:
    chain = sender(world, 0)
    commit(chain, 1, digest(1))
    before = balance(world.devnet, signer(0))

    with pytest.raises(AlreadyCommitted):
        commit(chain, 1, digest(2))

    assert balance(world.devnet, signer(0)) == before


def test_send__reverts_only_in_its_block__is_explained(world: DevnetWorld) -> None:
    deadline = world.chain(0).look().round.deadline
    world.wait(deadline - world.now)
    chains = [sender(world, index, patience=replace(HASTY, replace_after=10.0)) for index in (0, 1)]
    with not_mining(world), ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(chain.send, CloseRound(round=ONE)) for chain in chains]
        while len(waiting(world, 0)) + len(waiting(world, 1)) < 2 and not all(each.done() for each in sent):
            time.sleep(0.02)
        world.devnet.rpc("evm_setNextBlockTimestamp", world.now)
        world.devnet.rpc("evm_mine")
        problems = [each.exception(20) for each in sent]

    (problem,) = [each for each in problems if each is not None]
    assert isinstance(problem, WrongPhase)
    assert problem.arguments == {"round": 1, "actual": Phase.IDLE, "needed": Phase.TRAINING}


def test_send__reverts_and_no_endpoint_traces__is_explained_by_a_replay(devnet: Devnet) -> None:
    world = DevnetWorld(devnet, CONFIG)
    for index in range(2):
        world.chain(index).send(RegisterNode(label=""))
    world.chain(0).send(OpenRound())
    with RpcProxy(devnet.rpc_url) as proxy:
        proxy.faults["debug_traceTransaction"] = lambda parameters, ask: error(-32601, "method not found")
        chain = sender(world, 0, proxy.url)
        before = balance(world.devnet, signer(0))

        with world.moment(), pytest.raises(DeadlineNotReached) as raised:
            chain.send(CloseRound(round=ONE))

    assert raised.value.arguments["round"] == 1
    assert balance(devnet, signer(0)) < before


def test_send__reverts_for_no_reason_that_is_known__raises_transaction_failed(world: DevnetWorld) -> None:
    address = "0x" + world.coordinator.hex()
    chain = sender(world, 0)
    code = world.devnet.rpc("eth_getCode", address, "latest")
    # A contract that stops at the preview (which is a call with no gas price) and fails when it is paid for.
    world.devnet.rpc("anvil_setCode", address, "0x3a15600757fe5b00")
    try:
        with pytest.raises(TransactionFailed, match="suspend failed in transaction 0x"):
            chain.send(Suspend(node=signer(0).address))
    finally:
        world.devnet.rpc("anvil_setCode", address, code)


# ------------------------------------------------------------------------------------------------------------ the clock


def open_and_wait(devnet: Devnet, seconds: int) -> list[Web3Chain]:
    """A swarm whose round's deadline has passed in real time, with no transaction since."""
    coordinator, _ = deploy(devnet, SHORT)
    chains = [Web3Chain.connect(devnet.rpc_url, coordinator, signer=signer(index)) for index in range(2)]
    for chain in chains:
        chain.send(RegisterNode(label=""))
    opened = chains[0].send(OpenRound())
    block = devnet.rpc("eth_getBlockByNumber", hex(opened.block_number), False)
    assert int(block["timestamp"], 16) < chains[1].look().round.deadline
    time.sleep(seconds)
    return chains


def test_close__deadline_passed_without_a_transaction__is_seen_and_succeeds(devnet: Devnet) -> None:
    chain = open_and_wait(devnet, 4)[1]
    view = chain.look()

    assert view.now >= view.round.deadline
    chain.send(CloseRound(round=ONE))

    assert chain.look().round.phase is Phase.IDLE


def test_close__by_a_program_that_just_started__succeeds(devnet: Devnet) -> None:
    first = open_and_wait(devnet, 4)[0]

    Web3Chain.connect(devnet.rpc_url, first.coordinator, signer=signer(5)).send(CloseRound(round=ONE))

    assert first.look().round.phase is Phase.IDLE


def test_look__another_process_warps_time__is_seen_on_anvil(world: DevnetWorld) -> None:
    chain = world.chain(0)
    before = chain.look()
    world.devnet.rpc("evm_increaseTime", 1_000)

    assert chain.look().now >= before.now + 1_000


def test_look__blocks_come__time_is_their_own(devnet: Devnet) -> None:
    coordinator, _ = deploy(devnet, CONFIG)
    chain = Web3Chain.connect(devnet.rpc_url, coordinator)
    devnet.rpc("evm_increaseTime", 500)
    began = time.monotonic()
    devnet.rpc("evm_mine")

    latest = int(devnet.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    view = chain.look()

    assert latest <= view.now <= latest + 5 + (time.monotonic() - began)
    assert view.block_number == int(devnet.rpc("eth_blockNumber"), 16)


# ----------------------------------------------------------------------------------------------------------------- gas


def test_gas__every_call_of_a_round__stays_below_its_cap(devnet: Devnet) -> None:
    world = DevnetWorld(devnet, CONFIG)
    chains = [world.chain(index) for index in range(3)]
    used: dict[type, int] = {}

    def note(call_type: type, receipt: Any) -> None:
        used[call_type] = max(used.get(call_type, 0), receipt.gas_used)

    admin, node = chains[0], signer(2).address
    note(types.AddNode, admin.send(types.AddNode(node=signer(4).address, label="x" * 64)))
    note(types.RemoveNode, admin.send(types.RemoveNode(node=signer(4).address)))
    for chain in chains:
        note(types.RegisterNode, chain.send(RegisterNode(label="x" * 64)))
    note(types.Announce, chains[1].send(Announce(stores=b"x" * 512)))
    note(types.Suspend, chains[2].send(Suspend(node=node)))
    note(types.Resume, chains[2].send(types.Resume()))
    admin.send(Suspend(node=node))
    note(types.Lift, admin.send(types.Lift(node=node)))
    note(types.OpenRound, admin.send(OpenRound()))
    for chain in chains:
        note(types.CommitUpdate, commit(chain, 1, digest(1)))
    for chain in chains[:2]:
        note(types.RevealUpdate, reveal(chain, 1, digest(1)))
    world.wait(world.chain(0).look().round.deadline - world.now)
    note(types.CloseRound, chains[2].send(CloseRound(round=ONE)))
    for chain, result in ((chains[0], 8), (chains[1], 9), (chains[0], 9)):
        note(types.Attest, chain.send(types.Attest(round=ONE, result=digest(result))))

    assert set(used) == set(GAS_CAPS) - {types.RegisterWithInvitation, types.SubmitUpdate}
    assert {kind.__name__: gas for kind, gas in used.items() if gas > GAS_CAPS[kind]} == {}


def test_deployed_at__of_a_contract__is_its_block(devnet: Devnet) -> None:
    coordinator, _ = deploy(devnet, CONFIG)
    number = BlockNumber(int(devnet.rpc("eth_blockNumber"), 16))
    for _ in range(5):
        devnet.rpc("evm_mine")

    chain = Web3Chain.connect(devnet.rpc_url, coordinator)

    assert chain.deployed_at() == number
    assert chain.code(block=BlockNumber(number - 1)) == b""
    assert len(chain.code(block=number)) > 10_000
