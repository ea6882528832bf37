"""Invitation codes: one string that holds all an organisation needs to join a swarm, and survives e-mail.

    swarm1_  base32( length, 4 bytes | canonical DAG-CBOR | sha2-256 of both, first 4 bytes )

Lower-case base32 (RFC 4648, no padding) is selected as a whole by a double click and may be folded, or shouted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from swarm_chain.core import dagcbor
from swarm_chain.core.fields import is_text
from swarm_chain.core.invitations import invitation_digest, signer_of
from swarm_chain.errors import (
    InvitationExpiredOffline,
    InvitationForged,
    InvitationForSomeoneElse,
    InvitationGarbled,
    InvitationInvalid,
    InvitationTruncated,
    InvitationVersionUnknown,
    MalformedDocument,
)
from swarm_chain.types import Address, BlockNumber, Invitation, Timestamp

PREFIX: Final = "swarm1_"
MAX_CODE: Final = 16 * 1024
"""Characters of the longest code that is read."""
MAX_PLACES: Final = 16
"""Most RPC URLs, and most stores, in a code."""
MAX_TEXT: Final = 512
"""Bytes of the longest RPC URL or store."""
MAX_SIGNATURE: Final = 2048
"""Bytes of the longest signature: an ERC-1271 wallet's may hold many."""

_LONGEST_NAME: Final = 32
"""Characters of the longest name of a deployment, which may begin like a code."""
_LENGTH_BYTES: Final = 4
_CHECK_BYTES: Final = 4
_NO_END: Final = {1, 3, 6}
_ANY_PREFIX = re.compile(r"swarm([0-9]+)_", re.IGNORECASE | re.ASCII)
_KEYS: Final = frozenset({"account", "block", "chain", "contract", "expiry", "registrar", "rpc", "signature", "stores"})


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationCode:
    """A signed invitation, and where its swarm is: chain, endpoints, contract, and where stores are served."""

    chain_id: int
    rpc_urls: tuple[str, ...]
    contract: Address
    deployment_block: BlockNumber
    stores: tuple[str, ...]
    invitation: Invitation
    signature: bytes


def encode_invitation(code: InvitationCode) -> str:
    """The string for an invitation; `decode_invitation` reads it. Raises `InvitationGarbled` for what is too long."""
    _check_values(code)
    payload = dagcbor.encode(
        {
            "account": code.invitation.account,
            "block": code.deployment_block,
            "chain": code.chain_id,
            "contract": code.contract,
            "expiry": code.invitation.expiry,
            "registrar": code.invitation.registrar,
            "rpc": list(code.rpc_urls),
            "signature": code.signature,
            "stores": list(code.stores),
        }
    )
    body = len(payload).to_bytes(_LENGTH_BYTES, "big") + payload
    return PREFIX + _to_base32(body + _check(body))


def is_code(text: str) -> bool:
    """Whether a text is meant as a code, whole or not, and not as the name or the address of a swarm."""
    return len(text) > _LONGEST_NAME and _ANY_PREFIX.match("".join(text.split())) is not None


def decode_invitation(text: str) -> InvitationCode:
    """What a code holds; spaces and line breaks in it do not matter. Nothing is said yet about who signed it.

    Raises `InvitationTruncated`, `InvitationVersionUnknown`, `InvitationGarbled`.
    """
    if len(text) > 2 * MAX_CODE:
        raise InvitationGarbled("this is far too long for an invitation code; paste the code only")
    code = "".join(text.split())
    version = _ANY_PREFIX.match(code)
    if version is None:
        raise _without_prefix(code)
    if version[0].lower() != PREFIX:
        raise InvitationVersionUnknown(
            f"this invitation code is of version {version[1][:8]}, and this program reads 1; update swarm-chain"
        )
    return _from_payload(_payload(code[len(PREFIX) :]))


def check_invitation(
    code: InvitationCode, *, account: Address, now: Timestamp, registrar_is_wallet: bool = False
) -> None:
    """Returns if the contract would take the signature and the account; whether the registrar is one, the chain knows.

    `registrar_is_wallet` is for a registrar with code (ERC-1271): only the chain can check what it signed.
    Raises `InvitationForSomeoneElse`, `InvitationExpiredOffline`, `InvitationForged`.
    """
    invitation = code.invitation
    if invitation.account != account:
        raise InvitationForSomeoneElse(
            f"this invitation is for 0x{invitation.account.hex()}, not for 0x{account.hex()}; "
            "open that account, or ask the registrar for one for yours"
        )
    if now >= invitation.expiry:
        raise InvitationExpiredOffline(
            f"this invitation expired at {invitation.expiry} and the chain's clock says {now}; ask for a new one"
        )
    if not registrar_is_wallet and recover_registrar(code) != invitation.registrar:
        raise InvitationForged(
            f"this invitation was not signed by 0x{invitation.registrar.hex()}, which it names; ask the registrar again"
        )


def recover_registrar(code: InvitationCode) -> Address | None:
    """Who signed the code's invitation; None where the signature is not an account's."""
    digest = invitation_digest(code.invitation, chain_id=code.chain_id, coordinator=code.contract)
    return signer_of(digest, code.signature)


# ------------------------------------------------------------------------------------------------------------- decoding


def _without_prefix(code: str) -> InvitationInvalid:
    if code and PREFIX.startswith(code.lower()):
        return InvitationTruncated("only the start of an invitation code is here; paste all of it")
    return InvitationGarbled(f"an invitation code starts with {PREFIX}; paste all of it, and nothing else")


def _payload(text: str) -> bytes:
    body = _from_base32(text)
    size = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "big") + _CHECK_BYTES
    if len(body) < _LENGTH_BYTES + _CHECK_BYTES or len(body) < size <= MAX_CODE:
        raise InvitationTruncated("the end of this invitation code is missing; paste all of it")
    if _to_base32(body) != text.lower() or len(body) != size or _check(body[:-_CHECK_BYTES]) != body[-_CHECK_BYTES:]:
        raise InvitationGarbled("this invitation code was changed on its way; copy it again")
    return body[_LENGTH_BYTES:-_CHECK_BYTES]


def _from_base32(text: str) -> bytes:
    """The bytes of base32 text: without its last character where no bytes end there, as in a code that was cut."""
    whole = text[: len(text) - (len(text) % 8 in _NO_END)]
    try:
        return base64.b32decode(whole.upper() + "=" * (-len(whole) % 8))
    except (binascii.Error, ValueError):
        raise InvitationGarbled("this invitation code holds characters that none has; copy it again") from None


def _to_base32(body: bytes) -> str:
    return base64.b32encode(body).decode().rstrip("=").lower()


def _check(body: bytes) -> bytes:
    return sha256(body).digest()[:_CHECK_BYTES]


def _from_payload(payload: bytes) -> InvitationCode:
    try:
        fields = dagcbor.decode(payload)
    except MalformedDocument:
        raise InvitationGarbled("this invitation code does not hold an invitation; ask for a new one") from None
    if not isinstance(fields, Mapping) or fields.keys() != _KEYS:
        raise InvitationGarbled("this invitation code does not hold an invitation's fields; ask for a new one")
    code = InvitationCode(
        chain_id=_integer(fields["chain"]),
        rpc_urls=_texts(fields["rpc"]),
        contract=_address(fields["contract"]),
        deployment_block=BlockNumber(_integer(fields["block"])),
        stores=_texts(fields["stores"]),
        invitation=Invitation(
            account=_address(fields["account"]),
            registrar=_address(fields["registrar"]),
            expiry=Timestamp(_integer(fields["expiry"])),
        ),
        signature=_bytes(fields["signature"]),
    )
    _check_values(code)
    return code


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise _unusable("a number")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise _unusable("bytes")
    return value


def _address(value: object) -> Address:
    if not isinstance(value, bytes) or len(value) != 20:
        raise _unusable("an address")
    return Address(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _unusable("a list")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) != len(value):
        raise _unusable("a list")
    return texts


def _check_values(code: InvitationCode) -> None:
    """Raises `InvitationGarbled` for values that no swarm has, or that could play tricks on a terminal."""
    if not code.rpc_urls or max(len(code.rpc_urls), len(code.stores)) > MAX_PLACES:
        raise _unusable("its list of RPC URLs or stores")
    if any(not _is_plain(text) for text in code.rpc_urls + code.stores):
        raise _unusable("an RPC URL or store")
    if len(code.signature) > MAX_SIGNATURE:
        raise _unusable("its signature")


def _is_plain(text: str) -> bool:
    return bool(text) and is_text(text) and len(text.encode()) <= MAX_TEXT


def _unusable(what: str) -> InvitationGarbled:
    return InvitationGarbled(f"an invitation code cannot hold this: {what} is not what it should be; ask for a new one")
