"""What the analysers find in the contract, beside `tests/contracts/findings.toml`, which says why it stands.

A finding without a reason is a fault; so is a reason without a finding.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from tools.gate.commands import FORGE, ROOT, SOLHINT, TOOLS, Done, run
from tools.gate.figures import GateError, Row

REASONS: Final = "tests/contracts/findings.toml"
SEVERITIES: Final = ("high", "med", "low", "info", "gas", "code-size")
RULES: Final = Path(__file__).with_name("solhint.json")
"""All of them."""

_DECLARED = re.compile(r"^\s*(contract|interface|function|struct|event|error|enum|constructor)\b[ ]*(\w*)")
_UNITS = ("contract", "interface")
_END = "    }"


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One answer of an analyser: which check, and about what, by name: lines move."""

    tool: str
    check: str
    where: str

    def __str__(self) -> str:
        return f"{self.tool}: {self.check} in {self.where}"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why findings of a check stand. A place with a `*` is any number of places, of a library or of a rule of style."""

    tool: str
    check: str
    where: Sequence[str]
    because: str

    def patterns(self) -> Iterator[Finding]:
        """The findings that it is about."""
        return (Finding(tool=self.tool, check=self.check, where=where) for where in self.where)


def slither(root: Path, *, out: str = "forge-out/slither") -> list[Finding]:
    """What all of Slither's detectors find in `contracts` and what it imports. Raises `GateError`."""
    settings = {"FOUNDRY_OUT": out, "FOUNDRY_CACHE_PATH": out.replace("forge-out", "forge-cache", 1)}
    built = run([FORGE, "build", "--build-info", "contracts"], root=root, settings=settings)
    _require(built.status == 0, "forge build", built)
    command: list[str | Path] = [
        TOOLS / "slither",
        ".",
        "--ignore-compile",
        "--foundry-out-directory",
        out,
        "--json",
        "-",
    ]
    done = run(command, root=root, settings=settings)
    report = _json(done, "slither")
    _require(report["success"] is True and report["results"] is not None, "slither", done)
    return [_of_slither(one) for one in report["results"].get("detectors", [])]


def forge_lint(root: Path) -> list[Finding]:
    """What `forge lint` finds in `contracts`, of every severity. Raises `GateError`."""
    command: list[str | Path] = [FORGE, "lint", "contracts", "--deny", "never", "--json", "--severity", *SEVERITIES]
    done = run(command, root=root)
    _require(done.status == 0, "forge lint", done)
    reports = [json.loads(line) for line in (done.out + done.err).splitlines() if line.startswith("{")]
    return [
        Finding(
            tool="forge lint", check=one["code"]["code"], where=_declared(root, span["file_name"], span["line_start"])
        )
        for one in reports
        for span in one["spans"][:1]
    ]


def solhint(root: Path) -> list[Finding]:
    """What all of solhint's rules find in `contracts`. Raises `GateError`."""
    done = run([SOLHINT, "--disc", "-f", "json", "-c", RULES, "contracts/**/*.sol"], root=root)
    reports = [one for one in _json(done, "solhint") if "ruleId" in one]
    return [
        Finding(tool="solhint", check=one["ruleId"], where=_declared(root, one["filePath"], one["line"]))
        for one in reports
    ]


def read_reasons(path: Path) -> list[Reason]:
    """The findings that stand, and why."""
    reasons = [Reason(**one) for one in tomllib.loads(path.read_text(encoding="utf-8"))["finding"]]
    if any(not one.because.strip() for one in reasons):
        raise GateError(f"{path} has a finding without a reason")
    return reasons


def faults(found: Iterable[Finding], reasons: Iterable[Reason]) -> list[str]:
    """Findings that nothing explains, and reasons for what is no longer found."""
    left, patterns = Counter(found), Counter(pattern for reason in reasons for pattern in reason.patterns())
    wild = {one for one in patterns if "*" in one.where}
    met = {pattern for pattern in wild for one in left if _fits(one, pattern)}
    left = Counter({one: count for one, count in left.items() if not any(_fits(one, pattern) for pattern in wild)})
    exact = Counter({one: count for one, count in patterns.items() if one not in wild})
    new = [f"{one}: nothing explains it" for one in sorted((left - exact).elements())]
    gone = [f"{one}: explained, and not found" for one in sorted([*(exact - left).elements(), *(wild - met)])]
    return new + gone


def row(root: Path, tool: str, found: Sequence[Finding]) -> Row:
    """The table's row on one analyser."""
    reasons = [one for one in read_reasons(ROOT / REASONS) if one.tool == tool]
    figures = f"{len(found)} findings, {len(reasons)} reasons for them to stand"
    return Row(name=f"analysis ({tool})", figures=figures, faults=faults(found, reasons))


def _fits(one: Finding, pattern: Finding) -> bool:
    return (one.tool, one.check) == (pattern.tool, pattern.check) and fnmatchcase(one.where, pattern.where)


def _of_slither(one: Mapping[str, Any]) -> Finding:
    element = one["elements"][0] if one["elements"] else {"name": one["description"]}
    return Finding(tool="slither", check=one["check"], where=".".join(reversed(list(_names(element)))))


def _names(element: Mapping[str, Any]) -> Iterator[str]:
    """Of what was found, and of what it stands in, up to the contract."""
    yield element["name"]
    parent = element.get("type_specific_fields", {}).get("parent")
    if parent:
        yield from _names(parent)


def _declared(root: Path, path: str, line: int) -> str:
    """The contract, and what this line is in or declares; the contract alone for its variables."""
    unit, name = Path(path).stem, ""
    for text in (root / path).read_text(encoding="utf-8").splitlines()[:line]:
        if match := _DECLARED.match(text):
            unit, name = (match[2], "") if match[1] in _UNITS else (unit, match[2] or match[1])
        elif text == _END:
            name = ""
    return f"{unit}.{name}" if name else unit


def _json(done: Done, tool: str) -> Any:
    try:
        return json.loads(done.out)
    except json.JSONDecodeError:
        raise GateError(f"{tool} said no JSON:\n{done.out[-2_000:]}{done.err[-2_000:]}") from None


def _require(holds: bool, tool: str, done: Done) -> None:
    if not holds:
        raise GateError(f"{tool} failed:\n{done.out[-2_000:]}{done.err[-2_000:]}")
