"""A coordinator's history over JSON-RPC, as an audit reads it from one endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int
from swarm_chain.adapters.ethereum.logs import decode_log
from swarm_chain.adapters.ethereum.receipts import PAGE, Mined, checked, mined_in
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.audit.reader import Block, TransactionRecord
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import InvalidAnswer, NotACoordinator
from swarm_chain.types import (
    Address,
    BlockNumber,
    Digest,
    Event,
    Gas,
    NodeInfo,
    RevealUpdate,
    RoundInfo,
    SwarmInfo,
    Timestamp,
)

DEPLOYMENT = "(deployment)"
"""What stands for the call that made the contract."""

_BLOOM_BITS = 2048


class Web3History:
    """One endpoint's story of one coordinator. Only reads."""

    def __init__(self, url: str | Sequence[str], coordinator: Address, *, timeout: float = 30.0) -> None:
        """Asks nothing yet. Of several URLs the next is asked where one does not answer, so that they count as one.

        `timeout` is for one request. Raises `ConfigurationError` for what is no URL.
        """
        urls = [url] if isinstance(url, str) else url
        self._endpoints = Endpoints(urls, timeout=timeout)
        self._chain = Web3Chain(urls, coordinator, timeout=timeout)
        self._coordinator = coordinator
        self._abi = coordinator_abi()

    @property
    def name(self) -> str:
        """The endpoint, without its URL's secrets."""
        return self._endpoints.names

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._endpoints.chain_id

    @property
    def coordinator(self) -> Address:
        """The contract's address."""
        return self._coordinator

    # ------------------------------------------------------------------------------------------------------ the state

    def block(self, number: BlockNumber | None = None) -> Block:
        """A block by its number, the newest unless told. Raises `InvalidAnswer` if the endpoint has none."""
        return _block(self._header("latest" if number is None else hex(number)))

    def code(self, at: BlockNumber) -> bytes:
        """The runtime code at the coordinator's address."""
        return self._chain.code(block=at)

    def deployed_at(self, at: BlockNumber) -> BlockNumber:
        """The first block with code at the address; the chain's first where the endpoint forgot old states."""
        return self._chain.deployed_at(at)

    def swarm_info(self, at: BlockNumber) -> SwarmInfo:
        """The swarm at a glance. Raises `NotACoordinator`."""
        return self._chain.swarm_info(block=at)

    def round_info(self, at: BlockNumber) -> RoundInfo:
        """The running or last round. Raises `NotACoordinator`."""
        data = as_hex(self._abi.encode("roundInfo"))
        answer = self._endpoints.request("eth_call", {"to": as_hex(self._coordinator), "data": data}, hex(at))
        try:
            info: RoundInfo = self._abi.decode_result("roundInfo", as_bytes(answer))
        except InvalidAnswer as error:
            raise NotACoordinator(f"the contract at {as_hex(self._coordinator)} is no coordinator") from error
        return info

    def node_info(self, node: Address, at: BlockNumber) -> NodeInfo:
        """One node's record."""
        return self._chain.node_info(node, block=at)

    def attestations_for(self, result: Digest, at: BlockNumber) -> int:
        """How many attest to a result in the running or last round."""
        return self._chain.attestations_for(result, block=at)

    # ------------------------------------------------------------------------------------------------------ the record

    def events(self, at: BlockNumber) -> Sequence[Event]:
        """The events up to block `at`, as the endpoint's log search has them."""
        return self._chain.events(from_block=self.deployed_at(at), to_block=at)

    def headers(self, first: BlockNumber, last: BlockNumber) -> Iterator[tuple[Block, bool]]:
        """Each block, and whether its header's bloom filter has the coordinator's address."""
        mask = _bloom_mask(self._coordinator)
        for start in range(first, last + 1, PAGE):
            numbers = range(start, min(start + PAGE, last + 1))
            headers = self._endpoints.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
            for header in map(checked, headers):
                # Chains that keep no bloom filters say null, or zero: there, headers hint at nothing.
                bloom = int.from_bytes(as_bytes(header.get("logsBloom") or "0x"), "big")
                yield _block(header), bloom & mask == mask

    def transactions(self, numbers: Sequence[BlockNumber]) -> Iterator[TransactionRecord]:
        """The transactions of some blocks that left a log of the coordinator, by their receipts."""
        for mined in mined_in(self._endpoints, numbers):
            ours = [one for one in mined.logs if as_bytes(one[0].get("address")) == self._coordinator]
            if ours:
                events = (decode_log(log, position, self._abi) for log, position in ours)
                yield self._record(mined, tuple(event for event in events if event is not None))

    def _record(self, mined: Mined, events: tuple[Event, ...]) -> TransactionRecord:
        is_deployment = mined.receipt.get("to") is None
        is_direct = not is_deployment and as_bytes(mined.receipt.get("to")) == self._coordinator
        call = self._abi.decode_call(as_bytes(mined.sent.get("input"))) if is_direct else None
        return TransactionRecord(
            digest=mined.digest,
            block_number=mined.number,
            timestamp=mined.timestamp,
            sender=Address(as_bytes(mined.receipt.get("from"))),
            function=call.function if call else DEPLOYMENT if is_deployment else None,
            salt=call.salt if isinstance(call, RevealUpdate) else None,
            gas_used=Gas(as_int(mined.receipt.get("gasUsed"))),
            events=events,
        )

    def _header(self, tag: str) -> Mapping[str, Any]:
        return checked(self._endpoints.request("eth_getBlockByNumber", tag, False))


def _block(header: Mapping[str, Any]) -> Block:
    return Block(
        number=BlockNumber(as_int(header.get("number"))),
        hash=as_bytes(header.get("hash")),
        timestamp=Timestamp(as_int(header.get("timestamp"))),
    )


def _bloom_mask(address: Address) -> int:
    """The three bits that a log of this address sets in a header's `logsBloom` (yellow paper, M3:2048)."""
    digest = keccak256(address)
    bits = (int.from_bytes(digest[place : place + 2], "big") % _BLOOM_BITS for place in (0, 2, 4))
    return sum({1 << bit for bit in bits})
