"""JSON-RPC's hexadecimal values, as bytes and numbers."""

from __future__ import annotations

from swarm_chain.errors import InvalidAnswer


def as_bytes(value: object) -> bytes:
    """The bytes of a `0x…` string. Raises `InvalidAnswer`."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise InvalidAnswer(f"an RPC endpoint gave {str(value)[:80]!r} where bytes belong; use another")


def as_int(value: object) -> int:
    """The number of a `0x…` string; some endpoints give plain numbers. Raises `InvalidAnswer`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise InvalidAnswer(f"an RPC endpoint gave {str(value)[:80]!r} where a number belongs; use another")


def as_hex(value: bytes) -> str:
    """`0x` and the bytes in hexadecimal."""
    return "0x" + value.hex()
