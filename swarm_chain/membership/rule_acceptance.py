"""Whether a swarm's merge rule may run here: one that comes as source code, not before its digest was accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarm_chain.core.documents import MergeSettings
from swarm_chain.core.merge import rule_of
from swarm_chain.core.rule_sources import fetch_rule, use_accepted_rule
from swarm_chain.errors import RuleNotAccepted
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Digest

AskRule = Callable[["RuleOffer"], bool]
"""Shows a rule's source to somebody who can answer, and says what they answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleOffer:
    """A swarm's merge rule that does not ship, to be read."""

    name: str
    digest: Digest
    source: bytes


def accept_rule(
    merge: MergeSettings, store: UpdateStore, *, digest: Digest | None = None, ask: AskRule | None = None
) -> Digest | None:
    """The digest of the rule's source that was accepted; None for a rule that ships, or that is installed here.

    Raises `RuleNotAccepted`, and what a store does.
    """
    if merge.source is None:
        return None
    wanted = merge.source.digest
    if digest is not None and digest != wanted:
        raise RuleNotAccepted(
            f"0x{digest.hex()} was accepted, and the source of the swarm's merge rule {merge.rule} is "
            f"0x{wanted.hex()}: read it with `swarm-chain task show` before you accept it"
        )
    if digest is None:
        try:
            rule_of(merge)
        except RuleNotAccepted:
            offer = RuleOffer(name=merge.rule, digest=wanted, source=fetch_rule(merge, store.get) or b"")
            if ask is None or not ask(offer):
                raise
        else:
            return None
    use_accepted_rule(merge, store.get, wanted)
    return wanted
