"""Noise instead of a model."""

from __future__ import annotations

from dataclasses import dataclass

from swarm_chain.lab.attacks.attack import Attack, Sight
from swarm_chain.lab.vectors import from_vector
from swarm_chain.types import Parameters


@dataclass(frozen=True)
class Gaussian(Attack):
    """Gaussian noise of standard deviation 200 in every element (Blanchard et al., 2017, arXiv:1703.02757)."""

    deviation: float = 200.0

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        shape = (sight.attackers, sight.differences.shape[1])
        noise = self.deviation * sight.random.standard_normal(shape)
        return tuple(from_vector(one, sight.base) for one in noise)
