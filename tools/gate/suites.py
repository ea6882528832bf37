"""What forge's tests say: cases of each call and rule, properties of random inputs, random walks, what calls cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.gate.commands import FORGE, Done, run
from tools.gate.figures import GateError, Row

FEWEST_RUNS: Final = 100_000
"""Of each property, by random inputs."""
GAS: Final = "swarm_chain/artifacts/gas.json"
_GROUP = Path(GAS).stem


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one test. `effort` is the gas of a case, the runs of a property, the calls of a walk."""

    name: str
    kind: str
    effort: int
    passed: bool
    reason: str

    @property
    def fault(self) -> str | None:
        """Why it is red."""
        return None if self.passed else f"{self.name}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One run of forge's tests: what became of each, and the gas that was measured in them."""

    outcomes: Sequence[Outcome]
    gas: Mapping[str, str]


def hold(root: Path, *options: str, profile: str = "deep") -> Session:
    """All tests below `root`, or those that `options` pick, with the gas measured anew. Raises `GateError`."""
    settings = {"FOUNDRY_PROFILE": profile, "FORGE_SNAPSHOT_CHECK": "false", "FORGE_SNAPSHOT_EMIT": "false"}
    done = run([FORGE, "test", "--json", *options], root=root, settings=settings)
    report = _report(done)
    outcomes = list(read_outcomes(report))
    if (done.status == 0) != all(one.passed for one in outcomes):
        raise GateError(f"forge ended with {done.status}, which its report does not explain:\n{done.err[-2_000:]}")
    return Session(outcomes=outcomes, gas=read_gas(report))


def read_gas(report: Mapping[str, Any]) -> dict[str, str]:
    """What forge's report says of each figure that a test measured."""
    tests = [one for results in report.values() for one in results["test_results"].values()]
    return {name: value for one in tests for name, value in one["gas_snapshots"].get(_GROUP, {}).items()}


def read_outcomes(report: Mapping[str, Any]) -> Iterator[Outcome]:
    """What forge's report says of each test."""
    for suite, results in sorted(report.items()):
        for test, one in results["test_results"].items():
            kind, effort = _effort(one["kind"])
            name = f"{suite.rpartition(':')[2]}.{test.partition('(')[0]}"
            reason = one["reason"] or "failed"
            yield Outcome(name=name, kind=kind, effort=effort, passed=one["status"] == "Success", reason=reason)


def rows(session: Session, snapshot: Mapping[str, str]) -> list[Row]:
    """The table's rows on forge's tests and on gas."""
    kinds = {kind: [one for one in session.outcomes if one.kind == kind] for kind in ("Unit", "Fuzz", "Invariant")}
    return [
        _of_cases(kinds["Unit"]),
        _of_properties(kinds["Fuzz"]),
        _of_walks(kinds["Invariant"]),
        gas_row(session.gas, snapshot),
    ]


def gas_row(measured: Mapping[str, str], snapshot: Mapping[str, str]) -> Row:
    """The table's row on gas: every figure of the snapshot, to the unit, and no others."""
    faults = [
        f"{name}: {measured.get(name, 'not measured')}, and the snapshot says {snapshot.get(name, 'nothing')}"
        for name in sorted({*measured, *snapshot})
        if measured.get(name) != snapshot.get(name)
    ]
    if not snapshot:
        faults.append("the snapshot is empty")
    return Row(name="gas", figures=f"{len(snapshot)} figures, to the unit", faults=faults)


def read_snapshot(root: Path) -> dict[str, str]:
    """What calls cost, as kept in git."""
    figures: dict[str, str] = json.loads((root / GAS).read_text(encoding="utf-8"))
    return figures


def _of_cases(cases: Sequence[Outcome]) -> Row:
    return Row(name="tests of calls and rules", figures=f"{_passed(cases)} passed", faults=_faults(cases))


def _of_properties(properties: Sequence[Outcome]) -> Row:
    fewest = min((one.effort for one in properties), default=0)
    faults = _faults(properties)
    if not faults and fewest < FEWEST_RUNS:
        faults.append(f"{fewest:,} random inputs of one, and at least {FEWEST_RUNS:,} are asked for")
    return Row(
        name="fuzzed properties", figures=f"{_passed(properties)} held for {fewest:,} inputs each", faults=faults
    )


def _of_walks(walks: Sequence[Outcome]) -> Row:
    faults = _faults(walks) or ([] if walks else ["nothing walked"])
    calls = sum(one.effort for one in walks)
    return Row(
        name="random walks", figures=f"{_passed(walks)} of {calls:,} calls together, none reverted", faults=faults
    )


def _passed(outcomes: Sequence[Outcome]) -> int:
    return sum(one.passed for one in outcomes)


def _faults(outcomes: Sequence[Outcome]) -> list[str]:
    return [fault for one in outcomes if (fault := one.fault)]


def _effort(kind: Mapping[str, Mapping[str, Any]]) -> tuple[str, int]:
    [(name, figures)] = kind.items()
    return name, int(figures[{"Unit": "gas", "Fuzz": "runs", "Invariant": "calls"}[name]])


def _report(done: Done) -> Mapping[str, Any]:
    """The last line that forge wrote to its output; what it found before, it says in lines of their own."""
    try:
        report: Mapping[str, Any] = json.loads(done.out.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise GateError(f"forge wrote no report; it said:\n{done.out[-2_000:]}{done.err[-2_000:]}") from None
    return report
