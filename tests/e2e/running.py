"""A demo in a process of its own, as a person starts it, and what can be seen of it meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.agent.activity import Activity
from swarm_chain.config import load_node_config
from swarm_chain.status.node import NodeStatusFile, read_node_status
from swarm_chain.types import Event


class Demo:
    """`swarm-chain demo` with a temporary folder of its own, and with `--keep` where a folder to keep is given."""

    def __init__(self, folder: Path, *options: str, keep: bool = False) -> None:
        self.kept, self.temporary, self.report_file = folder / "kept", folder / "tmp", folder / "report.json"
        self.temporary.mkdir()
        command = [sys.executable, "-m", "swarm_chain", "demo", "--json", str(self.report_file), *options]
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "--keep", str(self.kept)] if keep else command,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(self.temporary), "SWARM_CHAIN_HOME": str(folder / "home")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    @property
    def said(self) -> str:
        """What it said to people so far."""
        return self.errors.read_text(encoding="utf-8")

    def wait(self, timeout: float = 180) -> int:
        """Its exit status."""
        self.out, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode

    def report(self) -> dict[str, Any]:
        """What `--json` wrote."""
        report: dict[str, Any] = json.loads(self.report_file.read_text(encoding="utf-8"))
        return report

    def end(self) -> None:
        """Leaves nothing running, whatever happened."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)
        pid = self.kept / "devnet" / "pid"
        if pid.exists():
            stop(int(pid.read_text()))

    # -------------------------------------------------------------------------------------------------- while it runs

    def status_of(self, name: str) -> NodeStatusFile | None:
        """What a node's agent says of itself."""
        return read_node_status(self.kept / "nodes" / name)

    def kill_agent(self, name: str, is_time: Callable[[Activity], bool]) -> Activity:
        """Kills a node's agent in the middle of something; what it was doing."""
        while True:
            self.wait_until(lambda: (said := self.status_of(name)) is not None and is_time(said.activity))
            before = self.status_of(name)
            assert before is not None
            # What it says while it stands still is what it does when it is killed.
            os.kill(before.pid, signal.SIGSTOP)
            self.wait_until(partial(_stands_still, before.pid))
            said = self.status_of(name)
            if said is not None and is_time(said.activity):
                os.kill(before.pid, signal.SIGKILL)
                return said.activity
            os.kill(before.pid, signal.SIGCONT)

    def config_of(self, name: str) -> Path:
        """A node's configuration."""
        return self.kept / "nodes" / name / "node.toml"

    def events(self) -> list[Event]:
        """Everything that the contract recorded."""
        config = load_node_config(self.config_of("node-1"))
        chain = Web3Chain.connect(config.rpc_urls, config.contract, deployed_at=config.deployment_block)
        return list(chain.events())

    def wait_until(self, is_so: Callable[[], object], *, timeout: float = 120) -> None:
        """Returns once something is so; fails if the demo ends before."""
        deadline = time.monotonic() + timeout
        while not is_so():
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.005)


def start_agent(config: Path, *, rounds: int, log: Path) -> subprocess.Popen[bytes]:
    """An agent for a node, as a person starts it again."""
    command = [sys.executable, "-m", "swarm_chain", "agent", "run", "--config", str(config), "--rounds", str(rounds)]
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)


def stop(pid: int) -> None:
    """Stops a process that is not our child, and returns once it is gone."""
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(300):
            os.kill(pid, 0)
            time.sleep(0.1)
    except ProcessLookupError:
        return
    raise AssertionError(f"process {pid} does not end")


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that have something to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def _stands_still(pid: int) -> bool:
    """Whether a process was stopped, which is not so at once when a signal was sent."""
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "T"


def children_named(parent: int, name: str) -> list[int]:
    """The processes with that name that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().replace("(", "").replace(")", "").split()
        except OSError:
            continue
        if words[1] == name and int(words[3]) == parent:
            found.append(int(words[0]))
    return found
