"""One number for many sites."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from swarm_chain.core.metrics import TEST_SAMPLES
from swarm_chain.types import Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """A metric's mean over `sites`. `is_weighted`: by the test examples that each says it has, else each site once."""

    value: float
    sites: int
    is_weighted: bool


def mean_of(name: str, measured: Iterable[Metrics]) -> Mean | None:
    """The mean of a metric over the sites that have it; None where none does.

    >>> mean_of("accuracy", [{"accuracy": 1.0, "test_samples": 30.0}, {"accuracy": 0.0, "test_samples": 10.0}])
    Mean(value=0.75, sites=2, is_weighted=True)
    """
    found = [metrics for metrics in measured if name in metrics]
    if not found:
        return None
    sizes = [metrics.get(TEST_SAMPLES, 0.0) for metrics in found]
    is_weighted = min(sizes) > 0
    shares = [size / max(sizes) for size in sizes] if is_weighted else [1.0] * len(found)
    value = _mean([metrics[name] for metrics in found], shares)
    return Mean(value=value, sites=len(found), is_weighted=is_weighted)


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    """The weighted mean, for shares of at most 1. Nodes say any number: no step leaves what a float can hold."""
    scale = max(abs(value) for value in values) or 1.0
    whole = math.fsum(shares)
    mean = math.fsum(value / scale * (share / whole) for value, share in zip(values, shares, strict=True))
    return min(max(mean, min(values) / scale), max(values) / scale) * scale
