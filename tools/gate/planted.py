"""The gate, tested: faults planted in a small project of their own, each of which has to turn its row red."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tools.gate import findings, proofs, suites
from tools.gate.commands import ROOT
from tools.gate.figures import Row

_HEAD = "// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.30;\n\n"
CONTRACT: Final = _HEAD + (
    "contract Planted {\n"
    "    uint8 public last;\n"
    "    address public immutable OWNER = msg.sender;\n\n"
    "    function keep(uint256 number) external {\n"
    '        require(tx.origin == OWNER, "planted");\n'
    "        last = uint8(number);\n"
    "    }\n"
    "}\n"
)
TEST: Final = _HEAD + (
    "contract PlantedTest {\n"
    "    function test_Fails() external pure {\n        assert(false);\n    }\n\n"
    "    function test_Passes() external pure {}\n"
    "}\n"
)
PROOFS: Final = _HEAD + (
    "contract PlantedProof {\n"
    "    function check_False(uint256 x) external pure {\n        assert(x != 7);\n    }\n\n"
    "    function check_NoPath(uint256 x) external pure {\n"
    '        require(x > x, "never");\n        assert(x > x);\n    }\n\n'
    "    function check_Cut(uint256 x) external pure {\n"
    "        uint256 y;\n        for (uint256 i = 0; i < x; ++i) y = i;\n        assert(y <= x);\n    }\n\n"
    "    function check_True(uint8 x) external pure {\n        assert(x < 256);\n    }\n"
    "}\n"
)
FILES: Final = {
    "contracts/Planted.sol": CONTRACT,
    "tests/contracts/Planted.t.sol": TEST,
    "tests/proofs/Planted.t.sol": PROOFS,
}
OPEN: Final = {
    "slither": "slither: tx-origin in Planted.keep",
    "forge lint": "forge lint: unsafe-typecast in Planted.keep",
    "solhint": "solhint: avoid-tx-origin in Planted.keep",
}
"""What each analyser has to find in the contract."""


def row(session: suites.Session, snapshot: Mapping[str, str]) -> Row:
    """The table's row on planted faults: which of them turned nothing red."""
    with _project() as root:
        asked = [*_tests(root), *_proofs(root), *_findings(root), *_gas(session, snapshot)]
    missed = [f"{name} turned nothing red" for name, is_noticed in asked if not is_noticed]
    return Row(
        name="planted faults", figures=f"{len(asked) - len(missed)} of {len(asked)} turned it red", faults=missed
    )


Asked = tuple[str, bool]


def _tests(root: Path) -> Iterator[Asked]:
    [cases, *_] = suites.rows(suites.hold(root), {})
    yield "a failing test", _mention(cases.faults, "PlantedTest.test_Fails")
    yield "only a failing test", not _mention(cases.faults, "PlantedTest.test_Passes")


def _proofs(root: Path) -> Iterator[Asked]:
    faults = proofs.row(root).faults
    yield "a false proof", _mention(faults, "PlantedProof.check_False: refuted")
    yield "a proof with no path", _mention(faults, "PlantedProof.check_NoPath: no path succeeds")
    yield "a proof of a loop cut short", _mention(faults, "PlantedProof.check_Cut: a loop was cut short")
    yield "only what is not proved", not _mention(faults, "PlantedProof.check_True")


def _findings(root: Path) -> Iterator[Asked]:
    found = [*findings.slither(root), *findings.forge_lint(root), *findings.solhint(root)]
    for tool, finding in OPEN.items():
        faults = findings.row(root, tool, [one for one in found if one.tool == tool]).faults
        yield f"a finding of {tool}", _mention(faults, f"{finding}: nothing explains it")


def _gas(session: suites.Session, snapshot: Mapping[str, str]) -> Iterator[Asked]:
    name = min(snapshot)
    for difference in (1, -1):
        other = {**snapshot, name: str(int(snapshot[name]) + difference)}
        yield f"{difference:+d} unit of gas", _mention(suites.gas_row(session.gas, other).faults, name)


def _mention(faults: Sequence[str], words: str) -> bool:
    return any(words in fault for fault in faults)


@contextmanager
def _project() -> Iterator[Path]:
    """A project with our settings and these files, gone afterwards."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(ROOT / "foundry.toml", root)
        (root / "node_modules").symlink_to(ROOT / "node_modules")
        for path, text in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        yield root
