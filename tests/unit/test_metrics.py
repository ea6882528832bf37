"""Metrics that mean something: with intervals, by class, by group, and none where there is nothing to measure."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.adapters.torch_trainer import initial_parameters, score
from swarm_chain.tasks import Digits, Hyperparameters, NodeData, Task
from swarm_chain.tasks.intervals import of_auroc, of_mean, of_share
from swarm_chain.tasks.metrics import binary_metrics, class_metrics, group_metrics, regression_metrics

NAMES = ("accuracy", "auroc", "sensitivity", "specificity", "brier")


def test_binary_metrics__known_calls__are_what_they_are_called() -> None:
    found = binary_metrics(torch.tensor([0.9, 0.4, 0.6, 0.2, 0.1]), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["sensitivity"] == pytest.approx(1 / 2)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert found["auroc"] == pytest.approx(5 / 6)
    assert found["brier"] == pytest.approx((0.1**2 + 0.6**2 + 0.6**2 + 0.2**2 + 0.1**2) / 5)


def test_binary_metrics__any__lie_within_their_intervals_which_lie_between_0_and_1() -> None:
    random = torch.Generator().manual_seed(0)
    for size in (3, 12, 100):
        targets = torch.tensor([0, 1] + [0] * (size - 2))
        found = binary_metrics(torch.rand(size, generator=random), targets)
        assert set(found) == {f"{name}{end}" for name in NAMES for end in ("", "_low", "_high")}
        for name in NAMES:
            assert 0 <= found[f"{name}_low"] <= found[name] <= found[f"{name}_high"] <= 1


@pytest.mark.parametrize(("target", "missing"), [(0.0, "sensitivity"), (1.0, "specificity")])
def test_binary_metrics__one_class_only__leaves_out_what_is_undefined_and_says_why(
    target: float, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = binary_metrics(torch.tensor([0.2, 0.7]), torch.full((2,), target))
    assert {name for name in NAMES if name not in found} == {"auroc", missing}
    assert "left out for these 2 examples: auroc (they are all of one class)" in caplog.text
    assert f"{missing} (there is no " in caplog.text


def test_binary_metrics__one_example__has_no_interval_of_a_mean() -> None:
    found = binary_metrics(torch.tensor([0.2]), torch.tensor([0.0]))
    assert found["brier"] == pytest.approx(0.04)
    assert "brier_low" not in found
    assert found["accuracy_low"] < 0.3


def test_regression_metrics__known_errors__are_what_they_are_called() -> None:
    found = regression_metrics(torch.tensor([3.0, 5.0, 2.0, 30.0]), torch.tensor([3.0, 1.0, 5.0, 30.0]))
    assert found["rmse"] == pytest.approx((25 / 4) ** 0.5)
    assert found["mae"] == pytest.approx(7 / 4)
    assert 0 <= found["mae_low"] < found["mae"] < found["mae_high"]
    assert found["rmse_high"] > 5 / 2 > found["rmse_low"] == 0


def test_regression_metrics__many_draws__the_interval_holds_the_true_value_nearly_always() -> None:
    random, inside = torch.Generator().manual_seed(0), 0
    for _ in range(200):
        found = regression_metrics(2 * torch.randn(100, generator=random), torch.zeros(100))
        inside += found["rmse_low"] <= 2 <= found["rmse_high"]
    assert 180 <= inside <= 199


def test_regression_metrics__one_example__has_no_intervals() -> None:
    assert regression_metrics(torch.tensor([2.0]), torch.tensor([5.0])) == {"rmse": 3.0, "mae": 3.0}


def test_class_metrics__classes__each_has_the_share_told_right(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    targets = torch.tensor([0, 0, 1, 1, 1, 2])
    found = class_metrics(torch.tensor([0, 0, 0, 1, 1, 2]), targets, ("cat", "dog", "eel", "fox"), 2)
    assert found["cat.recall"] == 1
    assert found["dog.recall"] == pytest.approx(2 / 3)
    assert found["dog.recall_low"] < 2 / 3 < found["dog.recall_high"]
    assert len(found) == 6
    assert "eel.recall, fox.recall (fewer than 2 of the class)" in caplog.text


def test_class_metrics__too_few_of_any__are_none() -> None:
    assert class_metrics(torch.tensor([0]), torch.tensor([0]), ("cat", "dog"), 2) == {}


def test_digits__test_examples__are_measured_by_digit_too() -> None:
    task = Digits()
    found = score(task, initial_parameters(task), task.test)
    recalls = [found[f"digit_{digit}.recall"] for digit in range(10)]
    assert sum(recalls) / 10 == pytest.approx(found["accuracy"], abs=0.02)


def test_group_metrics__group_is_small__is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    values = torch.tensor([1.0, 2.0, 6.0])
    groups = {"few": torch.tensor([True, False, False]), "many": torch.tensor([False, True, True])}
    found = group_metrics(groups, 2, lambda rows: {"mean": float(values[rows].mean())})
    assert found == {"many.mean": 4.0}
    assert "few.* (the group has 1 of them, and 2 are needed)" in caplog.text


class Halves(Task):
    """Inputs are outputs; positive and negative ones are groups."""

    name = "halves"
    defaults = Hyperparameters()
    group_minimum = 2

    def model(self) -> nn.Module:
        return nn.Identity()

    def open_data(self, data: str) -> NodeData:
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)

    def groups(self, inputs: Tensor) -> dict[str, Tensor]:
        return {"low": inputs < 0, "high": inputs > 0}


def test_evaluate__groups_in_several_batches__are_measured_over_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_chain.tasks.base.EVALUATION_BATCH", 2)
    inputs = torch.tensor([-1.0, 3.0, -2.0, 5.0, 1.0])
    examples: Any = TensorDataset(inputs, torch.zeros(5))
    found = Halves().evaluate(nn.Identity(), examples)
    assert found == {"loss": 8.0, "low.loss": 2.5, "high.loss": pytest.approx(35 / 3)}


# ------------------------------------------------------------------------------------------------------------ intervals


def test_of_share__published_example__is_wilsons() -> None:
    # Newcombe 1998, table I: 81 of 263, by the score method.
    assert of_share(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_of_auroc__ends__are_roots_of_the_score_equation() -> None:
    low, high = of_auroc(0.8, 20, 30)
    assert 0.6 < low < 0.8 < high < 0.95
    for end in (low, high):
        spread = 1 + 24 * (1 - end) / (2 - end) + 24 * end / (1 + end)
        assert (end - 0.8) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) * spread / 600, rel=1e-4)


def test_of_auroc__perfect_or_none__keeps_a_width() -> None:
    low, high = of_auroc(1.0, 5, 5)
    assert high == 1
    assert 0.4 < low < 0.8
    assert of_auroc(0.0, 5, 5) == pytest.approx((0.0, 1 - low))


def covers(estimate: float, interval: tuple[float, float], truth: float) -> bool:
    assert interval[0] <= estimate <= interval[1]
    return interval[0] <= truth <= interval[1]


def test_intervals__many_samples__hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    tries, shares, means, areas = 400, 0, 0, 0
    for _ in range(tries):
        right = int(random.binomial(40, 0.8))
        shares += covers(right / 40, of_share(right, 40), 0.8)
        values = random.uniform(0, 1, 40)
        means += covers(float(values.mean()), of_mean(values), 0.5)
        scores = np.concatenate([random.normal(0, 1, 25), random.normal(1.19, 1, 25)])
        area = float(roc_auc_score([0] * 25 + [1] * 25, scores))
        areas += covers(area, of_auroc(area, 25, 25), 0.8)  # the area of normal scores that are 1.19 apart
    for hits in (shares, means, areas):
        assert 0.92 <= hits / tries <= 0.985
