"""Private IPFS nodes on this machine: Kubo, or js-ipfs under its name. They know each other and nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from swarm_chain import children
from swarm_chain.adapters.kubo.cids import cid_in
from swarm_chain.adapters.kubo.rpc import Command, Refused, Rpc
from swarm_chain.config import StoreSettings
from swarm_chain.devnet.ipfs_settings import ENVIRONMENT, make_private
from swarm_chain.devnet.programs import find_ipfs
from swarm_chain.errors import StoreUnavailable
from swarm_chain.types import Digest

INIT_TIMEOUT: Final = 600.0
"""Seconds for a new repository, keys included. js-ipfs takes four, and minutes where its first call installs it."""
READY_TIMEOUT: Final = 90.0
"""Seconds for a node to answer, before it is started anew: js-ipfs does not end when it fails to listen."""
TRIES: Final = 3
STOP_TIMEOUT: Final = 15.0
"""Seconds a node gets to close its repository before it is killed."""
_ANSWER: Final = 30.0
_MAX_LIST: Final = 64 * 1024 * 1024
"""Bytes of a list of all blocks: about half a million."""
_PROFILES: Final = ("test,unixfs-v1-2025", "test")
"""The first that a program knows; the second is for those that have no profiles of how files are imported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bitswap:
    """What a node exchanged with others since it started: blocks, and their bytes."""

    blocks_received: int
    blocks_sent: int
    data_received: int
    data_sent: int


class IpfsNode:
    """A running node."""

    def __init__(self, name: str, repository: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.repository, self.log = name, repository, log
        self._process = process
        self.api, self.peer = "", ""
        self._addresses: tuple[str, ...] = ()

    @property
    def store(self) -> str:
        """The node's blocks, as `--store` takes them."""
        return f"kubo:{self.api}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def require_running(self) -> None:
        """Raises `StoreUnavailable`, with what the node said last, if it ended by itself."""
        if not self.is_running:
            raise StoreUnavailable(
                f"the IPFS node {self.name} ended by itself: {children.last_line(self.log)}; see {self.log}"
            )

    def is_ready(self, deadline: float) -> bool:
        """True once it answers; False if it has not by then. Raises `StoreUnavailable` if it ended."""
        while True:
            self.require_running()
            with suppress(StoreUnavailable, OSError):
                if self._has_answered():
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)

    def late(self) -> StoreUnavailable:
        """The error that says so, with what the node said last."""
        said = children.last_line(self.log)
        return StoreUnavailable(f"the IPFS node {self.name} did not answer in time: {said}; see {self.log}")

    def connect(self, other: IpfsNode) -> None:
        """Connects with another one. Raises `StoreUnavailable`."""
        problem = f"{other.name} listens nowhere"
        for address in other._addresses:
            try:
                self._ask("swarm/connect", address)
                return
            except StoreUnavailable as error:
                problem = str(error)
        raise StoreUnavailable(f"the IPFS node {self.name} cannot connect with {other.name}: {problem}")

    def blocks(self) -> frozenset[Digest]:
        """The blocks that are here, by the digests of their bytes: some nodes forget what these are the bytes of."""
        cids = (cid_in(answer.get("Ref")) for answer in self._ask("refs/local", max_bytes=_MAX_LIST))
        return frozenset(cid.digest for cid in cids if cid is not None)

    def bitswap(self) -> Bitswap:
        """What it exchanged so far."""
        (answer,) = self._ask("bitswap/stat")
        # js-ipfs writes numbers as text.
        return Bitswap(
            blocks_received=int(answer["BlocksReceived"]),
            blocks_sent=int(answer["BlocksSent"]),
            data_received=int(answer["DataReceived"]),
            data_sent=int(answer["DataSent"]),
        )

    def ask_to_stop(self) -> None:
        """Returns at once; `stop` waits for the end."""
        if self.is_running:
            self._process.terminate()

    def stop(self) -> None:
        """Asks it to end, and waits for it."""
        children.stop(self._process, STOP_TIMEOUT)

    def _has_answered(self) -> bool:
        """Whether it says who it is and where it listens. It writes down where its API is once that is so."""
        said = self.repository / "api"
        if not said.exists() or not (api := said.read_text(encoding="utf-8").strip().removesuffix("/http")):
            return False
        self.api = api
        (answer,) = self._ask("id")
        self.peer, self._addresses = str(answer["ID"]), tuple(answer.get("Addresses") or ())
        return bool(self._addresses)

    def _ask(self, command: str, *arguments: str, max_bytes: int = 1024 * 1024) -> list[Mapping[str, Any]]:
        rpc = Rpc(f"the IPFS node {self.name}", StoreSettings(address=self.api))
        try:
            return rpc.values(Command(name=command, arguments=arguments, seconds=_ANSWER, max_bytes=max_bytes))
        except Refused as error:
            raise StoreUnavailable(f"the IPFS node {self.name} refuses {command}: {error}") from error


class IpfsNodes:
    """Nodes that are connected, each with each. Leaving the `with` block stops them, as does this process's end."""

    def __init__(self, folder: Path, *, outlives: bool = False) -> None:
        """None yet. Each gets a folder below `folder`; those that `outlive` this process run until they are stopped.

        Raises `ToolMissing`, `ConfigurationError`.
        """
        self._folder, self._outlives = folder, outlives
        self._program = find_ipfs()
        self.all: list[IpfsNode] = []

    def add(self, *names: str) -> Sequence[IpfsNode]:
        """More nodes, with new repositories or those that they had. All or none of these.

        Raises `StoreUnavailable`, naming the log, for one that did not come up.
        """
        started: list[IpfsNode] = []
        try:
            self._make_repositories(names)
            # By this thread, not by several: on Linux a child ends with the thread that started it.
            started += map(self._spawn, names)
            self._wait_for(started)
            for number, node in enumerate(started):
                for other in (*self.all, *started[:number]):
                    node.connect(other)
        except BaseException:
            _stop(started)
            raise
        self.all += started
        return started

    def _wait_for(self, nodes: list[IpfsNode]) -> None:
        """Returns once all answer; those that do not are started anew, in their places. Raises `StoreUnavailable`."""
        for tries_left in reversed(range(TRIES)):
            deadline = time.monotonic() + READY_TIMEOUT
            late = [place for place, node in enumerate(nodes) if not node.is_ready(deadline)]
            if not late:
                return
            if not tries_left:
                raise nodes[late[0]].late()
            for place in late:
                nodes[place].stop()
                nodes[place] = self._spawn(nodes[place].name)

    def require_running(self) -> None:
        """Raises `StoreUnavailable` if one ended by itself."""
        for node in self.all:
            node.require_running()

    def stop(self) -> None:
        """Stops all of them. Their repositories stay."""
        _stop(self.all)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _repository(self, name: str) -> Path:
        return self._folder / name / "repository"

    def _make_repositories(self, names: Iterable[str]) -> None:
        """All that are not there yet, at the same time."""
        new = [name for name in names if not (self._repository(name) / "config").exists()]
        for profile in _PROFILES:
            new = [name for name, is_made in self._initialised(new, profile) if not is_made]
            if not new:
                break
        for name in new:
            log = self._log(name, "init")
            raise StoreUnavailable(
                f"the IPFS node {name} could not be set up: {children.last_line(log)}; see {log}, and whether "
                f"{self._program} is Kubo or js-ipfs"
            )

    def _initialised(self, names: Sequence[str], profile: str) -> Iterator[tuple[str, bool]]:
        running = [(name, self._init(name, profile)) for name in names]
        try:
            for name, process in running:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(INIT_TIMEOUT)
                yield name, process.poll() == 0
        finally:
            for _, process in running:
                children.stop(process, 0)

    def _init(self, name: str, profile: str) -> subprocess.Popen[bytes]:
        # What an earlier try left behind would be refused.
        shutil.rmtree(self._repository(name), ignore_errors=True)
        return self._run(name, "init", f"--profile={profile}", log="init")

    def _spawn(self, name: str) -> IpfsNode:
        repository = self._repository(name)
        (repository / "api").unlink(missing_ok=True)
        make_private(repository / "config")
        process = self._run(name, "daemon", log="daemon", outlives=self._outlives)
        return IpfsNode(name, repository, process, self._log(name, "daemon"))

    def _run(self, name: str, *arguments: str, log: str, outlives: bool = False) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **ENVIRONMENT, "IPFS_PATH": str(self._repository(name))}
        command = [str(self._program), *arguments]
        return children.spawn(command, self._log(name, log), environment=environment, outlives=outlives)

    def _log(self, name: str, what: str) -> Path:
        return self._folder / name / f"{what}.log"


def _stop(nodes: Iterable[IpfsNode]) -> None:
    """Stops nodes at the same time: each may take a while to close its repository."""
    nodes = list(nodes)
    for node in nodes:
        node.ask_to_stop()
    for node in nodes:
        node.stop()
