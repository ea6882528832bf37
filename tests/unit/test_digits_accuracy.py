"""The accuracy benchmark: it notices a miss, and training and merging meet its figures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "accuracy.py"
    spec = importlib.util.spec_from_file_location("accuracy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy"] = module
    spec.loader.exec_module(module)
    return module


def outcome(accuracy: ModuleType, swarm: float, *, alone: float = 90.0, pooled: float = 97.0) -> Any:
    return accuracy.Outcome(seed=3, alone=(50.0, alone), swarm=swarm, pooled=pooled, seconds=1.0)


@pytest.mark.parametrize(
    ("swarms", "failures"),
    [
        ([96.0, 95.5], []),
        ([97.0, 93.0], ["seed 3: gap 4.00 points", "mean gap 2.00 points"]),
        ([95.0, 95.0], ["mean gap 2.00 points"]),
    ],
)
def test_judge__gaps__names_what_is_missed(accuracy: ModuleType, swarms: list[float], failures: list[str]) -> None:
    assert accuracy.judge([outcome(accuracy, swarm) for swarm in swarms]) == failures


def test_judge__a_node_alone_is_as_good__is_a_miss(accuracy: ModuleType) -> None:
    assert accuracy.judge([outcome(accuracy, 96.0, alone=96.0)]) == [
        "seed 3: the swarm is not above every single node (lead 0.00)"
    ]


def test_main__digits_in_process__meets_the_figures(accuracy: ModuleType, tmp_path: Path) -> None:
    assert accuracy.main(["--in-process", "--seeds", "0", "--json", str(tmp_path / "accuracy.json")]) == 0
    assert '"failures": []' in (tmp_path / "accuracy.json").read_text()


def test_main__no_round_worth_the_name__fails(accuracy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "in_process", lambda seed, asked: outcome(accuracy, 89.0))
    assert accuracy.main(["--in-process", "--seeds", "0"]) == 1
