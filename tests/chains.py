"""One coordinator on a chain of any kind, whose clock a test moves: in memory, on Anvil, on Ganache."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from swarm_chain.accounts import Signer, coordinator_domain, development_signer
from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.artifacts import load_artifact
from swarm_chain.core.commitments import commitment_to, keccak256
from swarm_chain.devnet import Devnet
from swarm_chain.ports import Chain, OnSigned
from swarm_chain.types import (
    Address,
    Call,
    CommitUpdate,
    Digest,
    Event,
    Invitation,
    Receipt,
    RegisterWithInvitation,
    RevealUpdate,
    RoundNumber,
    Salt,
    Samples,
    Seconds,
    SwarmConfig,
    Timestamp,
)


@cache
def signer(index: int) -> Signer:
    """The signer of a development account."""
    return development_signer(f"dev{index}", chain_id=31337)


def digest(number: int) -> Digest:
    """A digest that is not zero."""
    return Digest(number.to_bytes(32, "big"))


CONFIG = SwarmConfig(
    task_digest=digest(0xA),
    genesis_digest=digest(0xB),
    is_sealed=True,
    quorum_bps=5_001,
    min_updates=2,
    initial_window=Seconds(600),
    min_window=Seconds(60),
    max_window=Seconds(3_600),
    reveal_window=Seconds(300),
    merge_window=Seconds(400),
    absence_limit=2,
    open_registration=True,
    admin=signer(0).address,
)


_COORDINATOR = Address(b"\xc0" * 20)
_START = Timestamp(1_700_000_000)


class World(Protocol):
    """A coordinator, and its clock. Each transaction is one block, `after` seconds later than the one before."""

    def chain(self, index: int | None) -> Chain:
        """The port for one of the accounts, or for a reader."""

    def wait(self, seconds: int) -> None:
        """Lets the next transaction be that much later."""

    @property
    def now(self) -> Timestamp:
        """When the next transaction will be."""


@dataclass
class MemoryWorld:
    """A coordinator in memory."""

    config: SwarmConfig
    coordinator: Address = _COORDINATOR
    start: Timestamp = _START

    def __post_init__(self) -> None:
        self.root = MemoryChain(self.config, coordinator=self.coordinator, now=self.start)
        self.root.advance(1)

    def chain(self, index: int | None) -> Chain:
        return _Ticking(self.root.as_account(None if index is None else signer(index).address), self)

    def wait(self, seconds: int) -> None:
        self.root.advance(seconds)

    @property
    def now(self) -> Timestamp:
        return self.root.look().now


class _Ticking:
    """A memory chain on which each transaction takes a second, as on chains with real blocks."""

    def __init__(self, chain: MemoryChain, world: MemoryWorld) -> None:
        self._chain = chain
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def send(self, call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        try:
            return self._chain.send(call, on_signed=on_signed)
        finally:
            self._world.wait(1)

    def salt(self, round_number: RoundNumber) -> Salt | None:
        account = self._chain.account
        if account is None:
            return None
        return _salt(account, self._chain.chain_id, self._chain.coordinator, round_number)


@cache
def _salt(account: Address, chain_id: int, coordinator: Address, round_number: RoundNumber) -> Salt:
    """The account's own, which takes a signature to find."""
    found = next(signer(index) for index in range(10) if signer(index).address == account)
    return found.salt(chain_id, coordinator, round_number)


class DevnetWorld:
    """A coordinator on Anvil or Ganache."""

    def __init__(self, devnet: Devnet, config: SwarmConfig) -> None:
        self.devnet = devnet
        self.coordinator, self.start = deploy(devnet, config)
        self._next = Timestamp(self.start + 1)
        self._chains = {
            index: Web3Chain(devnet.rpc_url, self.coordinator, signer=None if index is None else signer(index))
            for index in (None, *range(10))
        }

    def chain(self, index: int | None) -> Chain:
        return _OnTime(self._chains[index], self)

    def wait(self, seconds: int) -> None:
        self._next = Timestamp(self._next + seconds)

    @property
    def now(self) -> Timestamp:
        return self._next

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Within it, one transaction happens exactly `now`."""
        if self.devnet.client == "anvil":
            self.devnet.rpc("evm_setNextBlockTimestamp", self._next)
        else:
            self.devnet.rpc("evm_setTime", self._next * 1_000)
        try:
            yield
        finally:
            self.wait(1)


class _OnTime:
    """A real chain on which each transaction happens when the test says."""

    def __init__(self, chain: Web3Chain, world: DevnetWorld) -> None:
        self._chain = chain
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def send(self, call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        with self._world.moment():
            return self._chain.send(call, on_signed=on_signed)


def deploy(devnet: Devnet, config: SwarmConfig) -> tuple[Address, Timestamp]:
    """A new coordinator's address, and the time of its block."""
    receipt = send_raw(devnet, data=creation_data(config), gas=6_000_000)
    assert receipt["status"] == "0x1", receipt
    block = devnet.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    return Address(bytes.fromhex(receipt["contractAddress"][2:])), Timestamp(int(block["timestamp"], 16))


def creation_data(config: SwarmConfig) -> bytes:
    """What a transaction that deploys a coordinator carries."""
    artifact = load_artifact()
    constructor = next(entry for entry in artifact.abi if entry["type"] == "constructor")
    values = tuple(getattr(config, field.name) for field in fields(config))
    return artifact.bytecode + encode([collapse_if_tuple(dict(constructor["inputs"][0]))], [values])


def send_raw(
    devnet: Devnet, *, data: bytes = b"", to: Address | None = None, gas: int = 100_000, index: int = 0
) -> Any:
    """The receipt of a transaction that bypasses `Web3Chain`."""
    account = signer(index)
    fields_ = {
        "type": 2,
        "chainId": devnet.chain_id,
        "nonce": int(devnet.rpc("eth_getTransactionCount", account.checksum_address, "pending"), 16),
        "gas": gas,
        "maxFeePerGas": 100 * 10**9,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
        "data": data,
    }
    raw = account.sign_transaction(fields_ | ({} if to is None else {"to": bytes(to)}))
    sent = devnet.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    deadline = time.monotonic() + 10
    while (receipt := devnet.rpc("eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < deadline, "no receipt"
        time.sleep(0.01)
    return receipt


# --------------------------------------------------------------------------------------------------------------- calls


def commit(chain: Chain, round_number: int, update: Digest, samples: int = 10) -> Receipt:
    """Commits to an update, with the account's own salt."""
    return chain.send(commitment_call(chain, round_number, update, samples))


def commitment_call(chain: Chain, round_number: int, update: Digest, samples: int = 10) -> CommitUpdate:
    """The call that commits to an update."""
    number = RoundNumber(round_number)
    salt = chain.salt(number)
    assert salt is not None
    assert chain.account is not None
    commitment = commitment_to(
        chain_id=chain.chain_id,
        coordinator=chain.coordinator,
        round_number=number,
        node=chain.account,
        digest=update,
        samples=Samples(samples),
        salt=salt,
    )
    return CommitUpdate(round=number, commitment=commitment)


def reveal(chain: Chain, round_number: int, update: Digest, samples: int = 10) -> Receipt:
    """Reveals what `commit` committed to."""
    return chain.send(reveal_call(chain, round_number, update, samples))


def reveal_call(chain: Chain, round_number: int, update: Digest, samples: int = 10) -> RevealUpdate:
    """The call that reveals what `commit` committed to."""
    number = RoundNumber(round_number)
    salt = chain.salt(number)
    assert salt is not None
    return RevealUpdate(round=number, digest=update, samples=Samples(samples), salt=salt)


def invitation_call(
    chain: Chain, account: Address, *, registrar: int = 0, expiry: int, by: int | None = None, label: str = "node"
) -> RegisterWithInvitation:
    """The call that joins with an invitation; signed by another account than it says with `by`."""
    invitation = Invitation(account=account, registrar=signer(registrar).address, expiry=Timestamp(expiry))
    key = signer(registrar if by is None else by)
    signature = key.sign_typed(
        coordinator_domain(chain.chain_id, chain.coordinator),
        {"Invitation": [{"name": n, "type": t} for t, n in _INVITATION]},
        {"account": bytes(account), "registrar": bytes(invitation.registrar), "expiry": expiry},
    )
    return RegisterWithInvitation(invitation=invitation, signature=signature, label=label)


_INVITATION = (("address", "account"), ("address", "registrar"), ("uint64", "expiry"))


def normalised(events: Sequence[Event]) -> list[Event]:
    """Events without their place in the chain, but in its order."""
    return [replace(event, block_number=0, log_index=0, transaction=b"") for event in events]  # type: ignore[arg-type]


def role(name: str) -> bytes:
    """The identifier of one of the contract's roles."""
    return keccak256(name.encode())
