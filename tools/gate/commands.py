"""Where the tools are, and what they said."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv-contracts" / "bin"
"""Halmos and Slither, whose pins clash with ours: `make contracts` makes it from `tools/gate/requirements.txt`."""

_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
FORGE: Final = ROOT / f"node_modules/@foundry-rs/forge-{platform.system().lower()}-{_MACHINE}/bin/forge"
"""Not the one that npm links to, which ends with 0 whatever happens."""
SOLHINT: Final = ROOT / "node_modules" / ".bin" / "solhint"


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


def run(command: Sequence[str | Path], *, root: Path, settings: Mapping[str, str] | None = None) -> Done:
    """What `command` said, run in `root` with our compiler and tools first on its path."""
    environment = {
        **os.environ,
        "FOUNDRY_SOLC": str(ROOT / "tools" / "solc"),
        "PATH": os.pathsep.join([str(TOOLS), str(FORGE.parent), os.environ.get("PATH", "")]),
        **(settings or {}),
    }
    done = subprocess.run([str(word) for word in command], cwd=root, env=environment, capture_output=True, text=True)
    return Done(status=done.returncode, out=done.stdout, err=done.stderr)
