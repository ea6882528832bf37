"""Whether endpoints tell one story, and a whole one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from swarm_chain.audit.reader import Block, HistoryReader, TransactionRecord
from swarm_chain.audit.report import Fault, Finding
from swarm_chain.core.commitments import commitment_to
from swarm_chain.errors import EndpointsDisagree
from swarm_chain.types import (
    Address,
    BlockNumber,
    Commitment,
    Event,
    RoundNumber,
    Timestamp,
    UpdateCommitted,
    UpdateRevealed,
)

HEADER_LIMIT = 50_000
"""Blocks whose headers are looked at for events that a log search left out."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """All that one endpoint recorded: its events, with the ones that only receipts have, and their transactions."""

    events: tuple[Event, ...]
    transactions: tuple[TransactionRecord, ...]
    times: dict[BlockNumber, Timestamp]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def pin(readers: Sequence[HistoryReader], number: BlockNumber | None) -> Block:
    """The block to look at: the one asked for, else the newest that every endpoint has."""
    if number is None:
        number = min(reader.block().number for reader in readers)
    return readers[0].block(number)


def check_agreement(readers: Sequence[HistoryReader], pinned: Block, events: Sequence[Event]) -> Iterator[Finding]:
    """A finding for each endpoint that says something else than the first."""
    for other in readers[1:]:
        for what in _contradictions(readers[0], other, pinned, events):
            message = f"{other.name} and {readers[0].name} disagree: {what}; ask one that you trust"
            yield Finding(fault=Fault.ENDPOINTS_DISAGREE, message=message)


def _contradictions(
    first: HistoryReader, other: HistoryReader, pinned: Block, events: Sequence[Event]
) -> Iterator[str]:
    if other.chain_id != first.chain_id:
        yield f"chain {other.chain_id} there, {first.chain_id} here"
        return
    block = other.block(pinned.number)
    if block != pinned:
        yield f"block {pinned.number} is 0x{block.hash.hex()} there, 0x{pinned.hash.hex()} here"
    at = pinned.number
    if other.code(at) != first.code(at):
        yield "the contract's code is another one there"
        return
    for view in ("swarm_info", "round_info"):
        if getattr(other, view)(at) != getattr(first, view)(at):
            yield f"{view} at block {at} is another one there"
    yield from _event_differences(events, other.events(at))


def _event_differences(ours: Sequence[Event], theirs: Sequence[Event]) -> Iterator[str]:
    here, there = set(ours), set(theirs)
    for event in _ordered(there - here):
        yield f"only there is {describe(event)}"
    for event in _ordered(here - there):
        yield f"only here is {describe(event)}"


def read_story(reader: HistoryReader, pinned: Block, on_progress: Progress) -> Story:
    """An endpoint's events, each looked up in its transaction's receipt, and none left out that a header hints at."""
    searched = sorted(reader.events(pinned.number), key=_position)
    blocks, notes = _blocks_to_read(reader, pinned, {event.block_number for event in searched}, on_progress)
    transactions = list(reader.transactions(sorted(blocks)))
    recorded = [event for transaction in transactions for event in transaction.events]
    return Story(
        events=tuple(sorted({*recorded, *searched}, key=_position)),
        transactions=tuple(transactions),
        times={number: block.timestamp for number, block in blocks.items()},
        findings=tuple(_compare(reader.name, searched, recorded)),
        notes=notes,
    )


def _blocks_to_read(
    reader: HistoryReader, pinned: Block, wanted: set[BlockNumber], on_progress: Progress
) -> tuple[dict[BlockNumber, Block], tuple[str, ...]]:
    """The blocks with events, and those in which a header admits more."""
    first, last = reader.deployed_at(pinned.number), pinned.number
    if last - first >= HEADER_LIMIT:
        note = (
            f"the headers of {last - first + 1} blocks were not looked at: an event that changes no counter could be "
            "missing; give a second endpoint to compare"
        )
        return {number: reader.block(number) for number in wanted}, (note,)
    found = {}
    for block, is_marked in reader.headers(first, last):
        on_progress(block.number - first, last - first)
        if is_marked or block.number in wanted:
            found[block.number] = block
    return found, ()


def check_pinned(reader: HistoryReader, pinned: Block) -> None:
    """Returns if the pinned block is still the chain's. Raises `EndpointsDisagree` if it is not."""
    if reader.block(pinned.number) != pinned:
        raise EndpointsDisagree(
            f"block {pinned.number} was replaced while the audit ran; run it again, with an older --block"
        )


def check_commitments(
    transactions: Sequence[TransactionRecord], *, chain_id: int, coordinator: Address
) -> Iterator[Finding]:
    """A finding for each reveal that is not what was committed to, as far as transactions show their salt."""
    commitments: dict[tuple[RoundNumber, Address], Commitment] = {}
    for transaction in transactions:
        for event in transaction.events:
            if isinstance(event, UpdateCommitted):
                commitments[event.round, event.node] = event.commitment
            elif isinstance(event, UpdateRevealed) and transaction.salt is not None:
                actual = commitment_to(
                    chain_id=chain_id,
                    coordinator=coordinator,
                    round_number=event.round,
                    node=event.node,
                    digest=event.digest,
                    samples=event.samples,
                    salt=transaction.salt,
                )
                if actual != commitments.get((event.round, event.node)):
                    what = "what it revealed is not what it had committed to"
                    yield Finding(fault=Fault.WRONG_COMMITMENT, message=what, round=event.round, nodes=(event.node,))


def _compare(name: str, searched: Sequence[Event], recorded: Sequence[Event]) -> Iterator[Finding]:
    for event in _ordered(set(recorded) - set(searched)):
        what = f"{name} leaves {describe(event)} out of its logs, though the block's receipts have it"
        yield _about(event, Fault.HIDDEN_EVENT, what)
    for event in _ordered(set(searched) - set(recorded)):
        what = f"{name} has {describe(event)} in its logs, though the block's receipts do not"
        yield _about(event, Fault.INVENTED_EVENT, what)


def _about(event: Event, fault: Fault, message: str) -> Finding:
    node = getattr(event, "node", None)
    return Finding(
        fault=fault, message=message, round=getattr(event, "round", None), nodes=() if node is None else (node,)
    )


def describe(event: Event) -> str:
    """An event in a few words: its name, whom and which round it is about, and where it lies."""
    words = [type(event).__name__]
    if (round_number := getattr(event, "round", None)) is not None:
        words.append(f"of round {round_number}")
    if (node := getattr(event, "node", None)) is not None:
        words.append(f"by 0x{node.hex()}")
    return f"{' '.join(words)} (block {event.block_number}, log {event.log_index})"


def _ordered(events: set[Event]) -> list[Event]:
    return sorted(events, key=_position)


def _position(event: Event) -> tuple[int, int]:
    return event.block_number, event.log_index
