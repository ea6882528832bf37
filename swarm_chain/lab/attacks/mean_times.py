"""The honest mean, times a negative number: back the way that the honest nodes go."""

from __future__ import annotations

from dataclasses import dataclass

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import EqualAttack, Sight


@dataclass(frozen=True)
class MeanTimes(EqualAttack):
    """`factor` times the honest mean.

    -1 is sign flipping (Li et al., 2019, arXiv:1811.03761), -10 and -100 the same with force; -0.1, -0.5 and -2 are
    inner product manipulation (Xie, Koyejo and Gupta, 2020, arXiv:1903.03936): small enough to stay near the honest
    updates, and still to turn, or to stop, what a robust mean makes of all.
    """

    factor: float

    def difference(self, sight: Sight) -> Float64:
        return self.factor * sight.mean
