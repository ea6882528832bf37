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


# ------------------------------------------------------------------------------------------------- whole updates
#
# A point is a list of parts, one for each update and the base's last, that add up to one.

CHUNK = 8192
LARGEST = {False: 2.0**128 - 2.0**104, True: 2.0**480}
LEAST = {False: 2.0**-100, True: 2.0**-480}


def rounded(value: float, wide: bool) -> float:
    """A difference as float64, or as float32 for the formats that fit in there; cut where it is too large."""
    if not wide:
        value = unpacked("F32", packed("F32", [value]))[0]
    return min(max(value, -LARGEST[wide]), LARGEST[wide])


def scaled(row: list[float], bits: int, wide: bool) -> tuple[list[int], float]:
    """Differences as whole numbers of so many bits, and what one is worth."""
    largest = max(abs(value) for value in row)
    if largest < LEAST[wide]:
        return [0] * len(row), 0.0
    exponent = math.frexp(largest)[1]
    worth = Fraction(2) ** (exponent - bits)
    return [round(Fraction(value) / worth) for value in row], float(worth)


def products(base: dict[str, Any], updates: list[dict[str, Any]]) -> list[list[float]]:
    total = [[0.0] * len(updates) for _ in updates]
    for name in sorted(base):
        dtype, start = base[name]
        for at in range(0, len(start), CHUNK) if dtype not in WHOLE else ():
            here, wide = start[at : at + CHUNK], dtype == "F64"
            bits = (53 - (len(here) - 1).bit_length()) // 2
            rows = []
            for update in updates:
                values = update[name][1][at : at + CHUNK]
                rows.append(scaled([rounded(a - b, wide) for a, b in zip(values, here, strict=True)], bits, wide))
            for i, (left, worth) in enumerate(rows):
                for j, (right, other) in enumerate(rows):
                    exact = sum(a * b for a, b in zip(left, right, strict=True))
                    assert abs(exact) <= 2**53
                    total[i][j] += (exact * worth) * other
    return total


def squared_distances(gram: list[list[float]]) -> list[list[float]]:
    n = len(gram)
    return [
        [0.0 if i == j else max((gram[i][i] + gram[j][j]) - 2.0 * gram[i][j], 0.0) for j in range(n)] for i in range(n)
    ]


def product(left: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    found = []
    for row in left:
        line = []
        for column in zip(*right, strict=True):
            total = 0.0
            for a, b in zip(row, column, strict=True):
                total += a * b
            line.append(total)
        found.append(line)
    return found


def transposed(matrix: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*matrix, strict=True)]


def to_point(gram: list[list[float]], parts: list[float]) -> list[float]:
    along = product(gram, [[part] for part in parts])
    within = product([parts], along)[0][0]
    return [math.sqrt(max((gram[i][i] - 2.0 * along[i][0]) + within, 0.0)) for i in range(len(gram))]


def mixed(gram: list[list[float]], rows: list[list[float]]) -> list[list[float]]:
    parts = [row[:-1] for row in rows]
    return product(product(parts, gram), transposed(parts))


def lower_middle(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]


def clipped(gram: list[list[float]]) -> list[list[float]]:
    n = len(gram)
    norms = [math.sqrt(gram[i][i]) for i in range(n)]
    kept = [1.0 if norm <= lower_middle(norms) else lower_middle(norms) / norm for norm in norms]
    return [[kept[i] if j == i else 0.0 for j in range(n)] + [1.0 - kept[i]] for i in range(n)]


def neighbours(gram: list[list[float]], f: int) -> list[list[float]]:
    n, rows, squared = len(gram), [], squared_distances(gram)
    for i in range(n):
        order = sorted(range(n), key=lambda j: (squared[i][j], j != i, j))
        rows.append([1 / (n - f) if j in order[: n - f] else 0.0 for j in range(n)] + [0.0])
    return rows


def onto(rows: list[list[float]], earlier: list[list[float]]) -> list[list[float]]:
    found = product([row[:-1] for row in rows], earlier)
    return [[*line[:-1], line[-1] + row[-1]] for line, row in zip(found, rows, strict=True)]


def weighed(rule: str, gram: list[list[float]], shares: list[float], case: dict[str, Any]) -> list[float] | None:
    """The point that a rule chooses; None for a rule that works element by element."""
    n = len(gram)
    options = case.get("options", {})
    if rule in ("mean", "weighted_mean"):
        return [*shares, 0.0]
    if rule in ("krum", "multi_krum"):
        scores = []
        for i, row in enumerate(squared_distances(gram)):
            others = sorted(row[:i] + row[i + 1 :])
            scores.append((math.fsum(others[: n - case["f"] - 2]), i))
        chosen = [i for _, i in sorted(scores)][: options.get("m", 1)]
        return [1 / len(chosen) if i in chosen else 0.0 for i in range(n)] + [0.0]
    if rule == "geometric_median":
        apart, parts = [math.sqrt(gram[i][i]) for i in range(n)], []
        least = max(options["smoothing"] * lower_middle(apart), 2.0**-500)
        for _ in range(options["iterations"]):
            nearest = max(min(apart), least)
            closeness = [nearest / max(one, least) for one in apart]
            before, parts = parts, [one / math.fsum(closeness) for one in closeness]
            if parts == before:
                break
            apart = to_point(gram, parts)
        return [*parts, 0.0]
    if rule == "centered_clipping":
        parts, base = [0.0] * n, 1.0
        for _ in range(options["iterations"]):
            apart = to_point(gram, parts)
            radius = options["radius"] or lower_middle(apart)
            kept = [1.0 if one <= radius else radius / one for one in apart]
            stays = 1.0 - math.fsum(kept) / n
            parts = [stays * part + one / n for part, one in zip(parts, kept, strict=True)]
            base = stays * base
        return [*parts, base]
    return None


def weights_of_parts(parts: list[float]) -> list[int]:
    if len({part for part in parts if part}) == 1:
        return [1 if part else 0 for part in parts]
    return [max(1, round(part * 1_000_000)) if part else 0 for part in parts]


def summed(column: list[float], point: list[float]) -> float:
    """Of a column of the updates' numbers, the base's last."""
    values = [(value, part) for value, part in zip(column, point, strict=True) if part != 0.0]
    return added([value for value, _ in values], [part for _, part in values]) if values else 0.0


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
    columns = {}
    for name, tensor in case["tensors"].items():
        rows = [unpacked(tensor["dtype"], bytes.fromhex(data)) for data in (*tensor["updates"], tensor["base"])]
        columns[name] = list(zip(*rows, strict=True))
    rows, point = planned(case, columns, weights)
    numbers: dict[str, list[Any]] = {}
    for name, tensor in case["tensors"].items():
        if tensor["dtype"] in WHOLE:
            numbers[name] = [sorted(column[:-1])[(len(column) - 2) // 2] for column in columns[name]]
        elif point is not None:
            numbers[name] = [summed(list(column), point) for column in columns[name]]
        else:
            made = (
                list(column[:-1]) if rows is None else [summed(list(column), row) for row in rows]
                for column in columns[name]
            )
            numbers[name] = [merged_number(case["rule"], one, weights, case["f"]) for one in made]
    if point is not None and (rows is not None or case["rule"] not in ("mean", "weighted_mean")):
        weights = weights_of_parts(point[:-1])
    elif point is None and rows is not None:
        weights = weights_of_parts(onto([[1 / len(weights)] * len(weights) + [0.0]], rows)[0][:-1])
    state = stepped(case, columns, numbers)
    merged = {name: packed(tensor["dtype"], numbers[name]).hex() for name, tensor in case["tensors"].items()}
    return {"weights": weights, "tensors": merged, "state": state}


def planned(
    case: dict[str, Any], columns: dict[str, Any], weights: list[int]
) -> tuple[list[list[float]] | None, list[float] | None]:
    """What the updates are mixed to, if they are, and the point that the rule chooses, if it does."""
    shares = [weight / sum(weights) for weight in weights]
    before, options = case.get("before", []), case.get("options", {})
    if not before and case["rule"] in ("mean", "weighted_mean", "coordinate_median", "trimmed_mean"):
        return None, weighed(case["rule"], [[0.0] * len(weights)] * len(weights), shares, case)
    by_update = [
        {name: (case["tensors"][name]["dtype"], [column[at] for column in columns[name]]) for name in columns}
        for at in range(len(weights) + 1)
    ]
    gram = products(by_update[-1], by_update[:-1])
    rows = None
    for one in before:
        new = clipped(gram) if one == "norm_clipping" else neighbours(gram, options["before_f"])
        gram, rows = mixed(gram, new), new if rows is None else onto(new, rows)
    point = weighed(case["rule"], gram, shares, case)
    return rows, point if point is None or rows is None else onto([point], rows)[0]


def stepped(case: dict[str, Any], columns: dict[str, Any], numbers: dict[str, list[Any]]) -> dict[str, str]:
    """What the step remembers, by tensor; `numbers` become what it gives."""
    options, state = case.get("options", {}), {}
    for name in sorted(columns) if "step" in options else ():
        dtype = case["tensors"][name]["dtype"]
        if dtype in WHOLE:
            continue
        kept = "F64" if dtype == "F64" else "F32"
        base = [column[-1] for column in columns[name]]
        change = [value - start for value, start in zip(numbers[name], base, strict=True)]
        beta, rate = options["step_beta"], options["step_rate"]

        def remembered(kind: str, new: list[float], name: str = name, kept: str = kept) -> list[float]:
            state[f"{kind}/{name}"] = packed(kept, new).hex()
            return unpacked(kept, packed(kept, new))

        if options["step"] == "momentum":
            moved = remembered("momentum", [beta * 0.0 + one for one in change])
            numbers[name] = [start + rate * one for start, one in zip(base, moved, strict=True)]
        else:
            beta2, epsilon = options["step_beta2"], options["step_epsilon"]
            first = remembered("first", [beta * 0.0 + (1.0 - beta) * one for one in change])
            second = remembered("second", [beta2 * 0.0 + (1.0 - beta2) * (one * one) for one in change])
            numbers[name] = [
                start + (rate * m) / (math.sqrt(max(v, 0.0)) + epsilon)
                for start, m, v in zip(base, first, second, strict=True)
            ]
    return state


def finite_bytes(dtype: str, chance: random.Random, count: int, special_part: float = 0.2) -> bytes:
    """Numbers of all sizes, a few of them special."""
    if dtype in WHOLE:
        size = struct.calcsize(WHOLE[dtype])
        return bytes(chance.randrange(2) if dtype == "BOOL" else chance.randrange(256) for _ in range(size * count))
    _, _, largest, _ = FORMATS[dtype]
    special = [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.0, float(largest) / 2]
    numbers = [
        chance.choice(special)
        if chance.random() < special_part
        else chance.gauss(0, 1) * 2.0 ** chance.randrange(-20, 8)
        for _ in range(count)
    ]
    return packed(dtype, numbers)


def case(rule: str, nodes: int, seed: int, **changes: Any) -> dict[str, Any]:
    chance = random.Random(seed)
    tame = changes.pop("tame", False)
    built: dict[str, Any] = {
        "rule": rule,
        "f": changes.pop("f", 0),
        "max_samples": changes.pop("max_samples", 10**6),
        "max_share_bps": changes.pop("max_share_bps", 10_000),
        # Out of order, so that whoever forgets to sort them is found out.
        "nodes": [bytes([(7 * number + 3) % 31] * 20).hex() for number in range(nodes)],
        "samples": [chance.randrange(1, 500) for _ in range(nodes)],
        "tensors": {
            dtype.lower(): {
                "dtype": dtype,
                "updates": [finite_bytes(dtype, chance, 12, 0.0 if tame else 0.2).hex() for _ in range(nodes)],
                "base": finite_bytes(dtype, chance, 12, 0.0 if tame else 0.2).hex(),
            }
            for dtype in (*FORMATS, *WHOLE)
            # Numbers near the largest double leave nothing to see of the others.
            if not (tame and dtype == "F64")
        },
    }
    return {**built, **changes}


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
    weights = zip(in_order["nodes"], answer["weights"], strict=True)
    answer["weights"] = {node: weight for node, weight in weights if weight}
    return {**built, "merged": answer}


WEISZFELD = {"iterations": 100, "smoothing": 1e-06}
CENTRE = {"iterations": 3, "radius": 0.0}
BOTH = ["norm_clipping", "nearest_neighbour_mixing"]
MOMENTUM = {"step": "momentum", "step_rate": 0.7, "step_beta": 0.9}
ADAM = {"step": "adam", "step_rate": 0.05, "step_beta": 0.9, "step_beta2": 0.99, "step_epsilon": 0.001}

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
    *(case("krum", 7, seed, f=2, tame=seed < 16) for seed in (14, 15, 16)),
    *(case("multi_krum", 8, seed, f=1, options={"m": 4}, tame=seed < 19) for seed in (17, 18, 19)),
    *(case("geometric_median", n, 20 + n, options=WEISZFELD, tame=n < 7) for n in (1, 2, 6, 9)),
    case("geometric_median", 6, 30, options={"iterations": 2, "smoothing": 0.5}, tame=True),
    *(case("centered_clipping", n, 30 + n, options=CENTRE, tame=n < 7) for n in (1, 4, 6, 9)),
    case("centered_clipping", 6, 40, options={"iterations": 1, "radius": 2.5}, tame=True),
    case("weighted_mean", 6, 41, before=["norm_clipping"], tame=True),
    case("mean", 7, 42, before=["nearest_neighbour_mixing"], options={"before_f": 2}, tame=True),
    *(case("trimmed_mean", 7, seed, f=2, before=BOTH, options={"before_f": 2}, tame=seed < 44) for seed in (43, 44)),
    case("coordinate_median", 6, 45, before=BOTH[::-1], options={"before_f": 1}, tame=True),
    case("krum", 6, 46, f=1, before=BOTH, options={"before_f": 1}, tame=True),
    case("geometric_median", 6, 47, before=BOTH[:1], options=WEISZFELD, tame=True),
    case("centered_clipping", 6, 48, before=BOTH[1:], options={**CENTRE, "before_f": 2}, tame=True),
    *(case("mean", 3, seed, options=MOMENTUM, tame=seed < 50) for seed in (49, 50)),
    *(case("coordinate_median", 4, seed, options=ADAM, tame=seed < 52) for seed in (51, 52)),
]

if __name__ == "__main__":
    print(json.dumps([solved(built) for built in CASES], indent=1))
