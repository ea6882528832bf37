"""The report as programs and people read it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Fault, Finding, Step, Verdict, audit
from swarm_chain.audit.report import worst
from swarm_chain.cli.audit import EXIT_STATUS, print_report
from swarm_chain.core.documents import MergeSettings, Reason
from swarm_chain.schemas import load_schema
from swarm_chain.types import RoundNumber
from tests.chains import MemoryWorld
from tests.histories import Made, Script, task_document

ARTIFACT = load_artifact()


def audited(script: Script, **options: Any) -> AuditReport:
    reader = MemoryHistory(script.world.root, code=options.pop("code", ARTIFACT.deployed_bytecode))  # type: ignore[attr-defined]
    return audit(reader, script.store, artifact=ARTIFACT, **options)


@pytest.fixture(scope="module")
def script() -> Script:
    """A good round, a forged one, an aborted one, a running one."""

    def forge(made: Made) -> Any:
        (left_out,) = made.document.excluded
        return replace(made.document, excluded=(replace(left_out, reason=Reason.NON_FINITE),))

    made = Script(MemoryWorld)
    made.round()
    made.round(withheld=[3], forge=forge)
    made.submit()
    made.close_late()
    made.submit()
    return made


@pytest.fixture(scope="module")
def report(script: Script) -> AuditReport:
    return audited(script)


def shown(report: AuditReport) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_report(report)
    return printed.getvalue()


def test_document__any_report__is_what_the_schema_says(script: Script, report: AuditReport) -> None:
    schema = load_schema("audit")

    jsonschema.Draft202012Validator.check_schema(schema)
    for one in (report, audited(script, rounds=[3]), audited(script, code=b"\x60")):
        jsonschema.validate(one.document(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report.document(), "verdict": "MAYBE"}, schema)


def test_schema__reasons__are_all_there_are() -> None:
    schema = load_schema("audit")

    assert schema["$defs"]["finding"]["properties"]["reason"]["enum"] == [fault.value for fault in Fault]


def test_document__a_finding__names_round_node_and_reason(report: AuditReport) -> None:
    (round_,) = [one for one in report.document()["rounds"] if one["verdict"] == "FAIL"]

    finding = round_["findings"][0]
    assert (round_["number"], finding["round"]) == (2, 2)
    assert finding["nodes"] == ["0x" + Script.address(3).hex()]
    assert finding["reason"] == "wrong-exclusion"


def test_document__gas__is_all_that_was_used_by_call_and_account(script: Script, report: AuditReport) -> None:
    document = report.document()
    blocks = script.world.root.blocks  # type: ignore[attr-defined]

    assert sum(use["transactions"] for use in document["gas"]) == sum(block.call is not None for block in blocks)
    assert {(use["call"], use["account"]) for use in document["gas"]} == {
        (block.call.function, "0x" + block.sender.hex()) for block in blocks if block.call is not None
    }
    of_rounds = sum(one["gas"] for one in document["rounds"])
    of_others = sum(use["gas"] for use in document["gas"] if use["call"] == "registerNode")
    assert of_rounds + of_others == sum(use["gas"] for use in document["gas"])


def test_report__rounds__say_where_they_stand(report: AuditReport) -> None:
    said = [(one.outcome.value, one.verdict, one.reexecuted, one.included, one.excluded) for one in report.rounds]

    assert said == [
        ("finalized", Verdict.PASS, True, 3, 0),
        ("finalized", Verdict.FAIL, False, 2, 1),
        ("aborted", Verdict.PASS, False, None, None),
        ("running", Verdict.PASS, False, None, None),
    ]
    assert report.rounds[2].abort_reason == "no_quorum"


def test_worst__any_mix__a_failure_outweighs_missing_bytes() -> None:
    assert worst([Verdict.PASS, Verdict.INCOMPLETE, Verdict.FAIL]) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.INCOMPLETE]) is Verdict.INCOMPLETE
    assert worst([]) is Verdict.PASS


def test_exit_status__only_pass__is_zero() -> None:
    assert EXIT_STATUS == {"PASS": 0, "FAIL": 1, "INCOMPLETE": 3}


def test_print__a_forged_round__shows_round_label_short_address_and_reason(report: AuditReport) -> None:
    text = shown(report)

    assert "round 2  cleo (0x90F7…b906)  wrong-exclusion: it is excluded as non-finite" in text
    assert text.rstrip().splitlines()[-1].startswith("FAIL  2 rounds finalised, 1 executed again with the same bytes")
    assert "aborted: no quorum" in text
    assert "paid by anna (0x7099…79C8)" in text


def test_print__a_label_that_plays_tricks__is_made_harmless(report: AuditReport) -> None:
    labels = dict.fromkeys(report.labels, "\x1b[2Jevil\u202e[red]")

    text = shown(replace(report, labels=labels))

    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "?[2Jevil?[red]" in text


def test_print__other_code__is_said_once_for_all_rounds(script: Script) -> None:
    text = shown(audited(script, code=b"\x60"))

    assert text.count("other-code") == 1
    assert "NOT the coordinator's" in text


def test_print__another_contract_without_rounds__still_says_fail(report: AuditReport) -> None:
    bare = replace(
        report,
        rounds=(),
        genesis=replace(report.genesis, findings=(Finding(fault=Fault.OTHER_CODE, message="x", round=RoundNumber(0)),)),
    )

    assert shown(bare).rstrip().splitlines()[-1].startswith("FAIL")


def test_progress__while_it_runs__is_told_round_by_round(script: Script) -> None:
    steps: list[Step] = []

    audited(script, on_progress=steps.append)

    executing = [step for step in steps if step.doing.startswith("executing")]
    assert [(step.doing, step.done, step.total) for step in executing] == [
        ("executing round 1 again", 0, 2),
        ("executing round 2 again", 1, 2),
    ]
    assert (steps[-1].done, steps[-1].total) == (2, 2)


def test_report__samples_are_the_nodes_word__shows_what_each_counts_for() -> None:
    # Nodes 1, 2 and 3 say 100, 200 and 300: capped at 250, and then so that none is above 42 % of the whole.
    made = Script(
        MemoryWorld, task=task_document(MergeSettings(rule="weighted_mean", max_samples=250, max_share_bps=4200))
    )
    made.round()
    report = audited(made)
    assert report.verdict is Verdict.PASS
    (one,) = report.rounds
    found = {each.samples: each.weight for each in one.counted}
    assert found == {100: 100, 200: 200, 300: 217}
    assert 10_000 * 217 <= 4200 * sum(found.values()) < 10_000 * 218
    said = shown(report)
    assert "merge     weighted_mean, samples capped at 250, no update above 42 % of the samples" in said
    assert "300                217          42.0 %" in said
    document = report.document()
    jsonschema.validate(document, load_schema("audit"))
    assert document["merge"]["max_share_bps"] == 4200
    assert {each["samples"]: each["weight"] for each in document["rounds"][0]["counted"]} == found


def test_report__updates_that_a_rule_rejects__are_not_among_those_that_count() -> None:
    made = Script(MemoryWorld, task=task_document(MergeSettings(rule="krum", parameters={"f": 0})))
    made.round()
    (one,) = audited(made).rounds
    assert [(each.node, each.weight) for each in one.counted] == [(one.counted[0].node, 1)]
    assert (one.included, one.excluded) == (1, 2)
