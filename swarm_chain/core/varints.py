"""Unsigned varints: seven bits a byte, the lowest first, as protobuf and multiformats have them."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """The bytes of a number.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number that starts at a position, and where it ends. Raises `IndexError` where the bytes end before it.

    >>> read_varint(bytes.fromhex("ac02"), 0)
    (300, 2)
    """
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80 or shift > 63:
            return number, position
