"""The example of a task: it loads as it lies there, learns, and keeps its statistics to itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from swarm_chain.tasks import load_task
from tests.swarm import TorchSwarm

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast_cancer.py"


@pytest.fixture
def swarm(tmp_path: Path) -> TorchSwarm:
    """Three nodes, one with a file of its own."""
    inputs, is_benign = load_breast_cancer(return_X_y=True)
    header = ",".join([*(f"m{number}" for number in range(30)), "malignant"])
    rows = np.column_stack([inputs, 1 - is_benign])[::3]
    np.savetxt(tmp_path / "own.csv", rows, delimiter=",", header=header, comments="", fmt="%.9g")
    data = [*(f"breast-cancer#part={part},of=2,seed=0" for part in (0, 1)), str(tmp_path / "own.csv")]
    return TorchSwarm(tmp_path, lambda: load_task(str(EXAMPLE)), data)


def test_breast_cancer__a_swarm_of_it__learns_and_keeps_statistics_at_home(swarm: TorchSwarm) -> None:
    swarm.run(rounds=3)
    shared = {f"body.{layer}.{what}" for layer in (0, 2) for what in ("bias", "weight")}
    assert swarm.parameters_of(swarm.head()).keys() == shared
    means = [node.agent.memory()["private/norm.running_mean"] for node in swarm.nodes]
    assert not np.allclose(means[0], means[1])
    head = swarm.parameters_of(swarm.head())
    for node in swarm.nodes:
        metrics = node.trainer.evaluate(head, memory=node.agent.memory())
        assert metrics["auroc"] > 0.95
        assert "small.accuracy" in metrics
