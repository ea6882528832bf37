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
