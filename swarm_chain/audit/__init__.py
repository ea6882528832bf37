"""A swarm's history, replayed: PASS, FAIL or INCOMPLETE for every round."""

from __future__ import annotations

from swarm_chain.audit.ancestors import FindReaders
from swarm_chain.audit.auditor import Step, audit
from swarm_chain.audit.reader import Block, HistoryReader, TransactionRecord
from swarm_chain.audit.report import (
    AncestorReport,
    AuditReport,
    Fault,
    Finding,
    GasUse,
    Outcome,
    RoundReport,
    Scope,
    Verdict,
)

__all__ = [
    "AncestorReport",
    "AuditReport",
    "Block",
    "Fault",
    "FindReaders",
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
