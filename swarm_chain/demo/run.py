"""The demo, from nothing to an audited model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from swarm_chain.adapters.stores import open_stores
from swarm_chain.adapters.web3_history import Web3History
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, audit
from swarm_chain.core import documents, unixfs, weights
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.traffic import Traffic
from swarm_chain.core.unixfs import File
from swarm_chain.demo.agents import Agents
from swarm_chain.demo.comparison import Baselines, Comparison
from swarm_chain.demo.places import Places, places
from swarm_chain.demo.report import DemoReport, Kept, NodeReport, gas_of, summarize_rounds
from swarm_chain.demo.scene import Scene, Screen
from swarm_chain.demo.scores import score_head
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.storage import Storage, storage
from swarm_chain.demo.swarm import Member, Swarm, add_member, deploy_swarm
from swarm_chain.demo.watch import Watcher
from swarm_chain.devnet import Devnet, find_client, find_ipfs
from swarm_chain.errors import DemoFailed
from swarm_chain.ports import UpdateStore
from swarm_chain.reporting import LocalAgent, Report, read_report, write_page
from swarm_chain.status.node import read_node_status
from swarm_chain.tasks.base import SplitTask
from swarm_chain.types import Metrics, Parameters

_REFRESH: Final = 0.2
"""Seconds between two looks at the swarm."""
_STUCK: Final = 900.0
"""Seconds without a finalised round after which a demo is given up."""
_COMPARISON: Final = 600.0
"""Seconds that the comparison gets after the swarm is done."""


def run_demo(settings: DemoSettings, *, keep: Path | None, screen: Screen, has_page: bool = False) -> DemoReport:
    """The report on a swarm that trained here. Everything it started is stopped and removed at the end.

    With a folder to `keep`, which must be empty, files stay there and the chain goes on. With `has_page`, or a folder
    to keep, the report has what a page on the swarm shows. Raises `ToolMissing`, `ConfigurationError`, `DataError`;
    `DemoFailed` where something went wrong once it had begun.
    """
    find_client(settings.client)
    if settings.is_on_ipfs:
        find_ipfs()
    if isinstance(settings.task, SplitTask):
        settings.task.split(settings.nodes, settings.seed)
    started = time.monotonic()
    with (
        places(keep) as where,
        storage(settings, where, screen) as stored,
        _chain(settings, where, screen) as devnet,
    ):
        report = _Demo(settings, where, devnet, stored, screen).run(started)
        if where.is_kept or has_page:
            report = replace(report, overview=_overview(report))
        if report.overview and where.is_kept:
            write_page(report.overview, where.page)
            text = json.dumps(report.document(), indent=2, sort_keys=True)
            where.report.write_text(text + "\n", encoding="utf-8")
            where.chain_pid.write_text(f"{devnet.pid}\n", encoding="utf-8")
    return report


@contextmanager
def _chain(settings: DemoSettings, where: Places, screen: Screen) -> Iterator[Devnet]:
    """A running chain, which is left running only where everything went well and it is to be kept."""
    screen.say(f"starting {settings.client}")
    devnet = Devnet.start(
        client=settings.client,
        port=0,
        state=where.chain if where.is_kept else None,
        log=where.chain / f"{settings.client}.log",
        outlives=where.is_kept,
    )
    try:
        yield devnet
    except BaseException:
        devnet.stop()
        raise
    if not where.is_kept:
        devnet.stop()


class _Demo:
    """One run."""

    def __init__(self, settings: DemoSettings, where: Places, devnet: Devnet, stored: Storage, screen: Screen) -> None:
        self._settings, self._where, self._devnet = settings, where, devnet
        self._stored, self._screen = stored, screen

    def run(self, started: float) -> DemoReport:
        swarm = self._deploy()
        members = self._join(swarm)
        with Comparison(self._settings, members, self._where) as comparison:
            watcher = self._train(swarm, members)
            self._screen.say("measuring each node alone, the swarm and all data pooled on the same test examples")
            baselines = comparison.result(_COMPARISON)
        spec = self._stored.auditor()
        store = open_stores([spec], writable=False)
        found = self._audit(swarm, store)
        scores = score_head(self._settings, members, read_head(swarm, store))
        return DemoReport(
            settings=self._settings,
            nodes=tuple(_node_reports(members, baselines, scores.at_nodes, found)),
            pooled_metrics=baselines.pooled,
            swarm_metrics=scores.together,
            test_samples=scores.test_samples,
            rounds=tuple(summarize_rounds(found, store.get, watcher.seconds)),
            audit=found,
            rpc_url=swarm.rpc_url,
            store=spec,
            ipfs=self._stored.report(),
            seconds=time.monotonic() - started,
            kept=Kept(folder=self._where.root, chain_pid=self._devnet.pid) if self._where.is_kept else None,
        )

    def _deploy(self) -> Swarm:
        self._screen.say(f"deploying the contract on {self._devnet.rpc_url}")
        swarm = deploy_swarm(self._settings, self._where, self._devnet, self._stored)
        self._screen.say(f"coordinator 0x{swarm.contract.hex()}")
        return swarm

    def _join(self, swarm: Swarm) -> Sequence[Member]:
        """All nodes, registered before any agent starts: every one of them is expected in the first round."""
        self._screen.say(f"inviting {self._settings.nodes} nodes, each with its own key and its own part of the data")
        return [
            add_member(self._settings, self._where, self._devnet, self._stored, swarm, name)
            for name in self._settings.names
        ]

    def _train(self, swarm: Swarm, members: Sequence[Member]) -> Watcher:
        self._screen.say(f"starting {len(members)} agents")
        with Agents(members, self._where, rounds=self._settings.rounds) as agents:
            watcher = Watcher(swarm.reader(), agents.all, rounds=self._settings.rounds)
            self._watch(watcher, agents)
            agents.wait()
            self._screen.show(watcher.look())
        return watcher

    def _watch(self, watcher: Watcher, agents: Agents) -> None:
        """Returns once the swarm is done. Raises `DemoFailed` where it never will be."""
        finalized, since = 0, time.monotonic()
        while True:
            self._require_chain()
            self._stored.require_running()
            scene = watcher.look()
            self._screen.show(scene)
            if scene.is_finished:
                return
            if scene.view.swarm.finalized_rounds > finalized:
                finalized, since = scene.view.swarm.finalized_rounds, time.monotonic()
            _require_hope(scene, agents, time.monotonic() - since)
            time.sleep(_REFRESH)

    def _require_chain(self) -> None:
        if not self._devnet.is_running:
            raise DemoFailed(f"the chain ended by itself; see {self._devnet.log_path}")

    def _audit(self, swarm: Swarm, store: UpdateStore) -> AuditReport:
        self._screen.say("executing every round again, from the chain and the store alone")
        return audit(
            Web3History(swarm.rpc_url, swarm.contract), store, artifact=load_artifact(), work_dir=self._where.root
        )


def read_head(swarm: Swarm, store: UpdateStore) -> Parameters:
    """The swarm's model, as any stranger gets it: named by the chain, read from the store."""
    head = documents.read(store.get, swarm.reader().look().swarm.head, ResultDocument)
    return weights.decode(b"".join(unixfs.read(store.get, File(cid=head.weights, size=head.bytes))))


def _overview(report: DemoReport) -> Report:
    """What a page on the swarm shows, with what its agents counted and how its head does at each node."""
    scope = report.audit.scope
    agents = {
        node.address: LocalAgent(
            traffic=node.traffic, data_bytes=node.data_bytes, head=scope.head, head_metrics=node.swarm_own
        )
        for node in report.nodes
    }
    reader, store = Web3History(report.rpc_url, scope.contract), open_stores([report.store], writable=False)
    return read_report(reader, store, verdict=report.audit.verdict, agents=agents)


def _require_hope(scene: Scene, agents: Agents, seconds: float) -> None:
    """Raises `DemoFailed` where too few agents live, or nothing was agreed on for long."""
    if scene.alive < scene.view.swarm.required_updates:
        words = "; ".join(agent.last_words() for agent in agents.all if agent.exit_status not in (None, 0))
        raise DemoFailed(
            f"{scene.alive} agents are left, and a round needs {scene.view.swarm.required_updates}; {words}"
        )
    if seconds > _STUCK:
        raise DemoFailed(f"no round was finalised for {seconds:.0f} s; look into the agents' logs")


def _node_reports(
    members: Sequence[Member], baselines: Baselines, at_nodes: Sequence[Metrics], found: AuditReport
) -> Iterator[NodeReport]:
    measured = zip(members, baselines.alone, baselines.alone_own, at_nodes, baselines.samples, strict=True)
    for member, alone, alone_own, swarm_own, samples in measured:
        said = read_node_status(member.folder)
        yield NodeReport(
            name=member.name,
            address=member.account,
            samples=samples,
            alone=alone,
            alone_own=alone_own,
            swarm_own=swarm_own,
            gas=gas_of(found, member.account),
            traffic=said.traffic if said else Traffic(),
            data_bytes=said.data_bytes if said else None,
        )
