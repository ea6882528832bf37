"""How a swarm merges, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_chain.cli.output import printable

if TYPE_CHECKING:
    from swarm_chain.core.documents import MergeSettings


def describe_merge(merge: MergeSettings) -> str:
    """The rule with its parameters, and the most that one update may count for."""
    from swarm_chain.core.documents import NO_CAP

    parameters = ",".join(f"{name}={value}" for name, value in sorted(merge.parameters.items()))
    line = printable(f"{merge.rule}:{parameters}" if parameters else merge.rule)
    if merge.max_samples < NO_CAP:
        line += f", samples capped at {merge.max_samples:,}"
    if merge.max_share_bps < 10_000:
        line += f", no update above {merge.max_share_bps / 100:g} % of the samples"
    return line
