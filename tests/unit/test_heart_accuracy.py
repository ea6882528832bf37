"""The accuracy benchmark of `heart`: it notices a miss, and with the real files its figures are met."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import pytest

from tests.unit.test_digits_accuracy import accuracy as accuracy


def outcome(accuracy: ModuleType, swarm: float, *, pooled: float = 78.0) -> Any:
    return accuracy.Outcome(seed=3, alone=(80.0, 50.0, 60.0, 70.0), swarm=swarm, pooled=pooled, seconds=1.0)


@pytest.mark.parametrize(
    ("swarms", "failures"),
    [
        ([78.0, 77.5], []),
        ([73.5, 83.0], ["seed 3: gap 4.50 points"]),
        ([74.5, 76.0], ["mean gap 2.75 points"]),
    ],
)
def test_judge__gaps__names_what_is_missed(accuracy: ModuleType, swarms: list[float], failures: list[str]) -> None:
    outcomes = [outcome(accuracy, swarm) for swarm in swarms]
    assert accuracy.judge(outcomes, accuracy.FIGURES["heart"]) == failures


def test_judge__gains__names_what_is_missed(accuracy: ModuleType) -> None:
    outcomes = [outcome(accuracy, 69.0, pooled=70.0), outcome(accuracy, 77.0, pooled=77.0)]
    assert accuracy.judge(outcomes[:1], accuracy.FIGURES["heart"]) == [
        "seed 3: gain 4.00 points",
        "mean gain 4.00 points",
    ]
    assert accuracy.judge(outcomes, accuracy.FIGURES["heart"]) == ["seed 3: gain 4.00 points"]


def test_main__heart_in_process__meets_the_figures(accuracy: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("SWARM_CHAIN_HEART_DATA")
    if not folder:
        pytest.skip("SWARM_CHAIN_HEART_DATA does not name a folder with the four hospitals' files")
    assert accuracy.main(["--in-process", "--task", "heart", "--data", folder, "--seeds", "0", "5"]) == 0
    printed = capsys.readouterr().out
    assert "on each node's own held-out examples, alone: " in printed
    assert printed.endswith("PASS\n")
