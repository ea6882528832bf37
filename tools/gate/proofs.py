"""What Halmos proved. Proved is what it followed to every end: a time-out, an error, a loop cut short, a proof in which
no path succeeds, and a proof that it never began all count as failed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tools.gate.commands import FORGE, TOOLS, run
from tools.gate.figures import GateError, Row

FOLDER: Final = "tests/proofs"
FEWEST: Final = 20
LONGEST: Final = "HeadProof"
"""Begun first, so that it is not waited for alone at the end."""
YICES: Final = (TOOLS / "yices-smt2", "--smt2-model-format")
BITWUZLA: Final = (TOOLS / "python", Path(__file__).with_name("bitwuzla_smt2.py"))
MULTIPLYING: Final = ("QuorumProof",)
"""They multiply and divide what is not known: seconds for Bitwuzla, no end for Yices, which is sooner otherwise."""
OUTCOMES: Final = ("proved", "refuted", "timed out", "stuck", "no path succeeds", "error")
"""By Halmos' exit codes for one proof."""
OPTIONS: Final = (
    *("--loop", "16"),
    *("--default-bytes-lengths", "0,65"),
    *("--solver-timeout-branching", "100ms"),
    *("--solver-timeout-assertion", "300s"),
    "--no-status",
)
"""Bytes are empty, or as long as a signature; what a loop does beyond 16 turns would be a fault of the proof."""

_BUILD: Final = (FORGE, "build", "--ast", "--root", ".", "--extra-output", "storageLayout", "metadata")
"""As Halmos builds: so that those that run at once find it done."""
_PROOF = re.compile(r"^\s*function (check_\w+)\(", re.MULTILINE)
_CONTRACT = re.compile(r"^(?:abstract )?contract (\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What became of one proof, and how many paths it took."""

    name: str
    outcome: str
    paths: int

    @property
    def fault(self) -> str | None:
        """Why it proves nothing."""
        return None if self.outcome == "proved" and self.paths > 0 else f"{self.name}: {self.outcome}"


def prove(root: Path, *, out: str = "forge-out/proofs") -> list[Proof]:
    """All proofs below `root`, two contracts at a time. Raises `GateError`."""
    built = run(_BUILD, root=root, settings=_settings(out))
    if built.status != 0:
        raise GateError(f"the proofs do not compile:\n{built.out[-3_000:]}{built.err[-3_000:]}")
    contracts = _longest_first({name.partition(".")[0] for name in written(root)})
    with ThreadPoolExecutor(max_workers=2) as pool:
        return [one for proofs in pool.map(partial(_prove, root, out), contracts) for one in proofs]


def _prove(root: Path, out: str, contract: str) -> list[Proof]:
    with TemporaryDirectory() as folder:
        report = Path(folder) / "proofs.json"
        done = run(_command(report, contract, out), root=root, settings=_settings(out))
        if not report.exists():
            raise GateError(f"halmos wrote no report; it said:\n{done.out[-3_000:]}{done.err[-3_000:]}")
        return read_report(json.loads(report.read_text(encoding="utf-8")))


def _longest_first(contracts: Collection[str]) -> list[str]:
    return sorted(contracts, key=lambda name: (name != LONGEST, name))


def read_report(report: Mapping[str, Any]) -> list[Proof]:
    """What Halmos' report says of each proof."""
    return [
        _read(f"{suite.partition(':')[2]}.{one['name'].partition('(')[0]}", one)
        for suite, results in sorted(report["test_results"].items())
        for one in results
    ]


def row(root: Path) -> Row:
    """The table's row on proofs."""
    proofs = prove(root)
    faults = [fault for proof in proofs if (fault := proof.fault)]
    faults += [f"{name}: never begun" for name in sorted(written(root) - {proof.name for proof in proofs})]
    if len(proofs) < FEWEST:
        faults.append(f"{len(proofs)} proofs, and at least {FEWEST} are asked for")
    figures = f"{len(proofs) - len(faults)} of {len(proofs)} proved, along {sum(one.paths for one in proofs):,} paths"
    return Row(name="proofs (Halmos)", figures=figures, faults=faults)


def written(root: Path) -> set[str]:
    """Every proof that the sources hold, as contract and function."""
    return {
        f"{contract}.{proof}"
        for path in sorted((root / FOLDER).glob("*.t.sol"))
        for contract, body in _contracts(path.read_text(encoding="utf-8"))
        for proof in _PROOF.findall(body)
    }


def _contracts(source: str) -> Sequence[tuple[str, str]]:
    parts = _CONTRACT.split(source)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _read(name: str, one: Mapping[str, Any]) -> Proof:
    paths = one.get("num_paths") or (0, 0, 0)
    outcome = OUTCOMES[one["exitcode"]] if one["exitcode"] < len(OUTCOMES) else OUTCOMES[-1]
    if outcome == "proved" and one.get("num_bounded_loops") != 0:
        outcome = "a loop was cut short"
    if outcome == "proved" and paths[1] == 0:
        outcome = "no path succeeds"
    return Proof(name=name, outcome=outcome, paths=paths[0])


def _command(report: Path, contract: str, out: str) -> list[str | Path]:
    solver = BITWUZLA if contract in MULTIPLYING else YICES
    return [
        *(TOOLS / "halmos", "--root", ".", "--forge-build-out", out, "--json-output", report),
        *("--solver-command", shlex.join(map(str, solver)), "--match-contract", f"^{contract}$", *OPTIONS),
    ]


def _settings(out: str) -> dict[str, str]:
    return {
        "FOUNDRY_TEST": FOLDER,
        "FOUNDRY_SCRIPT": FOLDER,
        "FOUNDRY_OUT": out,
        "FOUNDRY_CACHE_PATH": out.replace("forge-out", "forge-cache", 1),
    }
