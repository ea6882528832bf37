"""What the names of metrics say: of what they are, which are better when lower, and which one models are compared by.

`accuracy` is of all examples, `female.accuracy` of a group of them, `accuracy_low` and `accuracy_high` are the ends of
its interval. `test_samples` counts the examples that the others were measured on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

TEST_SAMPLES: Final = "test_samples"
"""The name under which metrics say how many examples they were measured on."""
LOWER_IS_BETTER: Final = frozenset({"loss", "rmse", "mse", "mae", "brier", "error", "error_rate", "perplexity"})
"""Last parts of the names of metrics that are better when lower; all others are better when higher."""
PREFERRED: Final = ("accuracy", "auroc", "f1", "r2", "rmse", "mae", "perplexity", "loss")
"""What models are compared by: the first of these that all of them have."""
_ENDS: Final = ("_low", "_high")


def is_lower_better(name: str) -> bool:
    """Whether less of a metric is better.

    >>> is_lower_better("female.brier"), is_lower_better("accuracy")
    (True, False)
    """
    return name.rsplit(".", 1)[-1] in LOWER_IS_BETTER


def is_better(name: str, one: float, other: float) -> bool:
    """Whether one value of a metric is better than another."""
    return one < other if is_lower_better(name) else one > other


def whole_metrics(metrics: Collection[str]) -> list[str]:
    """The names of what was measured on all examples: no group's, no interval's end, no count. Sorted.

    >>> whole_metrics({"accuracy", "accuracy_low", "accuracy_high", "female.accuracy", "test_samples"})
    ['accuracy']
    """
    return sorted(name for name in metrics if "." not in name and name != TEST_SAMPLES and not is_end(name, metrics))


def compared_metric(measured: Iterable[Collection[str]]) -> str | None:
    """The metric to compare models by, of those that all were measured by; None where they share none."""
    shared = [set(whole_metrics(names)) for names in measured]
    common = set.intersection(*shared) if shared else set()
    return next((name for name in PREFERRED if name in common), min(common, default=None))


def interval(name: str, metrics: Mapping[str, float]) -> tuple[float, float] | None:
    """The ends of a metric's interval, where it has one."""
    low, high = (metrics.get(name + end) for end in _ENDS)
    return None if low is None or high is None else (low, high)


def is_end(name: str, metrics: Collection[str]) -> bool:
    """Whether a metric is an end of another one's interval.

    >>> is_end("accuracy_low", {"accuracy", "accuracy_low"}), is_end("error_high", {"error_high"})
    (True, False)
    """
    return any(name.endswith(end) and name.removesuffix(end) in metrics for end in _ENDS)
