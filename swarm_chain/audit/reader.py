"""What an audit asks of a chain. Whoever implements it is an adapter: `web3_history`, `memory_history`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from swarm_chain.types import (
    Address,
    BlockNumber,
    Digest,
    Event,
    Gas,
    NodeInfo,
    RoundInfo,
    Salt,
    SwarmInfo,
    Timestamp,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A block of the chain, by what names it and when it was."""

    number: BlockNumber
    hash: bytes
    timestamp: Timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionRecord:
    """A transaction after which the coordinator recorded something, as its receipt tells.

    `function` is what it called; None where it called a wallet or another contract, and that the coordinator. `salt`
    is that of a `revealUpdate`, which stands nowhere else.
    """

    digest: bytes
    block_number: BlockNumber
    timestamp: Timestamp
    sender: Address
    function: str | None
    salt: Salt | None
    gas_used: Gas
    events: tuple[Event, ...]


class HistoryReader(Protocol):
    """One endpoint's story of one coordinator. Every read says at which block; every call may raise a `ChainError`."""

    @property
    def name(self) -> str:
        """The endpoint as people know it, without secrets."""

    @property
    def chain_id(self) -> int: ...

    @property
    def coordinator(self) -> Address: ...

    def block(self, number: BlockNumber | None = None) -> Block:
        """A block by its number, the newest unless told."""

    def code(self, at: BlockNumber) -> bytes:
        """The runtime code at the coordinator's address."""

    def deployed_at(self, at: BlockNumber) -> BlockNumber:
        """The block in which the coordinator was deployed, seen from block `at`."""

    def swarm_info(self, at: BlockNumber) -> SwarmInfo: ...

    def round_info(self, at: BlockNumber) -> RoundInfo: ...

    def node_info(self, node: Address, at: BlockNumber) -> NodeInfo: ...

    def attestations_for(self, result: Digest, at: BlockNumber) -> int: ...

    def events(self, at: BlockNumber) -> Sequence[Event]:
        """The coordinator's events up to block `at`, in the chain's order, as the endpoint's log search has them."""

    def transactions(self, numbers: Sequence[BlockNumber]) -> Iterator[TransactionRecord]:
        """The transactions of some blocks that the coordinator recorded something in, by the blocks' receipts."""

    def headers(self, first: BlockNumber, last: BlockNumber) -> Iterator[tuple[Block, bool]]:
        """Each block from `first` to `last`, and whether its header allows that the coordinator recorded something
        in it: what a header denies did not happen."""
