"""What a model card says of metrics: site by site, and over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarm_chain.chronicle import Mean
from swarm_chain.core.metrics import TEST_SAMPLES, compared_metric, interval, is_lower_better, whole_metrics
from swarm_chain.models.line import Entry
from swarm_chain.models.markdown import code, escaped, table
from swarm_chain.models.reading import Agreed
from swarm_chain.models.scores import Scores, Source
from swarm_chain.types import Address, Metrics

_SOURCES = {
    Source.MERGED: "what the updates say that were merged in the next round",
    Source.LEFT_OUT: "what updates say that were not merged in the next round: nobody agreed on them",
    Source.ABORTED: "what updates say that were trained from it, in a round that was aborted",
    Source.RUNNING: "what updates say that were trained from it, in a round that still runs",
}


def metrics_section(agreed: Agreed, line: Sequence[Entry]) -> Iterator[str]:
    """How the result does at each site, or the newest one before it that a site has measured."""
    yield "## Metrics by site"
    yield ""
    entry = next((one for one in line if one.scores.metrics), None)
    if entry is None:
        yield "Nobody has measured this model, or one before it, as far as documents can be had."
        return
    if entry.digest != agreed.digest:
        yield "No update was trained from this model yet, and so no site has said how it does. The newest that sites"
        yield f"have measured is the result of round {entry.round}:"
        yield ""
    yield from _scores(entry)


def _scores(entry: Entry) -> Iterator[str]:
    scores = entry.scores
    names = whole_metrics(scores.names)
    rows = [
        [who(node, entry), *(_cell(name, metrics) for name in names), _size(metrics)]
        for node, metrics in sorted(scores.metrics.items())
    ]
    rows.append(["**all sites**", *(_mean(scores.mean(name)) for name in names), ""])
    heads = [f"{escaped(name)} ({'lower' if is_lower_better(name) else 'higher'} is better)" for name in names]
    yield from table(["site", *heads, "test examples"], rows)
    yield ""
    yield f"These are {_SOURCES[scores.source]}." if scores.source else ""
    if any(interval(name, metrics) for name in names for metrics in scores.metrics.values()):
        yield "Intervals are of 95 %."
    yield "The last line is the mean over the sites, weighted by their test examples where all say how many they have."
    if scores.unreadable:
        yield f"Not at hand: the updates of {', '.join(who(node, entry) for node in sorted(scores.unreadable))}."
    yield from _worst(scores, entry)


def _worst(scores: Scores, entry: Entry) -> Iterator[str]:
    name = compared_metric([scores.names])
    found = {node: metrics[name] for node, metrics in scores.metrics.items() if name in metrics} if name else {}
    if name is None or len(found) < 2:
        return
    pick = max if is_lower_better(name) else min
    node = pick(sorted(found), key=lambda one: found[one])
    yield f"By {escaped(name)} it does worst at {who(node, entry)}: {found[node]:.4g}."


def _cell(name: str, metrics: Metrics) -> str:
    if name not in metrics:
        return ""
    ends = interval(name, metrics)
    return f"{metrics[name]:.4g}" + (f" ({ends[0]:.3g} to {ends[1]:.3g})" if ends else "")


def _size(metrics: Metrics) -> str:
    return f"{metrics[TEST_SAMPLES]:.15g}" if TEST_SAMPLES in metrics else ""


def _mean(mean: Mean | None) -> str:
    return "" if mean is None else f"**{mean.value:.4g}**" + ("" if mean.is_weighted else " (each site once)")


def who(node: Address, entry: Entry) -> str:
    """A node by its label and address."""
    label = entry.labels.get(node)
    address = "0x" + node.hex()
    return f"{escaped(label)} ({code(address[:6] + '…' + address[-4:])})" if label else code(address)
