"""Runs a rule over updates that are mapped from files, block by block, and writes the canonical result.

Memory is one block of every update, however large the model and however many the updates. Neither the size of a
block nor the order in which updates arrive changes a bit: every element is computed by itself, in node order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from swarm_chain.core.dtypes import DTYPES, Dtype, Float64, from_float64, to_float64
from swarm_chain.core.files import replacing
from swarm_chain.core.merge.rule import Rule
from swarm_chain.core.merge.weighting import node_weights, shares_of
from swarm_chain.core.unixfs import File, FileBuilder
from swarm_chain.core.weights import WeightsFile, blocks, check_shapes, header, raw
from swarm_chain.errors import MergeError
from swarm_chain.types import Address

_BLOCK_BYTES = 4 * 1024 * 1024
_LEAST_BLOCK = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """One node's update: a file of canonical weights, and the samples behind it."""

    node: Address
    weights: Path
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """The merged file, and the integer weight of each node that is in it."""

    file: File
    weights: Mapping[Address, int]


def merge(
    contributions: Sequence[Contribution],
    *,
    rule: Rule,
    max_samples: int,
    max_share_bps: int,
    out: Path,
    block: int | None = None,
) -> Merged | None:
    """The merge of updates by a rule, written to `out`; None where there are fewer than the rule needs.

    `block` is the number of elements taken at a time. Raises `MalformedWeights`, `ShapeMismatch` where the updates
    are not weights of one model, and `MergeError` where this machine or the rule cannot give the agreed bits.
    """
    ordered = sorted(contributions, key=lambda one: one.node)
    if len({one.node for one in ordered}) != len(ordered):
        raise MergeError("a node contributes twice; pass one update a node")
    if len(ordered) < max(1, rule.minimum_updates):
        return None
    check_arithmetic()
    counts = [one.samples if rule.uses_samples else 1 for one in ordered]
    weights = _weights(counts, rule, max_samples, max_share_bps)
    with ExitStack() as opened:
        files = [opened.enter_context(WeightsFile(one.weights)) for one in ordered]
        stream = opened.enter_context(replacing(out))
        merged = _Writer(stream, rule, shares_of(weights), block).write(files)
    return Merged(file=merged, weights=dict(zip((one.node for one in ordered), weights, strict=True)))


def check_arithmetic() -> None:
    """Returns if this thread computes as IEEE 754 says; raises `MergeError` where it rounds small numbers to zero."""
    tiny = np.array([1e-45], np.float32).astype(np.float64)
    smallest = np.array([5e-324])
    if tiny[0] == 0 or (smallest * 1.0)[0] == 0 or (np.array([1e-308]) * 0.25)[0] == 0:
        raise MergeError("this thread flushes denormal numbers to zero, so its merge would differ; switch that off")


def _weights(counts: list[int], rule: Rule, max_samples: int, max_share_bps: int) -> tuple[int, ...]:
    if not rule.uses_samples:
        return tuple(counts)
    return node_weights(counts, max_samples=max_samples, max_share_bps=max_share_bps)


class _Writer:
    """Writes merged tensors to a stream, and knows the file's CID when done."""

    def __init__(self, stream: BinaryIO, rule: Rule, shares: tuple[float, ...], block: int | None) -> None:
        self._stream, self._rule, self._shares = stream, rule, shares
        self._block = block or max(_LEAST_BLOCK, _BLOCK_BYTES // (8 * len(shares)))
        self._builder = FileBuilder()

    def write(self, files: list[WeightsFile]) -> File:
        specs = files[0].specs
        for other in files[1:]:
            check_shapes(specs, other.specs)
        self._put(header(specs))
        for spec in specs:
            for start, stop in blocks(spec.count, self._block):
                rows = [file.block(spec.name, start, stop) for file in files]
                self._put(raw(self._merged(rows, DTYPES[spec.dtype])))
                for file in files:
                    file.release()
        return self._builder.close()

    def _put(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._builder.write(data)

    def _merged(self, rows: list[NDArray[Any]], dtype: Dtype) -> NDArray[Any]:
        return self._merged_floats(rows, dtype) if dtype.is_float else lower_median(rows)

    def _merged_floats(self, rows: list[NDArray[Any]], dtype: Dtype) -> NDArray[Any]:
        stack: Float64 = np.empty((len(rows), len(rows[0])))
        for place, row in zip(stack, rows, strict=True):
            to_float64(row, place)
        with np.errstate(over="ignore", under="ignore"):
            merged = self._rule.combine(stack, self._shares)
        if np.isnan(merged).any():
            raise MergeError(f"the merge rule {self._rule.name} gave NaN for finite updates; use another rule")
        return from_float64(merged, dtype)


def lower_median(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The middle value of whole numbers or booleans element by element; of an even number, the lower middle one."""
    stack = np.stack(rows)
    stack.sort(axis=0)
    middle: NDArray[Any] = stack[(len(rows) - 1) // 2]
    return middle
