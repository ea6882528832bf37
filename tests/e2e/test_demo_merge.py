"""Demos whose swarms merge by robust rules, to their tables."""

from __future__ import annotations

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
