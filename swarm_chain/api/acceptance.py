"""What the user accepts by its digest, so that it may run here."""

from __future__ import annotations

from swarm_chain.core.documents import MergeSettings
from swarm_chain.errors import ConfigurationError, RuleNotAccepted
from swarm_chain.membership.rule_acceptance import accept_rule
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Digest


def given_digest(given: str | bytes | None, option: str, what: str) -> Digest | None:
    """32 bytes, from a digest as people write it, given as `option`. Raises `ConfigurationError`."""
    if given is None or (isinstance(given, bytes) and len(given) == 32):
        return None if given is None else Digest(given)
    digits = given.removeprefix("0x") if isinstance(given, str) else ""
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigurationError(f"{option} is {given!r}: give {what}'s digest, 0x and 64 hexadecimal digits")
    return Digest(found)


def use_rule(merge: MergeSettings, store: UpdateStore, accepted: Digest | None) -> None:
    """Lets this process merge by a swarm's rule: one that is source code only where `accepted` is its digest.

    Raises `RuleNotAccepted`, and what a store does.
    """
    try:
        accept_rule(merge, store, digest=accepted)
    except RuleNotAccepted as error:
        if accepted is not None or merge.source is None:
            raise
        raise RuleNotAccepted(f"{error}; here, accept_rule='0x{merge.source.digest.hex()}'") from None
