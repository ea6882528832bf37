"""CAR files, version 1: blocks one after another, as IPFS programs hand whole graphs to each other.

A varint with the length of the header, the header (DAG-CBOR: `roots`, `version`), then for each block a varint with
the length of CID and bytes, the CID, the bytes (https://ipld.io/specs/transport/car/carv1/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from swarm_chain.core import dagcbor
from swarm_chain.core.cids import CID_BYTES, Cid, cid_from_bytes, verify
from swarm_chain.core.varints import varint
from swarm_chain.errors import InvalidCid, MalformedDocument, MalformedFile

MAX_HEADER: Final = 4096
"""Bytes of the longest header that is read: some hundred roots."""
_MAX_VARINT: Final = 9


class Source(Protocol):
    """Bytes that come in pieces."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


def car(roots: Iterable[Cid], blocks: Iterable[tuple[Cid, bytes]]) -> Iterator[bytes]:
    """A CAR file in pieces, one block in memory at a time."""
    header = dagcbor.encode({"roots": list(roots), "version": 1})
    yield varint(len(header)) + header
    for cid, data in blocks:
        yield varint(CID_BYTES + len(data)) + bytes(cid)
        yield data


def car_size(root_count: int, blocks: Iterable[int]) -> int:
    """Bytes of a CAR file with so many roots and blocks of these sizes."""
    header = len(dagcbor.encode({"roots": [], "version": 1}))
    # A link is a tag (2), a byte string's head (2), a zero and the CID.
    header += root_count * (CID_BYTES + 5) + (0 if root_count < 24 else 1)
    sections = (CID_BYTES + size for size in blocks)
    return len(varint(header)) + header + sum(len(varint(size)) + size for size in sections)


def read_car(source: Source, *, max_block: int) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of a CAR file, each checked against its CID, none longer than `max_block` bytes.

    Raises `MalformedFile` for what is no CAR file or ends early, for CIDs that no swarm has, and `CidMismatch`.
    """
    for cid, data in read_sections(source, max_block=max_block):
        verify(cid, data)
        yield cid, data


def read_sections(source: Source, *, max_block: int) -> Iterator[tuple[Cid, bytes]]:
    """The blocks of a CAR file as they stand there, for those who check them later. Raises `MalformedFile`."""
    _read_header(source)
    while (length := _read_length(source)) is not None:
        if not CID_BYTES <= length <= CID_BYTES + max_block:
            raise MalformedFile(f"a CAR file has a block of {length - CID_BYTES} bytes; ask another store")
        try:
            cid = cid_from_bytes(_read_exactly(source, CID_BYTES))
        except InvalidCid as error:
            raise MalformedFile(f"a CAR file has a block that no swarm has: {error}") from error
        yield cid, _read_exactly(source, length - CID_BYTES)


def _read_header(source: Source) -> None:
    """Reads past the header; which roots it names says nothing that is believed."""
    length = _read_length(source)
    if length is None or not 0 < length <= MAX_HEADER:
        raise MalformedFile("this is no CAR file: it does not begin with a header; ask another store")
    try:
        header = dagcbor.decode(_read_exactly(source, length))
    except MalformedDocument as error:
        raise MalformedFile(f"this is no CAR file: its header is not DAG-CBOR ({error}); ask another store") from error
    if not isinstance(header, Mapping) or header.get("version") != 1:
        raise MalformedFile("this is no CAR file of version 1; ask another store")


def _read_length(source: Source) -> int | None:
    """A varint; None where the file ends before it."""
    number = 0
    for position in range(_MAX_VARINT):
        byte = source.read(1)
        if not byte:
            if position:
                break
            return None
        number |= (byte[0] & 0x7F) << 7 * position
        if byte[0] < 0x80:
            return number
    raise MalformedFile("a CAR file ends, or goes astray, within a length; ask another store")


def _read_exactly(source: Source, size: int) -> bytes:
    data = source.read(size)
    while len(data) < size:
        piece = source.read(size - len(data))
        if not piece:
            raise MalformedFile(f"a CAR file ends after {len(data)} of {size} bytes of a block; ask again")
        data += piece
    return data
