"""What the contract says of itself at the pinned block, beside what its events make of it.

An endpoint that leaves an event out of its log search contradicts the contract's own counters and records here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from swarm_chain.audit.history import History
from swarm_chain.audit.members import Member
from swarm_chain.audit.reader import HistoryReader
from swarm_chain.audit.report import Fault, Finding
from swarm_chain.types import (
    ZERO_DIGEST,
    AbortReason,
    Address,
    BlockNumber,
    NodeStatus,
    Phase,
    RoundInfo,
    RoundNumber,
    Seconds,
    SwarmConfig,
    SwarmInfo,
    Timestamp,
)

LONGEST_WINDOW = 180 * 24 * 60 * 60


def check_state(reader: HistoryReader, at: BlockNumber, history: History) -> Iterator[Finding]:
    """A finding for each view that does not follow from the events."""
    swarm, current = reader.swarm_info(at), reader.round_info(at)
    yield from _differences("swarmInfo", swarm, expected_swarm(history), None)
    yield from _differences("roundInfo", current, expected_round(history), history.number or None)
    for node in sorted(history.members.by_address):
        yield from _node(reader, at, history, node)
    yield from _attestations(reader, at, history)


def expected_swarm(history: History) -> SwarmInfo:
    """What `swarmInfo()` must give after the events."""
    active = history.members.active
    return SwarmInfo(
        config=history.config,
        active_nodes=active,
        required_updates=history.required(active),
        current_round=history.number,
        finalized_rounds=history.finalized,
        head=history.head,
    )


def expected_round(history: History) -> RoundInfo:
    """What `roundInfo()` must give after the events."""
    last = history.rounds[-1] if history.rounds else None
    is_idle = history.phase is Phase.IDLE
    return RoundInfo(
        round=history.number,
        phase=history.phase,
        abort_reason=history.last_abort if is_idle else AbortReason.NONE,
        base=last.base if last else history.head,
        phase_started_at=Timestamp(history.phase_started_at),
        deadline=Timestamp(0 if is_idle else history.deadline),
        expected=last.expected if last else 0,
        quorum=history.quorum_of(last.expected) if last else 0,
        commits=len(last.commits or last.reveals) if last else 0,
        reveals=len(last.reveals) if last else 0,
        leading=last.leading if last else ZERO_DIGEST,
        leading_attestations=last.tally[last.leading] if last else 0,
        training_window=Seconds(history.windows.training),
        stretch=history.windows.stretch,
    )


def check_configuration(config: SwarmConfig) -> Iterator[Finding]:
    """A finding for each rule of the constructor that the configuration breaks: then another one deployed it."""
    rules = {
        "a task": config.task_digest != ZERO_DIGEST,
        "a genesis": config.genesis_digest != ZERO_DIGEST,
        "an admin": any(config.admin),
        "a quorum of more than half, and at most all": 5_000 < config.quorum_bps <= 10_000,
        "at least two updates a round": config.min_updates >= 2,
        "windows that are not zero": 0 not in (config.min_window, config.reveal_window, config.merge_window),
        "windows in order": config.min_window <= config.initial_window <= config.max_window,
        "windows below their limit": config.max_window <= LONGEST_WINDOW,
        "no window above the longest": max(config.reveal_window, config.merge_window) <= config.max_window,
        "an absence limit": config.absence_limit > 0,
    }
    for rule, holds in rules.items():
        if not holds:
            message = f"its configuration lacks {rule}: the contract's constructor was not what put it there"
            yield Finding(fault=Fault.BAD_CONFIGURATION, message=message)


def _node(reader: HistoryReader, at: BlockNumber, history: History, node: Address) -> Iterator[Finding]:
    info, member = reader.node_info(node, at), history.members.get(node)
    attests_now = history.number > 0 and member.attested_round == history.number
    expected = {
        "status": member.status,
        "active_from": member.active_from,
        "active_until": member.active_until,
        "committed_round": member.committed_round,
        "revealed_round": member.revealed_round,
        "attested_round": member.attested_round,
        "attested": member.attested if attests_now else ZERO_DIGEST,
    }
    for name, value in expected.items():
        yield from _difference(f"nodeInfo: {name}", getattr(info, name), value, None, node)
    if info.absent_at not in member.absent_at:
        yield from _difference("nodeInfo: absent_at", info.absent_at, min(member.absent_at), None, node)
    yield from _difference(
        "nodeInfo: is_absent", info.is_absent, _is_absent(member, info.absent_at, history), None, node
    )


def _is_absent(member: Member, absent_at: int, history: History) -> bool:
    return member.status is NodeStatus.ACTIVE and history.finalized >= absent_at


def _attestations(reader: HistoryReader, at: BlockNumber, history: History) -> Iterator[Finding]:
    last = history.rounds[-1] if history.rounds else None
    if last is None:
        return
    for result, count in sorted(last.tally.items()):
        said = reader.attestations_for(result, at)
        yield from _difference(f"attestationsFor(0x{result.hex()})", said, count, last.number)


def _differences(view: str, said: Any, seen: Any, round_number: RoundNumber | None) -> Iterator[Finding]:
    for item in fields(said):
        ours, theirs = getattr(seen, item.name), getattr(said, item.name)
        yield from _difference(f"{view}: {item.name}", theirs, ours, round_number)


def _difference(
    what: str, said: object, seen: object, round_number: RoundNumber | None, *nodes: Address
) -> Iterator[Finding]:
    if said != seen:
        message = (
            f"{what} is {_shown(said)}, and {_shown(seen)} by the events: "
            "the endpoint leaves events out, or the state is not this contract's own"
        )
        yield Finding(fault=Fault.STATE_MISMATCH, message=message, round=round_number, nodes=nodes)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value.name.lower() if isinstance(value, Phase | AbortReason | NodeStatus) else str(value)
