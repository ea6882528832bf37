"""Every error that swarm_chain raises on purpose. Each message says what is wrong and what to do, in one line.

A revert of the contract becomes the exception of the same name, built from the interface's own list
(`REVERTS` maps a Solidity error's name to its class); a test keeps both sides equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import ClassVar


class SwarmChainError(Exception):
    """Root of all errors raised on purpose. `details` is what people may want to read above the one line."""

    def __init__(self, *args: object, details: str = "") -> None:
        super().__init__(*args)
        self.details = details


# -------------------------------------------------------------------------------------------------------- configuration


class ConfigurationError(SwarmChainError):
    """A file, an option or the environment says something that cannot be used."""


class ToolMissing(SwarmChainError):
    """A program that this command needs is not installed."""


class PortInUse(SwarmChainError):
    """Another program listens where ours should."""


class AccountError(SwarmChainError):
    """A keystore is missing, unreadable, or its password is wrong."""


class InvitationInvalid(SwarmChainError):
    """An invitation code cannot be read, or is not for this account."""


class InvitationTruncated(InvitationInvalid):
    """The end of an invitation code is missing."""


class InvitationGarbled(InvitationInvalid):
    """An invitation code was changed on its way, or holds what no invitation does."""


class InvitationVersionUnknown(InvitationInvalid):
    """An invitation code of a version that this program does not read."""


class InvitationForSomeoneElse(InvitationInvalid):
    """An invitation names another account."""


class InvitationExpiredOffline(InvitationInvalid):
    """An invitation's time is over, as seen before anything was sent."""


class InvitationForged(InvitationInvalid):
    """An invitation was not signed by the registrar it names."""


class TaskMismatch(SwarmChainError):
    """The task here is not the swarm's. The message shows the difference."""


class TaskNotAccepted(SwarmChainError):
    """A swarm's task comes as source code, and nobody has accepted to run it here."""


# ------------------------------------------------------------------------------------------------------------- building


class CompilationFailed(SwarmChainError):
    """The contract's sources do not compile, or not without warnings."""


# ----------------------------------------------------------------------------------------------------------- deployment


class DeploymentError(SwarmChainError):
    """A deployments file or a migration cannot be used, or a deployment did not end as it should."""


# ----------------------------------------------------------------------------------------------------------------- demo


class DemoFailed(SwarmChainError):
    """The demo's swarm did not get to its end. The message says where its logs are."""


# ---------------------------------------------------------------------------------------------------------------- chain


class ChainError(SwarmChainError):
    """The chain, or the way to it, failed."""


class ChainUnavailable(ChainError):
    """No endpoint answered."""


class WrongChain(ChainError):
    """The endpoint serves another chain than the one configured."""


class NotACoordinator(ChainError):
    """There is no swarm coordinator at the address."""


class EndpointsDisagree(ChainError):
    """Two endpoints tell different stories about the same block."""


class InvalidAnswer(ChainError):
    """An endpoint's answer is not what was asked for, or cannot be true."""


class InsufficientFunds(ChainError):
    """The account cannot pay for its transaction."""


class TransactionFailed(ChainError):
    """A transaction was refused or reverted without a reason we know."""


class TransactionStuck(ChainError):
    """A transaction was not included in time, even with a higher fee."""


# ---------------------------------------------------------------------------------------------------------------- store


class StoreError(SwarmChainError):
    """A store failed."""


class StoreUnavailable(StoreError):
    """A store cannot be reached or opened."""


class AddressRefused(StoreUnavailable):
    """An address that a stranger announced leads into this machine or its own network."""


class PinFailed(StoreUnavailable):
    """A node took blocks but does not keep them: they are not pinned."""


class BlockNotFound(StoreError):
    """No store has this block."""


class CidMismatch(StoreError):
    """Bytes do not match the CID they were asked by."""


class CorruptedBlock(CidMismatch):
    """A block that lies in one of our own stores does not match its CID."""


class InvalidCid(StoreError):
    """Not a CID that a swarm uses."""


# ------------------------------------------------------------------------------------------------------ bytes of a peer


class Malformed(SwarmChainError):
    """Bytes that are not canonical, or not of the kind they claim to be."""


class MalformedDocument(Malformed):
    """Not a canonical document of a known type."""


class MalformedWeights(Malformed):
    """Not canonical safetensors."""


class MalformedFile(Malformed):
    """Not a canonical UnixFS file of the swarm's profile."""


class TooLarge(Malformed):
    """More bytes than declared or allowed."""


class ShapeMismatch(SwarmChainError):
    """Tensors that are not the task's. The message names each."""


class NotFinite(SwarmChainError):
    """A tensor holds NaN or infinity."""


class MergeError(SwarmChainError):
    """A merge rule or its parameters cannot be used."""


class RuleNotAccepted(MergeError):
    """A swarm's merge rule comes as source code, and nobody has accepted to run it here."""


# ------------------------------------------------------------------------------------------------------------- training


class TaskError(SwarmChainError):
    """A task cannot be found, loaded or run."""


class TaskSourceError(TaskError):
    """A task's source file cannot be read, or does not give a task."""


class DataError(SwarmChainError):
    """A node's data cannot be used."""


# --------------------------------------------------------------------------------------------------------------- models


class NoSuchResult(SwarmChainError):
    """A round has no result: there was none of that number, it was aborted, or it still runs."""


class ResultMismatch(SwarmChainError):
    """A result's document does not say what its chain says."""


class NoSuchMetric(SwarmChainError):
    """A metric that nobody measured."""


class WouldOverwrite(SwarmChainError):
    """There is a file already where one would be written."""


# ---------------------------------------------------------------------------------------------------------------- agent


class JournalError(SwarmChainError):
    """A journal is another node's, another swarm's, or unreadable."""


class DiskFull(SwarmChainError):
    """This machine has no room for what an agent has to keep."""


class ContributionError(SwarmChainError):
    """What a node's own code gives to a round cannot be used, or the round has had something already."""


class UpdateLost(SwarmChainError):
    """A staged update is not on this node's disk any more as it was committed to."""


class MemoryLost(SwarmChainError):
    """What a node keeps from round to round, and nobody else has, is not on its disk any more as it was kept."""


class ForeignCommitment(SwarmChainError):
    """The chain holds a commitment of this account that this node did not make."""


# -------------------------------------------------------------------------------------------------------------- reverts


class Reverted(ChainError):
    """The coordinator refused the call; the error's name says why."""

    solidity: ClassVar[str] = ""
    """The error as the contract declares it."""

    def __init__(self, message: str = "", **arguments: object) -> None:
        """`arguments` are the Solidity error's, by their names there."""
        self.arguments = arguments
        shown = ", ".join(f"{name}={_show(value)}" for name, value in arguments.items())
        super().__init__(message or f"{type(self).__name__}({shown}): {type(self).__doc__}")


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value.name.lower() if isinstance(value, Enum) else str(value)


# Deployment.


class ZeroTaskDigest(Reverted):
    """a swarm needs a task; give its digest"""

    solidity = "ZeroTaskDigest()"


class ZeroGenesisDigest(Reverted):
    """a swarm needs a first result; give its digest"""

    solidity = "ZeroGenesisDigest()"


class ZeroAdmin(Reverted):
    """a swarm needs an admin, who names registrars; give an account"""

    solidity = "ZeroAdmin()"


class QuorumOutOfRange(Reverted):
    """the quorum must be more than half; choose 5001 to 10000 basis points"""

    solidity = "QuorumOutOfRange(uint16 quorumBps)"


class MinUpdatesTooSmall(Reverted):
    """a round merges at least two updates; choose 2 or more"""

    solidity = "MinUpdatesTooSmall(uint16 minUpdates)"


class ZeroWindow(Reverted):
    """every window must be at least a second; choose longer ones"""

    solidity = "ZeroWindow()"


class WindowsOutOfOrder(Reverted):
    """windows must grow from minWindow over initialWindow to maxWindow; choose them so"""

    solidity = "WindowsOutOfOrder(uint32 minWindow, uint32 initialWindow, uint32 maxWindow)"


class MaxWindowTooLong(Reverted):
    """a window this long could hold a swarm up for good; choose a shorter maxWindow"""

    solidity = "MaxWindowTooLong(uint32 maxWindow, uint32 limit)"


class RevealWindowTooLong(Reverted):
    """no window may be longer than maxWindow; shorten the revealing window, or lengthen maxWindow"""

    solidity = "RevealWindowTooLong(uint32 revealWindow, uint32 maxWindow)"


class MergeWindowTooLong(Reverted):
    """no window may be longer than maxWindow; shorten the merging window, or lengthen maxWindow"""

    solidity = "MergeWindowTooLong(uint32 mergeWindow, uint32 maxWindow)"


class ZeroAbsenceLimit(Reverted):
    """a node must be able to miss something; choose an absence limit of 1 or more"""

    solidity = "ZeroAbsenceLimit()"


# Membership.


class RegistrationNotOpen(Reverted):
    """this swarm takes nodes by invitation; ask a registrar for one"""

    solidity = "RegistrationNotOpen()"


class AlreadyRegistered(Reverted):
    """this account is a node of the swarm already; go on with `resume` or the next round"""

    solidity = "AlreadyRegistered(address node)"


class InvitationNotForCaller(Reverted):
    """the invitation is for another account; join with that one, or ask a registrar for your own"""

    solidity = "InvitationNotForCaller(address account, address caller)"


class InvitationExpired(Reverted):
    """the invitation is too old; ask a registrar for a new one"""

    solidity = "InvitationExpired(uint64 expiry)"


class InvitationNotFromRegistrar(Reverted):
    """who signed the invitation is not a registrar of this swarm; ask one who is"""

    solidity = "InvitationNotFromRegistrar(address registrar)"


class InvalidInvitationSignature(Reverted):
    """the invitation was changed, forged, or made for another chain or swarm; ask a registrar for a new one"""

    solidity = "InvalidInvitationSignature()"


class RemovedByRegistrar(Reverted):
    """a registrar removed this node; only a registrar can add it again"""

    solidity = "RemovedByRegistrar(address node)"


class NodeLimitReached(Reverted):
    """the swarm is full; a registrar must remove a node first"""

    solidity = "NodeLimitReached(uint16 limit)"


class ZeroNode(Reverted):
    """the zero address cannot be a node; give an account"""

    solidity = "ZeroNode()"


class LabelTooLong(Reverted):
    """the node's label has too many bytes; choose a shorter one"""

    solidity = "LabelTooLong(uint256 length, uint256 limit)"


class StoresTooLong(Reverted):
    """the announced stores have too many bytes; announce fewer or shorter addresses"""

    solidity = "StoresTooLong(uint256 length, uint256 limit)"


class NotRegistered(Reverted):
    """this account is not a node of the swarm; join with an invitation first"""

    solidity = "NotRegistered(address account)"


class NotRegistrar(Reverted):
    """only a registrar may do this; use a registrar's account"""

    solidity = "NotRegistrar(address caller)"


class NotAbsent(Reverted):
    """the node is not absent; wait until it is, or ask a registrar"""

    solidity = "NotAbsent(address node, uint32 absentAt, uint32 finalizedRounds)"


class AlreadySuspended(Reverted):
    """the node is suspended already; nothing to do"""

    solidity = "AlreadySuspended(address node)"


class NotSuspended(Reverted):
    """the node is not suspended; nothing to do"""

    solidity = "NotSuspended(address node)"


class SuspendedByARegistrar(Reverted):
    """a registrar suspended this node; only a registrar can lift that"""

    solidity = "SuspendedByARegistrar(address node)"


# Rounds.


class NotCurrentRound(Reverted):
    """the swarm is in another round; look again"""

    solidity = "NotCurrentRound(uint32 round, uint32 current)"


class WrongPhase(Reverted):
    """the round is in another phase; look again"""

    solidity = "WrongPhase(uint32 round, Phase actual, Phase needed)"


class DeadlinePassed(Reverted):
    """too late for this phase; close it, and act in the next round"""

    solidity = "DeadlinePassed(uint32 round, uint64 deadline)"


class DeadlineNotReached(Reverted):
    """too early to close this phase; look again at its deadline"""

    solidity = "DeadlineNotReached(uint32 round, uint64 deadline)"


class NotActive(Reverted):
    """only an active node may open a round; join or resume first"""

    solidity = "NotActive(address caller)"


class TooFewActiveNodes(Reverted):
    """a round needs more active nodes; wait until others join or resume"""

    solidity = "TooFewActiveNodes(uint16 active, uint16 required)"


class NotExpected(Reverted):
    """this account was not an active node when the round opened; act from the next round on"""

    solidity = "NotExpected(uint32 round, address caller)"


class NotSealed(Reverted):
    """this swarm submits updates in one step; use submitUpdate"""

    solidity = "NotSealed()"


class NotDirect(Reverted):
    """this swarm commits and reveals updates; use commitUpdate"""

    solidity = "NotDirect()"


class ZeroCommitment(Reverted):
    """a commitment cannot be zero; compute it from the update"""

    solidity = "ZeroCommitment()"


class ZeroDigest(Reverted):
    """a digest cannot be zero; give that of the document"""

    solidity = "ZeroDigest()"


class ZeroSamples(Reverted):
    """an update stands on at least one sample; give how many"""

    solidity = "ZeroSamples()"


class AlreadyCommitted(Reverted):
    """this node has committed (or submitted) in this round already; it cannot be changed"""

    solidity = "AlreadyCommitted(uint32 round, address node)"


class AlreadyRevealed(Reverted):
    """this node has revealed in this round already; nothing to do"""

    solidity = "AlreadyRevealed(uint32 round, address node)"


class NotCommitted(Reverted):
    """this node has not committed in this round; act from the next round on"""

    solidity = "NotCommitted(uint32 round, address node)"


class CommitmentMismatch(Reverted):
    """this is not what was committed; reveal exactly the digest, samples and salt of the commitment"""

    solidity = "CommitmentMismatch(bytes32 expected, bytes32 actual)"


class NotRevealed(Reverted):
    """only nodes that revealed in this round attest in it; act from the next round on"""

    solidity = "NotRevealed(uint32 round, address node)"


class AlreadyAttested(Reverted):
    """this node attests to this result already; nothing to do"""

    solidity = "AlreadyAttested(uint32 round, address node, bytes32 result)"


REVERTS: Mapping[str, type[Reverted]] = MappingProxyType({error.__name__: error for error in Reverted.__subclasses__()})
"""The exception of each custom error of the contract, by its name."""
