"""What `make contracts` reads out of its tools' reports, and what of that it calls red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.gate import coverage, findings, proofs, suites
from tools.gate.figures import GateError, Row, render

GREEN = {"name": "check_A()", "exitcode": 0, "num_paths": [9, 3, 1], "num_bounded_loops": 0}
"""As Halmos writes it: paths in all, those that succeed, those that got stuck."""


def proved(**changes: Any) -> str | None:
    [proof] = proofs.read_report({"test_results": {"tests/proofs/A.t.sol:AProof": [GREEN | changes]}})
    return proof.fault


def test_proof__followed_to_every_end__is_green() -> None:
    assert proved() is None


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"exitcode": 1}, "refuted"),
        ({"exitcode": 2}, "timed out"),
        ({"exitcode": 4}, "no path succeeds"),
        ({"exitcode": 99}, "error"),
        ({"num_paths": [9, 0, 0]}, "no path succeeds"),
        ({"num_paths": None}, "no path succeeds"),
        ({"num_bounded_loops": 1}, "a loop was cut short"),
        ({"num_bounded_loops": None}, "a loop was cut short"),
    ],
)
def test_proof__anything_else__is_red(changes: dict[str, Any], outcome: str) -> None:
    assert proved(**changes) == f"AProof.check_A: {outcome}"


def test_written__every_proof_of_the_sources__is_at_least_twenty() -> None:
    assert len(proofs.written(findings.ROOT)) >= proofs.FEWEST


def found(where: str) -> findings.Finding:
    return findings.Finding(tool="slither", check="timestamp", where=where)


def reason(*where: str) -> findings.Reason:
    return findings.Reason(tool="slither", check="timestamp", where=where, because="It is meant.")


def test_finding__explained_as_often_as_found__is_green() -> None:
    assert findings.faults([found("A.f"), found("A.f")], [reason("A.f", "A.f")]) == []


def test_finding__once_more_than_explained__is_red() -> None:
    assert findings.faults([found("A.f"), found("A.f")], [reason("A.f")]) == [f"{found('A.f')}: nothing explains it"]


def test_reason__for_what_is_no_longer_found__is_red() -> None:
    assert findings.faults([found("B.f")], [reason("A.*", "B.f")]) == [f"{found('A.*')}: explained, and not found"]


def test_reason__of_any_number_of_places__explains_them() -> None:
    assert findings.faults([found("A.f"), found("A.f"), found("A.g")], [reason("A.*")]) == []


def test_reasons__shipped__each_says_why(tmp_path: Path) -> None:
    shipped = findings.ROOT / findings.REASONS
    assert all(one.because for one in findings.read_reasons(shipped))
    other = tmp_path / "findings.toml"
    other.write_text('[[finding]]\ntool = "a"\ncheck = "b"\nwhere = ["c"]\nbecause = " "\n')
    with pytest.raises(GateError, match="without a reason"):
        findings.read_reasons(other)


@pytest.mark.parametrize("measured", [{"a": "8"}, {"a": "6"}, {}, {"a": "7", "b": "1"}])
def test_gas__a_unit_more_or_less_or_a_figure_too_many__is_red(measured: dict[str, str]) -> None:
    assert suites.gas_row(measured, {"a": "7"}).faults
    assert not suites.gas_row({"a": "7"}, {"a": "7"}).faults


def test_suites__a_test_failed__is_red_by_its_name() -> None:
    kind = {"Unit": {"gas": 1}}
    report = {
        "tests/A.t.sol:ATest": {"test_results": {"test_B()": {"status": "Failure", "reason": "no", "kind": kind}}}
    }
    session = suites.Session(outcomes=list(suites.read_outcomes(report)), gas={})
    assert suites.rows(session, {})[0].faults == ["ATest.test_B: no"]


def test_suites__too_few_random_inputs__is_red() -> None:
    one = suites.Outcome(name="A.testFuzz_B", kind="Fuzz", effort=99_999, passed=True, reason="")
    properties = suites.rows(suites.Session(outcomes=[one], gas={}), {})[1]
    assert properties.faults == ["99,999 random inputs of one, and at least 100,000 are asked for"]


def test_covered__one_branch_was_not_run__shows_it() -> None:
    source = coverage.CONTRACT
    row = f"| {source}    | 100.00% (360/360) | 100.00% (400/400) | 99.32% (146/147) | 100.00% (68/68)  |"
    assert coverage.covered(f"| File |\n{row}\n", source)["branches"] == (146, 147)


def test_table__a_row_is_red__says_why_below_it() -> None:
    rows = [Row(name="a", figures="1 of 1"), Row(name="gas", figures="2 figures", faults=["b: 3, not 4"])]
    assert render(rows).splitlines() == ["green  a    1 of 1", "red    gas  2 figures", "            b: 3, not 4"]
