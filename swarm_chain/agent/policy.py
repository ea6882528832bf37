"""How long an agent runs, and how eager it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What whoever starts an agent decides.

    `rounds`: end when the swarm has finalised so many since deployment. `until`: end when a metric of the head, on this
    node's held-out data, is at least so much. `min_new_samples`: sit rounds out until there are so many more than in
    the last update. `confirmations`: blocks on top of a round's revealing before an update is published. `poll` and
    `spread`: seconds between looks, and the longest that calls which anyone can make are put off.
    """

    rounds: int | None = None
    until: tuple[str, float] | None = None
    min_new_samples: int = 0
    confirmations: int = 0
    poll: float = 1.0
    spread: float = 4.0
