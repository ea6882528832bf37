"""What could not be had, as findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swarm_chain.audit.evidence import Failures
from swarm_chain.audit.report import Fault, Finding
from swarm_chain.core.cids import Cid
from swarm_chain.errors import CidMismatch
from swarm_chain.types import Address, RoundNumber

Names = dict[Cid, tuple[str, tuple[Address, ...]]]
"""What documents and files are, and whose."""


def of_failures(
    failures: Failures, number: RoundNumber | None, names: Mapping[Cid, tuple[str, tuple[Address, ...]]]
) -> Iterator[Finding]:
    """A finding for each document or file that could not be had, or is corrupted where it lies."""
    for root, error in failures.items():
        what, nodes = names.get(root, ("a document or file that it links to", ()))
        if isinstance(error, CidMismatch):
            fault, message = Fault.CORRUPTED_BLOCK, f"{what}: a store is bad, and no other has the bytes: {error}"
        else:
            fault, message = Fault.MISSING_BYTES, f"{what} cannot be had: {error}"
        yield Finding(fault=fault, message=message, round=number, nodes=nodes)
