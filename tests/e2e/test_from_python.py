"""The README's Python lines as they stand, in two processes; what an exception, Ctrl-C and `kill -9` leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm_chain.devnet import Devnet
from swarm_chain.status.node import read_node_status
from tests.command_line import CommandLine

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "train_by_hand.py"
THEIRS = "http://127.0.0.1:8545"
"""The endpoint that the README types."""


def blocks(language: str) -> str:
    """What the README's section shows in one language."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("## From Python") : readme.index("## How it works")]
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return str(block)


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with Devnet.start(port=0, log=tmp_path_factory.mktemp("chain") / "anvil.log") as devnet:
        yield devnet


class Nodes:
    """A swarm that anybody may join, and scripts that do, in processes of their own."""

    def __init__(self, folder: Path, rpc: str) -> None:
        self.line, self.rpc = CommandLine(folder=folder), rpc
        self.at = ("--store", "local:store", "--rpc", rpc)
        self.contract = ""
        self.processes: list[subprocess.Popen[str]] = []
        # Threads of two trainings on two cores wait for each other most of the time.
        self.environment = {**self.line.environment(), "OMP_NUM_THREADS": "1"}

    def deploy(self) -> None:
        self.contract = self.line.must("deploy", "--open-registration", *self.at).out.split()[1]

    def script(self, name: str, code: str) -> Path:
        path = self.line.folder / name
        path.write_text(code, encoding="utf-8")
        return path

    def start(self, script: Path, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            cwd=self.line.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def by_readme(self, script: Path, part: int) -> subprocess.Popen[str]:
        """A node of the README's lines, as it starts them."""
        return self.start(script, self.rpc, self.contract, f"dev{part + 1}", f"digits:part={part},of=2,seed=0")

    def by_example(self, part: int) -> subprocess.Popen[str]:
        options = ("--rpc", self.rpc, "--part", str(part), "--epochs", "10", "--rounds", "3")
        return self.start(EXAMPLE, self.contract, f"dev{part + 1}", *options)

    def is_training(self, account: str, round_number: int) -> bool:
        """Whether a node's own code runs, as its status file says."""
        for folder in (self.line.home / "nodes").glob(f"{account}-*"):
            found = read_node_status(folder)
            if found is not None and found.is_running:
                activity = found.activity
                return (activity.does, activity.round, activity.progress) == ("training", round_number, 0.0)
        return False

    def status_of(self, account: str) -> str:
        """How the chain lists a node."""
        found: dict[str, Any] = json.loads(self.line.must("status", self.contract, *self.at, "--json", "-").out)
        return str(next(node["status"] for node in found["nodes"] if node["label"] == account))

    def audit(self) -> str:
        """The last line of an audit by a stranger."""
        return self.line.must("audit", self.contract, *self.at).out.splitlines()[-1]

    def wait_until(self, is_so: Callable[[], object], *, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while not is_so():
            assert time.monotonic() < deadline, [process.poll() for process in self.processes]
            time.sleep(0.01)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def said(process: subprocess.Popen[str], status: int = 0) -> str:
    """What a process printed, once it ended with that status."""
    out, _ = process.communicate(timeout=180)
    assert process.returncode == status, out
    return out


@pytest.fixture
def nodes(tmp_path: Path, anvil: Devnet) -> Iterator[Nodes]:
    made = Nodes(tmp_path, anvil.rpc_url)
    try:
        yield made
    finally:
        made.end()


def test_readme__python_lines_as_they_stand_in_two_processes__end_in_two_audited_rounds(nodes: Nodes) -> None:
    nodes.script("node.py", blocks("python"))
    typed = (
        blocks("sh").replace(THEIRS, nodes.rpc).replace("swarm-chain deploy", f"swarm-chain deploy --rpc {nodes.rpc}")
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", typed + "wait $!; echo $CONTRACT\n"],
        cwd=nodes.line.folder,
        env={**nodes.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    nodes.contract = done.stdout.split()[-1]
    assert nodes.audit() == "PASS  2 rounds finalised, 2 executed again with the same bytes"
    assert (nodes.status_of("dev1"), nodes.status_of("dev2")) == ("suspended", "suspended")


RAISING = "        if round.number == 2:\n            raise RuntimeError('the user made a mistake')\n"
LEAVING = "        if round.number == 2:\n            break\n"


@pytest.mark.deep
@pytest.mark.parametrize(("line", "status"), [(RAISING, 1), pytest.param(LEAVING, 0, marks=pytest.mark.deep)])
def test_loop__left_in_the_second_round__goes_on_when_it_is_started_again(nodes: Nodes, line: str, status: int) -> None:
    nodes.deploy()
    script = nodes.script("node.py", blocks("python"))
    broken = nodes.script("broken.py", blocks("python").replace("        train(model", f"{line}        train(model", 1))
    other, first = nodes.by_readme(script, 0), nodes.by_readme(broken, 1)
    out = said(first, status)
    assert ("RuntimeError: the user made a mistake" in out) == bool(status)
    assert nodes.status_of("dev2") == "suspended"
    again = nodes.by_readme(script, 1)
    said(again)
    said(other)
    assert nodes.audit().startswith("PASS  2 rounds finalised")


@pytest.mark.deep
def test_loop__interrupted_while_it_waits_for_peers__suspends_its_node(nodes: Nodes) -> None:
    nodes.deploy()
    alone = nodes.by_readme(nodes.script("node.py", blocks("python")), 0)
    nodes.wait_until(lambda: any((nodes.line.home / "nodes").glob("dev1-*/status.json")))
    nodes.wait_until(lambda: nodes.line.run("status", nodes.contract, *nodes.at).out.count("1 active"))
    alone.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in said(alone, -signal.SIGINT)
    assert nodes.status_of("dev1") == "suspended"


@pytest.mark.deep
def test_example__killed_while_it_trains_and_started_again__loses_nothing(nodes: Nodes) -> None:
    nodes.deploy()
    other, victim = nodes.by_example(0), nodes.by_example(1)
    nodes.wait_until(lambda: nodes.is_training("dev2", 2))
    victim.kill()
    said(victim, -signal.SIGKILL)
    again = nodes.by_example(1)
    for process in (other, again):
        assert "the agreed model of round 3 here: {'accuracy': 0." in said(process)
    assert nodes.audit().startswith("PASS  3 rounds finalised")
    updates = nodes.line.must("status", nodes.contract, *nodes.at).out
    assert updates.count("round 3: accuracy") == 2
