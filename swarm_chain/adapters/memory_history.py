"""A memory chain's history, as an audit reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarm_chain.adapters.memory import MemoryBlock, MemoryChain
from swarm_chain.audit.reader import Block, TransactionRecord
from swarm_chain.core.gas import GAS_CAPS
from swarm_chain.types import (
    Address,
    BlockNumber,
    Digest,
    Event,
    NodeInfo,
    RevealUpdate,
    RoundInfo,
    SwarmInfo,
)


class MemoryHistory:
    """The story of a `MemoryChain`, whose contract has the code it is given here."""

    def __init__(self, chain: MemoryChain, *, code: bytes, name: str = "memory") -> None:
        self._chain, self._code, self._name = chain, code, name

    @property
    def name(self) -> str:
        """What findings call this endpoint."""
        return self._name

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain.chain_id

    @property
    def coordinator(self) -> Address:
        """The contract's address."""
        return self._chain.coordinator

    def block(self, number: BlockNumber | None = None) -> Block:
        """A block by its number, the newest unless told."""
        block = self._chain.blocks[-1 if number is None else number]
        return _named(block)

    def code(self, at: BlockNumber) -> bytes:
        """The code that this was made with."""
        return self._code

    def deployed_at(self, at: BlockNumber) -> BlockNumber:
        """The first block."""
        return BlockNumber(0)

    def swarm_info(self, at: BlockNumber) -> SwarmInfo:
        """The swarm at a glance."""
        return self._chain.blocks[at].state.swarm_info()

    def round_info(self, at: BlockNumber) -> RoundInfo:
        """The running or last round."""
        return self._chain.blocks[at].state.round_info()

    def node_info(self, node: Address, at: BlockNumber) -> NodeInfo:
        """One node's record."""
        return self._chain.blocks[at].state.node_info(node)

    def attestations_for(self, result: Digest, at: BlockNumber) -> int:
        """How many attest to a result in the running or last round."""
        return self._chain.blocks[at].state.attestations_for(result)

    def events(self, at: BlockNumber) -> Sequence[Event]:
        """The events up to block `at`."""
        return self._chain.events(to_block=at)

    def transactions(self, numbers: Sequence[BlockNumber]) -> Iterator[TransactionRecord]:
        """The blocks' calls."""
        for number in numbers:
            block = self._chain.blocks[number]
            if block.call is not None and block.sender is not None:
                yield TransactionRecord(
                    digest=block.transaction,
                    block_number=number,
                    timestamp=block.timestamp,
                    sender=block.sender,
                    function=block.call.function,
                    salt=block.call.salt if isinstance(block.call, RevealUpdate) else None,
                    gas_used=GAS_CAPS[type(block.call)],
                    events=block.events,
                )

    def headers(self, first: BlockNumber, last: BlockNumber) -> Iterator[tuple[Block, bool]]:
        """Each block, and whether it has events."""
        for block in self._chain.blocks[first : last + 1]:
            yield _named(block), bool(block.events)


def _named(block: MemoryBlock) -> Block:
    return Block(number=block.number, hash=block.hash, timestamp=block.timestamp)
