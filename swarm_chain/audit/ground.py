"""What all rounds stand on: the task that the swarm agreed on, and the result it started from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from swarm_chain.audit.evidence import Evidence
from swarm_chain.audit.failures import Names, of_failures
from swarm_chain.audit.report import Fault, Finding
from swarm_chain.core import merge
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import Document, ResultDocument, RuleChoice, TaskDocument
from swarm_chain.core.rule_sources import use_accepted_rule
from swarm_chain.core.step_state import MAX_STATE, read_state
from swarm_chain.core.unixfs import File
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, model_digest
from swarm_chain.errors import (
    Malformed,
    MalformedWeights,
    MergeError,
    NotFinite,
    RuleNotAccepted,
    ShapeMismatch,
    StoreError,
    TooLarge,
)
from swarm_chain.types import Digest, RoundNumber, SwarmConfig

D = TypeVar("D", bound=Document)

GENESIS = RoundNumber(0)
MAX_SOURCE = 16 * 1024 * 1024
"""Bytes of the largest source file that a task is expected to link to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """The task and the genesis, where they could be had, and what is wrong with them.

    `rule_fault` says why its merge rule cannot be used here, if so.
    """

    task: TaskDocument | None
    rule_fault: Finding | None
    findings: tuple[Finding, ...]
    genesis: ResultDocument | None


def read_ground(evidence: Evidence, config: SwarmConfig, accepted_rules: Collection[Digest] = ()) -> Ground:
    """The task, read and checked, and the genesis with its weights.

    A merge rule that is source code is run where its digest is among `accepted_rules`, or an installed package has it.
    """
    findings: list[Finding] = []
    names: Names = {
        document_cid(config.task_digest): ("the task", ()),
        document_cid(config.genesis_digest): ("the genesis", ()),
    }
    task = _read(evidence, config.task_digest, TaskDocument, "task is no task", findings)
    genesis = _read(evidence, config.genesis_digest, ResultDocument, "genesis is no result", findings)
    rule_fault = None
    if task is not None:
        rule_fault = _rule_fault(task, evidence, accepted_rules)
        findings += [rule_fault] if rule_fault else []
        findings += _check_sources(evidence, task)
    if task is not None and genesis is not None:
        findings += _check_genesis(evidence, genesis, task, names)
    findings += of_failures(evidence.take_failures(), GENESIS, names)
    return Ground(task=task, rule_fault=rule_fault, findings=tuple(findings), genesis=genesis)


def _read(evidence: Evidence, digest: Digest, kind: type[D], otherwise: str, findings: list[Finding]) -> D | None:
    """A document that the contract names. None where it cannot be had, which the evidence remembers, or is none."""
    try:
        return evidence.read(digest, kind)
    except StoreError:
        return None
    except Malformed as error:
        message = f"the swarm's {otherwise}: {error}"
        findings.append(Finding(fault=Fault.MALFORMED_DOCUMENT, message=message, round=GENESIS))
        return None


def _rule_fault(task: TaskDocument, evidence: Evidence, accepted: Collection[Digest]) -> Finding | None:
    source = task.merge.source
    try:
        is_accepted = source is not None and source.digest in accepted
        use_accepted_rule(task.merge, evidence.block, source.digest if source is not None and is_accepted else None)
    except StoreError as error:
        message = f"no merge can be executed again: the source of its rule cannot be had: {error}"
        return Finding(fault=Fault.MISSING_BYTES, message=message, round=GENESIS)
    except (MergeError, Malformed) as error:
        is_shipped = source is None and task.merge.rule in merge.SHIPPED
        is_wrong = is_shipped or (is_accepted and not isinstance(error, RuleNotAccepted))
        fault = Fault.WRONG_RULE if is_wrong else Fault.RULE_NOT_ACCEPTED
        return Finding(fault=fault, message=f"no merge can be executed again: {error}", round=GENESIS)
    return None


def _check_sources(evidence: Evidence, task: TaskDocument) -> Iterator[Finding]:
    # No merge needs these; what a store has of them must be right all the same.
    for link in (task.source, task.merge.source):
        if isinstance(link, Cid):
            try:
                evidence.glance(link, max_bytes=MAX_SOURCE)
            except Malformed as error:
                message = f"a source that the task links to is no file: {error}"
                yield Finding(fault=Fault.MALFORMED_DOCUMENT, message=message, round=GENESIS)


def _check_genesis(evidence: Evidence, genesis: ResultDocument, task: TaskDocument, names: Names) -> Iterator[Finding]:
    names[genesis.weights] = ("the genesis' weights", ())
    yield from _check_fields(genesis, task)
    try:
        if genesis.bytes > task.update.max_bytes:
            raise TooLarge(
                f"it declares {genesis.bytes} bytes of weights where the task allows {task.update.max_bytes}"
            )
        path = evidence.weights(File(cid=genesis.weights, size=genesis.bytes))
        with WeightsFile(path) as weights:
            if model_digest(weights.specs) != task.model:
                message = "the genesis' weights are not the task's model"
                yield Finding(fault=Fault.WRONG_WEIGHTS, message=message, round=GENESIS)
            check_finite(weights)
        if genesis.state is not None:
            names[genesis.state] = ("the genesis' state", ())
            yield from _check_state(evidence, genesis, task, weights.specs)
    except StoreError:
        return
    except (MalformedWeights, NotFinite) as error:
        yield Finding(fault=Fault.WRONG_WEIGHTS, message=f"the genesis' weights: {error}", round=GENESIS)
    except Malformed as error:
        yield Finding(fault=Fault.MALFORMED_DOCUMENT, message=f"the genesis: {error}", round=GENESIS)


def _check_state(evidence: Evidence, genesis: ResultDocument, task: TaskDocument, model: Specs) -> Iterator[Finding]:
    """What a genesis carries on of an earlier swarm. Raises a `StoreError`."""
    try:
        step = merge.rule_of(task.merge).step
    except MergeError:
        step = None  # Why the rule cannot be used is another finding.
    try:
        if step is None and genesis.state is not None:
            evidence.glance(genesis.state, max_bytes=task.update.max_bytes * MAX_STATE)
        read_state(step, genesis.state, model, evidence.weights)
    except (Malformed, ShapeMismatch, NotFinite) as error:
        yield Finding(fault=Fault.WRONG_STATE, message=f"the genesis' state: {error}", round=GENESIS)


def _check_fields(genesis: ResultDocument, task: TaskDocument) -> Iterator[Finding]:
    if genesis.round != 0:
        message = f"the swarm starts from the result of round {genesis.round}, which is no genesis"
        yield Finding(fault=Fault.WRONG_ROUND, message=message, round=GENESIS)
    if genesis.task != task.cid():
        message = f"the genesis is of task {genesis.task}, not of {task.cid()}"
        yield Finding(fault=Fault.WRONG_TASK, message=message, round=GENESIS)
    if genesis.rule != RuleChoice(name=task.merge.rule, parameters=task.merge.parameters):
        message = f"the genesis names the merge rule {genesis.rule.name}, not the task's"
        yield Finding(fault=Fault.WRONG_RULE, message=message, round=GENESIS)
