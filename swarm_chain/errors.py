"""Every error that swarm_chain raises on purpose. Each message says what is wrong and what to do, in one line.

A revert of the contract becomes the exception of the same name, built from the interface's own list
(`REVERTS` maps a Solidity error's name to its class); a test keeps both sides equal.
"""

from __future__ import annotations


class SwarmChainError(Exception):
    """Root of all errors raised on purpose."""


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


class TaskMismatch(SwarmChainError):
    """The task here is not the swarm's. The message shows the difference."""


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


# ------------------------------------------------------------------------------------------------------------- training


class TaskError(SwarmChainError):
    """A task cannot be found, loaded or run."""


class DataError(SwarmChainError):
    """A node's data cannot be used."""


# ---------------------------------------------------------------------------------------------------------------- agent


class JournalError(SwarmChainError):
    """A journal is another node's, another swarm's, or unreadable."""


class ForeignCommitment(SwarmChainError):
    """The chain holds a commitment of this account that this node did not make."""


# -------------------------------------------------------------------------------------------------------------- reverts


class Reverted(ChainError):
    """The coordinator refused a call. `arguments` are the Solidity error's, by name."""

    def __init__(self, message: str = "", **arguments: object) -> None:
        self.arguments = arguments
        shown = ", ".join(f"{name}={_show(value)}" for name, value in arguments.items())
        super().__init__(message or f"{type(self).__name__}({shown}): {type(self).__doc__}")


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
