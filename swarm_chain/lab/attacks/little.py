"""A Little Is Enough: a step aside that hides among what honest nodes disagree about."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import EqualAttack, Sight


@dataclass(frozen=True)
class Little(EqualAttack):
    """The honest mean minus `z` standard deviations in every element (Baruch et al., 2019, arXiv:1902.06635).

    Without `z` as many as the paper says: then the honest nodes that attackers need for a majority are further out.
    """

    z: float | None = None

    def difference(self, sight: Sight) -> Float64:
        z = usual_z(len(sight.honest), sight.attackers) if self.z is None else self.z
        return sight.mean - z * sight.deviation


def usual_z(honest: int, attackers: int) -> float:
    """The paper's z for so many nodes; below zero, so to the other side, where attackers are few.

    >>> round(usual_z(7, 3), 3)
    0.18
    """
    supporters = (honest + attackers) // 2 + 1 - attackers
    share = (honest - supporters) / honest
    # All supporters needed, or none: the normal distribution has no such point.
    return NormalDist().inv_cdf(min(max(share, 0.01), 0.99))
