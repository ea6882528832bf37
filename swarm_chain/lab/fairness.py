"""What rules make of honest nodes, and of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from swarm_chain.core.documents import Reason
from swarm_chain.core.judge import BuiltResult
from swarm_chain.types import Address

LIGHT = 0.1
"""Of its fair share, below which an update is as good as left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """Of `honest` updates so many were left out by the rule or weighed light; and what became of the attackers'.

    `attackers` are counts by reason, `included` among them.
    """

    honest: int = 0
    rejected: int = 0
    light: int = 0
    excluded: int = 0
    attackers: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, built: BuiltResult, attackers: Collection[Address], samples: Mapping[Address, int] | None) -> Treatment:
        """What became of one round's updates. With `samples`, these are what a fair share is measured by."""
        weights = {one.node: one.weight for one in built.document.included}
        reasons = {one.node: one.reason for one in built.document.excluded}
        merged = [node for node in (*weights, *reasons) if reasons.get(node) in (None, Reason.REJECTED)]
        honest = [node for node in (*weights, *reasons) if node not in attackers]
        fair = {node: samples[node] if samples else 1 for node in merged}
        return cls(
            honest=len(honest),
            rejected=sum(reasons.get(node) is Reason.REJECTED for node in honest),
            light=sum(node in weights and _is_light(node, weights, fair) for node in honest),
            excluded=sum(reasons.get(node) not in (None, Reason.REJECTED) for node in honest),
            attackers=Counter(str(reasons.get(node, "included")) for node in (*weights, *reasons) if node in attackers),
        )

    @classmethod
    def together(cls, several: Iterable[Treatment]) -> Treatment:
        """The sums."""
        all_of_them = list(several)
        return cls(
            honest=sum(one.honest for one in all_of_them),
            rejected=sum(one.rejected for one in all_of_them),
            light=sum(one.light for one in all_of_them),
            excluded=sum(one.excluded for one in all_of_them),
            attackers=sum((Counter(one.attackers) for one in all_of_them), Counter[str]()),
        )

    @property
    def share_wronged(self) -> float:
        """Of honest updates, how many were rejected or light."""
        return (self.rejected + self.light) / self.honest if self.honest else 0.0


def _is_light(node: Address, weights: Mapping[Address, int], fair: Mapping[Address, int]) -> bool:
    return weights[node] / sum(weights.values()) < LIGHT * fair[node] / sum(fair.values())
