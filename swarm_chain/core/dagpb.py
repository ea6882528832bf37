"""DAG-PB nodes as any IPFS program writes them: what a block of a tree links to, and what bytes of a file it has.

Only for blocks that are there already and are passed on; files of the swarm's profile are read by their shape
(`unixfs`), which needs no parser (https://ipld.io/specs/codecs/dag-pb/spec/).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from swarm_chain.core.cids import Cid, cid_from_bytes
from swarm_chain.core.varints import read_varint
from swarm_chain.errors import InvalidCid, MalformedFile

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RAW, _DIRECTORY, _FILE = 0, 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node's links in their order and, where it is of a file, how many of the file's bytes lie under each."""

    links: tuple[Cid, ...]
    sizes: tuple[int, ...] | None
    """None for what is no file, such as a directory."""


def decode(data: bytes) -> Node:
    """The node that a block holds. Raises `MalformedFile` for what is none, or links to what no swarm has."""
    links, inner = [], b""
    for number, value in _fields(data):
        if number == 2 and isinstance(value, bytes):
            links.append(_link(value))
        elif number == 1 and isinstance(value, bytes):
            inner = value
    sizes = _sizes(inner)
    return Node(links=tuple(links), sizes=sizes if sizes is not None and len(sizes) == len(links) else None)


def _link(data: bytes) -> Cid:
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            try:
                return cid_from_bytes(value)
            except InvalidCid as error:
                raise MalformedFile(f"a DAG-PB node links to what no swarm has: {error}") from error
    raise MalformedFile("a DAG-PB node has a link to nothing; ask for another CID")


def _sizes(data: bytes) -> tuple[int, ...] | None:
    kind, sizes = None, []
    for number, value in _fields(data):
        if number == 1:
            kind = value
        elif number == 4 and isinstance(value, int):
            sizes.append(value)
    return tuple(sizes) if kind in (_RAW, _FILE) else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """A protobuf message's fields: numbers and values. Raises `MalformedFile`."""
    position = 0
    try:
        while position < len(data):
            key, position = read_varint(data, position)
            value: int | bytes
            if key & 7 == _VARINT:
                value, position = read_varint(data, position)
            elif key & 7 in (_BYTES, _FIXED64, _FIXED32):
                size, position = _size(data, position, key & 7)
                value, position = data[position : position + size], position + size
            else:
                raise IndexError
            if position > len(data):
                raise IndexError
            yield key >> 3, value
    except IndexError:
        raise MalformedFile("a block is no DAG-PB node: it does not end where it says; ask for another CID") from None


def _size(data: bytes, position: int, wire: int) -> tuple[int, int]:
    return read_varint(data, position) if wire == _BYTES else (8 if wire == _FIXED64 else 4, position)
