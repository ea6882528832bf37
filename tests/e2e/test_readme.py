"""The README's second section, typed as it stands: a chain, a swarm, three nodes, an audit."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORT = 8545

pytestmark = pytest.mark.deep


def commands() -> Iterator[str]:
    """Each line of the section's shell blocks; what a reader runs in another terminal runs in the background."""
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## By hand") : readme.index("## Audit")]
    for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if line == "swarm-chain devnet":
                yield "swarm-chain devnet > devnet.log 2>&1 & devnet=$!; trap 'kill $devnet' EXIT"
                yield f"until (: < /dev/tcp/127.0.0.1/{PORT}) 2> /dev/null; do sleep 0.2; done"
            elif line.startswith("swarm-chain agent run"):
                yield f'{line} & agents="$agents $!"'
            elif "status --watch" in line:
                yield f"wait $agents; {line.replace(' --watch', '')}"
            else:
                yield line


def test_readme__second_section_typed_as_it_stands__ends_in_a_model_that_passes(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT}, which the README uses, is taken on this machine")
    # The section is typed in a checkout; what it leaves behind goes to a folder of the test's own.
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    script = "\n".join(commands())
    assert script.count("swarm-chain") >= 14
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_CHAIN_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "PASS  5 rounds finalised, 5 executed again with the same bytes" in done.stdout
