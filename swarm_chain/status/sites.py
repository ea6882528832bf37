"""How an agreed model does at every node: at which worst, and how far that is from the best."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from swarm_chain.chronicle import Chronicle, Library, Mean, mean_of
from swarm_chain.core.cids import document_cid
from swarm_chain.core.metrics import compared_metric, is_lower_better
from swarm_chain.status.node import NodeStatusFile
from swarm_chain.types import Address, Digest, Metrics, RoundNumber

K = TypeVar("K")

ACCURACY: Final = "accuracy"
RECALL: Final = "recall"
LOOKED_AT: Final = 3
"""Results that are looked at, from the head back, for one that nodes have scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """A result, the round it came from, 0 for the genesis, and its metrics by node, on each one's held-out data."""

    result: Digest
    round: RoundNumber
    metrics: Mapping[Address, Metrics]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupScore:
    """A metric of a group of one node's examples."""

    node: Address
    group: str
    metric: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sites:
    """One result at the nodes, in their order. `metric` is what all of them measure; None where they share none."""

    model: Scored
    is_head: bool
    metric: str | None

    @property
    def values(self) -> Mapping[Address, float]:
        """The compared metric, by node."""
        if self.metric is None:
            return {}
        return {node: metrics[self.metric] for node, metrics in self.model.metrics.items()}

    @property
    def worst(self) -> Address | None:
        """Where the model does worst; the first of several."""
        return _extreme(self.metric, self.values, worst=True)

    @property
    def best(self) -> Address | None:
        """Where it does best."""
        return _extreme(self.metric, self.values, worst=False)

    @property
    def distance(self) -> float | None:
        """From the best to the worst."""
        values = self.values.values()
        # Nodes say any number: a difference must still be one.
        return min(max(values) - min(values), sys.float_info.max) if values else None

    @property
    def mean(self) -> Mean | None:
        """Over the nodes: weighted by their test examples, where all say how many they have."""
        return None if self.metric is None else mean_of(self.metric, self.model.metrics.values())

    @property
    def worst_group(self) -> GroupScore | None:
        """The group, of all nodes', that the model does worst at; None where nobody measures any by the metric."""
        return self._worst_of(self._groups(self.model.metrics))

    def worst_group_at(self, node: Address) -> GroupScore | None:
        """The group of one node's examples that it does worst at."""
        return self._worst_of(self._groups({node: self.model.metrics[node]}))

    def _groups(self, metrics: Mapping[Address, Metrics]) -> Iterator[GroupScore]:
        measured = self._group_metric()
        for node, found in metrics.items():
            for name in sorted(found):
                group, _, metric = name.rpartition(".")
                if group and metric == measured:
                    yield GroupScore(node=node, group=group, metric=metric, value=found[name])

    def _group_metric(self) -> str | None:
        """What groups are compared by: the same as nodes; classes by their recall, which is accuracy within a class."""
        measured = {name.rpartition(".")[2] for found in self.model.metrics.values() for name in found if "." in name}
        return RECALL if self.metric == ACCURACY and ACCURACY not in measured else self.metric

    def _worst_of(self, groups: Iterable[GroupScore]) -> GroupScore | None:
        by_group = {(one.node, one.group): one for one in groups}
        found = _extreme(self.metric, {key: one.value for key, one in by_group.items()}, worst=True)
        return None if found is None else by_group[found]


def measure(chronicle: Chronicle, library: Library) -> tuple[Scored, ...]:
    """The newest results with what updates say of them, the head first; no older ones once half of all nodes scored it.

    Reads the updates of the rounds that started from them.
    """
    found: list[Scored] = []
    for number, result in sorted(chronicle.results.items(), reverse=True)[:LOOKED_AT]:
        said = {node: one.metrics for node, one in library.measured(result).items() if one.metrics}
        found.append(Scored(result=result, round=number, metrics=said))
        if 2 * len(said) >= len(chronicle.labels):
            break
    return tuple(found)


def compare_sites(
    measured: Sequence[Scored], head: Digest, nodes: Sequence[Address], agents: Mapping[Address, NodeStatusFile]
) -> Sites | None:
    """The newest result that half of those have scored who scored any; agents here say it before their next update.

    None where nobody scored any.
    """
    known = [_complete(one, nodes, agents) for one in measured]
    everyone = {node for one in known for node in one.metrics}
    chosen = next((one for one in known if 2 * len(one.metrics) >= len(everyone)), None)
    if chosen is None or not everyone:
        return None
    return Sites(model=chosen, is_head=chosen.result == head, metric=compared_metric(list(chosen.metrics.values())))


def _complete(one: Scored, nodes: Sequence[Address], agents: Mapping[Address, NodeStatusFile]) -> Scored:
    """With what agents here say, in the nodes' order."""
    scored = [agent for agent in agents.values() if agent.activity.head == one.result and agent.activity.head_metrics]
    said = {**one.metrics, **{agent.account: agent.activity.head_metrics for agent in scored}}
    return Scored(result=one.result, round=one.round, metrics={node: said[node] for node in nodes if node in said})


def _extreme(metric: str | None, values: Mapping[K, float], *, worst: bool) -> K | None:
    """The key of the worst or of the best value, the first of several; None where there is none."""
    if metric is None or not values:
        return None
    pick = max if worst is is_lower_better(metric) else min
    return pick(values, key=values.__getitem__)


def document_of(sites: Sites | None) -> Mapping[str, Any] | None:
    """The comparison for programs."""
    if sites is None:
        return None
    group, mean = sites.worst_group, sites.mean
    return {
        "result": _hex(sites.model.result),
        "cid": str(document_cid(sites.model.result)),
        "round": sites.model.round,
        "is_head": sites.is_head,
        "metric": sites.metric,
        "lower_is_better": None if sites.metric is None else is_lower_better(sites.metric),
        "nodes": [{"address": _hex(node), "metrics": dict(found)} for node, found in sites.model.metrics.items()],
        "mean": mean and mean.value,
        "is_weighted": mean and mean.is_weighted,
        "worst": sites.worst and _hex(sites.worst),
        "best": sites.best and _hex(sites.best),
        "distance": sites.distance,
        "worst_group": group
        and {"node": _hex(group.node), "group": group.group, "metric": group.metric, "value": group.value},
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
