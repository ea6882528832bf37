"""A peer's update, handed in as one's own."""

from __future__ import annotations

from dataclasses import dataclass

from swarm_chain.lab.attacks.attack import Attack, Sight
from swarm_chain.types import Parameters


@dataclass(frozen=True)
class Copied(Attack):
    """Each sends another honest node's very bytes, which in a sealed round nobody sees in time: free riders again."""

    def updates(self, sight: Sight) -> tuple[Parameters, ...]:
        return tuple(sight.honest[place % len(sight.honest)] for place in range(sight.attackers))
