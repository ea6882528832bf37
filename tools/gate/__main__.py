"""Asks everything that speaks for the contract, and prints what came out as a table.

    make contracts                             # all of it, about eight minutes on two cores
    make contracts ARGS="--only proofs"        # the steps whose name contains this
    make contracts ARGS="--skip proofs"        # all but these

Ends with 1 where a row is red.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from tools.gate import coverage, findings, planted, proofs, suites, trees
from tools.gate.commands import ROOT
from tools.gate.figures import GateError, Row, Step, render, seconds


def main() -> int:
    """Runs what was asked for; 0 where every row is green."""
    parser = argparse.ArgumentParser(prog="make contracts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="the steps whose name contains this")
    parser.add_argument("--skip", metavar="NAME", help="all steps but those whose name contains this")
    asked = parser.parse_args()
    steps = {name: step for name, step in STEPS.items() if asked.only in name and _is_kept(name, asked.skip)}
    if not steps:
        parser.error(f"no step is named so; there are: {', '.join(STEPS)}")
    with seconds() as took:
        rows = ask(steps)
    print(render(rows))
    red = sum(bool(row.faults) for row in rows)
    print(f"\n{f'{red} red' if red else 'all green'}, in {took[0]:.0f} s")
    return 1 if red else 0


def _is_kept(name: str, skipped: str | None) -> bool:
    return skipped is None or skipped not in name


def ask(steps: Mapping[str, Step]) -> list[Row]:
    """The rows of all steps, in their order; two steps at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        asked: Sequence[Future[Sequence[Row]]] = [pool.submit(_ask, name, step) for name, step in steps.items()]
        return [row for one in asked for row in one.result()]


def _ask(name: str, step: Step) -> Sequence[Row]:
    """What a step says; a tool that says nothing is red, and stops no other."""
    with seconds() as took:
        try:
            rows = step()
        except GateError as error:
            rows = [Row(name=name, figures="no answer", faults=str(error).splitlines())]
    print(f"{name}: {took[0]:.0f} s", file=sys.stderr, flush=True)
    return rows


def _tests() -> Sequence[Row]:
    snapshot = suites.read_snapshot(ROOT)
    session = suites.hold(ROOT)
    return [*suites.rows(session, snapshot), planted.row(session, snapshot)]


def _finding(tool: str) -> Sequence[Row]:
    ask_tool = {"slither": findings.slither, "forge lint": findings.forge_lint, "solhint": findings.solhint}[tool]
    return [findings.row(ROOT, tool, ask_tool(ROOT))]


STEPS: Final[Mapping[str, Step]] = {
    "tests": _tests,
    "trees": lambda: [trees.row(ROOT)],
    "proofs": lambda: [proofs.row(ROOT)],
    **{tool: partial(_finding, tool) for tool in ("slither", "forge lint", "solhint")},
    "coverage": lambda: [coverage.row(ROOT)],
}
"""By name. The tests, which take longest, come first."""


if __name__ == "__main__":
    sys.exit(main())
