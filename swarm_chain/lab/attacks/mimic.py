"""Mimic: one honest node's update, so that it counts as many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.attacks.attack import EqualAttack, Sight


@dataclass(frozen=True)
class Mimic(EqualAttack):
    """All send the update of the honest node that stands out most along the direction in which they differ most.

    Karimireddy, He and Jaggi, 2022 (arXiv:2006.09365). They follow that direction through the rounds; here it is each
    round's own. As they are, these are copies of a peer's update.
    """

    def difference(self, sight: Sight) -> Float64:
        chosen: Float64 = sight.differences[mimicked(sight)]
        return chosen


def mimicked(sight: Sight) -> int:
    """Which honest node is mimicked."""
    centred = sight.differences - sight.mean
    _, directions = np.linalg.eigh(centred @ centred.T)
    return int(np.abs(directions[:, -1]).argmax())
