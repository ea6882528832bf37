"""Canonical DAG-CBOR: one byte string for one value, and none for anything else.

Strict in both directions (https://ipld.io/specs/codecs/dag-cbor/spec/): shortest heads, 64-bit floats, definite
lengths, map keys sorted by length and then bytes without repeats, links as tag 42, no NaN or infinity. Depth is
limited, so that hostile bytes cannot exhaust the stack.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import TypeAlias

from swarm_chain.core.cids import Cid, cid_from_bytes
from swarm_chain.errors import InvalidCid, MalformedDocument

Scalar: TypeAlias = bool | int | float | str | bytes | Cid | None
Value: TypeAlias = "Scalar | list[Value] | tuple[Value, ...] | Mapping[str, Value]"

MAX_DEPTH = 16
_UINT64 = 1 << 64
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_LINK_TAG = 42
_HEAD_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE_VALUES: dict[int, bool | None] = {20: False, 21: True, 22: None}


def encode(value: Value) -> bytes:
    """The canonical bytes of a value. Raises `MalformedDocument` for what has none.

    >>> encode({"b": [1, None], "a": "x"}).hex()
    'a26161617861628201f6'
    """
    out = bytearray()
    _write(out, value, MAX_DEPTH)
    return bytes(out)


def decode(data: bytes) -> Value:
    """The value of canonical bytes. Raises `MalformedDocument` unless `encode` of it gives the same bytes."""
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.position != len(data):
        raise reader.error("bytes after the document's end")
    return value


def _write(out: bytearray, value: Value, depth: int) -> None:
    if depth == 0:
        raise MalformedDocument(f"a document may be nested {MAX_DEPTH} deep; flatten it")
    match value:
        case None | bool():
            out.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
        case int():
            _write_integer(out, value)
        case float():
            _write_float(out, value)
        case str():
            _write_text(out, value)
        case bytes():
            _write_head(out, _BYTES, len(value))
            out += value
        case Cid():
            out += b"\xd8\x2a\x58\x25\x00"
            out += bytes(value)
        case list() | tuple():
            _write_head(out, _LIST, len(value))
            for item in value:
                _write(out, item, depth - 1)
        case Mapping():
            _write_map(out, value, depth)
        case _:
            raise MalformedDocument(f"{type(value).__name__} has no place in a document; use text, numbers or bytes")


def _write_head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    size = max(1, 1 << ((argument.bit_length() - 1) // 8).bit_length())
    out.append(major << 5 | 23 + size.bit_length())
    out += argument.to_bytes(size, "big")


def _write_integer(out: bytearray, value: int) -> None:
    if not -_UINT64 <= value < _UINT64:
        raise MalformedDocument(f"the integer {value} needs more than 64 bits; use a smaller one")
    if value >= 0:
        _write_head(out, _UNSIGNED, value)
    else:
        _write_head(out, _NEGATIVE, -1 - value)


def _write_float(out: bytearray, value: float) -> None:
    if not math.isfinite(value):
        raise MalformedDocument(f"a document holds finite numbers only, not {value}; leave it out")
    out += b"\xfb" + struct.pack(">d", value)


def _write_text(out: bytearray, value: str) -> None:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise MalformedDocument(f"text that is not Unicode ({error}); remove the lone surrogates") from error
    _write_head(out, _TEXT, len(encoded))
    out += encoded


def _write_map(out: bytearray, value: Mapping[str, Value], depth: int) -> None:
    _write_head(out, _MAP, len(value))
    if not all(isinstance(key, str) for key in value):
        raise MalformedDocument("a map's keys are text; name each field")
    for key in sorted(value, key=_key_order):
        _write_text(out, key)
        _write(out, value[key], depth - 1)


def _key_order(key: str) -> tuple[int, bytes]:
    encoded = key.encode("utf-8", "surrogatepass")
    return len(encoded), encoded


class _Reader:
    """A position in bytes that moves past one value after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def value(self, depth: int) -> Value:
        if depth == 0:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        major, info = divmod(self._take(1)[0], 32)
        if major == _SIMPLE:
            return self._simple(info)
        argument = self._argument(info)
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self._take(argument)
            case 3:
                return self._text(argument)
            case 4:
                return self._list(argument, depth)
            case 5:
                return self._map(argument, depth)
            case _:
                return self._link(argument)

    def error(self, what: str) -> MalformedDocument:
        return MalformedDocument(f"not canonical DAG-CBOR at byte {self.position}: {what}; ask its node for another")

    def _take(self, count: int) -> bytes:
        taken = self._data[self.position : self.position + count]
        if len(taken) != count:
            raise self.error("it ends too early")
        self.position += count
        return taken

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info not in _HEAD_BYTES:
            raise self.error("an indefinite or reserved length")
        size = _HEAD_BYTES[info]
        argument = int.from_bytes(self._take(size), "big")
        if argument < 24 or (size > 1 and argument < 1 << 4 * size):
            raise self.error("an integer that is not in its shortest form")
        return argument

    def _simple(self, info: int) -> float | bool | None:
        if info == 27:
            number: float = struct.unpack(">d", self._take(8))[0]
            if not math.isfinite(number):
                raise self.error("NaN or infinity")
            return number
        if info not in _SIMPLE_VALUES:
            raise self.error("a simple value or a short float")
        return _SIMPLE_VALUES[info]

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise self.error("text that is not UTF-8") from None

    def _list(self, length: int, depth: int) -> list[Value]:
        if length > len(self._data) - self.position:
            raise self.error("a list longer than the document")
        return [self.value(depth - 1) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[str, Value]:
        if 2 * length > len(self._data) - self.position:
            raise self.error("a map longer than the document")
        entries: dict[str, Value] = {}
        previous = (-1, b"")
        for _ in range(length):
            key = self._key()
            if _key_order(key) <= previous:
                raise self.error(f"map key {key[:40]!r} is repeated or out of order")
            previous = _key_order(key)
            entries[key] = self.value(depth - 1)
        return entries

    def _key(self) -> str:
        major, info = divmod(self._take(1)[0], 32)
        if major != _TEXT:
            raise self.error("a map key that is not text")
        return self._text(self._argument(info))

    def _link(self, tag: int) -> Cid:
        if tag != _LINK_TAG:
            raise self.error(f"tag {tag}, which is no link")
        if self._take(2) != b"\x58\x25" or self._take(1) != b"\x00":
            raise self.error("a link that is no CID of 36 bytes")
        try:
            return cid_from_bytes(self._take(36))
        except InvalidCid as error:
            raise self.error(str(error)) from error
