"""The agents of a demo: real `swarm-chain agent run` processes, one a node."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from swarm_chain import children
from swarm_chain.config.threads import ONE_THREAD
from swarm_chain.demo.places import Places
from swarm_chain.demo.swarm import Member
from swarm_chain.status.node import read_node_status

_PATIENCE: Final = 20.0
"""Seconds that agents get to end in order, once the swarm is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentProcess:
    """One node's agent."""

    member: Member
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_status(self) -> int | None:
        """None while an agent of the node lives, this one or one that somebody started in its place."""
        status = self.process.poll()
        if status in (None, 0):
            return status
        found = read_node_status(self.member.folder)
        if found is None or found.pid == self.process.pid:
            return status
        return None if found.is_running else 0 if found.activity.does == "stopped" else status

    def last_words(self) -> str:
        """The last line it wrote, for an error."""
        return f"{self.member.name}: {children.last_line(self.log)}"


class Agents:
    """The agents of all nodes. Leaving the `with` block stops those that still run."""

    def __init__(self, members: Sequence[Member], places: Places, *, rounds: int) -> None:
        environment = {**os.environ, **ONE_THREAD, "SWARM_CHAIN_HOME": str(places.root)}
        environment.pop("SWARM_CHAIN_PASSWORD", None)
        self.all = [_start(member, rounds, environment) for member in members]

    def wait(self) -> None:
        """Returns once all ended: they do so by themselves when the swarm is done."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and any(agent.exit_status is None for agent in self.all):
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for agent in self.all:
            if agent.process.poll() is None:
                # What it is in the middle of is not wanted any more, in order or not.
                agent.process.kill()
        for agent in self.all:
            agent.process.wait()


def _start(member: Member, rounds: int, environment: dict[str, str]) -> AgentProcess:
    log = member.folder / "agent.log"
    # -P: as for the command, what lies in this folder is not imported in place of a package.
    command = [sys.executable, "-P", "-m", "swarm_chain", "agent", "run"]
    command += ["--config", str(member.config), "--rounds", str(rounds)]
    return AgentProcess(member=member, process=children.spawn(command, log, environment=environment), log=log)
