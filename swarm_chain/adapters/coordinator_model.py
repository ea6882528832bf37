"""The coordinator's rules in Python: a second specification, and what the in-memory chain runs.

Same checks in the same order as `contracts/SwarmCoordinator.sol`, same errors, same events. A call either raises a
`Reverted` and changes nothing, or changes the state and returns its events. Left out: roles other than registrars, and
invitations signed by contracts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from swarm_chain import errors, types
from swarm_chain.core.commitments import commitment_to
from swarm_chain.types import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    AbortReason,
    Address,
    Call,
    Commitment,
    Digest,
    Event,
    NodeInfo,
    NodeStatus,
    Phase,
    RoundInfo,
    RoundNumber,
    Seconds,
    SuspensionReason,
    SwarmConfig,
    SwarmInfo,
    Timestamp,
)

MAX_NODES = 2**16 - 1
MAX_LABEL = 64
MAX_STORES = 512
LONGEST_WINDOW = 180 * 24 * 60 * 60
FOREVER = RoundNumber(2**32 - 1)
NEVER = RoundNumber(0)
NOTHING = Commitment(ZERO_DIGEST)

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """Who calls, when, and where the call's events lie."""

    caller: Address
    now: Timestamp
    block_number: types.BlockNumber
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    status: NodeStatus = NodeStatus.UNREGISTERED
    active_from: RoundNumber = NEVER
    active_until: RoundNumber = NEVER
    absent_at: int = 0
    committed_round: RoundNumber = NEVER
    revealed_round: RoundNumber = NEVER
    attested_round: RoundNumber = NEVER
    commitment: Commitment = NOTHING
    attested: Digest = ZERO_DIGEST

    def is_expected_in(self, round_number: int) -> bool:
        return self.active_from <= round_number < self.active_until


class CoordinatorModel:
    """One deployed coordinator. Raises the constructor's errors when its configuration is nonsense."""

    def __init__(self, config: SwarmConfig, *, chain_id: int, address: Address) -> None:
        _check(config)
        self.config = config
        self.chain_id = chain_id
        self.address = address
        self.head = config.genesis_digest
        self.registrars = {config.admin}
        self._nodes: dict[Address, _Node] = {}
        self._active = 0
        self._has_newcomer = False
        self._finalized = 0
        self._training_window = config.initial_window
        self._stretch = 1
        self._tx: Transaction
        self._events: list[Event] = []
        self._reset_round(NEVER)
        self._base = config.genesis_digest
        self._abort_reason = AbortReason.NONE

    def _reset_round(self, number: RoundNumber) -> None:
        self._round = number
        self._phase = Phase.IDLE
        self._phase_started_at = self._deadline = Timestamp(0)
        self._expected = self._quorum = self._commits = self._reveals = 0
        self._leading = ZERO_DIGEST
        self._attestations: dict[Digest, int] = {}
        self._base_is_new = self._is_slow = False

    def copy(self) -> CoordinatorModel:
        """The state as it is now, which later calls do not change."""
        twin = object.__new__(CoordinatorModel)
        twin.__dict__.update(self.__dict__)
        twin.registrars = set(self.registrars)
        twin._nodes = dict(self._nodes)
        twin._attestations = dict(self._attestations)
        return twin

    def execute(self, call: Call, tx: Transaction) -> tuple[Event, ...]:
        """The events of a call. Raises the `Reverted` of the same name as the contract's error."""
        self._tx, self._events = tx, []
        self._dispatch(call)
        return tuple(self._events)

    def _dispatch(self, call: Call) -> None:
        match call:
            case types.RegisterWithInvitation():
                self._register_with_invitation(call)
            case types.RegisterNode():
                self._register_node(call)
            case types.AddNode():
                self._add_node(call)
            case types.RemoveNode():
                self._remove_node(call)
            case types.Announce():
                self._announce(call)
            case types.Suspend():
                self._suspend(call)
            case types.Lift():
                self._lift(call)
            case types.Resume():
                self._resume()
            case types.OpenRound():
                self._open_round()
            case types.CommitUpdate():
                self._commit_update(call)
            case types.RevealUpdate():
                self._reveal_update(call)
            case types.SubmitUpdate():
                self._submit_update(call)
            case types.CloseRound():
                self._close_round(call)
            case types.Attest():
                self._attest(call)
            case _:
                raise TypeError(f"not a call of the coordinator: {call!r}")

    def _emit(self, event: type[E], **fields: object) -> None:
        position = {
            "block_number": self._tx.block_number,
            "log_index": len(self._events),
            "transaction": self._tx.digest,
        }
        self._events.append(event(**position, **fields))  # type: ignore[arg-type]

    # -------------------------------------------------------------------------------------------------- membership

    def _register_with_invitation(self, call: types.RegisterWithInvitation) -> None:
        invitation = call.invitation
        if invitation.account != self._tx.caller:
            raise errors.InvitationNotForCaller(account=invitation.account, caller=self._tx.caller)
        self._require_stranger(self._tx.caller)
        if self._tx.now >= invitation.expiry:
            raise errors.InvitationExpired(expiry=invitation.expiry)
        if invitation.registrar not in self.registrars:
            raise errors.InvitationNotFromRegistrar(registrar=invitation.registrar)
        if not self._is_signed(invitation, call.signature):
            raise errors.InvalidInvitationSignature
        self._join(self._tx.caller, call.label)

    def _is_signed(self, invitation: types.Invitation, signature: bytes) -> bool:
        from swarm_chain.core.invitations import invitation_digest, signer_of

        digest = invitation_digest(invitation, chain_id=self.chain_id, coordinator=self.address)
        return signer_of(digest, signature) == invitation.registrar

    def _register_node(self, call: types.RegisterNode) -> None:
        if not self.config.open_registration:
            raise errors.RegistrationNotOpen
        self._require_stranger(self._tx.caller)
        self._join(self._tx.caller, call.label)

    def _add_node(self, call: types.AddNode) -> None:
        self._require_registrar()
        if call.node == ZERO_ADDRESS:
            raise errors.ZeroNode
        if self._is_member(call.node):
            raise errors.AlreadyRegistered(node=call.node)
        self._join(call.node, call.label)

    def _join(self, account: Address, label: str) -> None:
        if len(label.encode()) > MAX_LABEL:
            raise errors.LabelTooLong(length=len(label.encode()), limit=MAX_LABEL)
        self._activate(account, absent_after=self.config.absence_limit)
        self._emit(types.NodeRegistered, node=account, active_from=self._node(account).active_from, label=label)

    def _remove_node(self, call: types.RemoveNode) -> None:
        self._require_registrar()
        node = self._require_member(call.node)
        if node.status is NodeStatus.ACTIVE:
            node = self._deactivated(node)
        node = self._nodes[call.node] = replace(node, status=NodeStatus.REMOVED)
        self._emit(types.NodeRemoved, node=call.node, active_until=node.active_until)

    def _announce(self, call: types.Announce) -> None:
        self._require_member(self._tx.caller)
        if len(call.stores) > MAX_STORES:
            raise errors.StoresTooLong(length=len(call.stores), limit=MAX_STORES)
        self._emit(types.NodeAnnounced, node=self._tx.caller, stores=call.stores)

    def _suspend(self, call: types.Suspend) -> None:
        node = self._require_member(call.node)
        if node.status is NodeStatus.ACTIVE:
            reason = self._suspension_reason(call.node, node)
            node = self._deactivated(node)
        else:
            reason = self._stricter_reason(call.node, node)
        by_registrar = reason is SuspensionReason.REGISTRAR
        status = NodeStatus.SUSPENDED_BY_REGISTRAR if by_registrar else NodeStatus.SUSPENDED
        self._nodes[call.node] = replace(node, status=status)
        self._emit(types.NodeSuspended, node=call.node, active_until=node.active_until, reason=reason)

    def _suspension_reason(self, account: Address, node: _Node) -> SuspensionReason:
        if account == self._tx.caller:
            return SuspensionReason.OWN_REQUEST
        if self._finalized >= node.absent_at:
            return SuspensionReason.ABSENCE
        if self._tx.caller in self.registrars:
            return SuspensionReason.REGISTRAR
        raise errors.NotAbsent(node=account, absentAt=node.absent_at, finalizedRounds=self._finalized)

    def _stricter_reason(self, account: Address, node: _Node) -> SuspensionReason:
        is_stricter = node.status is NodeStatus.SUSPENDED and account != self._tx.caller
        if is_stricter and self._tx.caller in self.registrars:
            return SuspensionReason.REGISTRAR
        raise errors.AlreadySuspended(node=account)

    def _lift(self, call: types.Lift) -> None:
        self._require_registrar()
        node = self._require_member(call.node)
        if node.status is NodeStatus.ACTIVE:
            raise errors.NotSuspended(node=call.node)
        self._activate(call.node, absent_after=self.config.absence_limit)
        self._emit(types.NodeResumed, node=call.node, active_from=self._node(call.node).active_from)

    def _resume(self) -> None:
        account = self._tx.caller
        node = self._require_member(account)
        if node.status is NodeStatus.ACTIVE:
            raise errors.NotSuspended(node=account)
        if node.status is NodeStatus.SUSPENDED_BY_REGISTRAR:
            raise errors.SuspendedByARegistrar(node=account)
        self._activate(account, absent_after=1)
        self._emit(types.NodeResumed, node=account, active_from=self._node(account).active_from)

    def _activate(self, account: Address, *, absent_after: int) -> None:
        """Makes a node expected from the next round on; in the round that still expects it, undoes the change."""
        if self._active == MAX_NODES:
            raise errors.NodeLimitReached(limit=MAX_NODES)
        node = self._node(account)
        was_expected_so_far = node.active_until > self._round
        self._nodes[account] = replace(
            node,
            status=NodeStatus.ACTIVE,
            active_from=node.active_from if was_expected_so_far else RoundNumber(self._round + 1),
            active_until=FOREVER,
            absent_at=self._absent_at(absent_after),
        )
        self._active += 1
        self._has_newcomer = True

    def _deactivated(self, node: _Node) -> _Node:
        self._active -= 1
        return replace(node, active_until=RoundNumber(self._round + 1))

    def _absent_at(self, absent_after: int) -> int:
        is_running = self._phase is not Phase.IDLE
        return self._finalized + absent_after + int(is_running)

    def _require_registrar(self) -> None:
        if self._tx.caller not in self.registrars:
            raise errors.NotRegistrar(caller=self._tx.caller)

    def _require_stranger(self, account: Address) -> None:
        if self._node(account).status is NodeStatus.REMOVED:
            raise errors.RemovedByRegistrar(node=account)
        if self._is_member(account):
            raise errors.AlreadyRegistered(node=account)

    def _require_member(self, account: Address) -> _Node:
        if not self._is_member(account):
            raise errors.NotRegistered(account=account)
        return self._nodes[account]

    def _is_member(self, account: Address) -> bool:
        return self._node(account).status not in (NodeStatus.UNREGISTERED, NodeStatus.REMOVED)

    def _node(self, account: Address) -> _Node:
        return self._nodes.get(account, _Node())

    # ------------------------------------------------------------------------------------------------------ rounds

    def _open_round(self) -> None:
        if self._phase is not Phase.IDLE:
            raise errors.WrongPhase(round=self._round, actual=self._phase, needed=Phase.IDLE)
        if self._node(self._tx.caller).status is not NodeStatus.ACTIVE:
            raise errors.NotActive(caller=self._tx.caller)
        if self._active < self._required_updates(self._active):
            raise errors.TooFewActiveNodes(active=self._active, required=self._required_updates(self._active))

        base_is_new = self._abort_reason is AbortReason.NONE
        self._reset_round(RoundNumber(self._round + 1))
        self._base_is_new = base_is_new
        self._abort_reason = AbortReason.NONE
        self._base = self.head
        self._expected, self._quorum = self._active, self._quorum_of(self._active)
        if self._has_newcomer:
            self._training_window = max(self._training_window, self.config.initial_window)
        self._has_newcomer = False
        self._start(Phase.TRAINING, self._training_window)
        self._emit(
            types.RoundOpened,
            round=self._round,
            base=self._base,
            deadline=self._deadline,
            expected=self._expected,
            quorum=self._quorum,
        )

    def _commit_update(self, call: types.CommitUpdate) -> None:
        if not self.config.is_sealed:
            raise errors.NotSealed
        self._require_open(call.round, Phase.TRAINING)
        node = self._require_expected()
        if call.commitment == bytes(32):
            raise errors.ZeroCommitment
        if node.committed_round == call.round:
            raise errors.AlreadyCommitted(round=call.round, node=self._tx.caller)

        self._commits += 1
        self._nodes[self._tx.caller] = replace(node, committed_round=call.round, commitment=call.commitment)
        self._emit(types.UpdateCommitted, round=call.round, node=self._tx.caller, commitment=call.commitment)
        if self._commits == self._expected:
            self._end_training(at_deadline=False)

    def _reveal_update(self, call: types.RevealUpdate) -> None:
        if not self.config.is_sealed:
            raise errors.NotSealed
        self._require_open(call.round, Phase.REVEALING)
        node = self._node(self._tx.caller)
        if node.committed_round != call.round:
            raise errors.NotCommitted(round=call.round, node=self._tx.caller)
        if node.revealed_round == call.round:
            raise errors.AlreadyRevealed(round=call.round, node=self._tx.caller)
        self._require_update(call.digest, call.samples)
        actual = commitment_to(
            chain_id=self.chain_id,
            coordinator=self.address,
            round_number=call.round,
            node=self._tx.caller,
            digest=call.digest,
            samples=call.samples,
            salt=call.salt,
        )
        if actual != node.commitment:
            raise errors.CommitmentMismatch(expected=node.commitment, actual=actual)

        self._reveal(node, call.digest, call.samples)
        if self._reveals == self._commits:
            self._end_revealing()

    def _submit_update(self, call: types.SubmitUpdate) -> None:
        if self.config.is_sealed:
            raise errors.NotDirect
        self._require_open(call.round, Phase.TRAINING)
        node = self._require_expected()
        if node.revealed_round == call.round:
            raise errors.AlreadyRevealed(round=call.round, node=self._tx.caller)
        self._require_update(call.digest, call.samples)

        self._commits += 1
        self._reveal(replace(node, committed_round=call.round), call.digest, call.samples)
        if self._commits == self._expected:
            self._end_training(at_deadline=False)

    def _reveal(self, node: _Node, digest: Digest, samples: int) -> None:
        self._reveals += 1
        self._nodes[self._tx.caller] = replace(
            node,
            revealed_round=self._round,
            absent_at=self._absent_at(self.config.absence_limit),
            commitment=NOTHING,
        )
        self._emit(types.UpdateRevealed, round=self._round, node=self._tx.caller, digest=digest, samples=samples)

    def _close_round(self, call: types.CloseRound) -> None:
        self._require_current(call.round)
        if self._phase is Phase.IDLE:
            raise errors.WrongPhase(round=call.round, actual=self._phase, needed=Phase.TRAINING)
        if self._tx.now < self._deadline:
            raise errors.DeadlineNotReached(round=call.round, deadline=self._deadline)
        match self._phase:
            case Phase.TRAINING:
                self._end_training(at_deadline=True)
            case Phase.REVEALING:
                self._end_revealing()
            case _:
                self._abort(AbortReason.NO_QUORUM)

    def _attest(self, call: types.Attest) -> None:
        self._require_open(call.round, Phase.MERGING)
        node = self._node(self._tx.caller)
        if node.revealed_round != call.round:
            raise errors.NotRevealed(round=call.round, node=self._tx.caller)
        if call.result == ZERO_DIGEST:
            raise errors.ZeroDigest
        has_attested = node.attested_round == call.round
        if has_attested and node.attested == call.result:
            raise errors.AlreadyAttested(round=call.round, node=self._tx.caller, result=call.result)

        if has_attested:
            self._attestations[node.attested] -= 1
        if not self._attestations:
            self._leading = call.result
        self._attestations[call.result] = self.attestations_for(call.result) + 1
        self._nodes[self._tx.caller] = replace(node, attested_round=call.round, attested=call.result)
        self._emit(types.ResultAttested, round=call.round, node=self._tx.caller, result=call.result)
        if self._attestations[call.result] == self._quorum:
            self._finalize(call.result)

    # ------------------------------------------------------------------------------------------------------ phases

    def _end_training(self, *, at_deadline: bool) -> None:
        if at_deadline:
            self._training_window = self._within_limits((self._training_window * 3 + 1) // 2)
        elif self._base_is_new:
            self._training_window = self._within_limits(2 * (self._tx.now - self._phase_started_at))
        if self._commits < self._required_updates(self._expected):
            self._abort(AbortReason.TOO_FEW_UPDATES)
        elif self.config.is_sealed:
            self._start(Phase.REVEALING, self._stretched(self.config.reveal_window))
            self._emit(types.RevealingStarted, round=self._round, commits=self._commits, deadline=self._deadline)
        else:
            self._start_merging()

    def _end_revealing(self) -> None:
        self._is_slow = self._uses_more_than_half()
        if self._reveals < self._required_updates(self._expected):
            self._abort(AbortReason.TOO_FEW_REVEALS)
        else:
            self._start_merging()

    def _start_merging(self) -> None:
        self._start(Phase.MERGING, self._stretched(self.config.merge_window))
        self._emit(types.RoundClosed, round=self._round, updates=self._reveals, deadline=self._deadline)

    def _finalize(self, result: Digest) -> None:
        if not self._is_slow and not self._uses_more_than_half():
            self._stretch = max(1, self._stretch // 2)
        self._finalized += 1
        self.head = result
        self._end(AbortReason.NONE)
        self._emit(types.RoundFinalized, round=self._round, result=result, attestations=self._quorum)

    def _abort(self, reason: AbortReason) -> None:
        if reason is not AbortReason.TOO_FEW_UPDATES:
            self._stretch_windows()
        self._end(reason)
        self._emit(types.RoundAborted, round=self._round, reason=reason)

    def _start(self, phase: Phase, window: int) -> None:
        self._phase = phase
        self._phase_started_at = self._tx.now
        self._deadline = Timestamp(self._tx.now + window)

    def _end(self, reason: AbortReason) -> None:
        self._phase = Phase.IDLE
        self._abort_reason = reason
        self._phase_started_at = self._deadline = Timestamp(0)

    def _uses_more_than_half(self) -> bool:
        return 2 * (self._tx.now - self._phase_started_at) > self._deadline - self._phase_started_at

    def _stretched(self, window: int) -> int:
        return min(window * self._stretch, self.config.max_window)

    def _stretch_windows(self) -> None:
        shortest = min(self.config.reveal_window, self.config.merge_window)
        if shortest * self._stretch < self.config.max_window:
            self._stretch *= 2

    def _within_limits(self, window: int) -> Seconds:
        return Seconds(min(max(window, self.config.min_window), self.config.max_window))

    def _quorum_of(self, expected: int) -> int:
        return -(-expected * self.config.quorum_bps // 10_000)

    def _required_updates(self, expected: int) -> int:
        return max(self.config.min_updates, self._quorum_of(expected))

    def _require_current(self, round_number: RoundNumber) -> None:
        if round_number != self._round:
            raise errors.NotCurrentRound(round=round_number, current=self._round)

    def _require_open(self, round_number: RoundNumber, phase: Phase) -> None:
        self._require_current(round_number)
        if self._phase is not phase:
            raise errors.WrongPhase(round=round_number, actual=self._phase, needed=phase)
        if self._tx.now >= self._deadline:
            raise errors.DeadlinePassed(round=round_number, deadline=self._deadline)

    def _require_expected(self) -> _Node:
        node = self._node(self._tx.caller)
        if not node.is_expected_in(self._round):
            raise errors.NotExpected(round=self._round, caller=self._tx.caller)
        return node

    def _require_update(self, digest: Digest, samples: int) -> None:
        if digest == ZERO_DIGEST:
            raise errors.ZeroDigest
        if samples == 0:
            raise errors.ZeroSamples

    # ------------------------------------------------------------------------------------------------------- views

    def swarm_info(self) -> SwarmInfo:
        """The swarm at a glance."""
        return SwarmInfo(
            config=self.config,
            active_nodes=self._active,
            required_updates=self._required_updates(self._active),
            current_round=self._round,
            finalized_rounds=self._finalized,
            head=self.head,
        )

    def round_info(self) -> RoundInfo:
        """The running or last round."""
        return RoundInfo(
            round=self._round,
            phase=self._phase,
            abort_reason=self._abort_reason,
            base=self._base,
            phase_started_at=self._phase_started_at,
            deadline=self._deadline,
            expected=self._expected,
            quorum=self._quorum,
            commits=self._commits,
            reveals=self._reveals,
            leading=self._leading,
            leading_attestations=self.attestations_for(self._leading),
            training_window=self._training_window,
            stretch=self._stretch,
        )

    def node_info(self, account: Address) -> NodeInfo:
        """One node's record; all zero for an account that never joined."""
        node = self._node(account)
        has_attested = self._round != NEVER and node.attested_round == self._round
        return NodeInfo(
            status=node.status,
            active_from=node.active_from,
            active_until=node.active_until,
            absent_at=node.absent_at,
            committed_round=node.committed_round,
            revealed_round=node.revealed_round,
            attested_round=node.attested_round,
            attested=node.attested if has_attested else ZERO_DIGEST,
            is_absent=node.status is NodeStatus.ACTIVE and self._finalized >= node.absent_at,
        )

    def attestations_for(self, result: Digest) -> int:
        """How many attest to a result in the running or last round."""
        return self._attestations.get(result, 0)

    def commitment_of(self, account: Address) -> Commitment:
        """The commitment in the running or last round; zero when there is none, or it was revealed."""
        node = self._node(account)
        is_todays = self._round != NEVER and node.committed_round == self._round
        return node.commitment if is_todays else NOTHING


def _check(config: SwarmConfig) -> None:
    if config.task_digest == ZERO_DIGEST:
        raise errors.ZeroTaskDigest
    if config.genesis_digest == ZERO_DIGEST:
        raise errors.ZeroGenesisDigest
    if config.admin == ZERO_ADDRESS:
        raise errors.ZeroAdmin
    if not 5_000 < config.quorum_bps <= 10_000:
        raise errors.QuorumOutOfRange(quorumBps=config.quorum_bps)
    if config.min_updates < 2:
        raise errors.MinUpdatesTooSmall(minUpdates=config.min_updates)
    _check_windows(config)
    if config.absence_limit == 0:
        raise errors.ZeroAbsenceLimit


def _check_windows(config: SwarmConfig) -> None:
    if 0 in (config.min_window, config.reveal_window, config.merge_window):
        raise errors.ZeroWindow
    if not config.min_window <= config.initial_window <= config.max_window:
        raise errors.WindowsOutOfOrder(
            minWindow=config.min_window, initialWindow=config.initial_window, maxWindow=config.max_window
        )
    if config.max_window > LONGEST_WINDOW:
        raise errors.MaxWindowTooLong(maxWindow=config.max_window, limit=LONGEST_WINDOW)
    if config.reveal_window > config.max_window:
        raise errors.RevealWindowTooLong(revealWindow=config.reveal_window, maxWindow=config.max_window)
    if config.merge_window > config.max_window:
        raise errors.MergeWindowTooLong(mergeWindow=config.merge_window, maxWindow=config.max_window)
