"""The nouns of swarm_chain: values that the contract, the agents and the audit all speak of.

Mirrors `contracts/interfaces/ISwarmCoordinator.sol` name by name. No behaviour, no imports of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, NewType

if TYPE_CHECKING:
    import numpy as np

Digest = NewType("Digest", bytes)
"""32 bytes: the sha2-256 of a canonical DAG-CBOR document."""
Address = NewType("Address", bytes)
"""20 bytes: an Ethereum account or contract."""
Commitment = NewType("Commitment", bytes)
"""32 bytes: keccak256(abi.encode(chainid, contract, round, node, digest, samples, salt))."""
Salt = NewType("Salt", bytes)
"""32 bytes that hide an update until it is revealed."""
RoundNumber = NewType("RoundNumber", int)
"""1 for a swarm's first round; 0 is the genesis."""
Timestamp = NewType("Timestamp", int)
"""Seconds since 1970 on the chain's clock."""
Seconds = NewType("Seconds", int)
"""A span of time on the chain's clock."""
Samples = NewType("Samples", int)
"""Training examples behind an update."""
BlockNumber = NewType("BlockNumber", int)
"""Height of a block of the chain."""
Gas = NewType("Gas", int)
"""Gas used or allowed by a transaction."""

Parameters = Mapping[str, "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"]
"""Named tensors of a model, in memory."""
Metrics = Mapping[str, float]
"""Names to finite numbers."""

ZERO_DIGEST = Digest(bytes(32))
ZERO_ADDRESS = Address(bytes(20))


class Phase(IntEnum):
    """What a swarm is doing."""

    IDLE = 0
    TRAINING = 1
    REVEALING = 2
    MERGING = 3


class AbortReason(IntEnum):
    """Why a round ended without a result."""

    NONE = 0
    TOO_FEW_UPDATES = 1
    TOO_FEW_REVEALS = 2
    NO_QUORUM = 3


class NodeStatus(IntEnum):
    """Where a node stands."""

    UNREGISTERED = 0
    ACTIVE = 1
    SUSPENDED = 2
    SUSPENDED_BY_REGISTRAR = 3
    REMOVED = 4


class SuspensionReason(IntEnum):
    """Why a node was suspended."""

    ABSENCE = 0
    OWN_REQUEST = 1
    REGISTRAR = 2


# ---------------------------------------------------------------------------------------------------------------- state


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmConfig:
    """What is fixed for a swarm's life: the contract's `Config`."""

    task_digest: Digest
    genesis_digest: Digest
    is_sealed: bool
    quorum_bps: int
    min_updates: int
    initial_window: Seconds
    min_window: Seconds
    max_window: Seconds
    reveal_window: Seconds
    merge_window: Seconds
    absence_limit: int
    open_registration: bool
    admin: Address


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmInfo:
    """The swarm at a glance."""

    config: SwarmConfig
    active_nodes: int
    required_updates: int
    current_round: RoundNumber
    finalized_rounds: int
    head: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundInfo:
    """The running or last round."""

    round: RoundNumber
    phase: Phase
    abort_reason: AbortReason
    base: Digest
    phase_started_at: Timestamp
    deadline: Timestamp
    expected: int
    quorum: int
    commits: int
    reveals: int
    leading: Digest
    leading_attestations: int
    training_window: Seconds
    stretch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """One node's record. `attested` is zero when it attests to nothing in the running or last round."""

    status: NodeStatus
    active_from: RoundNumber
    active_until: RoundNumber
    absent_at: int
    committed_round: RoundNumber
    revealed_round: RoundNumber
    attested_round: RoundNumber
    attested: Digest
    is_absent: bool

    def is_expected_in(self, round_number: int) -> bool:
        """Whether the node takes part in that round, membership changes to come aside."""
        return self.active_from <= round_number < self.active_until


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """A registrar's permission for one account to join, until `expiry`."""

    account: Address
    registrar: Address
    expiry: Timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainView:
    """Everything an agent decides on, read at one block. `node` is the asked-for account's record."""

    block_number: BlockNumber
    block_hash: bytes
    now: Timestamp
    swarm: SwarmInfo
    round: RoundInfo
    node: NodeInfo
    commitment: Commitment


# --------------------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A fact the contract recorded, and where."""

    block_number: BlockNumber
    log_index: int
    transaction: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRegistered(Event):
    node: Address
    active_from: RoundNumber
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAnnounced(Event):
    node: Address
    stores: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSuspended(Event):
    node: Address
    active_until: RoundNumber
    reason: SuspensionReason


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeResumed(Event):
    node: Address
    active_from: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRemoved(Event):
    node: Address
    active_until: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundOpened(Event):
    round: RoundNumber
    base: Digest
    deadline: Timestamp
    expected: int
    quorum: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateCommitted(Event):
    round: RoundNumber
    node: Address
    commitment: Commitment


@dataclass(frozen=True, kw_only=True, slots=True)
class RevealingStarted(Event):
    round: RoundNumber
    commits: int
    deadline: Timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRevealed(Event):
    round: RoundNumber
    node: Address
    digest: Digest
    samples: Samples


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundClosed(Event):
    round: RoundNumber
    updates: int
    deadline: Timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultAttested(Event):
    round: RoundNumber
    node: Address
    result: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFinalized(Event):
    round: RoundNumber
    result: Digest
    attestations: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundAborted(Event):
    round: RoundNumber
    reason: AbortReason


# ---------------------------------------------------------------------------------------------------------------- calls


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A transaction to the coordinator. `function` is its name there."""

    function: ClassVar[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterWithInvitation(Call):
    function: ClassVar[str] = "registerWithInvitation"
    invitation: Invitation
    signature: bytes
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterNode(Call):
    function: ClassVar[str] = "registerNode"
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AddNode(Call):
    function: ClassVar[str] = "addNode"
    node: Address
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveNode(Call):
    function: ClassVar[str] = "removeNode"
    node: Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Announce(Call):
    function: ClassVar[str] = "announce"
    stores: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspend(Call):
    function: ClassVar[str] = "suspend"
    node: Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Lift(Call):
    function: ClassVar[str] = "lift"
    node: Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume(Call):
    function: ClassVar[str] = "resume"


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRound(Call):
    function: ClassVar[str] = "openRound"


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitUpdate(Call):
    function: ClassVar[str] = "commitUpdate"
    round: RoundNumber
    commitment: Commitment


@dataclass(frozen=True, kw_only=True, slots=True)
class RevealUpdate(Call):
    function: ClassVar[str] = "revealUpdate"
    round: RoundNumber
    digest: Digest
    samples: Samples
    salt: Salt


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitUpdate(Call):
    function: ClassVar[str] = "submitUpdate"
    round: RoundNumber
    digest: Digest
    samples: Samples


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseRound(Call):
    function: ClassVar[str] = "closeRound"
    round: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Attest(Call):
    function: ClassVar[str] = "attest"
    round: RoundNumber
    result: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A call that succeeded on chain."""

    transaction: bytes
    block_number: BlockNumber
    gas_used: Gas
    events: tuple[Event, ...]


# ------------------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOutcome:
    """What one local training gave. Metrics are on this node's own held-out data.

    `memory` is what the node keeps for its next training and never sends: private tensors, an optimiser's state.
    """

    parameters: Parameters
    samples: Samples
    base_metrics: Metrics
    local_metrics: Metrics
    memory: Parameters = field(default_factory=dict)
