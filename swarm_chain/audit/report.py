"""What an audit finds: verdicts, findings, and the report that people and programs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import MergeSettings, ResultDocument
from swarm_chain.types import Address, BlockNumber, Digest, Gas, RoundNumber, Timestamp


class Verdict(StrEnum):
    """What an audit says of a round, and of a swarm."""

    PASS = "PASS"  # noqa: S105
    INCOMPLETE = "INCOMPLETE"
    FAIL = "FAIL"


class Fault(StrEnum):
    """What can be found: a reason that programs can rely on. `docs/reference/audit.md` says more of each."""

    # Of the chain and the way to it.
    OTHER_CODE = "other-code"
    BAD_CONFIGURATION = "bad-configuration"
    ENDPOINTS_DISAGREE = "endpoints-disagree"
    HIDDEN_EVENT = "hidden-event"
    INVENTED_EVENT = "invented-event"
    STATE_MISMATCH = "state-mismatch"
    IMPOSSIBLE_MEMBERSHIP = "impossible-membership"
    # Of a round's events.
    OUT_OF_ORDER = "out-of-order"
    NOT_ENTITLED = "not-entitled"
    REPEATED = "repeated"
    WRONG_COUNT = "wrong-count"
    WRONG_DEADLINE = "wrong-deadline"
    UNTIMELY = "untimely"
    NO_QUORUM = "no-quorum"
    WRONG_COMMITMENT = "wrong-commitment"
    UNJUSTIFIED_ABORT = "unjustified-abort"
    # Of documents. `wrong-base` is also a round that opens on something else than the head.
    MALFORMED_DOCUMENT = "malformed-document"
    WRONG_SWARM = "wrong-swarm"
    WRONG_ROUND = "wrong-round"
    WRONG_TASK = "wrong-task"
    WRONG_BASE = "wrong-base"
    WRONG_STATE = "wrong-state"
    WRONG_RULE = "wrong-rule"
    UNUSABLE_BASE = "unusable-base"
    NOT_LISTED = "not-listed"
    NOT_REVEALED = "not-revealed"
    WRONG_UPDATE = "wrong-update"
    WRONG_INCLUSION = "wrong-inclusion"
    WRONG_EXCLUSION = "wrong-exclusion"
    WRONG_NODE_WEIGHT = "wrong-node-weight"
    TOO_MANY_UNAVAILABLE = "too-many-unavailable"
    WRONG_WEIGHTS = "wrong-weights"
    # Of stores.
    CORRUPTED_BLOCK = "corrupted-block"
    MISSING_BYTES = "missing-bytes"
    RULE_NOT_ACCEPTED = "rule-not-accepted"
    # Of earlier swarms.
    WRONG_ANCESTOR = "wrong-ancestor"
    ANCESTOR_OUT_OF_REACH = "ancestor-out-of-reach"

    @property
    def verdict(self) -> Verdict:
        """What a round with this is: most faults are proof, some only keep proof away."""
        return Verdict.INCOMPLETE if self in _OPEN else Verdict.FAIL


_OPEN = frozenset({Fault.MISSING_BYTES, Fault.RULE_NOT_ACCEPTED, Fault.ANCESTOR_OUT_OF_REACH})


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong. `round` is None where it concerns the whole swarm, 0 for the genesis.

    `nodes` are those it names: the node whose update it is about, or who attested to the result as a whole.
    """

    fault: Fault
    message: str
    round: RoundNumber | None = None
    nodes: tuple[Address, ...] = ()


class Outcome(StrEnum):
    """Where a round stands at the pinned block."""

    GENESIS = "genesis"
    FINALIZED = "finalized"
    ABORTED = "aborted"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """What an update counts for in a result: the samples that its node claims, and the weight that the rule gave it."""

    node: Address
    samples: int
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundReport:
    """What was found of one round. `reexecuted`: its merge was computed again and gave the same bytes.

    `counted` are the updates that its result includes, as that says.
    """

    number: RoundNumber
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    result: Digest | None = None
    abort_reason: str | None = None
    expected: int = 0
    quorum: int = 0
    revealed: int = 0
    attested: int = 0
    included: int | None = None
    excluded: int | None = None
    counted: tuple[Counted, ...] = ()
    reexecuted: bool = False
    gas: Gas = Gas(0)  # noqa: RUF009

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        return worst(finding.fault.verdict for finding in self.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class GasUse:
    """What one account's transactions with one call cost together."""

    call: str
    account: Address
    transactions: int
    gas: Gas


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What an audit looked at."""

    chain_id: int
    contract: Address
    block_number: BlockNumber
    block_hash: bytes
    block_time: Timestamp
    head: Digest
    finalized_rounds: int
    endpoints: tuple[str, ...]
    store: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditReport:
    """The whole audit. `findings` are those about no round that was looked at in full; `merge` is the task's."""

    scope: Scope
    is_coordinator: bool
    genesis: RoundReport
    rounds: tuple[RoundReport, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    labels: Mapping[Address, str] = field(default_factory=dict)
    gas: tuple[GasUse, ...] = ()
    ancestors: tuple[AncestorReport, ...] = ()
    merge: MergeSettings | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of its own verdict and those of the swarms that it comes from."""
        return worst([self.own_verdict, *(one.verdict for one in self.ancestors)])

    @property
    def own_verdict(self) -> Verdict:
        """The worst of the rounds' verdicts and the other findings', whatever the swarms that it comes from did."""
        of_rounds = (one.verdict for one in (self.genesis, *self.rounds))
        return worst([*of_rounds, *(finding.fault.verdict for finding in self.findings)])

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Every finding of this swarm: those of no round first, then round by round. Not its ancestors'."""
        of_rounds = (finding for one in (self.genesis, *self.rounds) for finding in one.findings)
        return (*self.findings, *of_rounds)

    def document(self) -> dict[str, Any]:
        """The report for programs, as `schemas/audit.schema.json` describes it."""
        return {
            "verdict": self.verdict.value,
            "scope": _scope(self.scope),
            "is_coordinator": self.is_coordinator,
            "merge": None if self.merge is None else _merge(self.merge),
            "genesis": _round(self.genesis),
            "rounds": [_round(one) for one in self.rounds],
            "findings": [_finding(one) for one in self.findings],
            "notes": list(self.notes),
            "nodes": [{"address": _hex(node), "label": label} for node, label in sorted(self.labels.items())],
            "gas": [
                {"call": use.call, "account": _hex(use.account), "transactions": use.transactions, "gas": use.gas}
                for use in self.gas
            ],
            "ancestors": [one.document() for one in self.ancestors],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class AncestorReport:
    """An earlier result that a genesis starts from, and the swarm that finalised it, audited up to that round.

    `result` is None where no store has its document. `audit` is None where there was nothing to audit (the result is a
    genesis, which names no swarm), or where that could not be done: `findings` say why.
    """

    link: Cid
    result: ResultDocument | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    audit: AuditReport | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found of the link and of the earlier swarm."""
        of_audit = [self.audit.verdict] if self.audit else []
        return worst([*of_audit, *(finding.fault.verdict for finding in self.findings)])

    def document(self) -> dict[str, Any]:
        """The report for programs, as `schemas/audit.schema.json` describes it."""
        result = self.result
        return {
            "verdict": self.verdict.value,
            "result": _hex(self.link.digest),
            "result_cid": str(self.link),
            "chain_id": None if result is None else result.chain,
            "contract": None if result is None or result.contract is None else _hex(result.contract),
            "round": None if result is None else result.round,
            "findings": [_finding(one) for one in self.findings],
            "notes": list(self.notes),
            "audit": None if self.audit is None else self.audit.document(),
        }


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL if one is, else INCOMPLETE if one is, else PASS."""
    found = set(verdicts)
    return next((one for one in (Verdict.FAIL, Verdict.INCOMPLETE) if one in found), Verdict.PASS)


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "chain_id": scope.chain_id,
        "contract": _hex(scope.contract),
        "block_number": scope.block_number,
        "block_hash": _hex(scope.block_hash),
        "block_time": scope.block_time,
        "head": _hex(scope.head),
        "head_cid": str(document_cid(scope.head)),
        "finalized_rounds": scope.finalized_rounds,
        "endpoints": list(scope.endpoints),
        "store": scope.store,
    }


def _merge(merge: MergeSettings) -> dict[str, Any]:
    return {
        "rule": merge.rule,
        "parameters": dict(merge.parameters),
        "source_cid": None if merge.source is None else str(merge.source),
        "max_samples": merge.max_samples,
        "max_share_bps": merge.max_share_bps,
    }


def _round(one: RoundReport) -> dict[str, Any]:
    return {
        "number": one.number,
        "outcome": one.outcome.value,
        "verdict": one.verdict.value,
        "reexecuted": one.reexecuted,
        "result": None if one.result is None else _hex(one.result),
        "result_cid": None if one.result is None else str(document_cid(one.result)),
        "abort_reason": one.abort_reason,
        "expected": one.expected,
        "quorum": one.quorum,
        "revealed": one.revealed,
        "attested": one.attested,
        "included": one.included,
        "excluded": one.excluded,
        "counted": [{"node": _hex(each.node), "samples": each.samples, "weight": each.weight} for each in one.counted],
        "gas": one.gas,
        "findings": [_finding(finding) for finding in one.findings],
        "notes": list(one.notes),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.fault.verdict.value,
        "reason": finding.fault.value,
        "round": finding.round,
        "nodes": [_hex(node) for node in finding.nodes],
        "message": finding.message,
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
