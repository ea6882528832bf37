"""Reverts of the contract as exceptions: the same names and arguments on both sides, whatever an endpoint's format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import encode

from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.reverts import explain, revert_in
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import (
    REVERTS,
    AlreadyCommitted,
    NotSealed,
    Reverted,
    SwarmChainError,
    TransactionFailed,
    WrongPhase,
)
from swarm_chain.types import Phase

INTERFACE = Path(__file__).parents[2] / "contracts" / "interfaces" / "ISwarmCoordinator.sol"
NODE = b"\x11" * 20


def declared() -> dict[str, str]:
    """The interface's errors: name to declaration."""
    text = INTERFACE.read_text(encoding="utf-8")
    return {found[1]: f"{found[1]}({found[2]})" for found in re.finditer(r"^    error (\w+)\(([^)]*)\);", text, re.M)}


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


ALREADY_COMMITTED = selector("AlreadyCommitted(uint32,address)") + encode(["uint32", "address"], [3, NODE])
WRONG_PHASE = selector("WrongPhase(uint32,uint8,uint8)") + encode(["uint32", "uint8", "uint8"], [3, 1, 2])
REASON = selector("Error(string)") + encode(["string"], ["out of luck"])


def test_reverts__interface_declares_an_error__there_is_the_exception_with_the_same_arguments() -> None:
    ours = {name: error.solidity for name, error in REVERTS.items()}

    assert len(ours) > 40
    assert ours == declared()


def test_reverts__the_built_contract__has_the_same_errors() -> None:
    assert {name for name in declared() if f"{name}(" in INTERFACE.read_text(encoding="utf-8")} == set(REVERTS)
    known = {entry["name"] for entry in coordinator_abi()._errors.values()}
    assert known == set(REVERTS)


@pytest.mark.parametrize("name", REVERTS)
def test_reverts__any_of_them__says_what_is_wrong_and_what_to_do_in_one_line(name: str) -> None:
    error = REVERTS[name]
    names = re.findall(r"(\w+)[,)]", error.solidity)
    shown = str(error(**dict.fromkeys(names, 7)))

    assert issubclass(error, SwarmChainError)
    assert shown.startswith(f"{name}(")
    assert "\n" not in shown
    assert re.search("; |: .+ [;,] ", shown), shown


def test_reverted__with_arguments__shows_accounts_in_hex_and_phases_by_name() -> None:
    shown = str(AlreadyCommitted(round=3, node=NODE)), str(WrongPhase(round=3, actual=Phase.IDLE, needed=Phase.MERGING))

    assert shown[0].startswith(f"AlreadyCommitted(round=3, node=0x{NODE.hex()}): this node has committed")
    assert shown[1].startswith("WrongPhase(round=3, actual=idle, needed=merging): ")


@pytest.mark.parametrize(
    "error",
    [
        RpcError("execution reverted", code=3, data="0x" + ALREADY_COMMITTED.hex()),
        RpcError("VM Exception while processing transaction: revert", data="0x" + ALREADY_COMMITTED.hex()),
        RpcError(
            "VM Exception while processing transaction: revert",
            data={"hash": "0x" + "ab" * 32, "result": "0x" + ALREADY_COMMITTED.hex(), "reason": None},
        ),
        RpcError("VM execution error.", data="Reverted 0x" + ALREADY_COMMITTED.hex()),
        RpcError("execution reverted", data={"data": "0x" + ALREADY_COMMITTED.hex()}),
        RpcError(f"execution reverted: custom error 0x{ALREADY_COMMITTED[:4].hex()}: {ALREADY_COMMITTED[4:].hex()}"),
        RpcError(f"execution reverted: 0x{ALREADY_COMMITTED.hex()}"),
    ],
    ids=["geth", "ganache", "ganache-send", "parity", "nested", "anvil-text", "text"],
)
def test_revert_in__each_clients_format__is_the_same_exception(error: RpcError) -> None:
    found = revert_in(error, coordinator_abi())

    assert isinstance(found, AlreadyCommitted)
    assert found.arguments == {"round": 3, "node": NODE}


def test_revert_in__without_arguments__is_the_exception() -> None:
    error = RpcError("execution reverted", code=3, data="0x" + selector("NotSealed()").hex())

    assert isinstance(revert_in(error, coordinator_abi()), NotSealed)


def test_revert_in__an_enum__is_the_enum() -> None:
    found = explain(WRONG_PHASE, coordinator_abi())

    assert isinstance(found, WrongPhase)
    assert found.arguments == {"round": 3, "actual": Phase.TRAINING, "needed": Phase.REVEALING}


def test_revert_in__solidity_own_words__are_shown() -> None:
    panic = selector("Panic(uint256)") + encode(["uint256"], [0x11])

    assert "out of luck" in str(explain(REASON, coordinator_abi()))
    assert "panic 0x11" in str(explain(panic, coordinator_abi()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\xff" * 4,
        ALREADY_COMMITTED[:-1],
        ALREADY_COMMITTED[:4],
        WRONG_PHASE[:-1] + b"\x09",
        ALREADY_COMMITTED[:4] + b"\xff" * 64,
    ],
)
def test_explain__bytes_that_are_no_error_of_ours__is_nothing(data: bytes) -> None:
    assert explain(data, coordinator_abi()) is None


def test_revert_in__revert_without_a_reason__is_a_failed_transaction() -> None:
    assert isinstance(revert_in(RpcError("execution reverted"), coordinator_abi()), TransactionFailed)


@pytest.mark.parametrize("text", ["header not found", "nonce too low", "insufficient funds for gas * price + value"])
def test_revert_in__another_refusal__is_nothing(text: str) -> None:
    assert revert_in(RpcError(text, code=-32000, data={"result": "0x" + "ab" * 32}), coordinator_abi()) is None


def test_reverted__of_no_name__is_not_in_the_table() -> None:
    assert Reverted not in REVERTS.values()
