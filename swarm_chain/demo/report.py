"""What a demo found: accuracies side by side, its rounds, its audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarm_chain.audit import AuditReport, Outcome, RoundReport, Verdict
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.metrics import compared_metric
from swarm_chain.core.traffic import Traffic
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.storage import IpfsReport
from swarm_chain.reporting import Report
from swarm_chain.types import Address, Digest, Metrics, RoundNumber

ACCURACY: Final = "accuracy"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeReport:
    """One node: what it trained on, and how good it is without the others.

    `alone` are the metrics of its own model on the test examples, none where its layers are private; `alone_own` and
    `swarm_own` those of its own model and the swarm's on what it holds out itself, none where that is nothing.
    `traffic` is what its agent sent and received, `data_bytes` the size of its data, None where that is unknown.
    """

    name: str
    address: Address
    samples: int
    alone: Metrics
    alone_own: Metrics
    swarm_own: Metrics
    gas: int
    traffic: Traffic
    data_bytes: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundSummary:
    """One round that ended. An aborted one has no weights, and nothing included or excluded.

    `included` are names of nodes, `excluded` names with the reason. `seconds` is None where its start was not seen.
    """

    number: RoundNumber
    outcome: Outcome
    verdict: Verdict
    included: tuple[str, ...]
    excluded: tuple[tuple[str, str], ...]
    seconds: float | None
    gas: int
    result: Cid | None
    weights: Cid | None

    def document(self) -> dict[str, Any]:
        """Names to values, for JSON."""
        return {
            "number": self.number,
            "outcome": self.outcome.value,
            "verdict": self.verdict.value,
            "included": list(self.included),
            "excluded": [{"name": name, "reason": reason} for name, reason in self.excluded],
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "gas": self.gas,
            "result": self.result and str(self.result),
            "weights": self.weights and str(self.weights),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What stays after a demo: its folder, and the process of its chain."""

    folder: Path
    chain_pid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoReport:
    """A whole demo. `overview` is what its page shows, where one was asked for."""

    settings: DemoSettings
    nodes: tuple[NodeReport, ...]
    pooled_metrics: Metrics
    swarm_metrics: Metrics
    test_samples: int
    rounds: tuple[RoundSummary, ...]
    audit: AuditReport
    rpc_url: str
    store: str
    seconds: float
    kept: Kept | None
    overview: Report | None = None
    ipfs: tuple[IpfsReport, ...] = ()

    @property
    def metric(self) -> str | None:
        """What models are compared by; None where nothing was measured that all have."""
        alone = (node.alone for node in self.nodes if node.alone)
        return compared_metric([self.swarm_metrics, self.pooled_metrics, *alone])

    @property
    def finalized(self) -> int:
        """Rounds that ended in a new model."""
        return sum(one.outcome is Outcome.FINALIZED for one in self.rounds)

    @property
    def is_success(self) -> bool:
        """Whether every round that was asked for was finalised, and all passed the audit."""
        return self.audit.verdict is Verdict.PASS and self.finalized >= self.settings.rounds

    def document(self) -> dict[str, Any]:
        """The report for programs, as `schemas/demo.schema.json` describes it."""
        scope = self.audit.scope
        return {
            **_choices(self.settings),
            "nodes": [_node(node) for node in self.nodes],
            "metric": self.metric,
            "pooled_accuracy": self.pooled_metrics.get(ACCURACY),
            "pooled_metrics": dict(self.pooled_metrics),
            "swarm_accuracy": self.swarm_metrics.get(ACCURACY),
            "swarm_metrics": dict(self.swarm_metrics),
            "test_samples": self.test_samples,
            "rounds": [one.document() for one in self.rounds],
            "audit": self.audit.verdict.value,
            "gas": gas_by_call(self.audit),
            "chain_id": scope.chain_id,
            "contract": _hex(scope.contract),
            "head": str(document_cid(scope.head)),
            "rpc_url": self.rpc_url,
            "store": self.store,
            "ipfs": [one.document() for one in self.ipfs],
            "seconds": round(self.seconds, 3),
            "kept": self.kept and {"folder": str(self.kept.folder), "chain_pid": self.kept.chain_pid},
        }


def summarize_rounds(
    audit: AuditReport, get: Callable[[Cid], bytes], seconds: Mapping[RoundNumber, float]
) -> Iterator[RoundSummary]:
    """The rounds that ended, with what their documents in a store say. Raises what reading those does."""
    for one in audit.rounds:
        if one.outcome in (Outcome.FINALIZED, Outcome.ABORTED):
            result = None if one.result is None else documents.read(get, one.result, ResultDocument)
            yield _summary(one, result, audit.labels, seconds.get(one.number))


def gas_by_call(audit: AuditReport) -> list[dict[str, Any]]:
    """What each call cost, over all accounts: transactions and gas."""
    calls: dict[str, dict[str, Any]] = {}
    for use in audit.gas:
        entry = calls.setdefault(use.call, {"call": use.call, "transactions": 0, "gas": 0})
        entry["transactions"] += use.transactions
        entry["gas"] += use.gas
    return [calls[name] for name in sorted(calls)]


def gas_of(audit: AuditReport, account: Address) -> int:
    """What one account paid for altogether."""
    return sum(use.gas for use in audit.gas if use.account == account)


def _summary(
    one: RoundReport, result: ResultDocument | None, labels: Mapping[Address, str], seconds: float | None
) -> RoundSummary:
    return RoundSummary(
        number=one.number,
        outcome=one.outcome,
        verdict=one.verdict,
        included=tuple(labels[entry.node] for entry in result.included) if result else (),
        excluded=tuple((labels[entry.node], entry.reason.value) for entry in result.excluded) if result else (),
        seconds=seconds,
        gas=one.gas,
        result=_cid(one.result),
        weights=result.weights if result else None,
    )


def _choices(settings: DemoSettings) -> dict[str, Any]:
    return {
        "task": settings.task.name,
        "training": settings.task.hyperparameters.document(),
        "merge": str(settings.rule),
        "sealed": settings.is_sealed,
        "seed": settings.seed,
        "client": settings.client,
    }


def _node(node: NodeReport) -> dict[str, Any]:
    return {
        "name": node.name,
        "address": _hex(node.address),
        "samples": node.samples,
        "alone_accuracy": node.alone.get(ACCURACY),
        "alone_metrics": dict(node.alone),
        "alone_own_accuracy": node.alone_own.get(ACCURACY),
        "alone_own_metrics": dict(node.alone_own),
        "swarm_own_accuracy": node.swarm_own.get(ACCURACY),
        "swarm_own_metrics": dict(node.swarm_own),
        "gas": node.gas,
        "traffic": node.traffic.document(),
        "data_bytes": node.data_bytes,
    }


def _cid(digest: Digest | None) -> Cid | None:
    return None if digest is None else document_cid(digest)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
