"""The base again, as if nothing could be learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import EqualAttack, Sight


@dataclass(frozen=True)
class Zero(EqualAttack):
    """No difference from the base: free riders (Fraboni, Vidal and Lorenzi, 2021, arXiv:2006.11901)."""

    def difference(self, sight: Sight) -> Float64:
        return np.zeros_like(sight.mean)
