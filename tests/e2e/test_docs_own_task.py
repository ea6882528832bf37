"""docs/how-to/your-own-task.md, "From nothing": typed in an empty folder as it stands."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import blocks

PAGE = "how-to/your-own-task.md"
PORT = 8545
FIRST = "## From nothing"
LAST = "## What a task says"

pytestmark = pytest.mark.deep


def commands() -> Iterator[str]:
    """Each shell block; what a reader runs in another terminal runs in the background."""
    for block in blocks(PAGE, "sh", after=FIRST, before=LAST):
        if block == "swarm-chain devnet\n":
            yield "swarm-chain devnet > devnet.log 2>&1 & devnet=$!; trap 'kill $devnet' EXIT"
            yield f"until (: < /dev/tcp/127.0.0.1/{PORT}) 2> /dev/null; do kill -0 $devnet; sleep 0.2; done"
        elif "agent run" in block:
            yield "".join(f'{line} & agents="$agents $!"\n' for line in block.splitlines()) + "wait $agents"
        elif block.startswith("swarm-chain status"):
            yield block
        elif "swarm-chain deploy" in block:
            yield block.replace("local:store", "local:store | tee deployed")
        else:
            yield block.replace("DIGEST", "$(awk '/^task/ {print $2}' deployed)")


def test_page__from_nothing__ends_in_a_demo_and_a_swarm_that_pass(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT}, which the page uses, is taken on this machine")
    for block in blocks(PAGE, "python", after=FIRST, before=LAST):
        (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
    script = "\n".join(commands())
    assert script.count("swarm-chain") >= 12
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_CHAIN_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "5 of 5 rounds finalised" in done.stdout
    assert "class Breast(Task):" in done.stdout
    assert "PASS  5 rounds finalised, 5 executed again with the same bytes" in done.stdout
