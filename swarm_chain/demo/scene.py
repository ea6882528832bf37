"""What a demo shows while it runs, to whoever draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from swarm_chain.agent.activity import Activity
from swarm_chain.types import Address, ChainView, Metrics, RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentState:
    """One node's agent. `activity` is its last word, None before the first. `done` is what its node did this round.

    `exit_status` is None while its process lives. `samples` and `local_metrics` are those of its newest training.
    """

    name: str
    account: Address
    activity: Activity | None
    exit_status: int | None
    done: tuple[str, ...]
    samples: int | None = None
    local_metrics: Metrics = field(default_factory=dict)

    @property
    def is_gone(self) -> bool:
        """Whether its process ended otherwise than in order."""
        return self.exit_status not in (None, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The swarm at one moment. `waits_for` are the nodes whose act would move the phase on, `act` what it is.

    `seconds` is how long each round that ended took, on this machine's clock.
    """

    view: ChainView
    rounds: int
    agents: tuple[AgentState, ...]
    act: str
    waits_for: tuple[str, ...]
    seconds: Mapping[RoundNumber, float]

    @property
    def is_finished(self) -> bool:
        """Whether the swarm finalised as many rounds as were asked for."""
        return self.view.swarm.finalized_rounds >= self.rounds

    @property
    def alive(self) -> int:
        """Agents whose process lives."""
        return sum(agent.exit_status is None for agent in self.agents)


class Screen(Protocol):
    """Where a demo shows itself."""

    def say(self, line: str) -> None:
        """Shows a line that stays."""

    def show(self, scene: Scene) -> None:
        """Shows the swarm as it is now, in place of what was shown before."""
