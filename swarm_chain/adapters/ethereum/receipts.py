"""All that happened in some blocks, by their receipts: in few requests, and with logs numbered as they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from swarm_chain.adapters.ethereum.abi import Position
from swarm_chain.adapters.ethereum.endpoint import Request, RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int, as_objects
from swarm_chain.errors import InvalidAnswer
from swarm_chain.types import BlockNumber, Timestamp

PAGE = 100
"""Blocks that are asked for at once."""

Answer = Mapping[str, Any]
_Sent = Mapping[bytes, Answer]
"""A block's transactions by their hashes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mined:
    """A transaction in a block: as it was sent, its receipt, and its logs with their places in the block."""

    number: BlockNumber
    timestamp: Timestamp
    digest: bytes
    sent: Answer
    receipt: Answer
    logs: tuple[tuple[Answer, Position], ...]


def mined_in(endpoints: Endpoints, numbers: Sequence[BlockNumber]) -> Iterator[Mined]:
    """The transactions of some blocks, in order. Raises `InvalidAnswer` where one has no receipt of its block."""
    for start in range(0, len(numbers), PAGE):
        page = numbers[start : start + PAGE]
        asked = [("eth_getBlockByNumber", [hex(number), True]) for number in page]
        blocks = [checked(answer) for answer in endpoints.batch(asked)]
        sent = [
            {as_bytes(each.get("hash")): each for each in as_objects(block.get("transactions"))} for block in blocks
        ]
        times = [Timestamp(as_int(block.get("timestamp"))) for block in blocks]
        for number, time, ours, receipts in zip(page, times, sent, _receipts(endpoints, page, sent), strict=True):
            in_order = sorted(receipts, key=lambda one: as_int(one.get("transactionIndex")))
            yield from _mined(number, time, ours, in_order)


def checked(answer: object) -> Answer:
    """A block or receipt. Raises what the endpoint refused it with, and `InvalidAnswer` where there is none."""
    if isinstance(answer, RpcError):
        raise answer
    if not isinstance(answer, Mapping):
        raise InvalidAnswer("an RPC endpoint lacks a block or receipt that it should have; use another")
    return answer


def _receipts(
    endpoints: Endpoints, numbers: Sequence[BlockNumber], sent: Sequence[_Sent]
) -> Iterator[Sequence[Answer]]:
    """All receipts of some blocks; one by one where the endpoint does not give a block's at once."""
    answers = endpoints.batch([_request(*one) for one in zip(numbers, sent, strict=True)])
    for ours, answer in zip(sent, answers, strict=True):
        if isinstance(answer, Mapping) and len(ours) == 1:
            yield [answer]
        elif isinstance(answer, list) and len(answer) == len(ours):
            yield [checked(receipt) for receipt in answer]
        else:
            asked = [("eth_getTransactionReceipt", [as_hex(each)]) for each in ours]
            yield [checked(receipt) for receipt in endpoints.batch(asked)]


def _request(number: BlockNumber, sent: _Sent) -> Request:
    if len(sent) == 1:
        return "eth_getTransactionReceipt", [as_hex(next(iter(sent)))]
    return "eth_getBlockReceipts", [hex(number)]


def _mined(number: BlockNumber, time: Timestamp, sent: _Sent, receipts: Sequence[Answer]) -> Iterator[Mined]:
    logs = [as_objects(receipt.get("logs")) for receipt in receipts]
    said = [as_int(log.get("logIndex")) for each in logs for log in each]
    # Ganache begins anew with each transaction in receipts, though not in its log search.
    places = iter(said if all(one < other for one, other in pairwise(said)) else range(len(said)))
    left = set(sent)
    for receipt, ours in zip(receipts, logs, strict=True):
        digest = as_bytes(receipt.get("transactionHash"))
        if digest not in left or as_int(receipt.get("blockNumber")) != number:
            raise InvalidAnswer(f"an RPC endpoint gave a receipt that is not of block {number}; use another")
        left.remove(digest)
        placed = [(log, Position(block_number=number, log_index=next(places), transaction=digest)) for log in ours]
        yield Mined(
            number=number,
            timestamp=time,
            digest=digest,
            sent=sent[digest],
            receipt=receipt,
            logs=tuple(placed),
        )
