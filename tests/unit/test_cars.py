"""CAR files: written in pieces, read with every block checked, refused where they are not what they should be."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.core.cars import car, car_size, read_car
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.errors import CidMismatch, MalformedFile, SwarmChainError

BLOCKS = [(cid_of(data, Codec.RAW), data) for data in (b"", b"one", bytes(200), bytes(5000))]
ROOT = BLOCKS[-1][0]
CAR = b"".join(car([ROOT], BLOCKS))


def read(data: bytes, max_block: int = 1 << 20) -> list[tuple[Cid, bytes]]:
    return list(read_car(BytesIO(data), max_block=max_block))


def test_car__header__is_as_the_specification_has_it() -> None:
    # A map of `roots`, a list of one link, and `version`, 1.
    link = b"\xd8\x2a\x58\x25\x00" + bytes(ROOT)
    assert CAR.startswith(bytes([58]) + b"\xa2\x65roots\x81" + link + b"\x67version\x01")


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 40))
def test_read_car__what_was_written__is_the_same(contents: list[bytes], roots: int) -> None:
    blocks = [(cid_of(data, Codec.DAG_CBOR), data) for data in contents]
    written = b"".join(car([ROOT] * roots, blocks))
    assert read(written) == blocks
    assert len(written) == car_size(roots, map(len, contents))


@given(st.integers(1, len(CAR) - 1))
def test_read_car__cut_anywhere__raises_or_gives_whole_blocks(length: int) -> None:
    try:
        found = read(CAR[:length])
    except MalformedFile:
        return
    assert found == BLOCKS[: len(found)]


@given(st.integers(0, len(CAR) - 1), st.integers(1, 255))
def test_read_car__a_byte_changed__raises_or_gives_blocks_that_are_their_cids(position: int, change: int) -> None:
    changed = bytearray(CAR)
    changed[position] ^= change
    try:
        found = read(bytes(changed))
    except SwarmChainError:
        return
    assert all(cid.digest == cid_of(data, cid.codec).digest for cid, data in found)


def test_read_car__block_that_is_not_its_cid__raises_cid_mismatch() -> None:
    with pytest.raises(CidMismatch):
        read(b"".join(car([ROOT], [(ROOT, b"something else")])))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\xff" * 12, bytes([5]) + b"hello", b"\x80\x80\x80\x80\x10" + bytes(64)],
    ids=["nothing", "no header", "endless length", "no DAG-CBOR", "header of 4 GiB"],
)
def test_read_car__no_car_file__raises_malformed_file(data: bytes) -> None:
    with pytest.raises(MalformedFile):
        read(data)


def test_read_car__block_above_the_limit__raises_before_it_is_read() -> None:
    with pytest.raises(MalformedFile, match="5000 bytes"):
        read(CAR, max_block=4999)
