"""Merging tensors in memory, by the code that merges files: for experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from swarm_chain.core.documents import NO_CAP
from swarm_chain.core.merge.engine import merge
from swarm_chain.core.merge.inputs import Contribution
from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.merge.weighting import WHOLE
from swarm_chain.core.weights import encode, load
from swarm_chain.errors import MergeError
from swarm_chain.types import Address, Parameters


class MergedParameters(NamedTuple):
    """What a merge gives: tensors, what the step carries on, which updates are rejected, and each one's weight."""

    parameters: Parameters
    state: Parameters | None
    rejected: tuple[int, ...]
    weights: tuple[int, ...]


def merge_parameters(
    rule: Recipe,
    base: Parameters,
    updates: Sequence[Parameters],
    samples: Sequence[int] | None = None,
    *,
    state: Parameters | None = None,
    max_samples: int = NO_CAP,
    max_share_bps: int = 10_000,
    threads: int | None = None,
) -> MergedParameters:
    """The merge of updates in memory, which count by their places. With too few, the base and its state are carried on.

    Updates must be finite, and of the base's shapes: what else there is a round leaves out before it merges. Raises
    `MergeError` for samples that are not one whole number from 1 on for each update, and for caps out of range.
    """
    counts = [1] * len(updates) if samples is None else list(samples)
    if len(counts) != len(updates) or not all(type(count) is int and count > 0 for count in counts):
        raise MergeError(f"there are {len(updates)} updates; pass a whole number of samples, from 1 on, for each")
    if max_samples < 1:
        raise MergeError(f"max_samples is {max_samples}; pass 1 or more")
    if not 1 <= max_share_bps <= WHOLE:
        raise MergeError(f"max_share_bps is {max_share_bps}; pass ten-thousandths, 1 to {WHOLE}")
    given = [
        Contribution(node=_node(place), weights=encode(update), samples=count)
        for place, (update, count) in enumerate(zip(updates, counts, strict=True))
    ]
    with TemporaryDirectory(prefix="swarm-chain-merge-") as folder:
        out, state_out = Path(folder) / "merged", Path(folder) / "state"
        done = merge(
            given,
            rule=rule,
            max_samples=max_samples,
            max_share_bps=max_share_bps,
            out=out,
            base=encode(base),
            state=None if state is None else encode(state),
            state_out=state_out,
            threads=threads,
            sync=False,
        )
        if done is None:
            return MergedParameters(dict(base), state, tuple(range(len(updates))), (0,) * len(updates))
        weights = tuple(done.weights.get(_node(place), 0) for place in range(len(updates)))
        rejected = tuple(place for place, weight in enumerate(weights) if not weight)
        return MergedParameters(load(out), load(state_out) if done.state else None, rejected, weights)


def _node(place: int) -> Address:
    return Address(place.to_bytes(20, "big"))
