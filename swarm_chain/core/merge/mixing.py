"""What can be done to whole updates before a rule: each becomes a point made of some of them and of the base."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.core.merge.distances import Distances, lower_middle
from swarm_chain.core.merge.rule import MOST_UPDATES, within


class Mixing(ABC):
    """A step before the rule."""

    name: ClassVar[str]

    @property
    def minimum_updates(self) -> int:
        """Fewest updates it can do something with."""
        return 1

    @abstractmethod
    def rows(self, distances: Distances) -> Float64:
        """What each update becomes: a row of parts that add up to one, the base's last."""


@dataclass(frozen=True, kw_only=True)
class NormClipping(Mixing):
    """Cuts what is further from the base than the median update, to that distance: no node shouts."""

    name: ClassVar[str] = "norm_clipping"

    def rows(self, distances: Distances) -> Float64:
        norms = distances.norms()
        median = lower_middle(norms)
        found: Float64 = np.zeros((len(norms), len(norms) + 1))
        for place, norm in enumerate(norms):
            kept = 1.0 if norm <= median else median / norm
            found[place, place], found[place, -1] = kept, 1.0 - kept
        return found


@dataclass(frozen=True, kw_only=True)
class NearestNeighbourMixing(Mixing):
    """Each becomes the mean of the n - `f` updates nearest to it, itself among them (Allouah et al., 2023)."""

    name: ClassVar[str] = "nearest_neighbour_mixing"
    f: int

    def __post_init__(self) -> None:
        within("before_f of a merge", self.f, 0, MOST_UPDATES, "pass how many nodes may be dishonest")

    @property
    def minimum_updates(self) -> int:
        return 2 * self.f + 1

    def rows(self, distances: Distances) -> Float64:
        count = distances.count
        found: Float64 = np.zeros((count, count + 1))
        for place, row in enumerate(distances.between()):
            order = sorted(range(count), key=lambda other: (row[other], other != place, other))
            for other in order[: count - self.f]:
                found[place, other] = 1 / (count - self.f)
        return found


MIXINGS: Mapping[str, type[Mixing]] = {kind.name: kind for kind in (NormClipping, NearestNeighbourMixing)}
