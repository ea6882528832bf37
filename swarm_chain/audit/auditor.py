"""The audit of a swarm: its history replayed, its merges executed again, a verdict for every round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from swarm_chain.audit.ancestors import Audited, Claim, FindReaders, check_claim, leave_out, look_back
from swarm_chain.audit.endpoints import Story, check_agreement, check_commitments, check_pinned, pin, read_story
from swarm_chain.audit.evidence import Evidence
from swarm_chain.audit.execution import Execution, Rules, execute
from swarm_chain.audit.gas import gas_by_round, gas_uses
from swarm_chain.audit.ground import GENESIS, Ground, read_ground
from swarm_chain.audit.history import History, RoundRecord
from swarm_chain.audit.reader import Block, HistoryReader
from swarm_chain.audit.report import AuditReport, Counted, Fault, Finding, Outcome, RoundReport, Scope
from swarm_chain.audit.state import check_configuration, check_state
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.merge.arithmetic import check_arithmetic
from swarm_chain.errors import ConfigurationError, InvalidAnswer, NotACoordinator, StoreUnavailable
from swarm_chain.ports import UpdateStore
from swarm_chain.types import ZERO_DIGEST, BlockNumber, Digest, Gas, RoundAborted, RoundNumber, SwarmInfo

FOREIGN = "the code at the address is not the coordinator's: what it records proves nothing"


class Artifact(Protocol):
    """What the contract's code must be."""

    def matches(self, code: bytes) -> bool:
        """Whether code found on a chain is the contract's, immutables aside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What an audit is at: `done` of `total` rounds or blocks."""

    doing: str
    done: int
    total: int


OnProgress = Callable[[Step], None]


def audit(
    readers: HistoryReader | Sequence[HistoryReader],
    store: UpdateStore,
    *,
    artifact: Artifact,
    rounds: Collection[int] | None = None,
    block: int | None = None,
    work_dir: Path | None = None,
    on_progress: OnProgress = lambda step: None,
    find_readers: FindReaders | None = None,
    accepted_rules: Collection[Digest] = (),
) -> AuditReport:
    """The report on a swarm as it is at one block, the newest unless told.

    Every reader is an endpoint, and all must agree. `rounds` are those to execute again; all of them unless told. All
    events are always looked at. Weights are kept in a folder below `work_dir` that is removed at the end; nothing else
    is written. The swarms whose results it comes from are audited too, up to those, with the endpoints that
    `find_readers` has for them; without it they are left out, and a note says so.

    A merge rule that is source code is run where its source's digest is among `accepted_rules`; of one that is not,
    nor installed, no round can be executed again.

    Raises `NotACoordinator` where there is no code, `ConfigurationError` for a round that there is not, and what
    readers and stores raise when they cannot be asked.
    """
    check_arithmetic()
    endpoints = list(readers) if isinstance(readers, Sequence) else [readers]
    at = None if block is None else BlockNumber(block)
    with _folder(work_dir) as folder:
        evidence = Evidence(store, folder)
        auditor = _Auditor(endpoints, evidence, artifact, on_progress, accepted_rules=accepted_rules)
        audited = auditor.run(rounds, at, store.name)
        if find_readers is None:
            return _without_ancestors(audited, evidence)

        def look(of: Sequence[HistoryReader], claim: Claim) -> Audited:
            auditor = _Auditor(of, evidence, artifact, _about(claim, on_progress), claim, accepted_rules=accepted_rules)
            is_same_chain = claim.origin.chain_id == audited.report.scope.chain_id
            return auditor.run(None if rounds is None else (), at if is_same_chain else None, store.name)

        return replace(audited.report, ancestors=look_back(audited, evidence, find_readers, look))


def _without_ancestors(audited: Audited, evidence: Evidence) -> AuditReport:
    left_out = leave_out(audited, evidence)
    genesis = audited.report.genesis
    genesis = replace(
        genesis,
        findings=(*genesis.findings, *left_out.findings),
        notes=(*genesis.notes, *left_out.notes),
    )
    return replace(audited.report, genesis=genesis)


def _about(claim: Claim, on_progress: OnProgress) -> OnProgress:
    """Says of every step that it is about an earlier swarm."""
    whose = f"of the earlier swarm 0x{claim.origin.contract.hex()[:8]}…"
    return lambda step: on_progress(replace(step, doing=f"{step.doing} {whose}"))


class _Auditor:
    """One audit; of a swarm up to the round that a later one's `claim` is about, if so."""

    def __init__(
        self,
        readers: Sequence[HistoryReader],
        evidence: Evidence,
        artifact: Artifact,
        on_progress: OnProgress,
        claim: Claim | None = None,
        *,
        accepted_rules: Collection[Digest] = (),
    ) -> None:
        self._accepted_rules = accepted_rules
        self._readers, self._evidence, self._artifact, self._on_progress = readers, evidence, artifact, on_progress
        self._reader, self._claim = readers[0], claim
        self._findings: list[Finding] = []
        self._notes: list[str] = []

    def run(self, numbers: Collection[int] | None, block: BlockNumber | None, store: str) -> Audited:
        pinned = pin(self._readers, block)
        is_coordinator = self._check_code(pinned)
        try:
            return self._look_into(numbers, pinned, store, is_coordinator=is_coordinator)
        except (NotACoordinator, InvalidAnswer):
            if is_coordinator:
                raise
            return Audited(report=self._stranger(pinned, store))

    def _look_into(
        self, numbers: Collection[int] | None, pinned: Block, store: str, *, is_coordinator: bool
    ) -> Audited:
        swarm = self._reader.swarm_info(pinned.number)
        self._findings += check_configuration(swarm.config)
        story = self._read_story(pinned)
        history = self._replay(swarm, story, pinned)
        chosen = _chosen(history, numbers) if self._claim is None else self._claimed(self._claim, history, numbers)
        ground = self._read_ground(history)
        executions = self._execute(history, chosen, ground)
        check_pinned(self._reader, pinned)
        report = AuditReport(
            scope=self._scope(pinned, swarm, store),
            is_coordinator=is_coordinator,
            genesis=RoundReport(
                number=GENESIS,
                outcome=Outcome.GENESIS,
                findings=ground.findings,
                result=swarm.config.genesis_digest,
            ),
            rounds=self._round_reports(history, chosen, executions, gas_by_round(story.transactions), is_coordinator),
            findings=tuple(one for one in self._findings if one.round not in chosen),
            notes=tuple(self._notes),
            labels=history.labels,
            gas=gas_uses(story.transactions),
            merge=ground.task.merge if ground.task else None,
        )
        began = story.times[story.events[0].block_number] if story.events else None
        return Audited(report=report, genesis=ground.genesis, began=began)

    def _claimed(self, claim: Claim, history: History, numbers: Collection[int] | None) -> frozenset[RoundNumber]:
        """The rounds that the result of a claim was made of; none where the claim is wrong, or none were asked for."""
        wrong = list(check_claim(claim, history))
        if wrong:
            self._findings += wrong
            return frozenset()
        last = claim.origin.round
        later = [one for one in self._findings if one.round is not None and one.round > last]
        if later:
            self._findings = [one for one in self._findings if one not in later]
            self._notes.append(
                f"something is wrong after round {last}, which nothing here rests on: audit it by itself"
            )
        if numbers is not None:
            self._notes.append("its events were looked at, and its rounds not executed again: only some were asked for")
            return frozenset()
        return frozenset(one.number for one in history.rounds if one.number <= last)

    # -------------------------------------------------------------------------------------------------------- the chain

    def _check_code(self, pinned: Block) -> bool:
        code = self._reader.code(pinned.number)
        if not code:
            raise NotACoordinator(
                f"there is no contract at 0x{self._reader.coordinator.hex()} in block {pinned.number} of chain "
                f"{self._reader.chain_id}; check the address and the RPC URL"
            )
        if self._artifact.matches(code):
            return True
        self._findings.append(Finding(fault=Fault.OTHER_CODE, message=FOREIGN))
        return False

    def _read_story(self, pinned: Block) -> Story:
        self._tell("reading events", 0, 1)
        story = read_story(self._reader, pinned, lambda done, total: self._tell("reading block headers", done, total))
        self._findings += story.findings
        self._notes += story.notes
        self._findings += check_agreement(self._readers, pinned, story.events)
        self._findings += check_commitments(
            story.transactions, chain_id=self._reader.chain_id, coordinator=self._reader.coordinator
        )
        return story

    def _replay(self, swarm: SwarmInfo, story: Story, pinned: Block) -> History:
        history = History(swarm.config, story.times.__getitem__)
        history.replay(list(story.events))
        self._findings += history.findings
        self._tell("comparing the contract's state", 0, 1)
        self._findings += check_state(self._reader, pinned.number, history)
        return history

    # ---------------------------------------------------------------------------------------------------- the documents

    def _read_ground(self, history: History) -> Ground:
        self._tell("reading task and genesis", 0, 1)
        return read_ground(self._evidence, history.config, self._accepted_rules)

    def _execute(
        self, history: History, chosen: Collection[RoundNumber], ground: Ground
    ) -> dict[RoundNumber, Execution]:
        finalized = [one for one in history.rounds if one.number in chosen and one.outcome is Outcome.FINALIZED]
        done: dict[RoundNumber, Execution] = {}
        for place, round_ in enumerate(finalized):
            self._tell(f"executing round {round_.number} again", place, len(finalized))
            done[round_.number] = self._execute_one(history, round_, ground)
        self._tell("done", len(finalized), len(finalized))
        return done

    def _execute_one(self, history: History, round_: RoundRecord, ground: Ground) -> Execution:
        if ground.task is None:
            return Execution(findings=tuple(_without_task(ground, round_)))
        rules = Rules(
            chain_id=self._reader.chain_id,
            contract=self._reader.coordinator,
            task=ground.task,
            fault=ground.rule_fault,
        )
        execution = execute(round_, rules, self._evidence, required=history.required(round_.expected))
        self._evidence.keep_only(_files(execution.claimed))
        return execution

    # ------------------------------------------------------------------------------------------------------- the report

    def _round_reports(
        self,
        history: History,
        chosen: Collection[RoundNumber],
        executions: dict[RoundNumber, Execution],
        gas: Counter[RoundNumber],
        is_coordinator: bool,
    ) -> tuple[RoundReport, ...]:
        reports = []
        for round_ in history.rounds:
            if round_.number in chosen:
                of_events = [one for one in self._findings if one.round == round_.number]
                if not is_coordinator:
                    of_events.insert(0, Finding(fault=Fault.OTHER_CODE, message=FOREIGN, round=round_.number))
                reports.append(_report(round_, of_events, executions.get(round_.number), Gas(gas[round_.number])))
        return tuple(reports)

    def _scope(self, pinned: Block, swarm: SwarmInfo | None, store: str) -> Scope:
        return Scope(
            chain_id=self._reader.chain_id,
            contract=self._reader.coordinator,
            block_number=pinned.number,
            block_hash=pinned.hash,
            block_time=pinned.timestamp,
            head=swarm.head if swarm else ZERO_DIGEST,
            finalized_rounds=swarm.finalized_rounds if swarm else 0,
            endpoints=tuple(reader.name for reader in self._readers),
            store=store,
        )

    def _stranger(self, pinned: Block, store: str) -> AuditReport:
        """What is left to say of a contract that does not even answer like a coordinator."""
        return AuditReport(
            scope=self._scope(pinned, None, store),
            is_coordinator=False,
            genesis=RoundReport(number=GENESIS, outcome=Outcome.GENESIS),
            rounds=(),
            findings=(Finding(fault=Fault.OTHER_CODE, message=FOREIGN),),
        )

    def _tell(self, doing: str, done: int, total: int) -> None:
        self._on_progress(Step(doing=doing, done=done, total=total))


def _files(result: ResultDocument | None) -> set[Cid]:
    """The files that the next round starts from."""
    return {cid for cid in (result.weights, result.state) if cid is not None} if result else set()


def _chosen(history: History, numbers: Collection[int] | None) -> frozenset[RoundNumber]:
    there = {one.number for one in history.rounds}
    if numbers is None:
        return frozenset(there)
    for number in sorted(numbers):
        if number not in there:
            last = f"the last is {history.number}" if there else "no round was opened yet"
            raise ConfigurationError(f"there is no round {number}; {last}")
    return frozenset(RoundNumber(number) for number in numbers)


def _without_task(ground: Ground, round_: RoundRecord) -> Iterator[Finding]:
    """Without its task no round can be executed again: for the same reason as the task itself."""
    for finding in ground.findings:
        message = f"nothing can be executed again without the task: {finding.message}"
        yield Finding(fault=finding.fault, message=message, round=round_.number)


def _report(round_: RoundRecord, of_events: list[Finding], execution: Execution | None, gas: Gas) -> RoundReport:
    claimed = execution.claimed if execution else None
    return RoundReport(
        number=round_.number,
        outcome=round_.outcome,
        findings=(*of_events, *(execution.findings if execution else ())),
        notes=execution.notes if execution else (),
        result=round_.result,
        abort_reason=round_.end.reason.name.lower() if isinstance(round_.end, RoundAborted) else None,
        expected=round_.expected,
        quorum=round_.quorum,
        revealed=len(round_.reveals),
        attested=len(round_.attestations) if round_.result is None else round_.tally[round_.result],
        included=len(claimed.included) if claimed else None,
        excluded=len(claimed.excluded) if claimed else None,
        counted=tuple(_counted(claimed, round_)) if claimed else (),
        reexecuted=bool(execution and execution.is_same),
        gas=gas,
    )


def _counted(claimed: ResultDocument, round_: RoundRecord) -> Iterator[Counted]:
    """What a result's updates count for; one that nobody revealed is a finding, and not here."""
    for one in claimed.included:
        if one.node in round_.reveals:
            yield Counted(node=one.node, samples=round_.reveals[one.node].samples, weight=one.weight)


@contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    """A folder that is gone when the audit ends."""
    try:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="swarm-chain-audit-", dir=parent) as folder:
            yield Path(folder)
    except PermissionError as error:
        raise StoreUnavailable(f"no working folder in {parent}: {error.strerror}; choose another --work-dir") from error
