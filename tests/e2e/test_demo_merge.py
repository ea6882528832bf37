"""Demos whose swarms merge by robust rules, to their tables."""

from __future__ import annotations

import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.running import Demo

pytestmark = pytest.mark.deep


@pytest.mark.parametrize(
    ("rule", "included", "said"),
    [
        ("robust", 4, ""),
        ("krum:f=1", 1, "krum:f=1 merges 4 updates, and withstands"),
        ("robust:step=adam", 4, ""),
    ],
)
def test_demo__a_robust_rule__ends_in_the_table_and_pass(rule: str, included: int, said: str, tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--nodes", "4", "--rounds", "2", "--merge", rule)
    try:
        assert demo.wait() == 0, demo.said
        report = demo.report()
        assert report["audit"] == "PASS"
        assert [len(one["included"]) for one in report["rounds"]] == [included] * 2
        assert "all data pooled" in demo.out
        assert "2 of 2 rounds finalised" in demo.out
        assert said in demo.said
    finally:
        demo.end()


RULE = """
from dataclasses import dataclass
from typing import ClassVar

from swarm_chain.core.merge import Rule


@dataclass(frozen=True, kw_only=True)
class First(Rule):
    name: ClassVar[str] = "first"

    def combine(self, updates, shares):
        return updates[0]
"""


def test_demo__a_rule_of_ones_own__passes_and_says_how_to_audit_it_again(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(RULE)
    demo = Demo(tmp_path, "--nodes", "2", "--rounds", "1", "--merge", "first.py:First", keep=True)
    try:
        assert demo.wait() == 0, demo.said
        assert demo.report()["audit"] == "PASS"
        digest = sha256(RULE.encode()).hexdigest()
        (line,) = [one for one in demo.said.splitlines() if "swarm-chain audit" in one]
        assert line.endswith(f"--accept-rule 0x{digest}")
        command = [sys.executable, "-m", "swarm_chain", *shlex.split(line)[1:]]
        # In processes of their own, which know nothing of the rule.
        accepted = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        wary = subprocess.run(command[:-2], cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        demo.end()
    assert (accepted.returncode, wary.returncode) == (0, 3), accepted.stderr + wary.stderr
    assert "rule-not-accepted" in wary.stdout
