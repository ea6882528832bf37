"""A coordinator on Anvil or Ganache, asked directly: a call's outcome, and every view of the contract in one request.

Faster than `Web3Chain`, which waits, prices and retries: thousands of random calls are compared with the model.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.endpoint import Endpoint
from swarm_chain.adapters.ethereum.logs import decode_log, position_of
from swarm_chain.core.cids import document_cid
from swarm_chain.core.commitments import keccak256
from swarm_chain.devnet import Devnet
from swarm_chain.types import (
    Address,
    Call,
    Digest,
    Event,
    NodeStatus,
    Phase,
    RoundInfo,
    SwarmConfig,
)
from tests.chains import DevnetWorld, MemoryWorld, signer

ABI = coordinator_abi()
GAS = 400_000
"""More than any call takes: what a transaction lacks is never gas."""
View = tuple[str, tuple[object, ...]]
"""A function of the contract and its arguments."""
Outcome = tuple[str, object]
"""`ok` and the events, or an error's name and its arguments."""


def views(accounts: Sequence[Address], results: Sequence[Digest]) -> list[View]:
    """Every view of the coordinator, for these accounts and results."""
    names = ("swarmInfo", "currentRound", "phase", "roundInfo", "waitingFor", "head", "headCid")
    ofs = ("nodeInfo", "isActive", "isExpected", "commitmentOf")
    return [
        *((name, ()) for name in names),
        *((name, (bytes(account),)) for account in accounts for name in ofs),
        *((name, (bytes(result),)) for result in results for name in ("attestationsFor", "cidOf")),
    ]


class RawCoordinator:
    """A newly deployed one. Each call is one block, when `world` says."""

    def __init__(self, devnet: Devnet, config: SwarmConfig) -> None:
        self.world = DevnetWorld(devnet, config)
        self._endpoint = Endpoint(devnet.rpc_url)
        self._to = "0x" + self.world.coordinator.hex()
        self._is_anvil = devnet.client == "anvil"
        self._nonces: dict[int, int] = {}

    def send(self, index: int, call: Call) -> Outcome:
        """What became of an account's call. A failed one is in a block too."""
        raw = self._signed(index, ABI.encode_call(call))
        with self.world.moment():
            receipt = self._handed_over(raw)
        if receipt["status"] == "0x1":
            return "ok", [decode_log(log, position_of(log), ABI) for log in receipt["logs"]]
        error = ABI.decode_error(self._why("0x" + keccak256(raw).hex()))
        assert error is not None, (call, receipt)
        return type(error).__name__, error.arguments

    def ask(self, wanted: Sequence[View]) -> list[Any]:
        """What these views say."""
        calls = [{"to": self._to, "data": "0x" + _asked(view).hex()} for view in wanted]
        answers = self._endpoint.batch([("eth_call", (call, "latest")) for call in calls])
        return [_answered(function, answer) for (function, _), answer in zip(wanted, answers, strict=True)]

    def events(self) -> list[Event | None]:
        """All of its events, with None for those about roles."""
        logs = self._endpoint.request("eth_getLogs", {"address": self._to, "fromBlock": "0x0", "toBlock": "latest"})
        return [decode_log(log, position_of(log), ABI) for log in logs]

    def _signed(self, index: int, data: bytes) -> bytes:
        account = signer(index)
        if index not in self._nonces:
            count = self._endpoint.request("eth_getTransactionCount", account.checksum_address, "latest")
            self._nonces[index] = int(count, 16)
        fields = {
            "type": 2,
            "chainId": 31337,
            "nonce": self._nonces[index],
            "gas": GAS,
            "maxFeePerGas": 100 * 10**9,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
            "data": data,
            "to": bytes(self.world.coordinator),
        }
        self._nonces[index] += 1
        return account.sign_transaction(fields)

    def _handed_over(self, raw: bytes) -> dict[str, Any]:
        """The receipt of a signed transaction."""
        if self._is_anvil:
            receipt: dict[str, Any] = self._endpoint.request("eth_sendRawTransactionSync", "0x" + raw.hex())
            return receipt
        sent = self._endpoint.request("eth_sendRawTransaction", "0x" + raw.hex())
        deadline = time.monotonic() + 10
        while (found := self._endpoint.request("eth_getTransactionReceipt", sent)) is None:
            assert time.monotonic() < deadline, "no receipt"
        return dict(found)

    def _why(self, transaction: str) -> bytes:
        """What a failed transaction reverted with. Anvil's tracer says it; Ganache's shows the step that did it."""
        if self._is_anvil:
            trace = self._endpoint.request("debug_traceTransaction", transaction, {"tracer": "callTracer"})
            return bytes.fromhex(trace["output"][2:])
        trace = self._endpoint.request("debug_traceTransaction", transaction, {"disableStorage": True})
        last = trace["structLogs"][-1]
        assert last["op"] == "REVERT", last
        offset, length = (int(word, 16) for word in last["stack"][:-3:-1])
        return bytes.fromhex("".join(last["memory"]))[offset : offset + length]


@lru_cache(maxsize=10_000)
def _asked(view: View) -> bytes:
    return ABI.encode(view[0], *view[1])


def _answered(function: str, answer: object) -> Any:
    assert isinstance(answer, str), (function, answer)
    return _decoded(function, answer)


@lru_cache(maxsize=100_000)
def _decoded(function: str, answer: str) -> Any:
    return ABI.decode_result(function, bytes.fromhex(answer[2:]))


def says(world: MemoryWorld, view: View) -> object:
    """What the model says where the contract has this view."""
    function, arguments = view
    about = bytes(arguments[0]) if arguments else b""  # type: ignore[call-overload]
    look = world.root.look()
    match function:
        case "swarmInfo":
            return look.swarm
        case "currentRound":
            return look.swarm.current_round
        case "phase":
            return look.round.phase
        case "roundInfo":
            return look.round
        case "waitingFor":
            return _waiting_for(look.round)
        case "head":
            return look.swarm.head
        case "headCid":
            return str(document_cid(look.swarm.head))
        case "cidOf":
            return str(document_cid(Digest(about)))
        case "attestationsFor":
            return world.root.attestations_for(Digest(about))
        case _:
            return _says_of(world, function, Address(about), look.swarm.current_round)


def _says_of(world: MemoryWorld, function: str, account: Address, current: int) -> object:
    look = world.root.as_account(account).look()
    return {
        "nodeInfo": look.node,
        "isActive": look.node.status is NodeStatus.ACTIVE,
        "isExpected": look.node.active_from <= current < look.node.active_until,
        "commitmentOf": look.commitment,
    }[function]


def _waiting_for(info: RoundInfo) -> tuple[Phase, int, int]:
    missing = {
        Phase.IDLE: 0,
        Phase.TRAINING: info.expected - info.commits,
        Phase.REVEALING: info.commits - info.reveals,
        Phase.MERGING: info.quorum - info.leading_attestations,
    }[info.phase]
    return info.phase, missing, info.deadline
