"""What binds a node to an update that nobody can read yet."""

from __future__ import annotations

from swarm_chain.types import Address, Commitment, Digest, RoundNumber, Salt, Samples


def commitment_to(
    *,
    chain_id: int,
    coordinator: Address,
    round_number: RoundNumber,
    node: Address,
    digest: Digest,
    samples: Samples,
    salt: Salt,
) -> Commitment:
    """The commitment that `revealUpdate` is checked against.

    keccak256(abi.encode(chainid, contract, round, node, digest, samples, salt)): seven words of 32 bytes.
    """
    words = (
        chain_id.to_bytes(32, "big"),
        coordinator.rjust(32, b"\0"),
        round_number.to_bytes(32, "big"),
        node.rjust(32, b"\0"),
        digest,
        samples.to_bytes(32, "big"),
        salt,
    )
    return Commitment(keccak256(b"".join(words)))


def keccak256(data: bytes) -> bytes:
    """Ethereum's digest of some bytes: 32 bytes."""
    from eth_hash.auto import keccak

    return bytes(keccak(data))
