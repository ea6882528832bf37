"""Whatever an endpoint answers, reading and sending end in a result or in a `ChainError`, never in a bare exception."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.attempts import Patience
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.adapters.web3_history import Web3History
from swarm_chain.devnet import Devnet
from swarm_chain.errors import ChainError, ChainUnavailable, InvalidAnswer
from swarm_chain.types import Announce, BlockNumber, CloseRound, OpenRound, RegisterNode, RoundNumber
from tests.chains import CONFIG, DevnetWorld, commit, digest, send_raw, signer
from tests.rpc_proxy import Answer, Fault, Pass, RpcProxy

AT_ONCE = Patience(poll=0.001, longest_poll=0.002, replace_after=0.01, replacements=1)
GONE = object()
"""Instead of a value: its key or place is left out."""
ODD = (GONE, None, "", "text", "0x", "0xzz", "0x" + "f" * 65, -1, 2**80, 1.5, True, [], [None], ["text"], {}, {"a": 1})


@pytest.fixture(scope="module")
def world(anvil: Devnet) -> Iterator[DevnetWorld]:
    """A swarm of three nodes that has opened a round."""
    world = DevnetWorld(anvil, CONFIG)
    for index in range(3):
        world.chain(index).send(RegisterNode(label=f"node {index}"))
    world.chain(0).send(OpenRound())
    commit(world.chain(0), 1, digest(1))
    yield world
    anvil.rpc("anvil_dropAllTransactions")


@pytest.fixture
def proxy(anvil: Devnet) -> Iterator[RpcProxy]:
    with RpcProxy(anvil.rpc_url) as proxy:
        yield proxy


def chain_at(world: DevnetWorld, proxy: RpcProxy) -> Web3Chain:
    return Web3Chain(proxy.url, world.coordinator, signer=signer(0), patience=AT_ONCE)


def history_at(world: DevnetWorld, proxy: RpcProxy) -> Web3History:
    return Web3History(proxy.url, world.coordinator)


def tip(world: DevnetWorld) -> BlockNumber:
    return BlockNumber(int(world.devnet.rpc("eth_blockNumber"), 16))


def signed(world: DevnetWorld) -> tuple[bytes, int]:
    nonce = int(world.devnet.rpc("eth_getTransactionCount", signer(0).checksum_address, "latest"), 16)
    price = {"type": 2, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
    to_oneself = {"chainId": 31337, "nonce": nonce, "gas": 21_000, "to": bytes(signer(0).address), "value": 0}
    return signer(0).sign_transaction(price | to_oneself), nonce


def settle(world: DevnetWorld, proxy: RpcProxy) -> None:
    raw, nonce = signed(world)
    chain_at(world, proxy).settle([raw], nonce)


Deed = Callable[[DevnetWorld, RpcProxy], object]
DEEDS: Mapping[str, Deed] = {
    "look": lambda world, proxy: chain_at(world, proxy).look(depth=2),
    "events": lambda world, proxy: chain_at(world, proxy).events(round_number=RoundNumber(1)),
    "node_info": lambda world, proxy: chain_at(world, proxy).node_info(signer(1).address),
    "send": lambda world, proxy: chain_at(world, proxy).send(Announce(stores=b"here")),
    # Its clock does not stand in the previews' way, so that it fails in its block, and is looked into.
    "send what fails": lambda world, proxy: chain_at(world, proxy).send(CloseRound(round=RoundNumber(1))),
    "settle": settle,
    "headers": lambda world, proxy: list(history_at(world, proxy).headers(BlockNumber(tip(world) - 1), tip(world))),
    "block": lambda world, proxy: history_at(world, proxy).block(),
    "transactions": lambda world, proxy: list(history_at(world, proxy).transactions([BlockNumber(tip(world) - 1)])),
    "round_info": lambda world, proxy: history_at(world, proxy).round_info(tip(world)),
    "deployed_at": lambda world, proxy: history_at(world, proxy).deployed_at(tip(world)),
}


def places(answer: object, depth: int = 5) -> Iterator[tuple[str | int, ...]]:
    """Where something lies in an answer: all of it, and each key and entry below; of a list, the first two."""
    yield ()
    inner: list[tuple[str | int, object]] = []
    if isinstance(answer, dict):
        inner = list(answer.items())
    if isinstance(answer, list):
        inner = list(enumerate(answer))[:2]
    for key, value in inner if depth else ():
        yield from ((key, *rest) for rest in places(value, depth - 1))


def changed(answer: Any, place: tuple[str | int, ...], odd: object) -> Any:
    """A copy of an answer with something odd in one place."""
    if not place:
        return None if odd is GONE else odd
    answer = copy.deepcopy(answer)
    around = answer
    try:
        for key in place[:-1]:
            around = around[key]
        if odd is GONE:
            del around[place[-1]]
        else:
            around[place[-1]] = odd
    except (KeyError, IndexError, TypeError):
        return answer  # Another call of the same method, whose answer does not have the place.
    return answer


def fault(place: tuple[str | int, ...], odd: object) -> Fault:
    def answer(parameters: list[Any], ask: Pass) -> Answer:
        said = ask()
        return {"result": changed(said["result"], place, odd)} if "result" in said else said

    return answer


def answered(deed: Deed, world: DevnetWorld, proxy: RpcProxy) -> dict[str, set[tuple[str | int, ...]]]:
    """By method, every place in what the real chain answers while the deed is done."""
    found: dict[str, set[tuple[str | int, ...]]] = {}
    methods = {"eth_chainId", *proxy.asked}

    def note(method: str) -> Fault:
        def answer(parameters: list[Any], ask: Pass) -> Answer:
            said = ask()
            found.setdefault(method, set()).update(places(said.get("result")))
            return said

        return answer

    done(deed, world, proxy)
    methods |= set(proxy.asked)
    proxy.faults.update({method: note(method) for method in methods})
    done(deed, world, proxy)
    proxy.faults.clear()
    return found


def done(deed: Deed, world: DevnetWorld, proxy: RpcProxy) -> ChainError | None:
    try:
        deed(world, proxy)
    except ChainError as raised:
        return raised
    return None


def check(world: DevnetWorld, proxy: RpcProxy, deed: Deed, odds: Callable[[int], tuple[object, ...]]) -> None:
    tried, failed = 0, 0
    for method, found in answered(deed, world, proxy).items():
        for place in sorted(found, key=str):
            for odd in odds(tried):
                proxy.faults[method] = fault(place, odd)
                failed += done(deed, world, proxy) is not None
                tried += 1
        proxy.faults.clear()
    assert failed > 0


@pytest.mark.parametrize("name", DEEDS)
def test_any_deed__something_in_an_answer_is_odd__ends_in_a_chain_error_at_worst(
    world: DevnetWorld, proxy: RpcProxy, name: str
) -> None:
    check(world, proxy, DEEDS[name], lambda tried: (GONE, ODD[tried // 2 % len(ODD)]))


@pytest.mark.deep
@pytest.mark.parametrize("name", DEEDS)
def test_any_deed__anything_in_an_answer_is_odd__ends_in_a_chain_error_at_worst(
    world: DevnetWorld, proxy: RpcProxy, name: str
) -> None:
    check(world, proxy, DEEDS[name], lambda tried: ODD)


@pytest.mark.parametrize(
    "odd", [b"[null, null]", b'["a", "b"]', b'[{"id": "a"}, {"id": 1}]', b"[" * 50_000, b"[[], []]"]
)
def test_look__the_whole_answer_is_odd__raises_a_chain_error(world: DevnetWorld, proxy: RpcProxy, odd: bytes) -> None:
    chain = chain_at(world, proxy)
    chain.look()
    proxy.body = odd

    with pytest.raises(ChainUnavailable, match="does not speak JSON-RPC"):
        chain.look()


def test_look__pending_block_has_no_time__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = chain_at(world, proxy)

    def without_time(parameters: list[Any], ask: Pass) -> Answer:
        return {"result": {}} if parameters[0] == "pending" else ask()

    proxy.faults["eth_getBlockByNumber"] = without_time

    with pytest.raises(InvalidAnswer):
        chain.look()


def test_send__newest_block_is_null__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = chain_at(world, proxy)
    proxy.faults["eth_getBlockByNumber"] = lambda parameters, ask: {"result": None}

    with pytest.raises(InvalidAnswer):
        chain.send(Announce(stores=b"here"))


def test_send__receipt_has_no_logs__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = chain_at(world, proxy)
    proxy.faults["eth_getTransactionReceipt"] = fault(("logs",), GONE)

    with pytest.raises(InvalidAnswer):
        chain.send(Announce(stores=b"here"))


def test_transactions__a_receipt_stands_for_another__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    with_two = two_in_a_block(world)

    def twice_the_first(parameters: list[Any], ask: Pass) -> Answer:
        receipts = ask()["result"]
        return {"result": [receipts[0], receipts[0]]}

    proxy.faults["eth_getBlockReceipts"] = twice_the_first

    with pytest.raises(InvalidAnswer, match="a receipt that is not of block"):
        list(history_at(world, proxy).transactions([with_two]))


def test_transactions__one_receipt_for_a_block_of_two__is_not_taken_for_all(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    with_two = two_in_a_block(world)
    everything = list(history_at(world, proxy).transactions([with_two]))
    proxy.faults["eth_getBlockReceipts"] = lambda parameters, ask: {"result": ask()["result"][0]}

    assert list(history_at(world, proxy).transactions([with_two])) == everything
    assert len(everything) == 2


def two_in_a_block(world: DevnetWorld) -> BlockNumber:
    """A block in which two nodes announce their stores."""
    data = coordinator_abi().encode_call(Announce(stores=b"there"))
    world.devnet.rpc("evm_setAutomine", False)
    try:
        with ThreadPoolExecutor(2) as pool:
            sent = [
                pool.submit(send_raw, world.devnet, data=data, to=world.coordinator, index=index) for index in (1, 2)
            ]
            while int(world.devnet.rpc("txpool_status")["pending"], 16) < 2:
                time.sleep(0.01)
            world.devnet.rpc("evm_mine")
            numbers = {int(each.result(10)["blockNumber"], 16) for each in sent}
    finally:
        world.devnet.rpc("evm_setAutomine", True)
    (number,) = numbers
    return BlockNumber(number)
