"""The swarms behind a swarm: each result that a genesis starts from, looked for on its own chain.

A genesis links to a document, and anybody can write one: that it says "chain, contract, round" proves nothing. So the
contract that it names is audited itself, up to that round, and must have finalised exactly this result there, before
the later swarm recorded anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from swarm_chain.audit.evidence import Evidence
from swarm_chain.audit.failures import of_failures
from swarm_chain.audit.history import History
from swarm_chain.audit.reader import HistoryReader
from swarm_chain.audit.report import AncestorReport, AuditReport, Fault, Finding
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.lineage import MAX_LINKS, Origin
from swarm_chain.errors import CidMismatch, Malformed, NotACoordinator, StoreError
from swarm_chain.types import Address, RoundFinalized, RoundNumber, Timestamp

FindReaders = Callable[[int, Address], Sequence[HistoryReader]]
"""The endpoints that tell a contract's story, by its chain's id and its address; none where no endpoint serves it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a later swarm's genesis says: that an earlier one finalised this result.

    `before` is when the later swarm recorded its first event; None where it recorded none yet, or on another chain.
    """

    origin: Origin
    before: Timestamp | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Audited:
    """A swarm's report, and what is needed to go on to the one before it."""

    report: AuditReport
    genesis: ResultDocument | None = None
    began: Timestamp | None = None


Look = Callable[[Sequence[HistoryReader], Claim], Audited]
"""Audits an earlier swarm as far as a claim goes. Raises `NotACoordinator` where there is no code."""


def look_back(later: Audited, evidence: Evidence, find: FindReaders, look: Look) -> tuple[AncestorReport, ...]:
    """A report on each result behind a swarm, nearest first."""
    return tuple(_Line(later, evidence, find, look).reports())


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """What is said of a genesis whose ancestors nobody wants to look at."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def leave_out(later: Audited, evidence: Evidence) -> LeftOut:
    """What documents alone show of the result that a genesis starts from: it may be missing, and must not be wrong."""
    genesis = later.genesis
    if genesis is None or genesis.base is None:
        return LeftOut()
    note = f"it starts from {genesis.base}, a result of an earlier swarm, which was not audited"
    try:
        findings = tuple(check_weights(genesis, evidence.read(genesis.base.digest, ResultDocument)))
    except CidMismatch:
        findings = _failures(evidence, genesis.base)
    except StoreError:
        evidence.take_failures()
        return LeftOut(notes=(f"{note}, and is not there; no round of this swarm needs it",))
    except Malformed as error:
        findings = (_no_result(error),)
    return LeftOut(findings=tuple(replace(one, round=RoundNumber(0)) for one in findings), notes=(note,))


def check_claim(claim: Claim, history: History) -> Iterator[Finding]:
    """A finding where a swarm's events do not bear out that it finalised the result that a later one starts from."""
    origin = claim.origin
    found = next((one for one in history.rounds if one.number == origin.round), None)
    what = f"the later swarm starts from 0x{origin.result.hex()} as the result of round {origin.round}"
    if found is None or not isinstance(found.end, RoundFinalized):
        stands = "was never opened" if found is None else f"is {found.outcome.value}"
        yield Finding(fault=Fault.WRONG_ANCESTOR, message=f"{what}, and that round {stands}")
    elif found.end.result != origin.result:
        yield Finding(
            fault=Fault.WRONG_ANCESTOR,
            message=f"{what}, and that round was finalised with 0x{found.end.result.hex()}",
        )
    elif claim.before is not None and (at := history.time_of(found.end.block_number)) > claim.before:
        yield Finding(
            fault=Fault.WRONG_ANCESTOR,
            message=f"{what}, which was finalised at {at}, when the later swarm had begun at {claim.before}",
        )


def check_weights(later: ResultDocument, earlier: ResultDocument) -> Iterator[Finding]:
    """A finding where a genesis did not take over the weights, or the state, of the result that it links to."""
    if (earlier.weights, earlier.bytes) != (later.weights, later.bytes):
        message = f"a genesis names {later.base} as its origin, whose weights are others"
        yield Finding(fault=Fault.WRONG_BASE, message=message)
    if later.state not in (None, earlier.state):
        message = f"a genesis carries a state on that its origin {later.base} does not have"
        yield Finding(fault=Fault.WRONG_STATE, message=message)


class _Line:
    """One swarm's ancestors, walked back until there is none, or none that can be looked at."""

    def __init__(self, later: Audited, evidence: Evidence, find: FindReaders, look: Look) -> None:
        self._later, self._document = later, later.genesis
        self._evidence, self._find, self._look = evidence, find, look
        self._seen = {(later.report.scope.chain_id, later.report.scope.contract)}

    def reports(self) -> Iterator[AncestorReport]:
        for _ in range(MAX_LINKS):
            if self._document is None or self._document.base is None:
                return
            yield self._step(self._document, self._document.base)
        if self._document is not None and self._document.base is not None:
            what = f"the line goes on behind {MAX_LINKS} results, and no audit follows it further; audit its end itself"
            yield _without_audit(self._document.base, None, Fault.ANCESTOR_OUT_OF_REACH, what)

    def _step(self, later: ResultDocument, link: Cid) -> AncestorReport:
        """The report on one result; from then on its swarm is the later one, or there is no more to walk."""
        self._document = None
        try:
            earlier = self._evidence.read(link.digest, ResultDocument)
        except StoreError:
            return AncestorReport(link=link, findings=_failures(self._evidence, link))
        except Malformed as error:
            return AncestorReport(link=link, findings=(_no_result(error),))
        findings = tuple(check_weights(later, earlier))
        origin = Origin.of(earlier)
        if origin is None:
            self._document = earlier
            note = "the genesis of an earlier swarm: nobody had to agree on it, and no chain is asked about it"
            return AncestorReport(link=link, result=earlier, findings=findings, notes=(note,))
        return self._swarm(link, earlier, origin, findings)

    def _swarm(
        self, link: Cid, earlier: ResultDocument, origin: Origin, findings: tuple[Finding, ...]
    ) -> AncestorReport:
        place = (origin.chain_id, origin.contract)
        where = f"0x{origin.contract.hex()} on chain {origin.chain_id}"
        if place in self._seen:
            what = f"the line leads back to {where}, which is in it already: no swarm comes from itself"
            return _without_audit(link, earlier, Fault.WRONG_ANCESTOR, what, findings)
        self._seen.add(place)
        readers = [reader for reader in self._find(*place) if reader.chain_id == origin.chain_id]
        if not readers:
            what = f"the earlier swarm is {where}, which no endpoint here serves; give one with --ancestor-rpc"
            return _without_audit(link, earlier, Fault.ANCESTOR_OUT_OF_REACH, what, findings)
        try:
            audited = self._look(readers, self._claim(origin))
        except NotACoordinator:
            what = f"the earlier swarm is said to be {where}, and there is no contract: it finalised nothing"
            return _without_audit(link, earlier, Fault.WRONG_ANCESTOR, what, findings)
        self._later, self._document = audited, audited.genesis
        return AncestorReport(link=link, result=earlier, findings=findings, audit=audited.report)

    def _claim(self, origin: Origin) -> Claim:
        # Two chains have two clocks.
        is_same_chain = self._later.report.scope.chain_id == origin.chain_id
        return Claim(origin=origin, before=self._later.began if is_same_chain else None)


def _failures(evidence: Evidence, link: Cid) -> tuple[Finding, ...]:
    return tuple(of_failures(evidence.take_failures(), None, {link: ("the earlier swarm's result", ())}))


def _no_result(error: Malformed) -> Finding:
    message = f"what the genesis' weights come from is no result: {error}"
    return Finding(fault=Fault.MALFORMED_DOCUMENT, message=message)


def _without_audit(
    link: Cid, result: ResultDocument | None, fault: Fault, message: str, findings: tuple[Finding, ...] = ()
) -> AncestorReport:
    return AncestorReport(link=link, result=result, findings=(*findings, Finding(fault=fault, message=message)))
