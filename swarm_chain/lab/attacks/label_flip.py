"""Label flipping: an honest training, on data whose labels are wrong."""

from __future__ import annotations

from dataclasses import dataclass

from swarm_chain.lab.attacks.attack import Attack, Sight
from swarm_chain.types import Parameters


@dataclass(frozen=True)
class LabelFlip(Attack):
    """Each trains on its own data with every label y turned into largest + smallest - y: of ten digits a 1 into an 8.

    Tolpegin et al., 2020 (arXiv:2007.08432); 9 - y as in Karimireddy, He and Jaggi, 2022.
    """

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        return sight.flipped()
