"""What an attack is, and what attackers see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from swarm_chain.core.dtypes import Float64
from swarm_chain.lab.vectors import from_vector, to_vector
from swarm_chain.types import Parameters


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """One round as attackers see it: the base, every honest update, and how many they are.

    `flipped` gives what each attacker's own training makes of its data with wrong labels; `random` is theirs.
    """

    base: Parameters
    honest: tuple[Parameters, ...]
    attackers: int
    random: np.random.Generator
    flipped: Callable[[], tuple[Parameters, ...]]

    @cached_property
    def differences(self) -> Float64:
        """The honest updates minus the base, a row each."""
        return np.stack([to_vector(update, self.base) for update in self.honest])

    @cached_property
    def mean(self) -> Float64:
        """Where the honest nodes go together."""
        found: Float64 = self.differences.mean(axis=0)
        return found

    @cached_property
    def deviation(self) -> Float64:
        """How far honest nodes are apart in each element: the standard deviation."""
        found: Float64 = self.differences.std(axis=0)
        return found


class Attack(ABC):
    """What attackers send."""

    sends_equal: ClassVar[bool] = False
    """Whether all attackers send the same: the judge leaves out all but the first, unless they add noise."""

    @abstractmethod
    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        """One update an attacker."""


class EqualAttack(Attack):
    """An attack in which all attackers send the same."""

    sends_equal = True

    @abstractmethod
    def difference(self, sight: Sight) -> Float64:
        """What they send, minus the base."""

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        return (from_vector(self.difference(sight), sight.base),) * sight.attackers
