"""`Web3Chain` over endpoints that are wrong, gone, slow, limited or hostile."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from swarm_chain.adapters.web3_chain import NODES_AT_ONCE, Web3Chain
from swarm_chain.devnet import Devnet, free_port
from swarm_chain.errors import (
    ChainError,
    ChainUnavailable,
    ConfigurationError,
    InvalidAnswer,
    NotACoordinator,
    WrongChain,
)
from swarm_chain.types import Address, NodeRegistered, NodeRemoved, NodeStatus, OpenRound, RegisterNode, RoundNumber
from tests.chains import CONFIG, DevnetWorld, commit, digest, send_raw, signer
from tests.rpc_proxy import Answer, Pass, RpcProxy, error


@pytest.fixture
def world(anvil: Devnet) -> DevnetWorld:
    """A swarm of three nodes that has opened a round; six events."""
    world = DevnetWorld(anvil, CONFIG)
    for index in range(3):
        world.chain(index).send(RegisterNode(label=f"node {index}"))
    world.chain(0).send(OpenRound())
    commit(world.chain(0), 1, digest(1))
    commit(world.chain(1), 1, digest(2))
    return world


@pytest.fixture
def proxy(anvil: Devnet) -> Iterator[RpcProxy]:
    with RpcProxy(anvil.rpc_url) as proxy:
        yield proxy


def dead_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def reader(world: DevnetWorld, *urls: str, **options: Any) -> Web3Chain:
    return Web3Chain.connect(urls, world.coordinator, **options)


# ---------------------------------------------------------------------------------------------------------- connecting


def test_connect__another_chain__says_which_one_it_is(world: DevnetWorld) -> None:
    with pytest.raises(WrongChain, match="serves chain 31337, not 11155111"):
        reader(world, world.devnet.rpc_url, chain_id=11155111)


def test_connect__no_contract_at_the_address__says_so(anvil: Devnet) -> None:
    with pytest.raises(NotACoordinator, match="no contract at 0x11111"):
        Web3Chain.connect(anvil.rpc_url, Address(b"\x11" * 20))


def test_connect__another_contract_at_the_address__says_so(anvil: Devnet) -> None:
    address = "0x" + "22" * 20
    anvil.rpc("anvil_setCode", address, "0x60ff60005260206000f3")

    with pytest.raises(NotACoordinator, match="another contract at 0x22222"):
        Web3Chain.connect(anvil.rpc_url, Address(b"\x22" * 20))


def test_connect__a_contract_that_always_reverts__is_no_coordinator(anvil: Devnet) -> None:
    address = "0x" + "23" * 20
    anvil.rpc("anvil_setCode", address, "0x60006000fd")

    with pytest.raises(NotACoordinator, match="another contract at 0x23232"):
        Web3Chain.connect(anvil.rpc_url, Address(b"\x23" * 20))


def test_connect__nothing_listens__says_where_and_why(world: DevnetWorld) -> None:
    url = dead_url()

    with pytest.raises(ChainUnavailable, match=f"{url} does not answer .connection refused.; check the RPC URL"):
        reader(world, url)


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://host", "http://", "http://host:99999", "http://[::1"])
def test_connect__not_an_http_url__is_a_configuration_error(world: DevnetWorld, url: str) -> None:
    with pytest.raises(ConfigurationError):
        reader(world, url)


def test_connect__no_url__is_a_configuration_error(world: DevnetWorld) -> None:
    with pytest.raises(ConfigurationError):
        reader(world)


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"[]", b"{}", b'"text"', b"\xff\xfe", b"", b'{"id":1,"result":null}']
)
def test_connect__something_else_answers__says_that_it_is_no_rpc(
    world: DevnetWorld, proxy: RpcProxy, body: bytes
) -> None:
    proxy.body = body

    with pytest.raises(ChainUnavailable, match=r"does not speak JSON-RPC|gives no chain id"):
        reader(world, proxy.url)

    assert reader(world, proxy.url, world.devnet.rpc_url).look().swarm.active_nodes == 3


# ------------------------------------------------------------------------------------------------------------ failover


def test_reading__first_endpoint_is_gone__asks_the_next(world: DevnetWorld) -> None:
    chain = reader(world, dead_url(), world.devnet.rpc_url)

    assert chain.look().swarm.active_nodes == 3


def test_reading__endpoint_dies_later__asks_the_next_and_stays_there(world: DevnetWorld, proxy: RpcProxy) -> None:
    with RpcProxy(world.devnet.rpc_url) as first:
        chain = reader(world, first.url, proxy.url)
        chain.look()
        assert proxy.round_trips == 0
        first.status = 503
        assert chain.look().swarm.active_nodes == 3
        first.status, before = 200, first.round_trips

        chain.look()

        assert first.round_trips == before


def test_reading__next_endpoint_serves_another_chain__raises_wrong_chain(world: DevnetWorld, proxy: RpcProxy) -> None:
    proxy.faults["eth_chainId"] = lambda parameters, ask: {"result": "0x1"}
    with RpcProxy(world.devnet.rpc_url) as first:
        chain = reader(world, first.url, proxy.url)
        first.status = 503

        with pytest.raises(WrongChain, match="serves chain 1, not 31337"):
            chain.look()


def test_reading__all_are_gone__names_each(world: DevnetWorld, proxy: RpcProxy) -> None:
    proxy.status = 429
    dead = dead_url()

    with pytest.raises(ChainUnavailable) as raised:
        reader(world, dead, proxy.url)

    assert dead in str(raised.value)
    assert f"{proxy.url} answers HTTP 429" in str(raised.value)


def test_reading__endpoint_is_slow__ends_in_time(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url, timeout=2.0)
    proxy.delay = 60.0
    started = time.monotonic()

    with pytest.raises(ChainUnavailable, match="timed out"):
        chain.node_info(signer(0).address)

    assert time.monotonic() - started < 20.0


def test_sending__endpoint_dies_between_reads__goes_on_with_the_next(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = Web3Chain.connect([proxy.url, world.devnet.rpc_url], world.coordinator, signer=signer(2))

    def accept_and_die(parameters: list[Any], ask: Pass) -> Answer:
        proxy.status = 502
        return ask()

    proxy.faults["eth_sendRawTransaction"] = accept_and_die
    with world.moment():
        commit(chain, 1, digest(3))

    assert chain.look().round.commits == 3


# ------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "place", ["http://user:SECRET@{}/v3/SECRET?key=SECRET", "http://{}/v3/SECRET", "http://{}/?apikey=SECRET"]
)
def test_errors__url_with_secrets__show_none_of_them(
    world: DevnetWorld, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = place.format(f"127.0.0.1:{free_port()}")
    with caplog.at_level(logging.DEBUG), pytest.raises(ChainUnavailable) as raised:
        reader(world, url)

    assert "SECRET" not in "".join(traceback.format_exception(raised.value)) + caplog.text


def test_errors__endpoint_refuses__do_not_show_the_url(
    world: DevnetWorld, proxy: RpcProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        chain = reader(world, proxy.url + "/v3/SECRET")
        chain.look()
        proxy.status = 500
        with pytest.raises(ChainUnavailable) as raised:
            chain.look()

    assert "SECRET" not in caplog.text + str(raised.value)
    assert "/…" in str(raised.value)


# ------------------------------------------------------------------------------------------------------- round trips


def test_look__endpoint_takes_batches__needs_two_round_trips(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)
    before = proxy.round_trips

    chain.look()

    assert proxy.round_trips - before == 2


@pytest.mark.parametrize("by_http", [False, True])
def test_look__endpoint_takes_no_batches__shows_the_same(world: DevnetWorld, proxy: RpcProxy, by_http: bool) -> None:
    proxy.takes_batches, proxy.refuses_batches_by_http = by_http, by_http

    there, here = (reader(world, url).look() for url in (proxy.url, world.devnet.rpc_url))

    assert (there.swarm, there.round, there.block_hash) == (here.swarm, here.round, here.block_hash)


def test_look__endpoint_has_no_pending_block__shows_the_latest_blocks_time(world: DevnetWorld, proxy: RpcProxy) -> None:
    def no_pending(parameters: list[Any], ask: Pass) -> Answer:
        return error(-32000, "pending block is not available") if parameters[0] == "pending" else ask()

    proxy.faults["eth_getBlockByNumber"] = no_pending

    view = reader(world, proxy.url).look()

    assert view.now == int(world.devnet.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def test_look__a_block_comes_in_between__reads_all_of_it_at_one_block(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)
    mined: list[object] = []

    def and_mine(parameters: list[Any], ask: Pass) -> Answer:
        answer = ask()
        if parameters[0] == "pending" and not mined:
            mined.append(commit(world.chain(2), 1, digest(3)))
        return answer

    proxy.faults["eth_getBlockByNumber"] = and_mine

    view = chain.look()

    assert mined
    assert (view.round.commits, chain.look().round.commits) == (2, 3)


# ---------------------------------------------------------------------------------------------------------------- logs


def test_events__endpoint_gives_few_blocks_at_once__are_all_read(world: DevnetWorld, proxy: RpcProxy) -> None:
    def at_most_three(parameters: list[Any], ask: Pass) -> Answer:
        blocks = int(parameters[0]["toBlock"], 16) - int(parameters[0]["fromBlock"], 16) + 1
        return ask() if blocks <= 3 else error(-32005, "query exceeds max block range 3")

    proxy.faults["eth_getLogs"] = at_most_three

    assert reader(world, proxy.url).events() == world.chain(None).events()


def test_events__endpoint_gives_few_results_at_once__are_all_read(world: DevnetWorld, proxy: RpcProxy) -> None:
    def at_most_two(parameters: list[Any], ask: Pass) -> Answer:
        answer = ask()
        return answer if len(answer["result"]) <= 2 else error(-32602, "query returned more than 2 results")

    proxy.faults["eth_getLogs"] = at_most_two

    assert reader(world, proxy.url).events() == world.chain(None).events()


def test_events__endpoint_is_slow_with_many_blocks__are_all_read(world: DevnetWorld, proxy: RpcProxy) -> None:
    def slow_above_three(parameters: list[Any], ask: Pass) -> Answer:
        if int(parameters[0]["toBlock"], 16) - int(parameters[0]["fromBlock"], 16) > 2:
            proxy.sleep(60.0)
        return ask()

    proxy.faults["eth_getLogs"] = slow_above_three

    assert reader(world, proxy.url, timeout=2.0).events() == world.chain(None).events()


def test_look__batches_fail_for_a_moment__are_used_again(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)
    proxy.status = 503
    with pytest.raises(ChainUnavailable):
        chain.look()
    proxy.status, before = 200, proxy.round_trips

    chain.look()

    assert proxy.round_trips - before == 2


def test_events__endpoint_refuses_any_page__raises_its_words(world: DevnetWorld, proxy: RpcProxy) -> None:
    proxy.faults["eth_getLogs"] = lambda parameters, ask: error(-32000, "logs are switched off")

    with pytest.raises(ChainError, match="logs are switched off"):
        reader(world, proxy.url).events()


def test_events__of_one_round__are_asked_for_by_topic(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)

    events = chain.events(round_number=RoundNumber(1))

    (asked,) = [given[0] for method, given in proxy.parameters if method == "eth_getLogs"]
    assert asked["topics"][1] == "0x" + "1".zfill(64)
    assert len(events) == 3


def test_events__of_some_kinds__are_asked_for_by_topic(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)

    events = chain.events(kinds=(NodeRegistered, NodeRemoved))

    (asked,) = [given[0] for method, given in proxy.parameters if method == "eth_getLogs"]
    assert [len(each) for each in asked["topics"]] == [2]
    assert len(events) == 3


def test_events__endpoint_gives_another_kind_than_asked_for__raises_invalid_answer(
    world: DevnetWorld, proxy: RpcProxy
) -> None:
    everything = world.devnet.rpc("eth_getLogs", {"address": "0x" + world.coordinator.hex(), "fromBlock": "0x0"})
    proxy.faults["eth_getLogs"] = lambda parameters, ask: {"result": everything}

    with pytest.raises(InvalidAnswer, match="other kinds than asked for"):
        reader(world, proxy.url).events(kinds=(NodeRegistered,))


def test_node_infos__of_many__take_few_requests(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)
    nodes = [signer(index % 4).address for index in range(NODES_AT_ONCE + 50)]
    before = proxy.round_trips

    infos = chain.node_infos(nodes)

    assert proxy.round_trips == before + 2
    assert [info.status == NodeStatus.ACTIVE for info in infos] == [index % 4 < 3 for index in range(len(nodes))]


def test_events__deployment_is_found__no_block_before_it_is_asked_for(world: DevnetWorld, proxy: RpcProxy) -> None:
    chain = reader(world, proxy.url)
    chain.events()

    (asked,) = [given[0] for method, given in proxy.parameters if method == "eth_getLogs"]
    first = chain.events()[0].block_number

    assert int(asked["fromBlock"], 16) == chain.deployed_at() == first - 1


def test_events__endpoint_forgot_old_states__are_read_from_the_first_block(world: DevnetWorld, proxy: RpcProxy) -> None:
    def pruned(parameters: list[Any], ask: Pass) -> Answer:
        return ask() if parameters[1] == "latest" else error(-32000, "missing trie node")

    proxy.faults["eth_getCode"] = pruned

    assert reader(world, proxy.url).events() == world.chain(None).events()


FORGERIES = {
    "another contract": {"address": "0x" + "11" * 20},
    "no longer in the chain": {"removed": True},
    "not asked for": {"blockNumber": "0xffffff"},
    "where a number belongs": {"logIndex": "zero"},
    "where bytes belong": {"transactionHash": None},
    "the contract's ABI": {"data": "0x01"},
    "topics": {"topics": None},
}


@pytest.mark.parametrize("what", FORGERIES)
def test_events__endpoint_forges_a_log__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy, what: str) -> None:
    def forge(parameters: list[Any], ask: Pass) -> Answer:
        logs = ask()["result"]
        return {"result": [*logs[:-1], logs[-1] | FORGERIES[what]]}

    proxy.faults["eth_getLogs"] = forge

    with pytest.raises(InvalidAnswer, match=what):
        reader(world, proxy.url).events()


def test_events__out_of_order__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    proxy.faults["eth_getLogs"] = lambda parameters, ask: {"result": ask()["result"][::-1]}

    with pytest.raises(InvalidAnswer, match="out of order"):
        reader(world, proxy.url).events()


def test_events__one_twice__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    def twice(parameters: list[Any], ask: Pass) -> Answer:
        logs = ask()["result"]
        return {"result": [*logs, logs[-1]]}

    proxy.faults["eth_getLogs"] = twice

    with pytest.raises(InvalidAnswer, match="out of order"):
        reader(world, proxy.url).events()


def test_events__of_another_round__raises_invalid_answer(world: DevnetWorld, proxy: RpcProxy) -> None:
    def other(parameters: list[Any], ask: Pass) -> Answer:
        return {
            "result": [
                log | {"topics": [log["topics"][0], "0x" + "2".zfill(64), *log["topics"][2:]]}
                for log in ask()["result"]
            ]
        }

    proxy.faults["eth_getLogs"] = other

    with pytest.raises(InvalidAnswer, match="another round"):
        reader(world, proxy.url).events(round_number=RoundNumber(1))


def test_events__label_is_not_utf8__is_shown_with_replacements(anvil: Devnet) -> None:
    world = DevnetWorld(anvil, CONFIG)
    chain = world.chain(1)
    call = RegisterNode(label="ab")
    data = chain._abi.encode_call(call).replace(b"ab", b"\xff\xfe")
    with world.moment():
        send_raw(anvil, data=data, to=world.coordinator, index=1)

    (event,) = chain.events()
    assert event.label == "\ufffd\ufffd"
