"""Head by site: how the model that a swarm agreed on does at every node, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from swarm_chain.cli.metrics import describe_metric, describe_metrics
from swarm_chain.cli.output import printable, table
from swarm_chain.core.metrics import TEST_SAMPLES
from swarm_chain.types import Address

if TYPE_CHECKING:
    from rich.table import Table

    from swarm_chain.status.node import NodeStatusFile
    from swarm_chain.status.sites import Sites
    from swarm_chain.status.swarm import SwarmStatus


def site_lines(found: SwarmStatus, sites: Sites | None) -> Iterable[str]:
    """At which node and in which group it does worst, and how far that is from the best; nothing for a single node."""
    if sites is None or sites.worst is None or sites.best is None or len(sites.values) < 2:
        return
    values = sites.values
    yield (
        f"sites     {_model(sites)}, by {printable(sites.metric or '')}: {_mean(sites)}worst at "
        f"{_name(found, sites.worst)}, {values[sites.worst]:.4g}, {sites.distance:.2g} from the best, "
        f"{values[sites.best]:.4g} at {_name(found, sites.best)}"
    )
    if group := sites.worst_group:
        where = f"{printable(group.group)} at {_name(found, group.node)}"
        yield f"groups    worst by {printable(group.metric)}: {where}, {group.value:.4g}"


def agent_lines(found: SwarmStatus, sites: Sites | None, agents: Mapping[Address, NodeStatusFile]) -> Iterable[str]:
    """What agents here found the head to be, where the comparison is of an earlier model."""
    if sites is not None and sites.is_head:
        return
    for agent in agents.values():
        if agent.activity.head == found.view.swarm.head and agent.activity.head_metrics:
            yield f"head at   {_name(found, agent.account)}: {describe_metrics(agent.activity.head_metrics)}"


def site_table(found: SwarmStatus, sites: Sites, *, is_wide: bool) -> Table:
    """A line for each node that scored the model; with all its metrics where there is room."""
    from rich.markup import escape

    columns = [_model(sites), escape(printable(sites.metric or "no shared metric")), "test examples"]
    columns += ["worst group"] if sites.worst_group else []
    columns += ["all"] if is_wide else []
    return table(*columns, rows=[tuple(_cells(found, sites, node, is_wide)) for node in sites.model.metrics])


def _cells(found: SwarmStatus, sites: Sites, node: Address, is_wide: bool) -> Iterable[str]:
    metrics, group = sites.model.metrics[node], sites.worst_group_at(node)
    yield found.label_of(node)
    yield describe_metric(sites.metric, metrics) if sites.metric else "-"
    yield f"{metrics[TEST_SAMPLES]:,.0f}" if TEST_SAMPLES in metrics else "-"
    if sites.worst_group:
        yield f"{group.group} {group.value:.4g}" if group else "-"
    if is_wide:
        yield describe_metrics(metrics)


def _model(sites: Sites) -> str:
    where = f"of round {sites.model.round}" if sites.model.round else "the genesis"
    return f"the head, {where}" if sites.is_head else f"the model before the head, {where}"


def _mean(sites: Sites) -> str:
    if sites.mean is None:
        return ""
    return f"mean {'by test examples ' if sites.mean.is_weighted else ''}{sites.mean.value:.4g}, "


def _name(found: SwarmStatus, node: Address) -> str:
    return printable(found.label_of(node))
