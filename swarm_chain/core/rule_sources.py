"""The source of a task's merge rule, where it does not ship: fetched to be read, and run only once accepted."""

from __future__ import annotations

from collections.abc import Callable

from swarm_chain.core import unixfs
from swarm_chain.core.documents import MergeSettings
from swarm_chain.core.merge import accept_source, accepted_rule, rule_of
from swarm_chain.core.sources import MAX_SOURCE
from swarm_chain.types import Digest

Get = Callable[..., bytes]


def fetch_rule(merge: MergeSettings, get: Get) -> bytes | None:
    """The source file of a task's merge rule, by a store's `get`; None for one that ships. Nothing of it is run.

    Raises what a store does, and `TooLarge`.
    """
    if merge.source is None:
        return None
    return b"".join(unixfs.read(get, unixfs.find_file(get, merge.source, max_bytes=MAX_SOURCE)))


def use_accepted_rule(merge: MergeSettings, get: Get, accepted: Digest | None) -> None:
    """Lets this process merge by a task's rule: one that is source code is run where `accepted` is its digest.

    Raises `RuleNotAccepted`, other `MergeError`s where the rule cannot be used, what a store does, and `TooLarge`.
    """
    if merge.source is not None and accepted == merge.source.digest and accepted_rule(merge.source) is None:
        accept_source(fetch_rule(merge, get) or b"", merge.rule)
    rule_of(merge)
