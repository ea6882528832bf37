"""How a demo's swarm gets on: the chain's state and events, and what each agent says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from swarm_chain.agent.activity import Activity
from swarm_chain.demo.agents import AgentProcess
from swarm_chain.demo.scene import AgentState, Scene
from swarm_chain.ports import Chain
from swarm_chain.status.node import read_node_status
from swarm_chain.types import (
    Address,
    BlockNumber,
    ChainView,
    Event,
    NodeRegistered,
    NodeRemoved,
    NodeResumed,
    NodeSuspended,
    Phase,
    ResultAttested,
    RoundAborted,
    RoundFinalized,
    RoundNumber,
    RoundOpened,
    UpdateCommitted,
    UpdateRevealed,
)

_ACTS: dict[type[Event], str] = {UpdateCommitted: "committed", UpdateRevealed: "revealed", ResultAttested: "attested"}
_NEXT = {Phase.TRAINING: "commit", Phase.REVEALING: "reveal", Phase.MERGING: "attest"}


class Watcher:
    """Follows a swarm. `look` reads what is new since the last time."""

    def __init__(
        self,
        chain: Chain,
        agents: Sequence[AgentProcess],
        *,
        rounds: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain = chain
        self._agents = agents
        self._rounds = rounds
        self._clock = clock
        self._seen = BlockNumber(-1)
        self._active: set[Address] = set()
        self._expected: frozenset[Address] = frozenset()
        self._done: dict[Address, set[str]] = {}
        self._trained: dict[Address, Activity] = {}
        self._opened_at: dict[RoundNumber, float] = {}
        self.seconds: dict[RoundNumber, float] = {}
        self.events: list[Event] = []
        """Everything seen so far, in the chain's order."""

    def look(self) -> Scene:
        """The swarm now. Raises what a chain does."""
        view = self._chain.look()
        if view.block_number > self._seen:
            for event in self._chain.events(from_block=BlockNumber(self._seen + 1), to_block=view.block_number):
                self._note(event)
            self._seen = view.block_number
        return Scene(
            view=view,
            rounds=self._rounds,
            agents=tuple(self._state(agent) for agent in self._agents),
            act=self._act(view),
            waits_for=tuple(agent.member.name for agent in self._agents if self._is_awaited(agent, view)),
            seconds=dict(self.seconds),
        )

    def _note(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case NodeRegistered(node=node) | NodeResumed(node=node):
                self._active.add(node)
            case NodeSuspended(node=node) | NodeRemoved(node=node):
                self._active.discard(node)
            case RoundOpened(round=number):
                self._opened_at[number] = self._clock()
                self._expected, self._done = frozenset(self._active), {}
            case RoundFinalized(round=number) | RoundAborted(round=number):
                self.seconds[number] = self._clock() - self._opened_at[number]
            case UpdateCommitted(node=node) | UpdateRevealed(node=node) | ResultAttested(node=node):
                self._done.setdefault(node, set()).add(_ACTS[type(event)])

    def _state(self, agent: AgentProcess) -> AgentState:
        found = read_node_status(agent.member.folder)
        account = agent.member.account
        if found is not None and found.activity.samples is not None:
            self._trained[account] = found.activity
        trained = self._trained.get(account)
        return AgentState(
            name=agent.member.name,
            account=account,
            activity=found.activity if found else None,
            exit_status=agent.exit_status,
            done=tuple(word for word in _ACTS.values() if word in self._done.get(account, ())),
            samples=trained.samples if trained else None,
            local_metrics=trained.local_metrics if trained else {},
        )

    def _act(self, view: ChainView) -> str:
        if view.round.phase == Phase.TRAINING and not view.swarm.config.is_sealed:
            return "submit"
        return _NEXT.get(view.round.phase, "open")

    def _is_awaited(self, agent: AgentProcess, view: ChainView) -> bool:
        """Whether this node's act would help the phase to its end before the deadline."""
        done = self._done.get(agent.member.account, set())
        match view.round.phase:
            case Phase.TRAINING:
                is_in = "committed" in done or "revealed" in done
                return agent.member.account in self._expected and not is_in
            case Phase.REVEALING:
                return "committed" in done and "revealed" not in done
            case Phase.MERGING:
                return "revealed" in done and "attested" not in done
        return False
