"""What each call of the shipped contract costs, as the contract's tests measured it (`gas.json`, `make snapshot`).

A name is `where/call` or `where/call, which`: `sealed/50/second/commitUpdate, last` is the most that any commit took
that was its round's last, in the second round of a sealed swarm of 50 nodes. Whole transactions, in units of gas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from swarm_chain.artifacts import artifact_path
from swarm_chain.errors import ConfigurationError

SIZES = (4, 50, 500)
"""Numbers of nodes that rounds were measured at."""

STAGES = ("first", "second", "two-hundredth", "after absence")
"""Rounds that were measured: a node's first, its second, the swarm's 200th, a node's first after it missed 100."""

WHOLE_ROUND = "all"
"""The name of a whole round's transactions together."""


@cache
def load_gas() -> Mapping[str, int]:
    """Every figure by its name. Raises `ConfigurationError` if the installation is incomplete."""
    path = artifact_path("gas")
    try:
        return {str(name): int(gas) for name, gas in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is missing or damaged; install swarm-chain again") from error


def most(call: str, where: str = "") -> int:
    """The most that a call took anywhere; or wherever the name begins with `where`. Raises `KeyError`."""
    found = [gas for name, gas in load_gas().items() if name.rpartition("/")[2] == call and name.startswith(where)]
    if not found:
        raise KeyError(call)
    return max(found)
