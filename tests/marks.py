"""Values to plant in private data, and every form in which one of them might be met again elsewhere.

Forms are what a value looks like in memory or as text. What wraps them (hexadecimal digits, base64, base32, JSON,
percent signs, gzip) is taken off by `tests.scanner` before it looks, so that each form is here once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import numpy as np

SHORTEST: Final = 4
"""Bytes of the shortest form that is looked for: any shorter is met by chance."""
PIECE: Final = 6
"""Bytes of a text that are looked for by themselves: as many as fit into a float64 without making it odd."""
DIGITS: Final = 6
"""Digits of a number with a point that are looked for by themselves: a text may have rounded it."""


class Kind(Enum):
    """What a mark stands for."""

    DATA = auto()
    """A value of the training data: it neither leaves nor gets into logs."""
    PLACE = auto()
    """Who works where: user, host, folders, files. It does not leave; a log on that machine may say it."""
    SECRET = auto()
    """A password or a key: it is nowhere but where it was put."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A planted value. `forms` are the bytes to look for, by what they are; `number` is compared with numbers."""

    name: str
    kind: Kind
    forms: Mapping[str, bytes] = field(repr=False)
    number: float | None = None


def number(name: str, value: float, kind: Kind = Kind.DATA) -> Mark:
    """A mark for a number, whole or not; it must have more digits than chance does."""
    forms = dict(_binary_forms(value)) | dict(_decimal_forms(value))
    return Mark(name=name, kind=kind, forms=forms, number=float(value))


def text(name: str, value: str, kind: Kind = Kind.DATA) -> Mark:
    """A mark for a text that appears nowhere by chance, and unless it is a secret, no piece of it either."""
    if len(value) < PIECE:
        raise ValueError(f"{name} is too short to be looked for")
    pieces = {} if kind is Kind.SECRET else dict(_pieces(value.encode()))
    return Mark(name=name, kind=kind, forms=dict(_text_forms(value)) | pieces)


def secret(name: str, value: bytes) -> Mark:
    """A mark for bytes, such as a key's."""
    return Mark(name=name, kind=Kind.SECRET, forms={"bytes": value, "bytes reversed": value[::-1]})


def _binary_forms(value: float) -> Iterator[tuple[str, bytes]]:
    for end, order in (("<", "little-endian"), (">", "big-endian")):
        yield f"float32, {order}", struct.pack(f"{end}f", value)
        yield f"float64, {order}", struct.pack(f"{end}d", value)
        yield f"float32 widened to float64, {order}", struct.pack(f"{end}d", np.float32(value))
        if value == int(value):
            yield f"int64, {order}", struct.pack(f"{end}q", int(value))
        if value == int(value) and abs(value) < 2**31:
            yield f"int32, {order}", struct.pack(f"{end}i", int(value))


def _decimal_forms(value: float) -> Iterator[tuple[str, bytes]]:
    digits = repr(value)
    yield "decimal", digits.encode()
    yield "float32 as decimal", repr(float(np.float32(value))).encode()
    if value != int(value):
        yield "first digits", digits[: DIGITS + 1].encode()
        yield "rounded", f"{value:.{DIGITS}g}".encode()
    else:
        yield "hexadecimal number", f"{int(value):x}".encode()
        yield "decimal with commas", f"{int(value):,}".encode()


def _text_forms(value: str) -> Iterator[tuple[str, bytes]]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
        yield encoding, value.encode(encoding)


def _pieces(plain: bytes) -> Iterator[tuple[str, bytes]]:
    for first in range(len(plain) - PIECE + 1):
        piece = plain[first : first + PIECE]
        yield f"piece {first}", piece
        yield f"piece {first} reversed", piece[::-1]
