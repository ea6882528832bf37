"""Noise by which attackers hide that they send the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import Attack, EqualAttack, Sight
from swarm_chain.lab.vectors import from_vector
from swarm_chain.types import Parameters

SHARE = 0.2


@dataclass(frozen=True)
class Jittered(Attack):
    """Each adds Gaussian noise as long as a fifth of what all send; where that is nothing, of an honest update."""

    attack: EqualAttack

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        sent = self.attack.difference(sight)
        length = float(np.linalg.norm(sent)) or float(np.linalg.norm(sight.differences, axis=1).mean())
        noisy = (sent + SHARE * length * _direction(sight) for _ in range(sight.attackers))
        return tuple(from_vector(one, sight.base) for one in noisy)


def _direction(sight: Sight) -> Float64:
    noise: Float64 = sight.random.standard_normal((sight.differences.shape[1],))
    return noise / float(np.linalg.norm(noise))
