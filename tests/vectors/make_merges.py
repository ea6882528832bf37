"""Writes merges.json: merges computed number by number in plain Python, without NumPy and the code under test.

python tests/vectors/make_merges.py > tests/vectors/merges.json

Python's floats are IEEE 754 doubles and its integers exact, so these few lines are what a merge has to equal.
"""

from __future__ import annotations

import json
import math
import random
import struct
from fractions import Fraction
from typing import Any

FORMATS = {  # dtype: bits after the point, least exponent, largest number, bytes
    "F64": (52, -1022, Fraction(2**1024 - 2**971), 8),
    "F32": (23, -126, Fraction(2**128 - 2**104), 4),
    "F16": (10, -14, Fraction(65504), 2),
    "BF16": (7, -126, Fraction(2**128 - 2**120), 2),
    "F8_E4M3": (3, -6, Fraction(448), 1),
    "F8_E5M2": (2, -14, Fraction(57344), 1),
}
WHOLE = {"I64": "<q", "U64": "<Q", "I8": "<b", "U8": "<B", "BOOL": "<?", "U16": "<H", "I32": "<i"}


def unpacked(dtype: str, data: bytes) -> list[Any]:
    if dtype in WHOLE:
        return [value for (value,) in struct.iter_unpack(WHOLE[dtype], data)]
    mantissa, lowest, _, size = FORMATS[dtype]
    values = []
    for start in range(0, len(data), size):
        bits = int.from_bytes(data[start : start + size], "little")
        sign = -1.0 if bits >> (8 * size - 1) else 1.0
        exponent = bits >> mantissa & ((1 << (8 * size - 1 - mantissa)) - 1)
        fraction = bits & ((1 << mantissa) - 1)
        one = 1 << mantissa if exponent else 0
        values.append(math.copysign(math.ldexp(one + fraction, max(exponent, 1) - 1 + lowest - mantissa), sign))
    return values


def packed(dtype: str, values: list[Any]) -> bytes:
    if dtype in WHOLE:
        return b"".join(struct.pack(WHOLE[dtype], value) for value in values)
    mantissa, lowest, largest, size = FORMATS[dtype]
    out = b""
    for value in values:
        magnitude = largest if math.isinf(value) else min(abs(Fraction(value)), largest)
        exponent = lowest
        while magnitude >= Fraction(2) ** (exponent + 1):
            exponent += 1
        steps = round(magnitude / Fraction(2) ** (exponent - mantissa))  # Ties to even.
        bits = steps + (exponent - lowest << mantissa)
        out += (bits | (math.copysign(1, value) < 0) << (8 * size - 1)).to_bytes(size, "little")
    return out


def node_weights(samples: list[int], max_samples: int, max_share_bps: int) -> list[int]:
    capped = [min(count, max_samples) for count in samples]
    for cap in range(max(capped), 0, -1):
        if cap * 10_000 <= max_share_bps * sum(min(count, cap) for count in capped):
            return [min(count, cap) for count in capped]
    return [1] * len(samples)


def added(values: list[float], shares: list[float]) -> float:
    total = values[0] * shares[0]
    for value, share in zip(values[1:], shares[1:], strict=True):
        total += value * share
    return total


def merged_number(rule: str, values: list[float], weights: list[int], f: int) -> float:
    if rule in ("mean", "weighted_mean"):
        return added(values, [weight / sum(weights) for weight in weights])
    ordered = sorted(value + 0.0 for value in values)
    if rule == "coordinate_median":
        return 0.5 * ordered[(len(ordered) - 1) // 2] + 0.5 * ordered[len(ordered) // 2]
    kept = ordered[f : len(ordered) - f]
    return added(kept, [1 / len(kept)] * len(kept))


def merge(case: dict[str, Any]) -> dict[str, Any]:
    weights = [1] * len(case["nodes"])
    if case["rule"] == "weighted_mean":
        weights = node_weights(case["samples"], case["max_samples"], case["max_share_bps"])
    merged = {}
    for name, tensor in case["tensors"].items():
        rows = [unpacked(tensor["dtype"], bytes.fromhex(data)) for data in tensor["updates"]]
        columns = list(zip(*rows, strict=True))
        if tensor["dtype"] in WHOLE:
            numbers = [sorted(column)[(len(column) - 1) // 2] for column in columns]
        else:
            numbers = [merged_number(case["rule"], list(column), weights, case["f"]) for column in columns]
        merged[name] = packed(tensor["dtype"], numbers).hex()
    return {"weights": weights, "tensors": merged}


def finite_bytes(dtype: str, chance: random.Random, count: int) -> bytes:
    """Numbers of all sizes, a few of them special."""
    if dtype in WHOLE:
        size = struct.calcsize(WHOLE[dtype])
        return bytes(chance.randrange(2) if dtype == "BOOL" else chance.randrange(256) for _ in range(size * count))
    _, _, largest, _ = FORMATS[dtype]
    special = [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.0, float(largest) / 2]
    numbers = [
        chance.choice(special) if chance.random() < 0.2 else chance.gauss(0, 1) * 2.0 ** chance.randrange(-20, 8)
        for _ in range(count)
    ]
    return packed(dtype, numbers)


def case(rule: str, nodes: int, seed: int, **changes: Any) -> dict[str, Any]:
    chance = random.Random(seed)
    built: dict[str, Any] = {
        "rule": rule,
        "f": changes.pop("f", 0),
        "max_samples": changes.pop("max_samples", 10**6),
        "max_share_bps": changes.pop("max_share_bps", 10_000),
        # Out of order, so that whoever forgets to sort them is found out.
        "nodes": [bytes([(7 * number + 3) % 31] * 20).hex() for number in range(nodes)],
        "samples": [chance.randrange(1, 500) for _ in range(nodes)],
        "tensors": {
            dtype.lower(): {"dtype": dtype, "updates": [finite_bytes(dtype, chance, 12).hex() for _ in range(nodes)]}
            for dtype in (*FORMATS, *WHOLE)
        },
    }
    return built


def solved(built: dict[str, Any]) -> dict[str, Any]:
    order = sorted(range(len(built["nodes"])), key=lambda index: built["nodes"][index])
    in_order = {
        **built,
        "nodes": [built["nodes"][index] for index in order],
        "samples": [built["samples"][index] for index in order],
        "tensors": {
            name: {**tensor, "updates": [tensor["updates"][index] for index in order]}
            for name, tensor in built["tensors"].items()
        },
    }
    answer = merge(in_order)
    answer["weights"] = dict(zip(in_order["nodes"], answer["weights"], strict=True))
    return {**built, "merged": answer}


CASES = [
    case("weighted_mean", 1, 1),
    case("weighted_mean", 2, 2),
    case("weighted_mean", 5, 3, max_share_bps=3000),
    case("weighted_mean", 5, 4, max_samples=50),
    case("weighted_mean", 4, 5, max_share_bps=2000),
    case("mean", 3, 6),
    case("mean", 10, 7),
    case("coordinate_median", 1, 8),
    case("coordinate_median", 4, 9),
    case("coordinate_median", 7, 10),
    case("trimmed_mean", 3, 11, f=1),
    case("trimmed_mean", 8, 12, f=2),
    case("trimmed_mean", 4, 13, f=0),
]

if __name__ == "__main__":
    print(json.dumps([solved(built) for built in CASES], indent=1))
