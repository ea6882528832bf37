"""What all suites share: one IPFS node a session, for those that ask for it."""

from tests.ipfs import ipfs

__all__ = ["ipfs"]
