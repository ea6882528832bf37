"""What is no update at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarm_chain.lab.attacks.attack import Attack, Sight
from swarm_chain.types import Parameters


@dataclass(frozen=True)
class Filled(Attack):
    """One and the same value everywhere: NaN, or infinity, which turns every mean into itself."""

    value: float

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        filled = {
            name: array if array.dtype.kind in "iub" else np.full_like(array, self.value)
            for name, array in sight.base.items()
        }
        return (filled,) * sight.attackers


@dataclass(frozen=True)
class WrongShapes(Attack):
    """One tensor has an element less than the model's."""

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        name = min(sight.base)
        shorter = sight.base[name].ravel()[:-1]
        return ({**sight.base, name: shorter},) * sight.attackers
