"""The parts of `web3_chain` that need no chain: its clock, its fees, its ABI, its hexadecimal values."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields

import pytest
from eth_abi.abi import encode

from swarm_chain.adapters.ethereum.abi import CALLS, EVENTS, Position, coordinator_abi
from swarm_chain.adapters.ethereum.clock import ChainClock
from swarm_chain.adapters.ethereum.fees import DEFAULT_TIP, Fees, suggested
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_int
from swarm_chain.artifacts import load_artifact
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import InvalidAnswer
from swarm_chain.types import (
    Address,
    BlockNumber,
    Call,
    Commitment,
    CommitUpdate,
    Digest,
    Event,
    Invitation,
    NodeSuspended,
    OpenRound,
    RegisterWithInvitation,
    RevealUpdate,
    RoundNumber,
    Salt,
    Samples,
    SuspensionReason,
    Timestamp,
)

NODE = Address(b"\x11" * 20)
HERE = Position(block_number=BlockNumber(5), log_index=2, transaction=b"\x22" * 32)


class Seconds:
    """A monotonic clock that a test moves."""

    value = 100.0

    def __call__(self) -> float:
        return self.value


# --------------------------------------------------------------------------------------------------------------- clock


def test_clock__pending_block_is_ahead__is_its_time() -> None:
    now = ChainClock().now(latest=b"a", latest_at=Timestamp(1_000), pending_at=Timestamp(1_050))

    assert now == 1_050


def test_clock__pending_block_stands_still__goes_on_since_the_latest_was_first_seen() -> None:
    seconds = Seconds()
    clock = ChainClock(seconds)
    same = {"latest": b"a", "latest_at": Timestamp(1_000), "pending_at": Timestamp(1_000)}
    assert clock.now(**same) == 1_000  # type: ignore[arg-type]

    seconds.value += 7.9

    assert clock.now(**same) == 1_007  # type: ignore[arg-type]


def test_clock__a_new_block_comes__starts_from_its_time() -> None:
    seconds = Seconds()
    clock = ChainClock(seconds)
    clock.now(latest=b"a", latest_at=Timestamp(1_000), pending_at=None)
    seconds.value += 60

    assert clock.now(latest=b"b", latest_at=Timestamp(1_012), pending_at=None) == 1_012


# ---------------------------------------------------------------------------------------------------------------- fees


def test_fees__base_fee__leaves_room_for_it_to_double() -> None:
    assert suggested(base_fee=10, tip=3, gas_price=99) == Fees(most=23, tip=3)


def test_fees__endpoint_suggests_no_tip__is_a_usual_one() -> None:
    assert suggested(base_fee=10, tip=None, gas_price=None).tip == DEFAULT_TIP


def test_fees__no_base_fee__is_a_gas_price() -> None:
    assert suggested(base_fee=None, tip=3, gas_price=99).fields() == {"gasPrice": 99}


@pytest.mark.parametrize("earlier", [Fees(most=100, tip=8), Fees(most=1_000, tip=1), Fees(most=100, tip=0)])
def test_fees__replacing__are_a_tenth_higher_in_both(earlier: Fees) -> None:
    later = suggested(base_fee=10, tip=1, gas_price=None).replacing(earlier)

    assert later.tip is not None
    assert earlier.tip is not None
    assert later.most >= 1.1 * earlier.most
    assert later.tip >= 1.1 * earlier.tip
    assert later.tip <= later.most


def test_fees__replacing_when_the_chain_asks_for_more__are_what_it_asks() -> None:
    assert suggested(base_fee=1_000, tip=50, gas_price=None).replacing(Fees(most=100, tip=1)) == Fees(
        most=2_050, tip=50
    )


# ----------------------------------------------------------------------------------------------------------------- ABI


@pytest.mark.parametrize(
    "call",
    [
        OpenRound(),
        CommitUpdate(round=RoundNumber(3), commitment=Commitment(b"\x01" * 32)),
        RevealUpdate(
            round=RoundNumber(3), digest=Digest(b"\x02" * 32), samples=Samples(2**64 - 1), salt=Salt(b"\x03" * 32)
        ),
        RegisterWithInvitation(
            invitation=Invitation(account=NODE, registrar=NODE, expiry=Timestamp(9)), signature=b"\x04" * 65, label="é"
        ),
    ],
    ids=lambda call: call.function,
)
def test_abi__a_call__is_read_back_from_its_data(call: Call) -> None:
    abi = coordinator_abi()

    assert abi.decode_call(abi.encode_call(call)) == call


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_abi__every_call__has_the_inputs_of_the_contracts_function(call: type[Call]) -> None:
    entry = next(each for each in load_artifact().abi if each["type"] == "function" and each["name"] == call.function)

    short = {"resultDigest": "result"}
    assert [short.get(part["name"], part["name"]) for part in entry["inputs"]] == [each.name for each in fields(call)]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_abi__every_event__has_the_inputs_of_the_contracts_event(event: type[Event]) -> None:
    entry = next(each for each in load_artifact().abi if each["type"] == "event" and each["name"] == event.__name__)

    names = [re.sub("([A-Z])", lambda found: "_" + found[1].lower(), part["name"]) for part in entry["inputs"]]
    assert names == [each.name for each in fields(event)][3:]


def test_abi__every_function_that_sends__is_a_call() -> None:
    sending = {
        entry["name"]
        for entry in load_artifact().abi
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    }

    assert sending - set(CALLS) == {"grantRole", "renounceRole", "revokeRole"}


@pytest.mark.parametrize("data", [b"", b"\x01\x02\x03\x04", coordinator_abi().encode("head")])
def test_abi__data_of_something_else__is_no_call(data: bytes) -> None:
    assert coordinator_abi().decode_call(data) is None


def test_abi__truncated_data__is_no_call() -> None:
    abi = coordinator_abi()
    data = abi.encode_call(CommitUpdate(round=RoundNumber(3), commitment=Commitment(b"\x01" * 32)))

    assert abi.decode_call(data[:-1]) is None


def test_abi__a_log__is_the_event() -> None:
    topics = [keccak256(b"NodeSuspended(address,uint32,uint8)"), NODE.rjust(32, b"\0"), (7).to_bytes(32, "big")]

    event = coordinator_abi().decode_event(topics, encode(["uint8"], [2]), HERE)

    assert event == NodeSuspended(
        block_number=BlockNumber(5),
        log_index=2,
        transaction=b"\x22" * 32,
        node=NODE,
        active_until=RoundNumber(7),
        reason=SuspensionReason.REGISTRAR,
    )


def test_abi__a_log_about_roles__is_no_event() -> None:
    topics = [keccak256(b"RoleGranted(bytes32,address,address)"), bytes(32), bytes(32), bytes(32)]

    assert coordinator_abi().decode_event(topics, b"", HERE) is None


def test_abi__a_log_with_a_reason_that_does_not_exist__raises_invalid_answer() -> None:
    topics = [keccak256(b"NodeSuspended(address,uint32,uint8)"), NODE.rjust(32, b"\0"), bytes(32)]

    with pytest.raises(InvalidAnswer, match="9 is not a SuspensionReason"):
        coordinator_abi().decode_event(topics, encode(["uint8"], [9]), HERE)


# -------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("value", [None, 5, "12", "0xzz", "0x1", b"\x01"])
def test_as_bytes__not_hexadecimal__raises_invalid_answer(value: object) -> None:
    with pytest.raises(InvalidAnswer):
        as_bytes(value)


@pytest.mark.parametrize("value", [None, "12", "0xzz", True, "0x"])
def test_as_int__not_a_number__raises_invalid_answer(value: object) -> None:
    with pytest.raises(InvalidAnswer):
        as_int(value)


def test_as_int__hexadecimal_or_plain__is_the_number() -> None:
    assert (as_int("0x10"), as_int(16)) == (16, 16)


def test_endpoint__deeply_nested_json__is_an_error_and_no_crash() -> None:
    program = (
        "import json, swarm_chain.adapters.ethereum.endpoint\n"
        "try:\n    json.loads('[' * 200_000)\n"
        "except RecursionError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "refused")
