"""CIDs in a node's answers: what is compared is what they name, however they are written."""

from __future__ import annotations

from swarm_chain.core.cids import Cid, parse_foreign_cid
from swarm_chain.errors import InvalidCid


def cid_in(text: object) -> Cid | None:
    """The CID that a text names, in any of the usual ways; None for what is none that a swarm uses."""
    if not isinstance(text, str):
        return None
    try:
        return parse_foreign_cid(text)
    except InvalidCid:
        return None
