"""Blockchain-backed swarm learning: organisations train one PyTorch model together, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_chain.api import SwarmNode

__all__ = ["SwarmNode", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`SwarmNode`, imported when it is asked for: torch and web3 come with it."""
    if name != "SwarmNode":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from swarm_chain.api import SwarmNode

    return SwarmNode
