"""How a swarm merges, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_chain.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_chain.core.documents import MergeSettings
    from swarm_chain.core.merge import MergeRule


def describe_merge(merge: MergeSettings) -> str:
    """The rule with its parameters, and the most that one update may count for, where samples count at all."""
    from swarm_chain.core.documents import NO_CAP
    from swarm_chain.core.merge import SHIPPED
    from swarm_chain.core.merge.weighting import WHOLE

    parameters = ",".join(f"{name}={value}" for name, value in sorted(merge.parameters.items()))
    line = printable(f"{merge.rule}:{parameters}" if parameters else merge.rule)
    shipped = SHIPPED.get(merge.rule)
    if shipped is not None and not shipped.uses_samples:
        return line
    if merge.max_samples < NO_CAP:
        line += f", samples capped at {merge.max_samples:,}"
    if merge.max_share_bps < WHOLE:
        line += f", no update above {merge.max_share_bps / 100:g} % of the samples"
    return line


def unused_caps(merge: MergeSettings, rule: MergeRule, nodes: int | None) -> Iterator[str]:
    """Caps on samples that change nothing, or not what they say, in a swarm of so many nodes."""
    from swarm_chain.core.documents import NO_CAP
    from swarm_chain.core.merge.weighting import WHOLE

    is_capped = merge.max_samples < NO_CAP or merge.max_share_bps < WHOLE
    if is_capped and not rule.uses_samples:
        yield f"the merge rule {rule.name} does not look at samples: caps on them change nothing"
    elif nodes is not None and nodes * merge.max_share_bps < WHOLE:
        share = f"{merge.max_share_bps / 100:g} %"
        yield f"shares of at most {share} for each of {nodes} updates make no whole: all count the same then"
