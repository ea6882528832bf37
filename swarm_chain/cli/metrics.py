"""Metrics in words."""

from __future__ import annotations

from swarm_chain.cli.output import printable
from swarm_chain.core.metrics import interval, whole_metrics
from swarm_chain.types import Metrics


def describe_metrics(metrics: Metrics, problem: str | None = None) -> str:
    """Metrics of all examples in one line: `accuracy 0.953 [0.91 to 0.98], loss 0.181`; those of groups left out."""
    if not metrics:
        return printable(problem or "no metrics")
    return ", ".join(f"{printable(name)} {describe_metric(name, metrics)}" for name in whole_metrics(metrics))


def describe_metric(name: str, metrics: Metrics) -> str:
    """One metric, with its interval where it has one: `0.953 [0.91 to 0.98]`."""
    ends = interval(name, metrics)
    return f"{metrics[name]:.4g}" + (f" [{ends[0]:.2f} to {ends[1]:.2f}]" if ends else "")
