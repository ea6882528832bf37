"""One unit of gas more than the snapshot says is seen; `make contracts` measures all figures anew, and compares."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest

from swarm_chain.artifacts import artifact_path

ROOT = Path(__file__).parents[2]
SNAPSHOT = artifact_path("gas")
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
FORGE = ROOT / f"node_modules/@foundry-rs/forge-{platform.system().lower()}-{MACHINE}/bin/forge"


def measure(snapshots: Path, *options: str, check: bool) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "FOUNDRY_SOLC": str(ROOT / "tools" / "solc"),
        "FOUNDRY_SNAPSHOTS": str(snapshots),
        "FORGE_SNAPSHOT_CHECK": str(check).lower(),
        "FORGE_SNAPSHOT_EMIT": str(not check).lower(),
    }
    command = [str(FORGE), "test", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize(("difference", "code"), [(0, 0), (-1, 1)])
def test_snapshot__one_unit_of_gas_over__turns_forge_red(tmp_path: Path, difference: int, code: int) -> None:
    figures = json.loads(SNAPSHOT.read_text())
    name = "closing/closeRound, training ends"
    figures[name] = str(int(figures[name]) + difference)
    (tmp_path / SNAPSHOT.name).write_text(json.dumps(figures))
    done = measure(tmp_path, "--match-test", "^test_Closing", check=True)
    assert (done.returncode, name in done.stdout) == (code, bool(code)), done.stdout[-4_000:]
