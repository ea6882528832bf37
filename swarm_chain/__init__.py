"""Blockchain-backed swarm learning: organisations train one PyTorch model together, without a server."""

__version__ = "0.1.0"
