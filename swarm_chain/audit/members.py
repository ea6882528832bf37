"""Who belongs, replayed from events: the records that the contract must hold after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm_chain.types import (
    ZERO_DIGEST,
    Address,
    Digest,
    Event,
    NodeAnnounced,
    NodeRegistered,
    NodeRemoved,
    NodeResumed,
    NodeStatus,
    NodeSuspended,
    SuspensionReason,
)

FOREVER = 2**32 - 1
_GONE = (NodeStatus.UNREGISTERED, NodeStatus.REMOVED)

Membership = NodeRegistered | NodeAnnounced | NodeSuspended | NodeResumed | NodeRemoved


@dataclass(kw_only=True, slots=True)
class Member:
    """One node's record. `absent_at` holds what it may be: a resumption does not say who ended the suspension."""

    label: str = ""
    status: NodeStatus = NodeStatus.UNREGISTERED
    active_from: int = 0
    active_until: int = 0
    absent_at: frozenset[int] = frozenset({0})
    committed_round: int = 0
    revealed_round: int = 0
    attested_round: int = 0
    attested: Digest = ZERO_DIGEST

    def is_expected_in(self, round_number: int) -> bool:
        """Whether it takes part in that round."""
        return self.active_from <= round_number < self.active_until


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What membership depends on: the running or last round, and how many are finalised."""

    round: int
    finalized: int
    is_running: bool

    def after(self, rounds: int) -> int:
        """The number of finalised rounds from which a node that shows itself now counts as absent."""
        return self.finalized + rounds + int(self.is_running)


class Members:
    """All nodes there ever were. Events are applied even where they cannot be: what follows is then read as told."""

    def __init__(self, absence_limit: int) -> None:
        self._absence_limit = absence_limit
        self.by_address: dict[Address, Member] = {}
        self.has_newcomer = False

    @property
    def active(self) -> int:
        """How many would be expected in the next round."""
        return sum(member.status is NodeStatus.ACTIVE for member in self.by_address.values())

    def get(self, node: Address) -> Member:
        """A node's record; an empty one for an account that never joined."""
        return self.by_address.get(node, Member())

    def of(self, node: Address) -> Member:
        """A node's record, made if there is none, to be changed."""
        return self.by_address.setdefault(node, Member())

    def reveal(self, node: Address, now: Moment) -> None:
        """A reveal is a sign of life."""
        member = self.of(node)
        member.revealed_round = now.round
        member.absent_at = frozenset({now.after(self._absence_limit)})

    def apply(self, event: Membership, now: Moment) -> Iterator[str]:
        """Applies a membership event, and yields what is impossible about it."""
        match event:
            case NodeRegistered():
                yield from self._register(event, now)
            case NodeAnnounced():
                if self.get(event.node).status in _GONE:
                    yield "it announces stores, and is no node"
            case NodeSuspended():
                yield from self._suspend(event, now)
            case NodeResumed():
                yield from self._resume(event, now)
            case NodeRemoved():
                yield from self._remove(event, now)

    def _register(self, event: NodeRegistered, now: Moment) -> Iterator[str]:
        member = self.of(event.node)
        if member.status not in _GONE:
            yield f"it registers while it is {_said(member.status)}"
        member.label = event.label
        yield from self._activate(member, event.active_from, now, (self._absence_limit,))

    def _resume(self, event: NodeResumed, now: Moment) -> Iterator[str]:
        member = self.of(event.node)
        if member.status not in (NodeStatus.SUSPENDED, NodeStatus.SUSPENDED_BY_REGISTRAR):
            yield f"it resumes while it is {_said(member.status)}"
        # The node's own `resume` grants one round, a registrar's `lift` as many as joining does.
        spans = (1, self._absence_limit) if member.status is NodeStatus.SUSPENDED else (self._absence_limit,)
        yield from self._activate(member, event.active_from, now, spans)

    def _activate(self, member: Member, said: int, now: Moment, spans: tuple[int, ...]) -> Iterator[str]:
        if member.active_until != now.round + 1:
            member.active_from = now.round + 1
        if said != member.active_from:
            yield f"it is active from round {said} where it must be from round {member.active_from}"
            member.active_from = said
        member.active_until = FOREVER
        member.absent_at = frozenset(now.after(span) for span in spans)
        member.status = NodeStatus.ACTIVE
        self.has_newcomer = True

    def _suspend(self, event: NodeSuspended, now: Moment) -> Iterator[str]:
        member = self.of(event.node)
        if not _is_suspendable(member, event.reason, now):
            yield f"it is suspended ({event.reason.name.lower()}) while it is {_said(member.status)}" + (
                f", absent from {min(member.absent_at)} finalised rounds on, of which there are {now.finalized}"
                if member.status is NodeStatus.ACTIVE
                else ""
            )
        yield from self._deactivate(member, event.active_until, now)
        by_registrar = event.reason is SuspensionReason.REGISTRAR
        member.status = NodeStatus.SUSPENDED_BY_REGISTRAR if by_registrar else NodeStatus.SUSPENDED

    def _remove(self, event: NodeRemoved, now: Moment) -> Iterator[str]:
        member = self.of(event.node)
        if member.status in _GONE:
            yield f"it is removed while it is {_said(member.status)}"
        yield from self._deactivate(member, event.active_until, now)
        member.status = NodeStatus.REMOVED

    def _deactivate(self, member: Member, said: int, now: Moment) -> Iterator[str]:
        if member.status is NodeStatus.ACTIVE:
            member.active_until = now.round + 1
        if said != member.active_until:
            yield f"it is active until round {said} where it must be until round {member.active_until}"
            member.active_until = said


def is_membership(event: Event) -> bool:
    """Whether an event is about who belongs."""
    return isinstance(event, Membership)


def _is_suspendable(member: Member, reason: SuspensionReason, now: Moment) -> bool:
    if member.status is NodeStatus.SUSPENDED:
        return reason is SuspensionReason.REGISTRAR
    if member.status is not NodeStatus.ACTIVE:
        return False
    match reason:
        case SuspensionReason.ABSENCE:
            return now.finalized >= min(member.absent_at)
        case SuspensionReason.REGISTRAR:
            return now.finalized < max(member.absent_at)
        case _:
            return True


def _said(status: NodeStatus) -> str:
    return status.name.lower().replace("_", " ")
