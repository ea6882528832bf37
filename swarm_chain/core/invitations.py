"""What a registrar signs to let an account join: EIP-712, as the contract checks it."""

from __future__ import annotations

from swarm_chain.core.commitments import keccak256
from swarm_chain.types import Address, Invitation

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_INVITATION_TYPE = b"Invitation(address account,address registrar,uint64 expiry)"
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def invitation_digest(invitation: Invitation, *, chain_id: int, coordinator: Address) -> bytes:
    """32 bytes: what the registrar's signature is over, for one coordinator on one chain."""
    domain = keccak256(
        keccak256(_DOMAIN_TYPE)
        + keccak256(b"SwarmCoordinator")
        + keccak256(b"1")
        + chain_id.to_bytes(32, "big")
        + coordinator.rjust(32, b"\0")
    )
    message = keccak256(
        keccak256(_INVITATION_TYPE)
        + invitation.account.rjust(32, b"\0")
        + invitation.registrar.rjust(32, b"\0")
        + invitation.expiry.to_bytes(32, "big")
    )
    return keccak256(b"\x19\x01" + domain + message)


def signer_of(digest: bytes, signature: bytes) -> Address | None:
    """The account that signed a digest; None for what is not a signature of 65 bytes with a low `s` (EIP-2)."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return None
    try:
        recoverable = Signature(signature[:64] + bytes((signature[64] - 27,)))
        return Address(recoverable.recover_public_key_from_msg_hash(digest).to_canonical_address())
    except (BadSignature, ValidationError):
        return None
