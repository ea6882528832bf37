"""One finalised round, executed again: its documents read, its exclusions judged, its merge compared byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from swarm_chain.audit.comparison import Entry, Judged, compare_lists
from swarm_chain.audit.evidence import Evidence, Failures
from swarm_chain.audit.failures import Names, of_failures
from swarm_chain.audit.history import RoundRecord
from swarm_chain.audit.report import Fault, Finding
from swarm_chain.audit.weights_difference import describe_difference
from swarm_chain.core.cids import document_cid, document_digest
from swarm_chain.core.documents import Excluded, Reason, ResultDocument, TaskDocument, UpdateDocument
from swarm_chain.core.fields import Scalar
from swarm_chain.core.judge import Base, BuiltResult, Judgement, RoundFacts, build_result, compared_with, judge_updates
from swarm_chain.core.step_state import MAX_STATE
from swarm_chain.core.unixfs import File
from swarm_chain.errors import Malformed, MergeError, NotFinite, ShapeMismatch, StoreError, TooLarge
from swarm_chain.types import Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What rounds are executed by. `fault` says why the task's merge rule cannot be used, if so."""

    chain_id: int
    contract: Address
    task: TaskDocument
    fault: Finding | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What came of executing a round again. `claimed` is its document; `is_same` if the merge gave the same bytes."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    claimed: ResultDocument | None = None
    is_same: bool = False


def execute(round_: RoundRecord, rules: Rules, evidence: Evidence, *, required: int) -> Execution:
    """A finalised round's documents, judgements and merge beside those that its quorum attested to.

    `required` is the number of updates that the round needed.
    """
    return _Executor(round_, rules, evidence, required).run()


class _Executor:
    """Executes one round, and collects what it finds."""

    def __init__(self, round_: RoundRecord, rules: Rules, evidence: Evidence, required: int) -> None:
        self._round, self._rules, self._evidence, self._required = round_, rules, evidence, required
        self._result = round_.result or round_.base
        self._attesters = round_.attesters(self._result)
        self._facts = RoundFacts(
            chain=rules.chain_id,
            contract=rules.contract,
            round=round_.number,
            base=round_.base,
            reveals=round_.revealed(),
        )
        self._names: Names = {
            document_cid(self._result): ("the result", self._attesters),
            document_cid(round_.base): ("the base that it starts from", ()),
            **{document_cid(one.digest): ("the update", (one.node,)) for one in self._facts.reveals},
        }
        self._findings: list[Finding] = []
        self._notes: list[str] = []

    def run(self) -> Execution:
        claimed = self._claimed()
        is_same = False
        if claimed is not None:
            self._names[claimed.weights] = ("the result's weights", self._attesters)
            self._check_fields(claimed)
            self._check_unavailable(claimed)
            built, is_complete = self._judge(claimed)
            is_same = self._check_weights(claimed, built if is_complete else None)
            self._glance(claimed)
        self._report(self._evidence.take_failures())
        return Execution(findings=tuple(self._findings), notes=tuple(self._notes), claimed=claimed, is_same=is_same)

    # -------------------------------------------------------------------------------------------------------- documents

    def _claimed(self) -> ResultDocument | None:
        try:
            return self._evidence.read(self._result, ResultDocument)
        except StoreError:
            return None
        except Malformed as error:
            self._find(Fault.MALFORMED_DOCUMENT, f"the result is no result: {error}", *self._attesters)
            return None

    def _check_fields(self, claimed: ResultDocument) -> None:
        """What follows from the chain and the task alone."""
        task, round_ = self._rules.task, self._round
        for fault, name, said, right in (
            (Fault.WRONG_SWARM, "chain", claimed.chain, self._rules.chain_id),
            (Fault.WRONG_SWARM, "contract", claimed.contract, self._rules.contract),
            (Fault.WRONG_ROUND, "round", claimed.round, round_.number),
            (Fault.WRONG_TASK, "task", claimed.task, task.cid()),
            (Fault.WRONG_BASE, "base", claimed.base, document_cid(round_.base)),
            (Fault.WRONG_RULE, "rule", claimed.rule.name, task.merge.rule),
            (Fault.WRONG_RULE, "rule's parameters", _exact(claimed.rule.parameters), _exact(task.merge.parameters)),
        ):
            if said != right:
                what = f"the result's {name} is {_shown(said)}, and must be {_shown(right)}"
                self._find(fault, what, *self._attesters)

    def _check_unavailable(self, claimed: ResultDocument) -> None:
        """No honest node attests to a merge that lacks so many bytes that a round would not have gone on."""
        left = len(self._round.reveals.keys() - _unavailable(claimed))
        if left < self._required:
            what = f"leaving updates out as unavailable, it keeps {left} where {self._required} are required"
            self._find(Fault.TOO_MANY_UNAVAILABLE, what, *self._attesters)

    # -------------------------------------------------------------------------------------------------------- the merge

    def _judge(self, claimed: ResultDocument) -> tuple[BuiltResult | None, bool]:
        """The round executed again, and whether nothing was missing for it. Compares the result's lists with it."""
        try:
            base = self._base()
            built = self._build(base, claimed) if self._rules.fault is None else None
            judgements = built.judgements if built else self._judgements(self._as_far_as_there(base), claimed)
        except StoreError:
            return None, False
        except (Malformed, ShapeMismatch, NotFinite, MergeError) as error:
            self._find(Fault.UNUSABLE_BASE, f"nothing can be merged on what the round starts from: {error}")
            return None, False
        if self._rules.fault is not None:
            self._find(self._rules.fault.fault, self._rules.fault.message)
        failures = self._evidence.take_failures()
        self._name_weights(judgements)
        self._report(failures)
        is_complete = built is not None and not failures
        weights = {one.node: one.weight for one in built.document.included} if built else None
        judged = Judged(
            judgements={one.reveal.node: one for one in judgements},
            weights=weights if is_complete else None,
            unknown={one.reveal.node for one in judgements if self._is_unknown(one, failures)},
            is_complete=is_complete,
        )
        self._findings += compare_lists(claimed, judged, self._round.number)
        if built is not None and claimed.state != built.document.state:
            what = f"the result's state is {_shown(claimed.state)}, and must be {_shown(built.document.state)}"
            self._find(Fault.WRONG_STATE, what, *self._attesters)
        return built, is_complete

    def _base(self) -> Base:
        document = self._evidence.read(self._round.base, ResultDocument)
        self._names.setdefault(document.weights, ("the base's weights", ()))
        if document.state is not None:
            self._names.setdefault(document.state, ("the base's state", ()))
        entries: list[Entry] = [*document.included, *document.excluded]
        for entry in entries:
            what = "an update of the round before, without which copies of it cannot be told"
            self._names.setdefault(entry.update, (what, (entry.node,)))
        self._check_size(document)
        weights = self._evidence.weights(File(cid=document.weights, size=document.bytes))
        return Base(document=document, weights=weights)

    def _check_size(self, document: ResultDocument) -> None:
        """Raises `TooLarge` for weights that no result of this task can have: nobody's disk is filled."""
        most = self._rules.task.update.max_bytes
        if document.bytes > most:
            raise TooLarge(f"a result declares {document.bytes} bytes of weights where the task allows {most}")

    def _build(self, base: Base, claimed: ResultDocument) -> BuiltResult | None:
        """The round's result; None where it cannot be told for want of an update that the base names."""
        try:
            return build_result(
                task=self._rules.task,
                base=base,
                facts=self._facts,
                library=self._evidence,
                out=self._evidence.scratch,
                withheld=_unavailable(claimed),
            )
        except StoreError:
            return None

    def _as_far_as_there(self, base: Base) -> Base:
        """The base without the updates whose documents cannot be had: to judge what hangs on none of them."""
        document = base.document
        gone = {one.node for one in compared_with(document) if not self._can_be_had(one)}
        included = tuple(one for one in document.included if one.node not in gone)
        excluded = tuple(one for one in document.excluded if one.node not in gone)
        return Base(document=replace(document, included=included, excluded=excluded), weights=base.weights)

    def _can_be_had(self, entry: Entry) -> bool:
        try:
            self._evidence.document(document_digest(entry.update))
        except StoreError:
            return False
        except Malformed:
            pass
        return True

    def _judgements(self, base: Base, claimed: ResultDocument) -> tuple[Judgement, ...]:
        return judge_updates(
            task=self._rules.task,
            base=base,
            facts=self._facts,
            library=self._evidence,
            withheld=_unavailable(claimed),
        )

    def _name_weights(self, judgements: tuple[Judgement, ...]) -> None:
        for one in judgements:
            if one.document is not None:
                self._names.setdefault(one.document.weights, ("the update's weights", (one.reveal.node,)))

    def _is_unknown(self, judgement: Judgement, failures: Failures) -> bool:
        """Whether it is only for want of bytes that this update is judged unavailable."""
        roots = {document_cid(judgement.reveal.digest)}
        if judgement.document is not None:
            roots.add(judgement.document.weights)
        return judgement.reason is Reason.UNAVAILABLE and not roots.isdisjoint(failures)

    # ---------------------------------------------------------------------------------------------------------- weights

    def _check_weights(self, claimed: ResultDocument, built: BuiltResult | None) -> bool:
        """Whether the result's weights are those of the merge. That a store has them is looked at too."""
        said = File(cid=claimed.weights, size=claimed.bytes)
        try:
            self._check_size(claimed)
            self._evidence.check_file(said)
        except StoreError:
            pass
        except Malformed as error:
            self._find(Fault.WRONG_WEIGHTS, f"the result's weights: {error}", *self._attesters)
            return False
        if built is None:
            return False
        right = File(cid=built.document.weights, size=built.document.bytes)
        if said != right:
            self._find(Fault.WRONG_WEIGHTS, self._explain(said, right, built), *self._attesters)
        elif built.document.included:
            self._evidence.adopt(built.weights, right)
            self._check_state(claimed, built)
        return said == right

    def _check_state(self, claimed: ResultDocument, built: BuiltResult) -> None:
        """Looks whether a store has the state that the merge gave, without which nobody could go on."""
        if built.state is None or claimed.state is None or claimed.state != built.document.state:
            return
        self._names.setdefault(claimed.state, ("the result's state", self._attesters))
        file = File(cid=claimed.state, size=built.state.stat().st_size)
        with suppress(StoreError):  # It is remembered, and named.
            self._evidence.check_file(file)
        self._evidence.adopt(built.state, file)

    def _explain(self, said: File, right: File, built: BuiltResult) -> str:
        what = f"the result's weights are {said.cid} where the merge gives {right.cid}"
        if said.size != right.size:
            return f"{what}: {said.size} bytes instead of {right.size}"
        try:
            return f"{what}: {describe_difference(self._evidence.weights(said), built.weights)}"
        except (StoreError, Malformed):
            return what

    # --------------------------------------------------------------------------------------------- what is merely there

    def _glance(self, claimed: ResultDocument) -> None:
        """Looks at what a result links to and no judgement needs: it may be missing, and must not be corrupted."""
        if claimed.state is not None:
            self._glance_at_state(claimed)
        for entry in claimed.excluded:
            if entry.node in self._round.reveals and self._is_all_there(entry) and entry.reason is Reason.UNAVAILABLE:
                name = f"0x{entry.node.hex()}"
                self._notes.append(f"the update of {name}, excluded as unavailable, is there now")

    def _glance_at_state(self, claimed: ResultDocument) -> None:
        if claimed.state is None:
            return
        self._names.setdefault(claimed.state, ("the result's state", self._attesters))
        try:
            self._evidence.glance(claimed.state, max_bytes=self._rules.task.update.max_bytes * MAX_STATE)
        except Malformed as error:
            self._find(Fault.WRONG_STATE, f"the result's state is no file: {error}", *self._attesters)

    def _is_all_there(self, entry: Excluded) -> bool:
        if not self._evidence.glance(entry.update):
            return False
        try:
            update = self._evidence.read(entry.update.digest, UpdateDocument)
            if update.bytes > self._rules.task.update.max_bytes:
                return True
            self._names.setdefault(update.weights, ("the update's weights", (entry.node,)))
            return self._evidence.glance(update.weights, size=update.bytes)
        except (Malformed, StoreError):
            return True

    # ---------------------------------------------------------------------------------------------------------- finding

    def _report(self, failures: Failures) -> None:
        found = {(one.fault, one.message) for one in self._findings}
        for finding in of_failures(failures, self._round.number, self._names):
            if (finding.fault, finding.message) not in found:
                self._findings.append(finding)

    def _find(self, fault: Fault, message: str, *nodes: Address) -> None:
        self._findings.append(Finding(fault=fault, message=message, round=self._round.number, nodes=nodes))


def _unavailable(claimed: ResultDocument) -> frozenset[Address]:
    return frozenset(one.node for one in claimed.excluded if one.reason is Reason.UNAVAILABLE)


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _exact(parameters: Mapping[str, Scalar]) -> str:
    """Parameters so that those with other bytes are other: to Python 1, 1.0 and True are one number."""
    return ", ".join(f"{name}={value!r}" for name, value in sorted(parameters.items()))
