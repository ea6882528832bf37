"""Audits that cross the link from a genesis to an earlier swarm's result: honest lines, forged ones, missing bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from typing import Any

import jsonschema
import numpy as np
import pytest

from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Fault, HistoryReader, Step, Verdict, audit
from swarm_chain.cli.audit import print_report
from swarm_chain.cli.output import checksum
from swarm_chain.core import lineage
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import MergeSettings, ResultDocument
from swarm_chain.schemas import load_schema
from swarm_chain.types import Address, Digest, Timestamp
from tests.chains import MemoryWorld
from tests.histories import Made, Script, changed, task_document
from tests.unit.test_audit_blocks import Broken, blocks_of

ARTIFACT = load_artifact()
START = 1_700_000_000


def address(name: str) -> Address:
    return Address(name.encode().ljust(20, b"\0"))


def world(name: str, *, after: int = 0) -> Any:
    """What deploys a swarm at an address of its own, `after` seconds later than the first ones."""
    return partial(MemoryWorld, coordinator=address(name), start=Timestamp(START + after))


def successor(of: Script, result: Digest, name: str, **options: Any) -> Script:
    """A swarm that starts from a result of an earlier one, in the same store, a day later."""
    options = {"start": options.get("start") or of.parameters_of(result), "task": of.task} | options
    after = options.pop("after", of.world.now - START + 86_400)
    return Script(world(name, after=after), store=of.store, base=result, **options)


class Chain:
    """An endpoint of one chain, with some swarms on it."""

    def __init__(self, *scripts: Script, chain_id: int = 31337) -> None:
        self.chain_id = chain_id
        self.swarms = {script.world.chain(None).coordinator: script for script in scripts}
        self.code = dict.fromkeys(self.swarms, ARTIFACT.deployed_bytecode)

    def find(self, chain_id: int, contract: Address) -> Sequence[HistoryReader]:
        if chain_id != self.chain_id:
            return ()
        return [self.reader(contract)]

    def reader(self, contract: Address) -> HistoryReader:
        script = self.swarms.get(contract)
        if script is None:
            return MemoryHistory(next(iter(self.swarms.values())).world.root, code=b"")  # type: ignore[attr-defined]
        return MemoryHistory(script.world.root, code=self.code[contract])  # type: ignore[attr-defined]

    def audit(self, script: Script, **options: Any) -> AuditReport:
        reader = self.reader(script.world.chain(None).coordinator)
        options.setdefault("find_readers", self.find)
        return audit(reader, options.pop("store", script.store), artifact=ARTIFACT, **options)


def of_links(report: AuditReport) -> list[list[Fault]]:
    """Everything that was found of each ancestor: of the link first, then of its swarm."""
    return [
        [finding.fault for finding in (*one.findings, *(one.audit.all_findings if one.audit else ()))]
        for one in report.ancestors
    ]


@pytest.fixture
def first() -> Script:
    """A swarm with three finalised rounds."""
    made = Script(world("first"))
    for _ in range(3):
        made.round()
    return made


@pytest.fixture
def second(first: Script) -> Script:
    """A swarm that starts from round 2 of the first one, and has trained on for a round."""
    made = successor(first, first.results[1], "second")
    made.round()
    return made


# ------------------------------------------------------------------------------------------------------------- honest


def test_audit__starts_from_a_finalised_result__audits_the_earlier_swarm_up_to_it(
    first: Script, second: Script
) -> None:
    report = Chain(first, second).audit(second)

    assert report.verdict is Verdict.PASS
    (ancestor,) = report.ancestors
    assert ancestor.link == document_cid(first.results[1])
    assert ancestor.audit is not None
    assert ancestor.audit.scope.contract == address("first")
    assert [(one.number, one.reexecuted) for one in ancestor.audit.rounds] == [(1, True), (2, True)]


def test_audit__a_line_of_three_with_other_tasks__audits_each(first: Script, second: Script) -> None:
    third = successor(second, second.results[0], "third", task=task_document(MergeSettings(rule="mean")))
    third.round()

    report = Chain(first, second, third).audit(third)

    assert report.verdict is Verdict.PASS, of_links(report)
    audits = [one.audit for one in report.ancestors]
    assert [one.scope.contract for one in audits if one] == [address("second"), address("first")]


def test_audit__starts_from_a_genesis__goes_on_behind_it(first: Script, second: Script) -> None:
    third = successor(second, second.genesis, "third")
    third.round()

    report = Chain(first, second, third).audit(third)

    assert report.verdict is Verdict.PASS
    assert [(one.result.round, one.audit is None) for one in report.ancestors if one.result] == [(0, True), (2, False)]
    assert "nobody had to agree" in report.ancestors[0].notes[0]


def test_audit__the_earlier_swarm_went_wrong_later__passes(first: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        file = first.keep(changed(made, "dense.bias", (0,), lambda number: number + 1))
        return replace(made.document, weights=file.cid)

    first.round(forge=forge)
    later = successor(first, first.results[2], "later")
    later.round()
    chain = Chain(first, later)

    assert chain.audit(first).verdict is Verdict.FAIL
    assert chain.audit(later).verdict is Verdict.PASS


def test_audit__an_endpoint_hides_an_event_after_the_result__passes_with_a_note(first: Script, second: Script) -> None:
    class Hiding(MemoryHistory):
        def events(self, at: Any) -> Any:
            return super().events(at)[:-1]

    root = first.world.root  # type: ignore[attr-defined]
    chain = Chain(first, second)
    hiding = [Hiding(root, code=ARTIFACT.deployed_bytecode)]

    report = chain.audit(second, find_readers=lambda chain_id, contract: hiding)

    (ancestor,) = report.ancestors
    assert ancestor.audit is not None
    assert report.verdict is Verdict.PASS
    assert ancestor.audit.notes == (
        "something is wrong after round 2, which nothing here rests on: audit it by itself",
    )


def test_audit__some_rounds_are_asked_for__earlier_swarms_are_looked_at_and_not_executed(
    first: Script, second: Script
) -> None:
    report = Chain(first, second).audit(second, rounds=[1])

    (ancestor,) = report.ancestors
    assert ancestor.audit is not None
    assert (report.verdict, ancestor.audit.rounds) == (Verdict.PASS, ())
    assert "not executed again" in ancestor.audit.notes[0]


def test_audit__while_it_looks_back__says_whose_round_it_executes(first: Script, second: Script) -> None:
    steps: list[Step] = []
    Chain(first, second).audit(second, on_progress=steps.append)

    executed = [step.doing for step in steps if step.doing.startswith("executing")]
    whose = f"of the earlier swarm 0x{address('first').hex()[:8]}…"
    assert executed == [
        "executing round 1 again",
        f"executing round 1 again {whose}",
        f"executing round 2 again {whose}",
    ]


# ----------------------------------------------------------------------------------------------------------- left out


def test_audit__ancestors_are_left_out__passes_and_says_so(first: Script, second: Script) -> None:
    report = Chain(first, second).audit(second, find_readers=None)

    assert (report.verdict, report.ancestors) == (Verdict.PASS, ())
    assert "was not audited" in report.genesis.notes[0]


def test_audit__ancestors_are_left_out_and_the_weights_are_others__fails_all_the_same(first: Script) -> None:
    later = successor(first, first.results[1], "later", start=first.parameters_of(first.results[2]))

    report = Chain(first, later).audit(later, find_readers=None)

    assert [(one.round, one.fault) for one in report.all_findings] == [(0, Fault.WRONG_BASE)]


def test_audit__ancestors_are_left_out_and_the_result_is_gone__passes(first: Script, second: Script) -> None:
    store = Broken(blocks_of(second.store), gone=document_cid(first.results[1]))

    report = Chain(first, second).audit(second, find_readers=None, store=store)

    assert report.verdict is Verdict.PASS
    assert "is not there" in report.genesis.notes[0]


# ------------------------------------------------------------------------------------------------------------- forged


def forged_result(of: Script, **changes: Any) -> Digest:
    """A result that nobody attested to, otherwise right in every field."""
    return of.put(replace(of.result(of.results[-1]), **changes))


def test_audit__the_result_was_never_finalised__fails(first: Script) -> None:
    file = first.keep({name: np.ones_like(array) for name, array in first.parameters_of(first.genesis).items()})
    better = forged_result(first, weights=file.cid)
    later = successor(first, better, "later")
    later.round()

    report = Chain(first, later).audit(later)

    assert report.own_verdict is Verdict.PASS
    assert (report.verdict, of_links(report)) == (Verdict.FAIL, [[Fault.WRONG_ANCESTOR]])
    (ancestor,) = report.ancestors
    assert ancestor.audit is not None
    assert f"was finalised with 0x{first.results[2].hex()}" in ancestor.audit.findings[0].message
    assert ancestor.audit.rounds == ()


def test_audit__the_round_was_never_opened__fails(first: Script) -> None:
    later = successor(first, forged_result(first, round=9), "later")

    assert of_links(Chain(first, later).audit(later)) == [[Fault.WRONG_ANCESTOR]]


def test_audit__the_round_aborted__fails(first: Script) -> None:
    updates = first.submit()
    made = first.put(first.merge().document)
    first.close_late()
    later = successor(first, made, "later")

    report = Chain(first, later).audit(later)

    assert len(updates) == 3
    assert of_links(report) == [[Fault.WRONG_ANCESTOR]]
    assert report.ancestors[0].audit is not None
    assert "that round is aborted" in report.ancestors[0].audit.findings[0].message


def test_audit__the_weights_are_others__fails(first: Script) -> None:
    later = successor(first, first.results[1], "later", start=first.parameters_of(first.results[2]))
    later.round()

    report = Chain(first, later).audit(later)

    assert report.own_verdict is Verdict.PASS
    assert of_links(report) == [[Fault.WRONG_BASE]]


def test_audit__the_genesis_carries_a_state_that_its_origin_lacks__fails(first: Script) -> None:
    later = successor(first, first.results[1], "later")
    state = first.keep({"momentum": np.zeros(3, np.float32)})
    forged = replace(later.result(later.genesis), state=state.cid)
    later.world = MemoryWorld(
        replace(later.config, genesis_digest=later.put(forged)), coordinator=address("later"), start=later.world.now
    )

    assert of_links(Chain(first, later).audit(later)) == [[Fault.WRONG_STATE]]


def test_audit__other_code_at_the_earlier_address__fails(first: Script, second: Script) -> None:
    chain = Chain(first, second)
    chain.code[address("first")] = b"\x60" + ARTIFACT.deployed_bytecode[1:-1] + b"\x00"

    report = chain.audit(second)

    assert report.verdict is Verdict.FAIL
    assert Fault.OTHER_CODE in of_links(report)[0]


def test_audit__no_contract_at_the_earlier_address__fails(first: Script) -> None:
    later = successor(first, forged_result(first, contract=address("nowhere")), "later")

    assert of_links(Chain(first, later).audit(later)) == [[Fault.WRONG_ANCESTOR]]


def test_audit__the_earlier_round_was_forged__fails(first: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        file = first.keep(changed(made, "dense.bias", (0,), lambda number: number + 1))
        return replace(made.document, weights=file.cid)

    later = successor(first, first.round(forge=forge), "later")
    later.round()

    report = Chain(first, later).audit(later)

    assert (report.own_verdict, report.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert of_links(report) == [[Fault.WRONG_WEIGHTS]]


def test_audit__what_it_starts_from_is_no_result__fails(first: Script) -> None:
    task = first.put(task_document(max_bytes=1))
    later = successor(first, task, "later", start=first.parameters_of(first.genesis))

    assert of_links(Chain(first, later).audit(later)) == [[Fault.MALFORMED_DOCUMENT]]


def named(script: Script, contract: str, number: int) -> Digest:
    """A result that says a swarm which may not be there yet finalised it."""
    document = script.result(script.genesis)
    return script.put(
        replace(document, chain=31337, contract=address(contract), round=number, base=document_cid(script.genesis))
    )


def test_audit__a_swarm_names_itself__fails_whatever_its_quorum_attested_to() -> None:
    seed = Script(world("seed"))
    result = named(seed, "circle", 1)
    circle = successor(seed, result, "circle")
    circle.attest(result, circle.submit())

    report = Chain(seed, circle).audit(circle)

    assert of_links(report) == [[Fault.WRONG_ANCESTOR]]
    assert "no swarm comes from itself" in report.ancestors[0].findings[0].message


def test_audit__two_swarms_name_each_other__fails() -> None:
    seed = Script(world("seed"))
    of_one, of_two = named(seed, "one", 1), named(seed, "two", 1)
    one, two = successor(seed, of_two, "one"), successor(seed, of_one, "two")
    one.attest(of_one, one.submit())
    two.attest(of_two, two.submit())

    report = Chain(one, two).audit(one)

    assert report.verdict is Verdict.FAIL
    faults = of_links(report)
    assert len(faults) == 2
    assert Fault.WRONG_ANCESTOR in faults[1]


def test_audit__the_result_was_finalised_after_the_later_swarm_began__fails(first: Script) -> None:
    later = successor(first, first.results[1], "later", after=0)
    later.round()

    report = Chain(first, later).audit(later)

    (ancestor,) = report.ancestors
    assert of_links(report) == [[Fault.WRONG_ANCESTOR]]
    assert ancestor.audit is not None
    assert "when the later swarm had begun" in ancestor.audit.findings[0].message


def test_audit__a_line_without_end__is_cut_and_incomplete(first: Script) -> None:
    link = first.genesis
    for _ in range(lineage.MAX_LINKS + 1):
        link = first.put(replace(first.result(first.genesis), base=document_cid(link)))
    later = successor(first, link, "later")

    report = Chain(first, later).audit(later)

    assert len(report.ancestors) == lineage.MAX_LINKS + 1
    assert of_links(report)[-1] == [Fault.ANCESTOR_OUT_OF_REACH]
    assert report.verdict is Verdict.INCOMPLETE


# ------------------------------------------------------------------------------------------------------------ missing


def test_audit__the_earlier_swarm_is_on_another_chain__is_incomplete_and_says_which(
    first: Script, second: Script
) -> None:
    chain = Chain(first, second, chain_id=10)

    report = chain.audit(second)

    assert of_links(report) == [[Fault.ANCESTOR_OUT_OF_REACH]]
    assert report.verdict is Verdict.INCOMPLETE
    (finding,) = report.ancestors[0].findings
    assert f"0x{address('first').hex()} on chain 31337" in finding.message
    assert "--ancestor-rpc" in finding.message


@pytest.mark.parametrize("what", ["document", "weights", "update"])
def test_audit__bytes_of_the_earlier_swarm_are_missing__is_incomplete(first: Script, second: Script, what: str) -> None:
    result = first.result(first.results[1])
    cid = {"document": result.cid(), "weights": result.weights, "update": result.included[0].update}[what]
    report = Chain(first, second).audit(second, store=Broken(blocks_of(second.store), gone=cid))

    assert report.verdict is Verdict.INCOMPLETE
    assert set(of_links(report)[0]) == {Fault.MISSING_BYTES}


def test_audit__the_earlier_result_is_corrupted_where_it_lies__fails(first: Script, second: Script) -> None:
    store = Broken(blocks_of(second.store), flipped=document_cid(first.results[1]))

    report = Chain(first, second).audit(second, store=store)

    assert (report.verdict, of_links(report)) == (Verdict.FAIL, [[Fault.CORRUPTED_BLOCK]])


# ------------------------------------------------------------------------------------------------------------- report


def test_document__with_ancestors__is_what_the_schema_says(first: Script, second: Script) -> None:
    third = successor(second, second.genesis, "third")
    report = Chain(second, third).audit(third)

    document = report.document()
    jsonschema.validate(document, load_schema("audit"))
    genesis, earlier = document["ancestors"]
    assert (genesis["contract"], genesis["round"], genesis["audit"]) == (None, 0, None)
    assert (earlier["contract"], earlier["round"]) == ("0x" + address("first").hex(), 2)
    assert (document["verdict"], earlier["verdict"]) == ("FAIL", "FAIL")


def test_document__an_audited_ancestor__is_an_audit_too(first: Script, second: Script) -> None:
    document = Chain(first, second).audit(second).document()

    jsonschema.validate(document, load_schema("audit"))
    (ancestor,) = document["ancestors"]
    assert ancestor["audit"]["scope"]["contract"] == "0x" + address("first").hex()
    assert ancestor["audit"]["ancestors"] == []


def test_print__with_ancestors__has_a_section_for_each_and_the_verdict_last(first: Script, second: Script) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_report(Chain(first, second).audit(second))
    text = printed.getvalue()

    where = f"{checksum(address('first'))} on chain 31337"
    assert f"comes from {document_cid(first.results[1])}, the result of round 2 of {where}" in text
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines[-2] == "PASS  2 rounds finalised, 2 executed again with the same bytes"
    assert lines[-1] == "PASS  1 rounds finalised, 1 executed again with the same bytes; what it comes from: PASS"
