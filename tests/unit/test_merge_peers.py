"""What other libraries make of the same updates: ByzFL's aggregators, and Flower's (`tests/vectors/make_peers.py`)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.core.merge import merge_parameters, parse_rule

VECTORS = Path(__file__).parents[1] / "vectors"
ANSWERS = np.load(VECTORS / "peers.npz")


def load_inputs() -> list[Any]:
    spec = importlib.util.spec_from_file_location("make_peers", VECTORS / "make_peers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Its dataclass looks its module up.
    spec.loader.exec_module(module)
    return list(module.inputs())


INPUTS = load_inputs()
NNM = "before=nearest_neighbour_mixing,before_f"
RULES: dict[str, Callable[[int, int], str]] = {
    "mean": lambda n, f: "mean",
    "coordinate_median": lambda n, f: "coordinate_median",
    "trimmed_mean": lambda n, f: f"trimmed_mean:f={f}",
    "geometric_median_3": lambda n, f: "geometric_median:iterations=3,smoothing=1e-12",
    "geometric_median_100": lambda n, f: "geometric_median:smoothing=1e-12",
    "krum": lambda n, f: f"krum:f={f}",
    "multi_krum": lambda n, f: f"multi_krum:f={f},m={n - f - 1}",
    "centered_clipping_1": lambda n, f: "centered_clipping:iterations=1,radius=2",
    "centered_clipping_5": lambda n, f: "centered_clipping:iterations=5,radius=0.3",
    "mean_of_clipped": lambda n, f: "mean:before=norm_clipping",
    "mean_of_mixed": lambda n, f: f"mean:{NNM}={f}",
    "trimmed_mean_of_mixed": lambda n, f: f"trimmed_mean:f={f},{NNM}={f}",
    "flower_weighted_mean": lambda n, f: "weighted_mean",
    "flower_coordinate_median": lambda n, f: "coordinate_median",
    "flower_trimmed_mean": lambda n, f: f"trimmed_mean:f={f}",
    "flower_krum": lambda n, f: f"krum:f={f}",
}


def test_peers__every_answer_has_a_rule_here() -> None:
    assert set(ANSWERS.files) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_merge__a_thousand_inputs__is_what_the_peer_makes_of_them(name: str) -> None:
    answers = ANSWERS[name].astype(np.float64)
    assert len(INPUTS) == len(answers) == 1000
    for one, expected in zip(INPUTS, answers, strict=True):
        rule = parse_rule(RULES[name](len(one.updates), one.f))
        updates = [{"a": row} for row in one.updates]
        merged = merge_parameters(rule, {"a": np.zeros(8)}, updates, one.samples, threads=1).parameters["a"]
        assert np.linalg.norm(merged - expected) <= 1e-6 * np.linalg.norm(expected)
