"""A swarm's history, replayed: PASS, FAIL or INCOMPLETE for every round."""

from __future__ import annotations

from swarm_chain.audit.auditor import Step, audit
from swarm_chain.audit.reader import Block, HistoryReader, TransactionRecord
from swarm_chain.audit.report import AuditReport, Fault, Finding, GasUse, Outcome, RoundReport, Scope, Verdict

__all__ = [
    "AuditReport",
    "Block",
    "Fault",
    "Finding",
    "GasUse",
    "HistoryReader",
    "Outcome",
    "RoundReport",
    "Scope",
    "Step",
    "TransactionRecord",
    "Verdict",
    "audit",
]
