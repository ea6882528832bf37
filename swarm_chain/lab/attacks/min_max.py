"""Min-Max: as far out as an honest update is from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import EqualAttack, Sight


@dataclass(frozen=True)
class MinMax(EqualAttack):
    """The honest mean minus as many standard deviations as keep it within the largest distance of two honest updates.

    Shejwalkar and Houmansadr, 2021 (NDSS, doi:10.14722/ndss.2021.24498), with their inverse standard deviation; they
    find the factor by halving, which is here the root of a quadratic equation for each honest update.
    """

    def difference(self, sight: Sight) -> Float64:
        away = -sight.deviation
        return sight.mean + _largest_factor(sight.differences - sight.mean, away) * away


def _largest_factor(centred: Float64, away: Float64) -> float:
    """The largest g for which g times `away` is no further from any row than the two rows that are furthest apart."""
    own = np.einsum("ij,ij->i", centred, centred)
    squared = float((own[:, None] + own[None, :] - 2.0 * (centred @ centred.T)).max())
    length, along = float(away @ away), centred @ away
    if length == 0.0:
        return 0.0
    roots = (along + np.sqrt(np.maximum(along**2 + length * (squared - own), 0.0))) / length
    return float(roots.min())
