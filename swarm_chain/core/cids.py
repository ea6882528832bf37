"""CIDs: names of blocks that say what the bytes are and prove them.

A swarm uses one kind: CIDv1 with sha2-256, of a document (`dag-cbor`), a chunk (`raw`) or a file's node (`dag-pb`).
Anything else is refused, so that equal bytes never have two names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from dataclasses import dataclass
from enum import IntEnum

from swarm_chain.errors import CidMismatch, InvalidCid
from swarm_chain.types import Digest

CID_BYTES = 36
_SHA2_256 = b"\x12\x20"
_TEXT_LENGTH = 59
_LONGEST_TEXT = 128
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Codec(IntEnum):
    """What a block's bytes are, by its multicodec number."""

    RAW = 0x55
    DAG_PB = 0x70
    DAG_CBOR = 0x71


@dataclass(frozen=True, slots=True, order=True)
class Cid:
    """A block's name: its codec and the sha2-256 of its bytes. `str` gives the usual base32 text.

    >>> str(cid_of(b"", Codec.RAW))
    'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
    """

    codec: Codec
    digest: Digest

    def __post_init__(self) -> None:
        if len(self.digest) != 32:
            raise InvalidCid(f"a CID's digest has 32 bytes, not {len(self.digest)}; pass a sha2-256")

    def __bytes__(self) -> bytes:
        return bytes((1, self.codec)) + _SHA2_256 + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode("ascii").rstrip("=").lower()

    def __repr__(self) -> str:
        return f"Cid({self})"


def cid_of(data: bytes | bytearray | memoryview, codec: Codec) -> Cid:
    """The CID of a block."""
    return Cid(codec, Digest(hashlib.sha256(data).digest()))


def document_cid(digest: Digest) -> Cid:
    """The CID of the document with this digest: what the contract's `cidOf` gives."""
    return Cid(Codec.DAG_CBOR, digest)


def document_digest(cid: Cid) -> Digest:
    """The digest that stands on chain for a document's CID. Raises `InvalidCid` for other codecs."""
    if cid.codec is not Codec.DAG_CBOR:
        raise InvalidCid(f"{cid} names no document but {cid.codec.name} bytes; pass a CID that starts with bafyrei")
    return cid.digest


def parse_cid(text: str) -> Cid:
    """The CID a text names: lower-case base32, or base16 as in `f01711220` + the digest's hex. Raises `InvalidCid`."""
    raw = _from_base16(text) if text.startswith("f") else _from_base32(text)
    return cid_from_bytes(raw)


def parse_foreign_cid(text: str) -> Cid:
    """The CID that another program's text names, also in base58 (`z…`), as version 0 (`Qm…`) or in upper case.

    Raises `InvalidCid` for what is no CID, or none that a swarm uses: nobody here has such a block.

    >>> parse_foreign_cid("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n").codec.name
    'DAG_PB'
    """
    if len(text) > _LONGEST_TEXT:
        raise InvalidCid(f"{text[:80]!r} is too long for a CID; copy it again")
    if text.startswith("Qm"):
        return cid_from_bytes(bytes((1, Codec.DAG_PB)) + _from_base58(text))
    if text.startswith("z"):
        return cid_from_bytes(_from_base58(text[1:]))
    return parse_cid(text.lower() if text.isupper() else text)


def cid_from_bytes(raw: bytes) -> Cid:
    """The CID that 36 bytes hold. Raises `InvalidCid` for other versions, codecs, hashes and lengths."""
    if len(raw) != CID_BYTES or raw[0] != 1 or raw[2:4] != _SHA2_256:
        raise InvalidCid(f"not a CIDv1 with sha2-256: 0x{raw[:40].hex()}; use another of the block's names")
    try:
        codec = Codec(raw[1])
    except ValueError:
        raise InvalidCid(f"codec 0x{raw[1]:02x} is none of raw, dag-pb and dag-cbor; only those are used") from None
    return Cid(codec, Digest(raw[4:]))


class _Last(threading.local):
    """The block that a thread verified last. `bytes` never change: the same ones are the same block for ever."""

    data: bytes | None = None
    digest = b""


_last = _Last()


def verify(cid: Cid, data: bytes | bytearray | memoryview) -> None:
    """Returns if the bytes are the block that the CID names, raises `CidMismatch` if not.

    A block goes through several hands that each check it (a store, the store around it, the reader of the file): the
    second time in a row, the very same `bytes` cost nothing.
    """
    if data is _last.data and cid.digest == _last.digest:
        return
    if hashlib.sha256(data).digest() != cid.digest:
        raise CidMismatch(f"{len(data)} bytes are not the block {cid}; fetch it from another store")
    if type(data) is bytes:
        _last.data, _last.digest = data, cid.digest


def _from_base32(text: str) -> bytes:
    if len(text) != _TEXT_LENGTH or not text.startswith("b") or not text.isascii() or not text.islower():
        raise InvalidCid(f"{text[:80]!r} is not a CIDv1 in lower-case base32; pass one that starts with bafy or bafk")
    try:
        raw = base64.b32decode(text[1:].upper() + "======")
    except binascii.Error as error:
        raise InvalidCid(f"{text!r} is not base32 ({error}); copy the CID again") from error
    # The last character holds two spare bits: set ones would be a second name for the same block.
    if base64.b32encode(raw).decode("ascii").rstrip("=").lower() != text[1:]:
        raise InvalidCid(f"{text!r} is not canonical base32; copy the CID again")
    return raw


def _from_base58(text: str) -> bytes:
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            raise InvalidCid(f"{text!r} is not base58; copy the CID again")
        number = number * 58 + digit
    # None of the CIDs that are looked for begins with a zero byte.
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _from_base16(text: str) -> bytes:
    digits = text[1:]
    if len(digits) != 2 * CID_BYTES or not set(digits) <= set("0123456789abcdef"):
        raise InvalidCid(f"{text[:80]!r} is not a CIDv1 in lower-case base16; pass f01711220 and the digest's hex")
    return bytes.fromhex(digits)
