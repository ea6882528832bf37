"""How far weights moved from one model to another, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swarm_chain.core.dtypes import DTYPES
from swarm_chain.core.weights import TensorSpec, WeightsFile, blocks
from swarm_chain.models.sums import ScaledSum, cosine_of, dot, float64, grown, scaled, scaled_difference, within


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """How far one tensor, or all of them as one vector, moved from A to B. Norms are Euclidean.

    `changed` counts elements that are others in B; `largest` is the most that one of them changed. `cosine` is that of
    the angle between A and B, None where one of them is zero. What is beyond what a float can hold is infinite.
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
        """The move's norm by A's; None where that is zero."""
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
        move = _move(one, other, a) if a is not None and b is not None and a.shape == b.shape else None
        yield TensorDifference(name=name, a=a, b=b, move=move)
        one.release()
        other.release()


def _is_float(tensor: TensorDifference) -> bool:
    return all(spec is not None and DTYPES[spec.dtype].is_float for spec in (tensor.a, tensor.b))


def _move(one: WeightsFile, other: WeightsFile, spec: TensorSpec) -> Move:
    squares, squares_a, squares_b, products = ScaledSum(), ScaledSum(), ScaledSum(), ScaledSum()
    changed, largest = 0, 0.0
    for start, stop in blocks(spec.count):
        x, y = (file.block(spec.name, start, stop) for file in (one, other))
        changed += int(np.count_nonzero(x != y))
        (a, by_a), (b, by_b) = scaled(float64(x)), scaled(float64(y))
        moved, by = scaled_difference(float64(x), float64(y))
        squares.add(dot(moved, moved), 2 * by)
        squares_a.add(dot(a, a), 2 * by_a)
        squares_b.add(dot(b, b), 2 * by_b)
        products.add(dot(a, b), by_a + by_b)
        largest = max(largest, grown(float(np.abs(moved).max()), by))
    return Move(
        elements=spec.count,
        changed=changed,
        norm=squares.root(),
        norm_a=squares_a.root(),
        norm_b=squares_b.root(),
        largest=largest,
        cosine=cosine_of(products, squares_a, squares_b),
    )


def _together(moves: Sequence[Move]) -> Move:
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


def _cosine_of_all(moves: Sequence[Move], norm_a: float, norm_b: float) -> float | None:
    if not norm_a or not norm_b or math.isinf(norm_a) or math.isinf(norm_b):
        return None
    parts = [(one.cosine, one.norm_a / norm_a, one.norm_b / norm_b) for one in moves if one.cosine is not None]
    return within(math.fsum(cosine * a * b for cosine, a, b in parts))
