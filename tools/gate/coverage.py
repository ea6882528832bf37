"""How much of the contract the tests of single calls and rules run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tools.gate.commands import FORGE, run
from tools.gate.figures import GateError, Row

CONTRACT: Final = "contracts/SwarmCoordinator.sol"
KINDS: Final = ("lines", "statements", "branches", "functions")


def row(root: Path) -> Row:
    """The table's row on coverage. Raises `GateError`."""
    figures = measure(root)
    missing = [
        f"{all_ - run_} {kind} are never run" for kind, (run_, all_) in figures.items() if run_ != all_ or not all_
    ]
    return Row(
        name="coverage",
        figures=", ".join(f"{run_}/{all_} {kind}" for kind, (run_, all_) in figures.items()),
        faults=missing,
    )


def measure(root: Path) -> dict[str, tuple[int, int]]:
    """How many of each kind were run, and how many there are. What only a random walk reaches is not covered; and
    counting needs code that was not optimised, with its own gas and size, so what measures those is left out.
    """
    settings = {"FOUNDRY_OUT": "forge-out/coverage", "FOUNDRY_CACHE_PATH": "forge-cache/coverage"}
    command: list[str | Path] = [FORGE, "coverage", "--report", "summary", "--no-match-contract", "(Gas|Invariant)"]
    done = run([*command, "--no-match-test", "test_GivenTheShippedSettings"], root=root, settings=settings)
    if done.status != 0:
        raise GateError(f"forge coverage failed:\n{done.out[-4_000:]}{done.err[-2_000:]}")
    return covered(done.out, CONTRACT)


def covered(summary: str, source: str) -> dict[str, tuple[int, int]]:
    """What forge's table says of this file."""
    found = [line for line in summary.splitlines() if line.startswith(f"| {source} ")]
    if len(found) != 1:
        raise GateError(f"{source} stands {len(found)} times in:\n{summary[-4_000:]}")
    figures = re.findall(r"% \((\d+)/(\d+)\)", found[0])
    return {kind: (int(run_), int(all_)) for kind, (run_, all_) in zip(KINDS, figures, strict=True)}
