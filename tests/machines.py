"""Machines of one network: network namespaces, each with an address of its own; or one machine's loopback addresses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

PASSWORD = "correct horse"
TIMEOUT = 120.0


@dataclass
class Machine:
    """One machine: its address, a folder for its user, and what runs on it."""

    name: str
    address: str
    folder: Path
    prefix: tuple[str, ...] = ()
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / ".swarm-chain"

    def must(self, *words: str, status: int = 0) -> str:
        """What a command printed that did what it should."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == status, (self.name, words, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def begin(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        """A command that goes on in the background."""
        with (self.folder / log).open("wb") as stream:
            process = subprocess.Popen(
                self.command(*words),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def said(self, log: str) -> str:
        return (self.folder / log).read_text(encoding="utf-8", errors="replace")

    def command(self, *words: str) -> Sequence[str]:
        return [*self.prefix, sys.executable, "-P", "-m", "swarm_chain", *words]

    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_CHAIN_")}
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        return ours | threads | {"SWARM_CHAIN_HOME": str(self.home), "SWARM_CHAIN_PASSWORD": PASSWORD}

    def end(self) -> None:
        """Ends what still runs, the last begun first."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def why_no_namespaces() -> str:
    """Why there can be no network namespaces here; empty where there can."""
    if shutil.which("ip") is None:
        return "network namespaces need iproute2's `ip`"
    name = f"sc-{uuid4().hex[:6]}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"network namespaces need rights that this user lacks: {done.stderr.strip()}"
    made = _ip(name, "link", "add", "br0", "type", "bridge", check=False)
    subprocess.run(["ip", "netns", "del", name], check=True)
    return f"this system makes no bridges: {made.stderr.strip()}" if made.returncode else ""


@contextmanager
def namespaces(folder: Path, names: Sequence[str]) -> Iterator[list[Machine]]:
    """Machines at one bridge, each in a network namespace of its own with nothing but its own address."""
    tag = uuid4().hex[:6]
    spaces = [f"sc-{tag}-{index}" for index in range(len(names))]
    try:
        for space in spaces:
            subprocess.run(["ip", "netns", "add", space], check=True)
            _ip(space, "link", "set", "lo", "up")
        _ip(spaces[0], "link", "add", "br0", "type", "bridge")
        _configure(spaces[0], "br0", _address(0))
        for index, space in enumerate(spaces[1:], 1):
            _ip(space, "link", "add", "eth0", "type", "veth", "peer", "name", f"to{index}", "netns", spaces[0])
            _ip(spaces[0], "link", "set", f"to{index}", "master", "br0", "up")
            _configure(space, "eth0", _address(index))
        prefixes = [("ip", "netns", "exec", space) for space in spaces]
        yield from _machines(folder, names, [_address(index) for index in range(len(names))], prefixes)
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@contextmanager
def loopbacks(folder: Path, names: Sequence[str]) -> Iterator[list[Machine]]:
    """One machine that plays several, by its addresses 127.0.0.1, 127.0.0.2, …"""
    addresses = [f"127.0.0.{index + 1}" for index in range(len(names))]
    yield from _machines(folder, names, addresses, [() for _ in names])


def wait_for(what: Callable[[], bool], *, seconds: float = TIMEOUT, every: float = 0.2) -> None:
    """Returns once something is so."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it took too long"
        time.sleep(every)


def _machines(
    folder: Path, names: Sequence[str], addresses: Sequence[str], prefixes: Sequence[tuple[str, ...]]
) -> Iterator[list[Machine]]:
    machines = []
    for name, address, prefix in zip(names, addresses, prefixes, strict=True):
        (folder / name).mkdir()
        machines.append(Machine(name=name, address=address, folder=folder / name, prefix=prefix))
    try:
        yield machines
    finally:
        for machine in reversed(machines):
            machine.end()


def _address(index: int) -> str:
    return f"10.77.0.{index + 1}"


def _configure(space: str, interface: str, address: str) -> None:
    _ip(space, "addr", "add", f"{address}/24", "dev", interface)
    _ip(space, "link", "set", interface, "up")
    _ip(space, "route", "add", "default", "dev", interface)


def _ip(space: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", "-n", space, *words], check=check, capture_output=True, text=True)
