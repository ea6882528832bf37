"""Why a gateway did not give a block, and whether to ask it again."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto

from swarm_chain.errors import BlockNotFound, CidMismatch, StoreError, StoreUnavailable


class Kind(IntEnum):
    """What kind of failure it was. Those that say most about what is wrong come first."""

    LIED = auto()
    """It gave bytes that are not what was asked for: it is left alone for a while."""
    TROUBLE = auto()
    """It did not answer as it should this time, and may do so at the next."""
    UNREACHABLE = auto()
    """There is no connection to it."""
    SLOW = auto()
    """It took longer than it may, perhaps because it looked for the block elsewhere."""
    REFUSED = auto()
    """What it says is of no use, and will not be: a redirect, more than was allowed, no gateway's answer."""
    MISSING = auto()
    """It does not have the block."""


AGAIN = frozenset({Kind.TROUBLE, Kind.UNREACHABLE})
"""Failures after which a gateway is asked once more for the same block."""


class Failure(Exception):
    """A gateway's failure to give one block; `wait` is the seconds after which it wants to be asked again."""

    def __init__(self, kind: Kind, why: str, *, wait: float = 0.0) -> None:
        super().__init__(why)
        self.kind, self.wait = kind, wait


def as_error(failures: Mapping[str, Failure], what: str) -> StoreError:
    """The error that says what the failures of all gateways come to; there is at least one, by gateway."""
    whys = "; ".join(f"{name} {failure}" for name, failure in failures.items())
    worst = min(failure.kind for failure in failures.values())
    if worst is Kind.LIED:
        return CidMismatch(f"{what} cannot be had: {whys}; add another store")
    if worst is Kind.MISSING:
        return BlockNotFound(f"{what} cannot be had: {whys}; add a store that has it")
    return StoreUnavailable(f"{what} cannot be had: {whys}; try again, or add another store")
