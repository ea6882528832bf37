"""Writes weights.json: tensors and their canonical bytes, put together by hand and not by the code under test.

python tests/vectors/make_weights.py > tests/vectors/weights.json
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import dag_cbor

VECTORS: dict[str, list[tuple[str, str, list[int], bytes]]] = {
    "none": [],
    "one": [("w", "F32", [2, 2], struct.pack("<4f", 1.5, -2.0, 0.0, -0.0))],
    "mixed": [
        ("bn.num_batches_tracked", "I64", [], struct.pack("<q", -7)),
        ("bn.running_mean", "F64", [1], struct.pack("<d", 0.1)),
        ("empty", "F32", [0, 3], b""),
        ("flag", "BOOL", [3], b"\x01\x00\x01"),
        ("half", "F16", [2], struct.pack("<2e", 1.0, 65504.0)),
        ("tiny", "F8_E4M3", [1], b"\x7e"),
        ("wide", "BF16", [1], struct.pack("<f", 3.0)[2:]),
    ],
    "names": [
        ("", "U8", [1], b"\x00"),
        ('"\\\n\x01', "U8", [1], b"\x01"),
        ("a", "U8", [1], b"\x02"),
        ("a.b", "U8", [1], b"\x03"),
        ("ä", "U8", [1], b"\x04"),
        ("\uffee", "U8", [1], b"\x05"),
        ("\U0001f600", "U8", [1], b"\x06"),
    ],
}
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\x01": "\\u0001"}


def encoded(tensors: list[tuple[str, str, list[int], bytes]]) -> bytes:
    entries, position = [], 0
    for name, dtype, shape, data in tensors:
        shown = "".join(ESCAPES.get(character, character) for character in name)
        numbers = ",".join(map(str, shape))
        end = position + len(data)
        entries.append(f'"{shown}":{{"dtype":"{dtype}","shape":[{numbers}],"data_offsets":[{position},{end}]}}')
        position = end
    header = ("{" + ",".join(entries) + "}").encode()
    while len(header) % 8:
        header += b" "
    return struct.pack("<Q", len(header)) + header + b"".join(data for *_, data in tensors)


def vector(name: str, tensors: list[tuple[str, str, list[int], bytes]]) -> dict[str, Any]:
    model = dag_cbor.encode([[name, dtype, shape] for name, dtype, shape, _ in tensors])
    return {
        "name": name,
        "tensors": {name: {"dtype": dtype, "shape": shape, "hex": data.hex()} for name, dtype, shape, data in tensors},
        "bytes": encoded(tensors).hex(),
        "model": hashlib.sha256(model).hexdigest(),
    }


if __name__ == "__main__":
    print(json.dumps([vector(name, tensors) for name, tensors in VECTORS.items()], indent=1))
