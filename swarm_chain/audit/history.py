"""A swarm's history, replayed from its events: what each of them must be after those before it.

An independent statement of the coordinator's rules, driven by what was recorded instead of by calls. Where an event
cannot be, that is a finding, and the replay goes on from what the event says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from swarm_chain.audit.members import Members, Membership, Moment
from swarm_chain.audit.report import Fault, Finding, Outcome
from swarm_chain.audit.windows import Windows
from swarm_chain.core.judge import Reveal
from swarm_chain.core.quorum import quorum
from swarm_chain.types import (
    ZERO_DIGEST,
    AbortReason,
    Address,
    BlockNumber,
    Digest,
    Event,
    Phase,
    ResultAttested,
    RevealingStarted,
    RoundAborted,
    RoundClosed,
    RoundFinalized,
    RoundNumber,
    RoundOpened,
    SwarmConfig,
    Timestamp,
    UpdateCommitted,
    UpdateRevealed,
)

RoundEvent = (
    RoundOpened
    | UpdateCommitted
    | RevealingStarted
    | UpdateRevealed
    | RoundClosed
    | ResultAttested
    | RoundFinalized
    | RoundAborted
)


@dataclass(kw_only=True, slots=True)
class RoundRecord:
    """One round as its events tell it."""

    number: RoundNumber
    base: Digest
    expected: int
    quorum: int
    commits: dict[Address, bytes] = field(default_factory=dict)
    reveals: dict[Address, UpdateRevealed] = field(default_factory=dict)
    attestations: dict[Address, Digest] = field(default_factory=dict)
    leading: Digest = ZERO_DIGEST
    end: RoundFinalized | RoundAborted | None = None

    @property
    def outcome(self) -> Outcome:
        """Where it stands."""
        if self.end is None:
            return Outcome.RUNNING
        return Outcome.FINALIZED if isinstance(self.end, RoundFinalized) else Outcome.ABORTED

    @property
    def result(self) -> Digest | None:
        """What it was finalised with."""
        return self.end.result if isinstance(self.end, RoundFinalized) else None

    @property
    def tally(self) -> Counter[Digest]:
        """How many nodes attest to each result, by their last word."""
        return Counter(self.attestations.values())

    def attesters(self, result: Digest) -> tuple[Address, ...]:
        """Who attests to a result."""
        return tuple(sorted(node for node, attested in self.attestations.items() if attested == result))

    def revealed(self) -> tuple[Reveal, ...]:
        """Its updates as a merge is told of them."""
        order = {node: place for place, node in enumerate(self.commits or self.reveals)}
        return tuple(
            Reveal(node=node, digest=event.digest, samples=event.samples, order=order.get(node, len(order)))
            for node, event in self.reveals.items()
        )


class History:
    """Everything that events say, and what is impossible about it."""

    def __init__(self, config: SwarmConfig, time_of: Callable[[BlockNumber], Timestamp]) -> None:
        """Starts at deployment. `time_of` gives the timestamp of any block that holds an event."""
        self.config = config
        self.members = Members(config.absence_limit)
        self.windows = Windows(config)
        self.rounds: list[RoundRecord] = []
        self.findings: list[Finding] = []
        self.head = config.genesis_digest
        self.finalized = 0
        self.phase = Phase.IDLE
        self.deadline = 0
        self.last_abort = AbortReason.NONE
        self.time_of = time_of
        self._started_at = 0
        self._was_slow = False
        self._last_act: bytes | None = None

    # ------------------------------------------------------------------------------------------------------ what holds

    @property
    def number(self) -> RoundNumber:
        """The running or last round; 0 before the first."""
        return self.rounds[-1].number if self.rounds else RoundNumber(0)

    @property
    def phase_started_at(self) -> int:
        """When the running phase began; 0 when idle."""
        return 0 if self.phase is Phase.IDLE else self._started_at

    @property
    def moment(self) -> Moment:
        """What membership depends on, now."""
        is_running = self.phase is not Phase.IDLE
        return Moment(round=self.number, finalized=self.finalized, is_running=is_running)

    @property
    def labels(self) -> Mapping[Address, str]:
        """What people call the nodes."""
        return {node: member.label for node, member in self.members.by_address.items()}

    def quorum_of(self, expected: int) -> int:
        """Equal attestations that finalise a round of so many nodes."""
        return quorum(expected, self.config.quorum_bps)

    def required(self, expected: int) -> int:
        """Fewest updates with which a round of so many nodes goes on."""
        return max(self.config.min_updates, self.quorum_of(expected))

    # ---------------------------------------------------------------------------------------------------------- replay

    def replay(self, events: list[Event]) -> None:
        """Applies events in the chain's order."""
        for event in events:
            self._apply(event)

    def _apply(self, event: Event) -> None:
        if isinstance(event, Membership):
            for problem in self.members.apply(event, self.moment):
                self._find_at(None, Fault.IMPOSSIBLE_MEMBERSHIP, f"{problem} (round {self.number})", event.node)
        elif isinstance(event, RoundOpened):
            self._open(event)
        elif isinstance(event, RoundEvent):
            if event.round == self.number and self.rounds:
                self._advance(event)
            else:
                what = f"{type(event).__name__} of round {event.round} while round {self.number} is the last one opened"
                self._find_at(event.round, Fault.OUT_OF_ORDER, what, *_node_of(event))

    def _advance(self, event: Event) -> None:
        match event:
            case UpdateCommitted():
                self._commit(event)
            case RevealingStarted():
                self._start_revealing(event)
            case UpdateRevealed():
                self._reveal(event)
            case RoundClosed():
                self._close(event)
            case ResultAttested():
                self._attest(event)
            case RoundFinalized():
                self._finalize(event)
            case RoundAborted():
                self._abort(event)

    def _open(self, event: RoundOpened) -> None:
        if self.phase is not Phase.IDLE:
            what = f"round {event.round} opens while round {self.number} is {self.phase.name.lower()}"
            self._find(Fault.OUT_OF_ORDER, what)
        if event.round != self.number + 1:
            what = f"round {event.round} opens after round {self.number}: rounds are numbered without gaps"
            self._find_at(event.round, Fault.OUT_OF_ORDER, what)
        now = self.time_of(event.block_number)
        self.windows.open(has_newcomer=self.members.has_newcomer)
        self.members.has_newcomer = False
        self.rounds.append(
            RoundRecord(number=event.round, base=event.base, expected=event.expected, quorum=event.quorum)
        )
        self._check_opening(event)
        self._was_slow = False
        self._last_act = None
        self._start(Phase.TRAINING, event.deadline, now, self.windows.training)

    def _check_opening(self, event: RoundOpened) -> None:
        if event.base != self.head:
            what = f"it starts from 0x{event.base.hex()}, and the head is 0x{self.head.hex()}"
            self._find(Fault.WRONG_BASE, what)
        self._count("nodes expected", event.expected, self.members.active)
        self._count("equal attestations as its quorum", event.quorum, self.quorum_of(event.expected))
        if event.expected < self.required(event.expected):
            self._find(Fault.WRONG_COUNT, f"it opens with {event.expected} nodes, too few for a round")

    def _commit(self, event: UpdateCommitted) -> None:
        round_ = self.rounds[-1]
        self._check_act(event, event.node, Phase.TRAINING)
        self._require_sealed(event, is_sealed=True)
        self._require_expected(event.node)
        if event.node in round_.commits:
            self._find(Fault.REPEATED, "it commits twice", event.node)
        if not any(event.commitment):
            self._find(Fault.WRONG_COMMITMENT, "its commitment is zero", event.node)
        round_.commits[event.node] = event.commitment
        self.members.of(event.node).committed_round = event.round

    def _reveal(self, event: UpdateRevealed) -> None:
        round_ = self.rounds[-1]
        self._check_act(event, event.node, Phase.REVEALING if self.config.is_sealed else Phase.TRAINING)
        if not self.config.is_sealed:
            self._require_expected(event.node)
        elif event.node not in round_.commits:
            self._find(Fault.NOT_ENTITLED, "it reveals, and did not commit in this round", event.node)
        if event.node in round_.reveals:
            self._find(Fault.REPEATED, "it reveals twice", event.node)
        if event.digest == ZERO_DIGEST or event.samples < 1:
            self._find(Fault.WRONG_UPDATE, "it reveals an update without digest or samples", event.node)
        round_.reveals[event.node] = event
        if not self.config.is_sealed:
            self.members.of(event.node).committed_round = event.round
        self.members.reveal(event.node, self.moment)

    def _attest(self, event: ResultAttested) -> None:
        round_ = self.rounds[-1]
        self._check_act(event, event.node, Phase.MERGING)
        if event.node not in round_.reveals:
            self._find(Fault.NOT_ENTITLED, "it attests, and did not reveal in this round", event.node)
        if event.result == ZERO_DIGEST or round_.attestations.get(event.node) == event.result:
            self._find(Fault.REPEATED, "it attests to nothing, or to the same result again", event.node)
        if round_.leading == ZERO_DIGEST:
            round_.leading = event.result
        round_.attestations[event.node] = event.result
        member = self.members.of(event.node)
        member.attested_round, member.attested = event.round, event.result

    def _start_revealing(self, event: RevealingStarted) -> None:
        self._require_sealed(event, is_sealed=True)
        now = self._end_training(event, event.commits)
        self._start(Phase.REVEALING, event.deadline, now, self.windows.revealing)

    def _close(self, event: RoundClosed) -> None:
        round_ = self.rounds[-1]
        if self.config.is_sealed:
            self._require_phase(event, Phase.REVEALING)
            self._count("updates revealed", event.updates, len(round_.reveals))
            now = self._end_phase(event, is_full=len(round_.reveals) == len(round_.commits))
            self._was_slow = self._is_slow(now)
            self._require_enough(event.updates, "updates")
        else:
            now = self._end_training(event, event.updates)
        self._start(Phase.MERGING, event.deadline, now, self.windows.merging)

    def _end_training(self, event: RevealingStarted | RoundClosed, came: int) -> int:
        round_ = self.rounds[-1]
        self._require_phase(event, Phase.TRAINING)
        self._count("updates committed", came, len(round_.commits or round_.reveals))
        is_full = came == round_.expected
        now = self._end_phase(event, is_full=is_full)
        took = now - self._started_at if is_full else None
        self.windows.end_training(took=took, is_base_new=self.last_abort is AbortReason.NONE)
        self._require_enough(came, "updates")
        return now

    def _finalize(self, event: RoundFinalized) -> None:
        round_ = self.rounds[-1]
        self._require_phase(event, Phase.MERGING)
        seen = round_.tally[event.result]
        if event.attestations != seen or seen < self.quorum_of(round_.expected):
            what = (
                f"it is finalised with {event.attestations} attestations to 0x{event.result.hex()}; "
                f"the events have {seen}, of {self.quorum_of(round_.expected)} that are its quorum"
            )
            self._find(Fault.NO_QUORUM, what, *round_.attesters(event.result))
        now = self._end_phase(event, is_full=True)
        self.windows.finalize(was_fast=not self._was_slow and not self._is_slow(now))
        self.head = event.result
        self.finalized += 1
        self._end(event, AbortReason.NONE)

    def _abort(self, event: RoundAborted) -> None:
        justified = {
            AbortReason.TOO_FEW_UPDATES: self._aborts_for_too_few_updates,
            AbortReason.TOO_FEW_REVEALS: self._aborts_for_too_few_reveals,
            AbortReason.NO_QUORUM: self._aborts_without_quorum,
        }
        check = justified.get(event.reason)
        reason = event.reason.name.lower().replace("_", " ")
        if check is None or not check():
            what = f"it aborts for {reason}, which its events do not bear out"
            self._find(Fault.UNJUSTIFIED_ABORT, what)
        self._end_phase(event, is_full=False)
        if event.reason is AbortReason.TOO_FEW_UPDATES:
            self.windows.end_training(took=None, is_base_new=False)
        else:
            self.windows.abort_late()
        self._end(event, event.reason)

    def _aborts_for_too_few_updates(self) -> bool:
        round_ = self.rounds[-1]
        came = len(round_.commits or round_.reveals)
        return self.phase is Phase.TRAINING and came < self.required(round_.expected)

    def _aborts_for_too_few_reveals(self) -> bool:
        round_ = self.rounds[-1]
        return self.phase is Phase.REVEALING and len(round_.reveals) < self.required(round_.expected)

    def _aborts_without_quorum(self) -> bool:
        round_ = self.rounds[-1]
        most = max(round_.tally.values(), default=0)
        return self.phase is Phase.MERGING and most < self.quorum_of(round_.expected)

    # ------------------------------------------------------------------------------------------------------------ steps

    def _start(self, phase: Phase, deadline: int, now: int, window: int) -> None:
        if deadline != now + window:
            what = f"its {phase.name.lower()} ends at {deadline} where it must at {now + window}"
            self._find(Fault.WRONG_DEADLINE, what)
        self.phase, self.deadline, self._started_at = phase, deadline, now

    def _end(self, event: RoundFinalized | RoundAborted, reason: AbortReason) -> None:
        self.rounds[-1].end = event
        self.phase = Phase.IDLE
        self.last_abort = reason

    def _end_phase(self, event: Event, *, is_full: bool) -> int:
        """When the phase ended: with the act that was missing, in its transaction, else not before the deadline."""
        now = self.time_of(event.block_number)
        if is_full and event.transaction != self._last_act:
            what = f"{type(event).__name__} does not come with the act that brings it about"
            self._find(Fault.OUT_OF_ORDER, what)
        if not is_full and now < self.deadline:
            what = f"{type(event).__name__} at {now}, before the deadline {self.deadline}"
            self._find(Fault.UNTIMELY, what)
        return now

    def _is_slow(self, now: int) -> bool:
        return 2 * (now - self._started_at) > self.deadline - self._started_at

    # ----------------------------------------------------------------------------------------------------------- checks

    def _check_act(self, event: UpdateCommitted | UpdateRevealed | ResultAttested, node: Address, phase: Phase) -> None:
        self._require_phase(event, phase, node)
        now = self.time_of(event.block_number)
        if now >= self.deadline:
            what = f"{type(event).__name__} at {now}, not before the deadline {self.deadline}"
            self._find(Fault.UNTIMELY, what, node)
        self._last_act = event.transaction

    def _require_phase(self, event: Event, phase: Phase, *nodes: Address) -> None:
        if self.phase is not phase:
            what = f"{type(event).__name__} while the round is {self.phase.name.lower()}"
            self._find(Fault.OUT_OF_ORDER, what, *nodes)

    def _require_sealed(self, event: Event, *, is_sealed: bool) -> None:
        if self.config.is_sealed is not is_sealed:
            self._find(Fault.OUT_OF_ORDER, f"{type(event).__name__} in a swarm that does not have it")

    def _require_expected(self, node: Address) -> None:
        if not self.members.get(node).is_expected_in(self.number):
            self._find(Fault.NOT_ENTITLED, "it submits, and is not expected in this round", node)

    def _require_enough(self, count: int, what: str) -> None:
        required = self.required(self.rounds[-1].expected)
        if count < required:
            self._find(Fault.WRONG_COUNT, f"it goes on with {count} {what} where {required} are required")

    def _count(self, what: str, said: int, seen: int) -> None:
        if said != seen:
            self._find(Fault.WRONG_COUNT, f"it says {said} {what}; its events make {seen}")

    def _find(self, fault: Fault, message: str, *nodes: Address) -> None:
        self._find_at(self.number, fault, message, *nodes)

    def _find_at(self, number: RoundNumber | None, fault: Fault, message: str, *nodes: Address) -> None:
        self.findings.append(Finding(fault=fault, message=message, round=number, nodes=nodes))


def _node_of(event: Event) -> tuple[Address, ...]:
    node = getattr(event, "node", None)
    return () if node is None else (node,)
