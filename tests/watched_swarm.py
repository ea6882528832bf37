"""A swarm of real agents, with every byte kept that leaves them: what they ask, store, write, and hand to people."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Self

import pytest
from eth_account import Account

from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.config import NodeConfig, load_node_config
from swarm_chain.core.traffic import Traffic
from swarm_chain.devnet import Devnet
from swarm_chain.status.node import NodeStatusFile, read_node_status
from tests import marks
from tests.command_line import PASSWORD, CommandLine, Done
from tests.marks import Kind, Mark
from tests.rpc_proxy import RpcProxy
from tests.scanner import Source, sources_in

WATCHING: Final = Path(__file__).parent / "watching"
ELSEWHERE: Final = "https://chain.example.invalid"
"""An endpoint on another machine, as a swarm has it whose nodes are apart."""
GATEWAY: Final = "https://gateway.example"
HARMLESS: Final = frozenset({("::1", 0), ("file",), ("127.0.0.1", 9)})
"""What urllib3 binds and leaves, to see whether there is IPv6; what Python's `platform` asks about its own program; a
datagram socket that is connected and sends nothing, to see by which address this machine reaches its endpoint."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One organisation's computer: who uses it, what it is called, and what lies on it."""

    name: str
    user: str
    host: str
    home: Path
    proxy: RpcProxy
    said: list[str] = field(default_factory=list)

    @property
    def line(self) -> CommandLine:
        return CommandLine(folder=self.home)

    @property
    def node(self) -> Path:
        return self.line.home / "nodes" / self.name

    @property
    def config(self) -> NodeConfig:
        return load_node_config(self.node / "node.toml")

    @property
    def log(self) -> Path:
        return self.home / "agent.log"

    @property
    def ways_out(self) -> Path:
        return self.home / "ways-out"

    @property
    def status(self) -> NodeStatusFile:
        found = read_node_status(self.node)
        assert found is not None, self.log.read_text()
        return found

    def environment(self) -> dict[str, str]:
        names = {"HOME": str(self.home), "USER": self.user, "LOGNAME": self.user, "HOSTNAME": self.host}
        watch = {"PYTHONPATH": str(WATCHING), "SWARM_CHAIN_TEST_WAYS_OUT": str(self.ways_out)}
        return {**self.line.environment(), **names, **watch, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *arguments: str) -> Done:
        """A command that somebody types here; what it says stays here."""
        with pytest.MonkeyPatch.context() as patch:
            for key in ("HOME", "USER", "LOGNAME", "HOSTNAME"):
                patch.setenv(key, self.environment()[key])
            done = self.line.run(*arguments)
        self.said.append(done.out + done.err)
        return done

    def must(self, *arguments: str) -> str:
        """What a command prints that does what it should."""
        done = self.run(*arguments)
        assert done.status == 0, (arguments, done.out, done.err)
        return done.out.strip()

    def start_agent(self, *options: str) -> subprocess.Popen[bytes]:
        """The node's agent in a process of its own, on a computer of that name where this system allows it."""
        command = [sys.executable, "-m", "swarm_chain", "agent", "run", self.name, *options]
        renamed = [*_RENAMING, self.host] if can_rename_host() else []
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [*renamed, *command],
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def user_mark(self) -> Mark:
        """Who works here. The name is in every path."""
        return marks.text(f"user of {self.name}", self.user, Kind.PLACE)

    def marks(self) -> list[Mark]:
        """What says who works at this node, and where; and what nobody may know."""
        return [
            self.user_mark,
            marks.text(f"host of {self.name}", self.host, Kind.PLACE),
            marks.text(f"password of {self.name}", PASSWORD, Kind.SECRET),
            marks.secret(f"key of {self.name}", bytes(Account.decrypt(self.config.keystore.read_text(), PASSWORD))),
        ]


_RENAMING: Final = ("unshare", "--map-root-user", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


@cache
def can_rename_host() -> bool:
    """Whether a process can be given a host name of its own."""
    try:
        done = subprocess.run([*_RENAMING, "elsewhere", "hostname"], capture_output=True, text=True, timeout=20)
    except OSError:
        return False
    return done.stdout.strip() == "elsewhere"


class WatchedSwarm:
    """A swarm of one agent for each of `data`, on a chain of its own. Leaving its `with` block stops everything."""

    def __init__(self, folder: Path, task: str, data: Sequence[str], *, users: Sequence[str], hosts: Sequence[str]):
        self._folder, self._task, self._data = folder, task, data
        self._who = list(zip(users, hosts, strict=True))
        self._stack = ExitStack()
        self._agents: list[subprocess.Popen[bytes]] = []
        self._before: Mapping[str, Traffic] = {}
        self._stored_before = 0
        self.seen: Mapping[str, Traffic] = {}
        """What each endpoint saw of its agent, by node, while that ran."""
        self.stored = 0
        """Bytes of all blocks that came into the store meanwhile."""
        self.codes: list[str] = []
        self.handed = folder / "handed over"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.devnet = stack.enter_context(Devnet.start(port=0, log=self._folder / "anvil.log"))
            stack.callback(self._end)
            self.registrar = self._machine(stack, "registrar", "wendeline.zoutkamp", "registry")
            self.nodes = [self._machine(stack, f"node-{n}", *who) for n, who in enumerate(self._who, start=1)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _machine(self, stack: ExitStack, name: str, user: str, host: str) -> Machine:
        home = self._folder / "homes" / user
        home.mkdir(parents=True)
        proxy = stack.enter_context(RpcProxy(self.devnet.rpc_url))
        return Machine(name=name, user=user, host=host, home=home, proxy=proxy)

    @property
    def store(self) -> Path:
        """Where all put their blocks."""
        return self.registrar.home / "store"

    @property
    def contract(self) -> str:
        """The swarm's address."""
        return "0x" + self.nodes[0].config.contract.hex()

    # ---------------------------------------------------------------------------------------------------------- running

    def set_up(self) -> None:
        """Deploys, invites and joins, as people do."""
        at = ("--rpc", self.registrar.proxy.url, "--rpc", ELSEWHERE)
        store = ("--store", f"local:{self.store}")
        said = self.registrar.must("deploy", "--task", self._task, *store, *at)
        facts = dict(line.split(maxsplit=1) for line in said.splitlines())
        self._accepted = facts["task"].split()[0]
        for machine, data in zip(self.nodes, self._data, strict=True):
            address = machine.must("account", "new", machine.name, "--light")
            self.codes.append(self.registrar.must("invite", address, "--fund", *store, *at))
            done = self.join(machine, self.codes[-1], data)
            assert done.status == 0, done.err

    def join(self, machine: Machine, code: str, data: str) -> Done:
        """How `join` ends with a code and data."""
        at = ("--store", f"local:{self.store}", "--rpc", machine.proxy.url)
        return machine.run("join", code, "--accept-task", self._accepted, "--data", data, *at)

    def start(self, *options: str) -> None:
        """Starts all agents."""
        self._before, self._stored_before = self._asked(), self._stored()
        self._agents = [machine.start_agent(*options) for machine in self.nodes]

    def wait_until(self, is_so: Callable[[], object], *, timeout: float = 120) -> None:
        """Returns once something is so; fails where an agent ends with an error before."""
        deadline = time.monotonic() + timeout
        while not is_so():
            said = [machine.log.read_text() for machine in self.nodes]
            assert time.monotonic() < deadline, said
            assert not any(agent.poll() for agent in self._agents), said
            time.sleep(0.05)

    @property
    def finalized(self) -> int:
        """Rounds that ended well so far."""
        config = self.nodes[0].config
        chain = Web3Chain.connect([self.devnet.rpc_url], config.contract, deployed_at=config.deployment_block)
        return chain.look().swarm.finalized_rounds

    def stop(self) -> None:
        """Ends the agents in order, as Ctrl-C does, and counts what they did."""
        self._end()
        self.seen = {name: _difference(now, self._before[name]) for name, now in self._asked().items()}
        self.stored = self._stored() - self._stored_before

    def _end(self) -> None:
        for agent in self._agents:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
        for agent in self._agents:
            agent.wait(60)

    def _asked(self) -> Mapping[str, Traffic]:
        bodies = {machine.name: machine.proxy.bodies for machine in self.nodes}
        return {name: Traffic(rpc_sent=body.asked, rpc_received=body.answered) for name, body in bodies.items()}

    def _stored(self) -> int:
        return sum(path.stat().st_size for path in self.store.rglob("*") if path.is_file())

    def hand_over(self) -> None:
        """Writes what people give each other: a model and its card, the page, the results' line, the audit.

        The audit names the stores that it read, so that it reads a copy in a place that says nothing of anybody.
        """
        self.handed.mkdir()
        copy = self._folder / "copy"
        shutil.copytree(self.store, copy)
        machine = self.nodes[0]
        at = ("--rpc", machine.proxy.url)
        machine.must("node", "announce", GATEWAY, "--account", machine.name, "--contract", self.contract, *at)
        for store, command, *options in (
            (self.store, "export", str(self.handed / "model.safetensors")),
            (
                self.store,
                "report",
                "--out",
                str(self.handed / "report.html"),
                "--json",
                str(self.handed / "report.json"),
            ),
            (self.store, "log", "--json", str(self.handed / "log.json")),
            (copy, "audit", "--json", str(self.handed / "audit.json")),
        ):
            machine.must(command, self.contract, *options, "--store", f"local:{store}", *at)
        machine.must("status", "--node", machine.name, "--json", "-")

    # --------------------------------------------------------------------------------------------------------- evidence

    def marks(self) -> list[Mark]:
        """What says who works where; and what nobody may know."""
        return [self.registrar.user_mark, *(mark for machine in self.nodes for mark in machine.marks())]

    def leaving(self) -> Iterator[Source]:
        """All that somebody else gets, or may get. Whatever else comes to leave an agent belongs in here."""
        for machine in (self.registrar, *self.nodes):
            for number, heard in enumerate(machine.proxy.heard):
                yield Source(name=f"requests of {machine.name}, connection {number}", data=bytes(heard))
        yield from self._blocks()
        yield from sources_in(self.store)
        yield from (Source(name="invitation", data=code.encode()) for code in self.codes)
        for file in sorted(self.handed.iterdir()) if self.handed.exists() else ():
            yield Source(name=f"handed over: {file.name}", data=file.read_bytes())

    def staying(self) -> Iterator[Source]:
        """What stays on each machine, and gets around all the same, when people ask for help."""
        for machine in self.nodes:
            yield Source(name=f"log of {machine.name}", data=machine.log.read_bytes())
            yield Source(name=f"status of {machine.name}", data=(machine.node / "status.json").read_bytes())
            yield Source(name=f"screen of {machine.name}", data="\n".join(machine.said).encode())

    def kept(self) -> Iterator[Source]:
        """What a node keeps for itself from round to round."""
        for machine in self.nodes:
            for file in sorted(path for path in (machine.node / "spool").rglob("*") if path.is_file()):
                yield Source(name=f"kept by {machine.name}: {file.name}", data=file.read_bytes())

    def strange_ways_out(self) -> list[str]:
        """Whom agents spoke to but their endpoint, what they wrote but their own folder and the store, and started."""
        return [f"{machine.name} {way}" for machine in self.nodes for way in self._strange(machine)]

    def _strange(self, machine: Machine) -> Iterator[str]:
        endpoint = ("127.0.0.1", int(machine.proxy.url.rpartition(":")[2]))
        own = (str(machine.node), str(self.store), os.devnull)
        for line in dict.fromkeys(machine.ways_out.read_text().splitlines()):
            kind, _, text = line.partition(" ")
            what = ast.literal_eval(text)
            is_known = what.startswith(own) if kind == "writes" else what in {endpoint, *HARMLESS}
            if not is_known:
                yield line

    def _blocks(self) -> Iterator[Source]:
        last = int(self.devnet.rpc("eth_blockNumber"), 16)
        for number in range(last + 1):
            block = self.devnet.rpc("eth_getBlockByNumber", hex(number), True)
            events = self.devnet.rpc("eth_getLogs", {"fromBlock": hex(number), "toBlock": hex(number)})
            yield Source(name=f"block {number} of the chain", data=json.dumps([block, events]).encode())


def _difference(now: Traffic, before: Traffic) -> Traffic:
    return Traffic(
        rpc_sent=now.rpc_sent - before.rpc_sent,
        rpc_received=now.rpc_received - before.rpc_received,
    )
