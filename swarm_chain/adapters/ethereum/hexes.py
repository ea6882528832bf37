"""JSON-RPC's values as ours: bytes, numbers, objects. What is something else raises `InvalidAnswer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from swarm_chain.errors import InvalidAnswer

_LIMIT: Final = 2**256
"""No number on a chain is as large."""


def as_bytes(value: object) -> bytes:
    """The bytes of a `0x…` string. Raises `InvalidAnswer`."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise InvalidAnswer(f"an RPC endpoint gave {_shown(value)} where bytes belong; use another")


def as_int(value: object) -> int:
    """The number of a `0x…` string; some endpoints give plain numbers. Raises `InvalidAnswer`."""
    number = _number(value)
    if number is None or not 0 <= number < _LIMIT:
        raise InvalidAnswer(f"an RPC endpoint gave {_shown(value)} where a number belongs; use another")
    return number


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    return None


def as_object(value: object) -> Mapping[str, Any]:
    """The fields of a JSON object. Raises `InvalidAnswer`."""
    if isinstance(value, Mapping):
        return value
    raise InvalidAnswer(f"an RPC endpoint gave {_shown(value)} where an object belongs; use another")


def as_objects(value: object) -> Sequence[Mapping[str, Any]]:
    """The objects of a JSON list. Raises `InvalidAnswer`."""
    if isinstance(value, list):
        return [as_object(each) for each in value]
    raise InvalidAnswer(f"an RPC endpoint gave {_shown(value)} where a list belongs; use another")


def as_hex(value: bytes) -> str:
    """`0x` and the bytes in hexadecimal."""
    return "0x" + value.hex()


def _shown(value: object) -> str:
    return repr(str(value)[:80])
