"""Blockchain-backed swarm learning: organisations train one PyTorch model together, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_chain.api import SwarmNode, load_model

__all__ = ["SwarmNode", "__version__", "load_model"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`SwarmNode` and `load_model`, imported when they are asked for: torch and web3 come with them."""
    if name not in ("SwarmNode", "load_model"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from swarm_chain import api

    found: object = getattr(api, name)
    return found
