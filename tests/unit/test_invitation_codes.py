"""Invitation codes: what a registrar sends, what arrives, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.accounts import Signer, coordinator_domain
from swarm_chain.core.invitation_codes import (
    MAX_PLACES,
    MAX_TEXT,
    PREFIX,
    InvitationCode,
    check_invitation,
    decode_invitation,
    encode_invitation,
    recover_registrar,
)
from swarm_chain.core.invitations import invitation_digest
from swarm_chain.errors import (
    InvitationExpiredOffline,
    InvitationForged,
    InvitationForSomeoneElse,
    InvitationGarbled,
    InvitationInvalid,
    InvitationTruncated,
    InvitationVersionUnknown,
)
from swarm_chain.types import Address, BlockNumber, Invitation, Timestamp

REGISTRAR = Signer(b"\x01" * 32)
NODE = Signer(b"\x02" * 32)
CONTRACT = Address(b"\xc0" * 20)
EXPIRY = Timestamp(1_800_000_000)


def invited(node: Signer = NODE, registrar: Signer = REGISTRAR, chain_id: int = 31337) -> InvitationCode:
    invitation = Invitation(account=node.address, registrar=registrar.address, expiry=EXPIRY)
    return InvitationCode(
        chain_id=chain_id,
        rpc_urls=("http://127.0.0.1:8545",),
        contract=CONTRACT,
        deployment_block=BlockNumber(7),
        stores=("local:/srv/swarm", "https://gateway.example"),
        invitation=invitation,
        signature=registrar.sign_invitation(invitation, chain_id=chain_id, contract=CONTRACT),
    )


CODE = encode_invitation(invited())

addresses = st.binary(min_size=20, max_size=20).map(Address)
numbers = st.integers(min_value=0, max_value=2**64 - 1)
places = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=100)
codes = st.builds(
    InvitationCode,
    chain_id=numbers,
    rpc_urls=st.lists(places, min_size=1, max_size=4).map(tuple),
    contract=addresses,
    deployment_block=numbers.map(BlockNumber),
    stores=st.lists(places, max_size=4).map(tuple),
    invitation=st.builds(Invitation, account=addresses, registrar=addresses, expiry=numbers.map(Timestamp)),
    signature=st.binary(max_size=200),
)


@given(codes)
def test_decode__any_code__gives_back_what_was_encoded(code: InvitationCode) -> None:
    assert decode_invitation(encode_invitation(code)) == code


@given(st.data())
def test_decode__one_character_changed__raises_invitation_invalid(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(CODE) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != CODE[place]))
    changed = CODE[:place] + other + CODE[place + 1 :]
    if changed.lower() != CODE:
        with pytest.raises(InvitationInvalid):
            decode_invitation(changed)


@given(st.integers(min_value=1, max_value=len(CODE) - 1))
def test_decode__end_is_missing__raises_invitation_truncated(length: int) -> None:
    with pytest.raises(InvitationTruncated):
        decode_invitation(CODE[:length])


@given(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567="), st.integers(min_value=1, max_value=9))
def test_decode__something_is_appended__raises_invitation_garbled(character: str, times: int) -> None:
    with pytest.raises(InvitationGarbled):
        decode_invitation(CODE + character * times)


@given(st.text(max_size=200))
def test_decode__any_text__raises_invitation_invalid(text: str) -> None:
    with pytest.raises(InvitationInvalid):
        decode_invitation(text)


@given(st.binary(max_size=120))
def test_decode__any_payload_with_a_right_checksum__raises_invitation_garbled(payload: bytes) -> None:
    import base64
    from hashlib import sha256

    body = len(payload).to_bytes(4, "big") + payload
    text = base64.b32encode(body + sha256(body).digest()[:4]).decode().rstrip("=").lower()
    with pytest.raises(InvitationGarbled):
        decode_invitation(PREFIX + text)


def test_decode__folded_and_shouted__reads_it() -> None:
    folded = "\n  ".join(CODE[start : start + 60].upper() for start in range(0, len(CODE), 60))
    assert decode_invitation(folded) == invited()


def test_decode__newer_version__raises_invitation_version_unknown() -> None:
    with pytest.raises(InvitationVersionUnknown, match="update swarm-chain"):
        decode_invitation(CODE.replace("swarm1_", "swarm2_"))


def test_decode__megabytes__raises_invitation_garbled() -> None:
    with pytest.raises(InvitationGarbled, match="too long"):
        decode_invitation(PREFIX + "a" * 10_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"rpc_urls": ()},
        {"rpc_urls": ("http://x",) * (MAX_PLACES + 1)},
        {"stores": ("x" * (MAX_TEXT + 1),)},
        {"stores": ("\x1b[2Jhttp://x",)},
        {"signature": bytes(5000)},
    ],
    ids=["no endpoint", "many endpoints", "long store", "terminal escape", "long signature"],
)
def test_encode__what_no_code_may_hold__raises_invitation_garbled(change: dict[str, object]) -> None:
    with pytest.raises(InvitationGarbled):
        encode_invitation(replace(invited(), **change))  # type: ignore[arg-type]


def test_decode__a_character_of_a_newer_unicode__reads_it_whatever_python_knows() -> None:
    code = replace(invited(), stores=("local:/srv/\U0001fae8",))
    assert decode_invitation(encode_invitation(code)) == code


def test_decode__digits_and_letters_beyond_ascii__are_no_prefix() -> None:
    for prefix in ("swarm\u0662_", "\u017fwarm2_"):
        with pytest.raises(InvitationGarbled, match="starts with"):
            decode_invitation(CODE.replace("swarm1_", prefix))


def test_check__right_account_in_time__passes() -> None:
    check_invitation(decode_invitation(CODE), account=NODE.address, now=Timestamp(EXPIRY - 1))


def test_check__someone_else_opens_it__raises_invitation_for_someone_else() -> None:
    with pytest.raises(InvitationForSomeoneElse, match=NODE.address.hex()):
        check_invitation(invited(), account=REGISTRAR.address, now=Timestamp(0))


def test_check__at_its_expiry__raises_invitation_expired() -> None:
    with pytest.raises(InvitationExpiredOffline):
        check_invitation(invited(), account=NODE.address, now=EXPIRY)


def test_check__signed_by_another__raises_invitation_forged() -> None:
    forged = replace(invited(registrar=NODE), invitation=invited().invitation)
    with pytest.raises(InvitationForged):
        check_invitation(forged, account=NODE.address, now=Timestamp(0))


@pytest.mark.parametrize("change", [{"chain_id": 1}, {"contract": Address(b"\xdd" * 20)}])
def test_check__signed_for_another_swarm__raises_invitation_forged(change: dict[str, object]) -> None:
    with pytest.raises(InvitationForged):
        check_invitation(replace(invited(), **change), account=NODE.address, now=Timestamp(0))  # type: ignore[arg-type]


def test_check__registrar_is_a_wallet__leaves_the_signature_to_the_chain() -> None:
    wallet = replace(invited(), signature=b"owners, in the wallet's own format")
    check_invitation(wallet, account=NODE.address, now=Timestamp(0), registrar_is_wallet=True)
    with pytest.raises(InvitationForged):
        check_invitation(wallet, account=NODE.address, now=Timestamp(0))


def test_recover_registrar__signed_by_eth_account__is_the_registrar() -> None:
    assert recover_registrar(invited()) == REGISTRAR.address


def test_invitation_digest__is_what_eth_account_signs() -> None:
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    from swarm_chain.accounts import INVITATION_TYPES

    invitation = invited().invitation
    message = {"account": invitation.account, "registrar": invitation.registrar, "expiry": invitation.expiry}
    signable = encode_typed_data(coordinator_domain(31337, CONTRACT), INVITATION_TYPES, message)
    digest = invitation_digest(invitation, chain_id=31337, coordinator=CONTRACT)
    assert digest == bytes(_hash_eip191_message(signable))
