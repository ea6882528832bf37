"""Every line, statement, branch and function of the contract is run by tests of single calls and rules."""

from __future__ import annotations

import re
import subprocess

import pytest

from swarm_chain import config

KINDS = ("lines", "statements", "branches", "functions")
CONTRACT = "contracts/SwarmCoordinator.sol"


def covered(summary: str, source: str) -> dict[str, tuple[int, int]]:
    """How many of each kind were run, and how many there are, as forge's table says."""
    rows = [line for line in summary.splitlines() if line.startswith(f"| {source} ")]
    assert len(rows) == 1, f"{source} stands {len(rows)} times in:\n{summary[-4_000:]}"
    figures = re.findall(r"% \((\d+)/(\d+)\)", rows[0])
    return {kind: (int(run), int(all_)) for kind, (run, all_) in zip(KINDS, figures, strict=True)}


@pytest.mark.deep
def test_contract__its_tests_ran__everything_was_run() -> None:
    command = ["make", "--no-print-directory", "coverage"]
    done = subprocess.run(command, cwd=config.PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, f"make coverage failed:\n{done.stdout[-8_000:]}{done.stderr[-4_000:]}"
    figures = covered(done.stdout, CONTRACT)
    assert figures["branches"][1] > 100
    assert all(run == all_ > 0 for run, all_ in figures.values()), figures


def test_covered__one_branch_was_not_run__shows_it() -> None:
    row = f"| {CONTRACT}    | 100.00% (360/360) | 100.00% (400/400) | 99.32% (146/147) | 100.00% (68/68)  |"
    assert covered(f"| File |\n{row}\n", CONTRACT)["branches"] == (146, 147)
