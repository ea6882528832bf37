"""A report for programs, as `schemas/report.schema.json` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm_chain.chronicle import mean_of
from swarm_chain.core.cids import document_cid
from swarm_chain.reporting.report import LocalAgent, Report, ResultEntry, RoundEntry, Taking
from swarm_chain.types import Digest


def document_of(report: Report) -> Mapping[str, Any]:
    """Names to values, for JSON. All of it: nothing is left out or thinned as on the page."""
    return {
        "chain_id": report.chain_id,
        "contract": _hex(report.contract),
        "block_number": report.block_number,
        "block_hash": _hex(report.block_hash),
        "block_time": report.block_time,
        "head": {**_named(report.head), "round": report.head_round},
        "task": _task(report),
        "genesis": {**_named(report.config.genesis_digest), "base_cid": report.origin and str(report.origin)},
        "sealed": report.config.is_sealed,
        "quorum_bps": report.config.quorum_bps,
        "min_updates": report.config.min_updates,
        "active_nodes": report.active_nodes,
        "compared_metric": report.compared,
        "nodes": [
            {"address": _hex(node), "label": label, "agent": _agent(report.agents.get(node))}
            for node, label in report.labels.items()
        ],
        "results": [_result(one) for one in report.results],
        "rounds": [_round(one) for one in report.rounds],
        "gas": [
            {"call": use.call, "account": _hex(use.account), "transactions": use.transactions, "gas": use.gas}
            for use in report.gas
        ],
        "problems": list(report.problems),
        "audit": report.verdict and report.verdict.value,
    }


def _task(report: Report) -> Mapping[str, Any]:
    task = report.task
    return {
        **_named(report.config.task_digest),
        "name": task and task.name,
        "training": task and dict(task.training),
        "rule": task and task.merge.rule,
    }


def _agent(agent: LocalAgent | None) -> Mapping[str, Any] | None:
    if agent is None:
        return None
    return {"up": agent.traffic.up, "down": agent.traffic.down, "data_bytes": agent.data_bytes}


def _result(one: ResultEntry) -> Mapping[str, Any]:
    names = sorted({name for metrics in one.sites.values() for name in metrics})
    means = {name: mean_of(name, one.sites.values()) for name in names}
    return {
        "round": one.round,
        **_named(one.digest),
        "sites": [
            {"node": _hex(node), "metrics": dict(metrics), "in_document": node not in one.here}
            for node, metrics in one.sites.items()
        ],
        "means": {
            name: {"value": mean.value, "sites": mean.sites, "weighted": mean.is_weighted}
            for name, mean in means.items()
            if mean
        },
    }


def _round(one: RoundEntry) -> Mapping[str, Any]:
    return {
        "number": one.number,
        "outcome": one.outcome.value,
        "abort_reason": one.abort_reason,
        "base": _hex(one.base),
        "result": None if one.result is None else _hex(one.result),
        "opened_at": one.opened_at,
        "ended_at": one.ended_at,
        "quorum": one.quorum,
        "attested": one.attested,
        "gas": one.gas,
        "nodes": [_taking(each) for each in one.nodes],
    }


def _taking(one: Taking) -> Mapping[str, Any]:
    return {
        "node": _hex(one.node),
        "part": one.part.value,
        "reason": one.reason,
        "weight": one.weight,
        "samples": one.samples,
        "put_bytes": one.put,
        "fetched_bytes": one.fetched,
        "metrics": dict(one.metrics),
        "problem": one.problem,
    }


def _named(digest: Digest) -> Mapping[str, str]:
    return {"digest": _hex(digest), "cid": str(document_cid(digest))}


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
