"""Pages typed into a shell as they stand: one at a time, since they use the port that a reader's chain has."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

PORT = 8545
_SECONDS = 400
"""For a page; one that waits for another takes twice that."""


def devnet_behind() -> Iterator[str]:
    """`swarm-chain devnet`, which a reader runs in another terminal, in the background."""
    yield "swarm-chain devnet > devnet.log 2>&1 & devnet=$!; trap 'kill $devnet' EXIT"
    yield f"until (: < /dev/tcp/127.0.0.1/{PORT}) 2> /dev/null; do kill -0 $devnet; sleep 0.2; done"


def typed(script: str, folder: Path) -> str:
    """What a script prints that ends well in a folder. Skips where something else than such a page has the port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_CHAIN_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (Path(tempfile.gettempdir()) / f"swarm-chain-tests-{PORT}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not _is_free_soon():
            pytest.skip(f"port {PORT}, which the page uses, is taken on this machine")
        with subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as shell:
            try:
                out, err = shell.communicate(timeout=_SECONDS)
            finally:
                # A page that hangs leaves nothing behind either.
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)
    assert shell.returncode == 0, out[-2000:] + err[-4000:]
    return out


def _is_free_soon() -> bool:
    """Whether the port is free, or becomes so as the chain ends that the page before used."""
    for _ in range(50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)):
                return True
        time.sleep(0.2)
    return False
