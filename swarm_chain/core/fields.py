"""Reads the fields of a decoded document: each by the kind it must have, none missing, none extra."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TypeAlias, TypeVar

from swarm_chain.core.cids import Cid, Codec
from swarm_chain.errors import MalformedDocument
from swarm_chain.types import Address

Scalar: TypeAlias = bool | int | float | str
T = TypeVar("T")

_UINT64 = 1 << 64
_MAX_NAME = 256
_MAX_TEXT = 4096
MAX_ENTRIES = 1024
"""Most names in a map that a document holds."""
# What is shown to people must not be able to move their cursor or turn their line around. Written down as numbers,
# since every node must find the same: Python's own tables of what is printable grow with each version of Unicode.
_NAME = re.compile(r"[ -~]+")
_FORBIDDEN = (
    (0x0000, 0x001F),  # controls
    (0x007F, 0x009F),  # delete, and more controls
    (0x061C, 0x061C),  # Arabic letter mark
    (0x200B, 0x200F),  # zero-width characters, direction marks
    (0x2028, 0x202E),  # separators of lines and paragraphs, embeddings and overrides
    (0x2060, 0x206F),  # invisible operators, isolates
    (0xD800, 0xDFFF),  # surrogates
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFF9, 0xFFFB),  # interlinear annotations
    (0xE0000, 0xE007F),  # tags
)
_FORBIDDEN_IN_TEXT = re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in _FORBIDDEN) + "]")


def names_of(kind: type) -> tuple[str, ...]:
    """The names of a dataclass's fields: the keys of its map."""
    return tuple(item.name for item in fields(kind))


class Fields:
    """A map's fields, each read once by the kind it must have."""

    def __init__(self, value: object, where: str, names: Iterable[str]) -> None:
        self._where = where
        if not isinstance(value, Mapping):
            raise self.error("it is no map")
        self._value = value
        expected = set(names)
        if "/" in where:
            expected.add("type")
            if value.get("type") != where:
                raise self.error(f"its type is {str(value.get('type'))[:80]!r}")
        if value.keys() != expected:
            missing, extra = sorted(expected - value.keys()), sorted(value.keys() - expected)
            raise self.error(f"missing keys {missing}, extra keys {[key[:40] for key in extra[:8]]}")

    def error(self, what: str) -> MalformedDocument:
        return MalformedDocument(f"not a {self._where}: {what}; ask whoever wrote it for a valid one")

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        return None if self._value[key] is None else read(key)

    def uint(self, key: str, *, at_least: int = 0) -> int:
        value = self._value[key]
        if not _is_int(value) or not at_least <= value < _UINT64:
            raise self.error(f"{key} is no integer from {at_least} to 2^64 - 1")
        return int(value)

    def data(self, key: str, length: int) -> bytes:
        value = self._value[key]
        if not isinstance(value, bytes) or len(value) != length:
            raise self.error(f"{key} is not {length} bytes")
        return value

    def address(self, key: str) -> Address:
        return Address(self.data(key, 20))

    def name(self, key: str) -> str:
        value = self._value[key]
        if not is_name(value):
            raise self.error(f"{key} is no printable ASCII of 1 to {_MAX_NAME} characters")
        return str(value)

    def exactly(self, key: str, expected: str) -> str:
        if self._value[key] != expected:
            raise self.error(f"{key} is not {expected!r}, the only one known")
        return expected

    def document_link(self, key: str) -> Cid:
        return self._link(key, (Codec.DAG_CBOR,), "a document")

    def file_link(self, key: str) -> Cid:
        return self._link(key, (Codec.RAW, Codec.DAG_PB), "a file")

    def _link(self, key: str, codecs: tuple[Codec, ...], what: str) -> Cid:
        value = self._value[key]
        if not isinstance(value, Cid) or value.codec not in codecs:
            raise self.error(f"{key} is no link to {what}")
        return value

    def scalars(self, key: str) -> Mapping[str, Scalar]:
        value = self._named(key)
        if not all(isinstance(item, bool | int | float) or is_text(item) for item in value.values()):
            raise self.error(f"{key} holds more than numbers, booleans and printable text")
        return value

    def metrics(self, key: str) -> Mapping[str, float]:
        metrics: dict[str, float] = {}
        for name, value in self._named(key).items():
            if not isinstance(value, float):
                raise self.error(f"{key} holds something that is no floating-point number")
            metrics[name] = value
        return metrics

    def _named(self, key: str) -> dict[str, Scalar]:
        value = self._value[key]
        if not isinstance(value, Mapping) or len(value) > MAX_ENTRIES or not all(map(is_name, value)):
            raise self.error(f"{key} is no map of at most {MAX_ENTRIES} names in printable ASCII")
        return dict(value)

    def nested(self, key: str, kind: type) -> Fields:
        return Fields(self._value[key], f"{self._where}'s {key}".replace("/", " "), names_of(kind))

    def entries(self, key: str, kind: type) -> list[Fields]:
        value = self._value[key]
        if not isinstance(value, list):
            raise self.error(f"{key} is no list")
        return [Fields(item, f"{self._where}'s {key}".replace("/", " "), names_of(kind)) for item in value]

    def raw(self, key: str) -> object:
        return self._value[key]


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_NAME and _NAME.fullmatch(value) is not None


def is_text(value: object) -> bool:
    """Whether this is text of at most 4096 characters, none of which moves a cursor or hides: see `_FORBIDDEN`."""
    return isinstance(value, str) and len(value) <= _MAX_TEXT and _FORBIDDEN_IN_TEXT.search(value) is None
