"""Writes peers.npz: what ByzFL and Flower make of inputs that anyone can make again (`inputs`), 1,000 for each rule.

PYTHON tests/vectors/make_peers.py tests/vectors/peers.npz

PYTHON is that of an environment with torch, `byzfl` (installed with --no-deps), `scipy` and `flwr`; see
docs/reference/merging.md. Nothing of swarm_chain is imported here. The tests read the file, and need neither.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

COUNT = 1000
ELEMENTS = 8
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Input:
    """Some updates, measured from a base of zeros, and how many of them a rule should withstand."""

    updates: Array
    f: int
    samples: list[int]


def inputs() -> Iterator[Input]:
    """The inputs: from Python's generator, whose numbers are the same in every version."""
    chance = random.Random(20240607)
    for _ in range(COUNT):
        count = chance.randrange(5, 12)
        f = chance.randrange(0, (count - 3) // 2 + 1)
        scale, spread = 10.0 ** chance.randrange(-3, 4), 10.0 ** chance.randrange(-2, 2)
        centre = [scale * (2 * chance.random() - 1) for _ in range(ELEMENTS)]
        rows = []
        for place in range(count):
            far = 30.0 if place < f and chance.random() < 0.7 else 1.0
            rows.append([one + far * scale * spread * (2 * chance.random() - 1) for one in centre])
        chance.shuffle(rows)
        yield Input(np.array(rows), f, [chance.randrange(1, 900) for _ in range(count)])


def of_byzfl() -> dict[str, Callable[[Input], Array]]:
    # Its package imports its training loop, and that torchvision, which merging needs not.
    found = importlib.util.find_spec("byzfl")
    assert found is not None
    package = types.ModuleType("byzfl")
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules["byzfl"] = package
    from byzfl.aggregators.aggregators import (
        Average,
        CenteredClipping,
        GeometricMedian,
        Krum,
        Median,
        MultiKrum,
        TrMean,
    )
    from byzfl.aggregators.preaggregators import NNM, Clipping

    def clipped(one: Input) -> Array:
        norms = sorted(np.linalg.norm(one.updates, axis=1))
        return Clipping(c=float(norms[(len(norms) - 1) // 2]))(one.updates.copy())

    return {
        "mean": lambda one: Average()(one.updates),
        "coordinate_median": lambda one: Median()(one.updates),
        "trimmed_mean": lambda one: TrMean(one.f)(one.updates),
        "geometric_median_3": lambda one: GeometricMedian(nu=1e-12, T=3)(one.updates),
        "geometric_median_100": lambda one: GeometricMedian(nu=1e-12, T=100)(one.updates),
        # ByzFL's Krum looks at n - f - 1 neighbours; that of the paper, and ours, at n - f - 2.
        "krum": lambda one: Krum(one.f + 1)(one.updates),
        "multi_krum": lambda one: MultiKrum(one.f + 1)(one.updates),
        "centered_clipping_1": lambda one: CenteredClipping(L=1, tau=2.0)(one.updates),
        "centered_clipping_5": lambda one: CenteredClipping(L=5, tau=0.3)(one.updates),
        "mean_of_clipped": lambda one: Average()(clipped(one)),
        "mean_of_mixed": lambda one: Average()(NNM(one.f)(one.updates)),
        "trimmed_mean_of_mixed": lambda one: TrMean(one.f)(NNM(one.f)(one.updates)),
    }


def of_flower() -> dict[str, Callable[[Input], Array]]:
    from flwr.server.strategy.aggregate import (
        aggregate,
        aggregate_krum,
        aggregate_median,
        aggregate_trimmed_avg,
    )

    def results(one: Input) -> list[tuple[list[Array], int]]:
        return [([row], count) for row, count in zip(one.updates, one.samples, strict=True)]

    def trimmed(one: Input) -> Array:
        # It takes a part, and rounds it down.
        return aggregate_trimmed_avg(results(one), (one.f + 0.5) / len(one.updates))[0]

    return {
        "flower_weighted_mean": lambda one: aggregate(results(one))[0],
        "flower_coordinate_median": lambda one: aggregate_median(results(one))[0],
        "flower_trimmed_mean": trimmed,
        "flower_krum": lambda one: aggregate_krum(results(one), one.f, 0)[0],
    }


if __name__ == "__main__":
    given = list(inputs())
    answers = {
        name: np.array([rule(one) for one in given]).astype(np.float32)
        for name, rule in {**of_byzfl(), **of_flower()}.items()
    }
    np.savez_compressed(sys.argv[1], **answers)
