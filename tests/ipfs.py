"""A private IPFS node for tests: Kubo, or js-ipfs under its name. It never looks for anybody outside this machine.

`ipfs` is the program that `$SWARM_CHAIN_IPFS` names, else the one on the PATH; without one, what needs it is skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from swarm_chain import children
from swarm_chain.devnet.ipfs_settings import ENVIRONMENT

READY_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 10.0
NO_IPFS: Final = "no `ipfs` on the PATH or in $SWARM_CHAIN_IPFS"


def find_ipfs() -> str | None:
    """The program, where this machine has one."""
    return os.environ.get("SWARM_CHAIN_IPFS") or shutil.which("ipfs")


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A running node. `api` is a multiaddr like /ip4/127.0.0.1/tcp/5001, `gateway` a URL."""

    repository: Path
    log: Path
    api: str
    gateway: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The RPC API's address as a URL."""
        return _url(self.api)

    def call(self, command: str, *, timeout: float = 30.0) -> Any:
        """What the RPC API answers to a command such as `pin/ls?type=recursive`: JSON, of each line if there are some.

        Raises `requests.HTTPError`.
        """
        answer = requests.post(f"{self.url}/api/v0/{command}", timeout=timeout)
        answer.raise_for_status()
        found = [json.loads(line) for line in answer.content.splitlines() if line.strip()]
        return found[0] if len(found) == 1 else found

    def stop(self) -> None:
        """Stops it; its repository stays."""
        children.stop(self.process, STOP_TIMEOUT)


@contextmanager
def running(repository: Path, *, program: str | None = None) -> Iterator[Daemon]:
    """A node with a repository there, new or of an earlier one. Leaving the `with` stops it."""
    program = program or find_ipfs()
    assert program, NO_IPFS
    environment = {**os.environ, **ENVIRONMENT, "IPFS_PATH": str(repository)}
    if not (repository / "config").exists():
        _init(program, repository, environment)
    log = repository.with_suffix(".log")
    process = children.spawn([program, "daemon"], log, environment=environment)
    try:
        api, gateway = _wait(process, log)
        yield Daemon(repository=repository, log=log, api=api, gateway=_url(gateway), process=process)
    finally:
        children.stop(process, STOP_TIMEOUT)


@pytest.fixture(scope="session")
def ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One private node for the session; skips where there is no `ipfs`."""
    if find_ipfs() is None:
        pytest.skip(NO_IPFS)
    with running(tmp_path_factory.mktemp("ipfs") / "node") as daemon:
        yield daemon


def _init(program: str, repository: Path, environment: dict[str, str]) -> None:
    command = [program, "init", "--profile=test"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=READY_TIMEOUT * 10)
    assert done.returncode == 0, done.stdout + done.stderr
    path = repository / "config"
    settings = json.loads(path.read_text())
    _keep_private(settings)
    path.write_text(json.dumps(settings, indent=2))


def _keep_private(settings: dict[str, Any]) -> None:
    """Loopback only, on free ports, and nobody to ask who is not connected."""
    somewhere = "/ip4/127.0.0.1/tcp/0"
    addresses = settings["Addresses"]
    addresses |= {"Swarm": [somewhere], "API": somewhere, "Gateway": somewhere}
    if "RPC" in addresses:  # js-ipfs has a third server
        addresses["RPC"] = somewhere
    settings["Bootstrap"] = []
    settings["Routing"] = {"Type": "none"}
    # Kubo refuses to start where something is left to what it would have been told from outside.
    settings |= {"AutoConf": {"Enabled": False}, "DNS": {"Resolvers": {}}}
    settings.setdefault("Ipns", {})["DelegatedPublishers"] = []
    settings.setdefault("Discovery", {})["MDNS"] = {"Enabled": False}


def _wait(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """The addresses of API and gateway, as the node says them before "Daemon is ready"."""
    until = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < until and process.poll() is None:
        said = log.read_text(errors="replace")
        if "Daemon is ready" in said:
            return _address("API", said), _address("Gateway", said)
        time.sleep(0.05)
    raise AssertionError(f"the IPFS node did not start: {children.tail(log)}")


def _address(server: str, said: str) -> str:
    found = re.search(rf"^.*{server}.*listening on (/\S+?)(?:/http)?$", said, re.MULTILINE)
    assert found, said
    return found[1]


def _url(address: str) -> str:
    _, _, host, _, port, *_ = address.split("/")
    return f"http://{host}:{port}"
