"""How far weights moved from one model to another, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES
from swarm_chain.core.weights import TensorSpec, WeightsFile, blocks

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """How far one tensor, or all of them as one vector, moved from A to B. Norms are Euclidean.

    `relative` is the move's norm by A's, None where A's is zero. `cosine` is that of the angle between A and B, None
    where one of them is zero. A norm beyond what a float can hold is infinite.
    """

    elements: int
    changed: int
    norm: float
    norm_a: float
    norm_b: float
    largest: float
    cosine: float | None

    @property
    def relative(self) -> float | None:
        """The move's norm by A's."""
        found = self.norm / self.norm_a if self.norm_a else None
        return found if found is not None and math.isfinite(found) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorDifference:
    """A tensor of A, of B, or of both. `move` is None where it is not in both, or not of one shape."""

    name: str
    a: TensorSpec | None
    b: TensorSpec | None
    move: Move | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Two models, tensor by tensor in the order of their names, and all floating-point tensors of both together."""

    tensors: tuple[TensorDifference, ...]
    total: Move


def difference(a: Path, b: Path) -> Difference:
    """How far the weights in one file are from those in another. Holds a block of each at a time.

    Raises `MalformedWeights`.
    """
    with WeightsFile(a) as one, WeightsFile(b) as other:
        found = tuple(_tensors(one, other))
    return Difference(tensors=found, total=_together([each.move for each in found if each.move and _is_float(each)]))


def _tensors(one: WeightsFile, other: WeightsFile) -> Iterator[TensorDifference]:
    ours, theirs = ({spec.name: spec for spec in file.specs} for file in (one, other))
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name), theirs.get(name)
        are_alike = a is not None and b is not None and a.shape == b.shape
        yield TensorDifference(name=name, a=a, b=b, move=_move(one, other, name) if are_alike else None)
        one.release()
        other.release()


def _is_float(tensor: TensorDifference) -> bool:
    return all(spec is not None and DTYPES[spec.dtype].is_float for spec in (tensor.a, tensor.b))


def _move(one: WeightsFile, other: WeightsFile, name: str) -> Move:
    count = next(spec.count for spec in one.specs if spec.name == name)
    scale = max(_scale(file, name, count) for file in (one, other))
    sums: list[tuple[float, ...]] = []
    changed, largest = 0, 0.0
    for start, stop in blocks(count):
        blocks_ = [file.block(name, start, stop) for file in (one, other)]
        changed += int(np.count_nonzero(blocks_[0] != blocks_[1]))
        a, b = (_scaled(block, scale) for block in blocks_)
        moved = b - a
        sums.append((float(moved @ moved), float(a @ a), float(b @ b), float(a @ b)))
        largest = max(largest, float(np.abs(moved).max()))
    square, square_a, square_b, product = (math.fsum(each) for each in zip(*sums, strict=True)) if sums else (0.0,) * 4
    return Move(
        elements=count,
        changed=changed,
        norm=_grown(math.sqrt(square), scale),
        norm_a=_grown(math.sqrt(square_a), scale),
        norm_b=_grown(math.sqrt(square_b), scale),
        largest=_grown(largest, scale),
        cosine=_cosine(product, math.sqrt(square_a), math.sqrt(square_b)),
    )


def _together(moves: list[Move]) -> Move:
    """Several moves as one vector's."""
    norm_a, norm_b = math.hypot(*(one.norm_a for one in moves)), math.hypot(*(one.norm_b for one in moves))
    return Move(
        elements=sum(one.elements for one in moves),
        changed=sum(one.changed for one in moves),
        norm=math.hypot(*(one.norm for one in moves)),
        norm_a=norm_a,
        norm_b=norm_b,
        largest=max((one.largest for one in moves), default=0.0),
        cosine=_cosine_of_all(moves, norm_a, norm_b),
    )


def _cosine_of_all(moves: list[Move], norm_a: float, norm_b: float) -> float | None:
    if not norm_a or not norm_b or math.isinf(norm_a) or math.isinf(norm_b):
        return None
    parts = [(one.cosine, one.norm_a / norm_a, one.norm_b / norm_b) for one in moves if one.cosine is not None]
    return _cosine(math.fsum(cosine * a * b for cosine, a, b in parts), 1.0, 1.0)


# ------------------------------------------------------------------------------------------------------------- scaling

# Squares of numbers that are far from 1 leave what a float can hold. So all are divided by a power of two near the
# largest of them, which changes no digit, and what comes out is multiplied by it again.


def _scale(file: WeightsFile, name: str, count: int) -> int:
    """The exponent of the largest number of a tensor."""
    largest = max((float(np.abs(_float64(file.block(name, *each))).max()) for each in blocks(count)), default=0.0)
    return math.frexp(largest)[1] if largest else -(1 << 20)


def _scaled(block: NDArray[Any], scale: int) -> Floats:
    found: Floats = np.ldexp(_float64(block), -max(scale, -1100))
    return found


def _grown(value: float, scale: int) -> float:
    try:
        return math.ldexp(value, max(scale, -1100))
    except OverflowError:
        return math.inf


def _float64(block: NDArray[Any]) -> Floats:
    return block.astype(np.float64)


def _cosine(product: float, norm_a: float, norm_b: float) -> float | None:
    if not norm_a or not norm_b:
        return None
    return min(1.0, max(-1.0, product / norm_a / norm_b))
