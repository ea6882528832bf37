"""The coordinator's logs, in pages that an endpoint's limits allow; each is checked to be what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from swarm_chain.adapters.ethereum.abi import EVENTS, ROUND_EVENTS, CoordinatorAbi, Position
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_int
from swarm_chain.errors import ChainUnavailable, InvalidAnswer
from swarm_chain.types import Address, BlockNumber, Event, RoundNumber

SLOWEST_PAGES: Final = 3
"""How many pages may time out before that is an error: each takes the whole timeout."""


class LogReader:
    """Reads one coordinator's events. Remembers how many blocks the endpoint gives at once."""

    def __init__(self, endpoints: Endpoints, abi: CoordinatorAbi, coordinator: Address) -> None:
        self._endpoints = endpoints
        self._abi = abi
        self._coordinator = coordinator
        self._span: int | None = None

    def events(
        self,
        first: BlockNumber,
        last: BlockNumber,
        *,
        round_number: RoundNumber | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> tuple[Event, ...]:
        """The events from block `first` to `last`, both included, in the chain's order; of a round, of kinds if asked.

        Raises `InvalidAnswer` for logs that are another contract's, of other blocks, removed or out of order.
        """
        wanted = set(EVENTS.values() if kinds is None else kinds)
        if round_number is not None:
            wanted &= ROUND_EVENTS
        if not wanted:
            return ()  # No topics would ask for all.
        found: list[Event] = []
        previous = (-1, -1)
        for log, bounds in self._logs(first, last, self._topics(wanted, round_number)):
            position = self._checked(log, bounds, previous)
            previous = (position.block_number, position.log_index)
            event = decode_log(log, position, self._abi)
            if event is not None:
                _require_asked(event, wanted, round_number)
                found.append(event)
        return tuple(found)

    def _topics(self, wanted: Collection[type[Event]], round_number: RoundNumber | None) -> list[Any] | None:
        if len(wanted) == len(EVENTS):
            return None
        kinds = ["0x" + topic.hex() for topic in self._abi.topics(wanted)]
        return [kinds] if round_number is None else [kinds, "0x" + round_number.to_bytes(32, "big").hex()]

    def _logs(
        self, first: int, last: int, topics: list[Any] | None
    ) -> Iterator[tuple[Mapping[str, Any], tuple[int, int]]]:
        timeouts = 0
        while first <= last:
            span = min(self._span or last - first + 1, last - first + 1)
            bounds = (first, first + span - 1)
            try:
                page = self._page(*bounds, topics)
            except (RpcError, ChainUnavailable) as error:
                # Limits on blocks, on results and on time all look different, and a smaller page helps with each.
                timeouts += isinstance(error, ChainUnavailable)
                if span == 1 or timeouts > SLOWEST_PAGES:
                    raise
                self._span = span // 2
                continue
            yield from ((log, bounds) for log in page)
            first = bounds[1] + 1
            if self._span is not None:
                self._span = span + span // 4 + 1

    def _page(self, first: int, last: int, topics: list[Any] | None) -> Sequence[Mapping[str, Any]]:
        wanted: dict[str, Any] = {
            "address": "0x" + self._coordinator.hex(),
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        if topics is not None:
            wanted["topics"] = topics
        page = self._endpoints.request("eth_getLogs", wanted)
        if not isinstance(page, list) or not all(isinstance(log, Mapping) for log in page):
            raise self._untrue("an answer that is not a list of logs")
        return page

    def _checked(self, log: Mapping[str, Any], bounds: tuple[int, int], previous: tuple[int, int]) -> Position:
        position = position_of(log)
        here = (position.block_number, position.log_index)
        if as_bytes(log.get("address")) != self._coordinator:
            raise self._untrue("a log of another contract")
        if log.get("removed"):
            raise self._untrue("a log of a block that is no longer in the chain")
        if not bounds[0] <= position.block_number <= bounds[1]:
            raise self._untrue("a log of a block that was not asked for")
        if here <= previous:
            raise self._untrue("logs that are out of order")
        return position

    def _untrue(self, what: str) -> InvalidAnswer:
        return InvalidAnswer(f"{self._endpoints.names} gave {what}; use another RPC endpoint")


def position_of(log: Mapping[str, Any]) -> Position:
    """Where a log lies. Raises `InvalidAnswer`."""
    return Position(
        block_number=BlockNumber(as_int(log.get("blockNumber"))),
        log_index=as_int(log.get("logIndex")),
        transaction=as_bytes(log.get("transactionHash")),
    )


def decode_log(log: Mapping[str, Any], position: Position, abi: CoordinatorAbi) -> Event | None:
    """A log as an event; None for the contract's other logs, as those about roles. Raises `InvalidAnswer`."""
    topics = log.get("topics")
    if not isinstance(topics, list):
        raise InvalidAnswer("a log has no topics; use another RPC endpoint")
    return abi.decode_event([as_bytes(topic) for topic in topics], as_bytes(log.get("data")), position)


def _require_asked(event: Event, wanted: Collection[type[Event]], round_number: RoundNumber | None) -> None:
    if type(event) not in wanted:
        raise InvalidAnswer("an endpoint gave events of other kinds than asked for; use another RPC endpoint")
    if round_number is not None and getattr(event, "round", None) != round_number:
        raise InvalidAnswer("an endpoint gave events of another round than asked for; use another RPC endpoint")
