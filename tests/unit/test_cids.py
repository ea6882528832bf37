"""CIDs: one name for one block, and no other."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Callable

import multiformats
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.core.cids import (
    Cid,
    Codec,
    cid_from_bytes,
    cid_of,
    document_cid,
    document_digest,
    parse_cid,
    parse_foreign_cid,
    verify,
)
from swarm_chain.errors import CidMismatch, InvalidCid
from swarm_chain.types import Digest

DIGEST = Digest(hashlib.sha256(b"a document").digest())
CIDS = st.builds(Cid, st.sampled_from(Codec), st.binary(min_size=32, max_size=32).map(Digest))


@given(CIDS)
def test_parse__text_or_bytes_of_a_cid__gives_it_back(cid: Cid) -> None:
    assert parse_cid(str(cid)) == cid
    assert cid_from_bytes(bytes(cid)) == cid
    assert parse_cid("f" + bytes(cid).hex()) == cid


@given(CIDS)
def test_str__any_cid__equals_another_library(cid: Cid) -> None:
    other = multiformats.CID("base32", 1, int(cid.codec), b"\x12\x20" + cid.digest)
    assert str(cid) == str(other)
    assert bytes(cid) == bytes(other)


def test_document_cid__a_digest__starts_as_an_explorer_reader_expects() -> None:
    assert "f" + bytes(document_cid(DIGEST)).hex() == "f01711220" + DIGEST.hex()
    assert str(document_cid(DIGEST)).startswith("bafyrei")
    assert document_digest(document_cid(DIGEST)) == DIGEST


@pytest.mark.parametrize("codec", [Codec.RAW, Codec.DAG_PB])
def test_document_digest__cid_of_no_document__raises_invalid_cid(codec: Codec) -> None:
    with pytest.raises(InvalidCid, match="names no document"):
        document_digest(Cid(codec, DIGEST))


def _text(raw: bytes) -> str:
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


REFUSED = {
    "version 0": "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
    "version 2": _text(b"\x02\x71\x12\x20" + DIGEST),
    "json codec": _text(b"\x01\x00\x12\x20" + DIGEST),
    "identity": _text(b"\x01\x71\x00\x20" + DIGEST),
    "keccak-256": _text(b"\x01\x71\x1b\x20" + DIGEST),
    "two-byte codec": _text(b"\x01\xf1\x01\x12\x20" + DIGEST),
    "short digest": _text(b"\x01\x71\x12\x1f" + DIGEST[:31]),
    "one byte more": _text(b"\x01\x71\x12\x20" + DIGEST + b"\x00"),
    "padding": str(document_cid(DIGEST)) + "=",
    "upper case": str(document_cid(DIGEST)).upper(),
    "mixed case": str(document_cid(DIGEST))[:-1] + "A",
    "a character outside base32": str(document_cid(DIGEST))[:-2] + "1a",
    "spare bits set": str(document_cid(DIGEST))[:-1] + "b",
    "base58": "z" + "1" * 58,
    "upper-case base16": "f01711220" + DIGEST.hex().upper(),
    "short base16": "f01711220" + DIGEST.hex()[:-2],
    "not ASCII": "b" + "ä" * 58,
    "space around": " " + str(document_cid(DIGEST)),
    "nothing": "",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_parse__another_kind_of_name__raises_invalid_cid(text: str) -> None:
    with pytest.raises(InvalidCid):
        parse_cid(text)


@given(st.text(max_size=70))
def test_parse__any_text__is_a_cid_or_invalid(text: str) -> None:
    with contextlib.suppress(InvalidCid):
        assert str(parse_cid(text)) == text


@given(st.binary(max_size=40))
def test_from_bytes__any_bytes__are_a_cid_or_invalid(raw: bytes) -> None:
    with contextlib.suppress(InvalidCid):
        assert bytes(cid_from_bytes(raw)) == raw


def test_verify__the_block_itself__passes() -> None:
    for codec in Codec:
        verify(cid_of(b"block", codec), b"block")


def test_verify__one_bit_changed__raises_cid_mismatch_naming_the_cid() -> None:
    cid = cid_of(b"block", Codec.RAW)
    with pytest.raises(CidMismatch, match=str(cid)):
        verify(cid, b"blocj")


def test_import__core_modules__load_nothing_heavy() -> None:
    heavy = ["torch", "web3", "sklearn", "numpy", "dag_cbor", "multiformats"]
    program = (
        "import sys, swarm_chain.core.documents, swarm_chain.core.unixfs;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(CIDS, st.sampled_from(["base32", "base32upper", "base16", "base16upper", "base58btc"]))
def test_parse_foreign_cid__any_program_s_text__names_the_same(cid: Cid, base: str) -> None:
    other = multiformats.CID("base32", 1, int(cid.codec), b"\x12\x20" + cid.digest)
    assert parse_foreign_cid(other.encode(base)) == cid


@given(st.binary(min_size=32, max_size=32).map(Digest))
def test_parse_foreign_cid__version_0__is_a_file_s_node(digest: Digest) -> None:
    text = str(multiformats.CID("base58btc", 0, "dag-pb", b"\x12\x20" + digest))
    assert text.startswith("Qm")
    assert parse_foreign_cid(text) == Cid(Codec.DAG_PB, digest)


@given(st.text(max_size=200) | st.text(max_size=60).map("z".__add__) | st.text(max_size=60).map("Qm".__add__))
def test_parse_foreign_cid__anything_else__raises_invalid_cid(text: str) -> None:
    with pytest.raises(InvalidCid):
        parse_foreign_cid(text)


def test_verify__same_bytes_again__are_checked_against_every_other_cid() -> None:
    data = b"a block"
    verify(cid_of(data, Codec.RAW), data)
    verify(cid_of(data, Codec.DAG_PB), data)
    with pytest.raises(CidMismatch):
        verify(cid_of(b"another", Codec.RAW), data)


@pytest.mark.parametrize("kind", [bytearray, lambda data: memoryview(bytearray(data))])
def test_verify__bytes_that_change_after_they_were_verified__raises(kind: Callable[[bytes], bytearray]) -> None:
    data = kind(b"a block")
    cid = cid_of(data, Codec.RAW)
    verify(cid, data)
    data[0] ^= 1
    with pytest.raises(CidMismatch):
        verify(cid, data)
