"""How many nodes a swarm needs, how many may fail, and what its configuration should make one think about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from swarm_chain.types import SwarmConfig

BPS: Final = 10_000
SHOWN_SIZES: Final = (2, 3, 4, 5, 7, 10, 20, 50)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """What a swarm of `nodes` needs: `quorum` equal attestations, `required` updates.

    `may_fail` nodes can stay away and rounds still end in a result; None where there are too few nodes to open one.
    """

    nodes: int
    quorum: int
    required: int
    may_fail: int | None


def quorum(expected: int, quorum_bps: int) -> int:
    """Equal attestations that finalise a round with so many expected nodes: the contract's rule.

    >>> [quorum(expected, 5001) for expected in (2, 3, 4, 5)]
    [2, 2, 3, 3]
    """
    return -(-expected * quorum_bps // BPS)


def fault_tolerance(quorum_bps: int, min_updates: int, nodes: int) -> Tolerance:
    """How many of `nodes` may fail before rounds no longer end in a result.

    >>> fault_tolerance(5001, 2, 5).may_fail
    2
    """
    needed = quorum(nodes, quorum_bps)
    required = max(min_updates, needed)
    return Tolerance(
        nodes=nodes, quorum=needed, required=required, may_fail=nodes - required if nodes >= required else None
    )


def tolerances(config: SwarmConfig, sizes: Iterable[int] = SHOWN_SIZES) -> tuple[Tolerance, ...]:
    """The tolerance of a swarm at several sizes."""
    return tuple(fault_tolerance(config.quorum_bps, config.min_updates, size) for size in sizes)


def warnings(config: SwarmConfig) -> tuple[str, ...]:
    """What the contract allows and people should know before they deploy it."""
    found = []
    largest = _largest_size_below(config)
    if largest is not None:
        found.append(
            f"minUpdates {config.min_updates} is above the quorum up to {largest} nodes: there, fewer than half of the "
            "nodes can hold the swarm up by staying away"
        )
    if config.open_registration:
        found.append("registration is open: whoever makes the most accounts is the quorum")
    return tuple(found)


def _largest_size_below(config: SwarmConfig) -> int | None:
    """The largest swarm that can run and whose quorum is still below `minUpdates`."""
    sizes = range(config.min_updates, 2 * config.min_updates)
    below = [size for size in sizes if quorum(size, config.quorum_bps) < config.min_updates]
    return max(below, default=None)
