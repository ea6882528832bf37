"""The same game with the real contract, real agents and a store: what it ends in must be the same to the last bit."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from swarm_chain import children
from swarm_chain.adapters.stores import open_stores
from swarm_chain.adapters.web3_history import Web3History
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import audit
from swarm_chain.config.threads import ONE_THREAD
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid, document_digest
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.merge import parse_rule
from swarm_chain.demo.agents import AgentProcess
from swarm_chain.demo.places import Places, places
from swarm_chain.demo.scene import Scene
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.storage import storage
from swarm_chain.demo.swarm import Member, Swarm, add_member, deploy_swarm
from swarm_chain.devnet import Devnet, find_client
from swarm_chain.errors import DemoFailed
from swarm_chain.lab.attacks import CLEAN
from swarm_chain.lab.game import RealGame
from swarm_chain.lab.job import Job
from swarm_chain.lab.rogue import Plan
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Digest

_REFRESH: Final = 0.2
_STUCK: Final = 600.0
"""Seconds without a finalised round after which a game is given up."""


class _Quiet:
    """A demo's screen that shows nothing."""

    def say(self, line: str) -> None:
        return

    def show(self, scene: Scene) -> None:
        return


def play_real(job: Job, attack: str) -> RealGame:
    """One game of a job with agents in processes of their own, on a development chain that is gone afterwards.

    Raises `ToolMissing`, and `DemoFailed` where something went wrong once it had begun.
    """
    find_client("anvil")
    with places(None) as where, ExitStack() as stack:
        ground = job.deal.write(where.root)
        settings = DemoSettings(
            nodes=job.deal.nodes,
            rounds=job.rounds,
            task=ground.task,
            task_name=job.deal.task_name,
            rule=parse_rule(job.rule),
            seed=job.deal.seed,
            data=tuple(map(str, ground.files)),
        )
        stored = stack.enter_context(storage(settings, where, _Quiet()))
        devnet = stack.enter_context(_chain(where))
        swarm = deploy_swarm(settings, where, devnet, stored)
        members = [add_member(settings, where, devnet, stored, swarm, name) for name in settings.names]
        _train(job, attack, where, members, swarm)
        store = open_stores([stored.auditor()], writable=False)
        found = audit(Web3History(swarm.rpc_url, swarm.contract), store, artifact=load_artifact(), work_dir=where.root)
        return RealGame(heads=_heads(swarm, store), audit=found.verdict.value)


@contextmanager
def _chain(where: Places) -> Iterator[Devnet]:
    devnet = Devnet.start(client="anvil", port=0, state=None, log=where.chain / "anvil.log")
    try:
        yield devnet
    finally:
        devnet.stop()


def _train(job: Job, attack: str, where: Places, members: Sequence[Member], swarm: Swarm) -> None:
    """Returns once the swarm has finalised its rounds, its agents ended."""
    honest = len(members) if attack == CLEAN else len(members) - job.byzantine
    agents = [_honest(member, where, job.rounds) for member in members[:honest]]
    agents += [
        _rogue(member, where, Plan(deal=job.deal, byzantine=job.byzantine, attack=attack, node=node), job.rounds)
        for node, member in enumerate(members[honest:], honest)
    ]
    try:
        _wait(swarm, agents, job.rounds)
    finally:
        for agent in agents:
            children.stop(agent.process, timeout=20.0)


def _honest(member: Member, where: Places, rounds: int) -> AgentProcess:
    return _started(member, where, "swarm_chain", "agent", "run", "--rounds", str(rounds))


def _rogue(member: Member, where: Places, plan: Plan, rounds: int) -> AgentProcess:
    path = member.folder / "plan.json"
    plan.write(path)
    return _started(member, where, "swarm_chain.lab.rogue", str(path), "--rounds", str(rounds))


def _started(member: Member, where: Places, *module: str) -> AgentProcess:
    environment = {**os.environ, **ONE_THREAD, "SWARM_CHAIN_HOME": str(where.root)}
    environment.pop("SWARM_CHAIN_PASSWORD", None)
    log = member.folder / "agent.log"
    command = [sys.executable, "-P", "-m", *module, "--config", str(member.config)]
    return AgentProcess(member=member, process=children.spawn(command, log, environment=environment), log=log)


def _wait(swarm: Swarm, agents: Sequence[AgentProcess], rounds: int) -> None:
    reader, finalized, since = swarm.reader(), 0, time.monotonic()
    while finalized < rounds:
        time.sleep(_REFRESH)
        now = reader.look().swarm.finalized_rounds
        finalized, since = (now, time.monotonic()) if now > finalized else (finalized, since)
        if dead := [agent for agent in agents if agent.process.poll() not in (None, 0)]:
            raise DemoFailed(f"an agent ended by itself: {'; '.join(agent.last_words() for agent in dead)}")
        if time.monotonic() - since > _STUCK:
            raise DemoFailed(f"no round was finalised for {_STUCK:.0f} s; look into the agents' logs")


def _heads(swarm: Swarm, store: UpdateStore) -> tuple[Cid, ...]:
    """The weights after each round, from the head back to the first."""
    found: list[Cid] = []
    digest: Digest = swarm.reader().look().swarm.head
    while (result := documents.read(store.get, digest, ResultDocument)).base is not None and result.round:
        found.insert(0, result.weights)
        digest = document_digest(result.base)
    return tuple(found)
