"""A copy of the contract's tests in which forge takes the contract's bytecode from a file, so that a mutant is tested
without compiling the tests again."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from swarm_chain.compiler import read_sources
from tools.mutants.solc import NAME

TESTS: Final = "tests/contracts"
LEFT_OUT: Final = ("Gas", "Invariants")
"""What measures, and what walks at random: a mutant must be killed by a test that says what should hold."""
OF_THE_BYTES: Final = "test_GivenTheShippedSettings"
"""The test of the code's size: mutants are not optimised."""
FUZZ_RUNS: Final = (16, 256)
"""Inputs of each fuzzed function: few first, which kill most mutants, then more."""
LONGEST: Final = 300.0
"""Seconds after which a mutant hangs: every call ends by its gas."""

_COMMENT: Final = re.compile(r"^\s*//.*\n", re.MULTILINE)
_FAILURE: Final = re.compile(r"^\[FAIL[^\n]*?\] (\w+)\(", re.MULTILINE)
_SUITE: Final = re.compile(r"^Ran \d+ tests? for (\S+:\w+)$", re.MULTILINE)


class BenchError(Exception):
    """forge did not do what was asked: nothing can be said of any mutant."""


def test_sources(root: Path) -> dict[str, str]:
    """All that the tests are compiled from, by path in the copy."""
    sources: dict[str, str] = {"foundry.toml": (root / "foundry.toml").read_text(encoding="utf-8")}
    for path in sorted((root / TESTS).glob("*.t.sol")):
        if not path.name.startswith(LEFT_OUT):
            sources.update(read_sources(root, f"{TESTS}/{path.name}"))
    return {f"node_modules/{name}" if name.startswith("@") else name: text for name, text in sources.items()}


def digest_of(sources: Mapping[str, str]) -> str:
    """What names these sources, whatever their comments say."""
    code = {name: _COMMENT.sub("", text) for name, text in sources.items()}
    return sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A folder in which mutants are tested, one at a time."""

    root: Path
    folder: Path

    @classmethod
    def built(cls, root: Path, folder: Path) -> Bench:
        """The copy, compiled; what a run before left is used. Raises `BenchError`."""
        sources = test_sources(root)
        for path in (*folder.glob("contracts/**/*.sol"), *folder.glob("tests/**/*.sol")):
            if str(path.relative_to(folder)) not in sources:
                path.unlink()
        for name, text in sources.items():
            _write(folder / name, text)
        bench = cls(root=root, folder=folder)
        (folder / "answers").mkdir(exist_ok=True)
        bench.artifact.unlink(missing_ok=True)
        done = bench._forge("build")
        if done.returncode != 0:
            raise BenchError(f"the tests do not compile:\n{done.stdout[-4_000:]}")
        return bench

    def copied(self, folder: Path) -> Bench:
        """Another of the same, for a job beside this one."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        return Bench(root=self.root, folder=folder)

    @property
    def artifact(self) -> Path:
        """The file that the tests take the contract from."""
        return self.folder / "forge-out" / f"{NAME}.sol" / f"{NAME}.json"

    def killer(self, bytecode: str) -> str | None:
        """The first test that this code fails, or None. Raises `BenchError`."""
        artifact = json.loads(self.artifact.read_text(encoding="utf-8"))
        artifact["bytecode"] = {"object": f"0x{bytecode}", "sourceMap": "", "linkReferences": {}}
        self.artifact.write_text(json.dumps(artifact), encoding="utf-8")
        return next(filter(None, map(self._failure, FUZZ_RUNS)), None)

    def _failure(self, fuzz_runs: int) -> str | None:
        try:
            done = self._forge("test", "--fail-fast", "--no-match-test", OF_THE_BYTES, fuzz_runs=fuzz_runs)
        except subprocess.TimeoutExpired:
            return "took too long"
        failed = next(_failures(done.stdout), None)
        if (done.returncode == 0) != (failed is None) or "Compiling" in done.stdout:
            raise BenchError(f"forge ended with {done.returncode}:\n{done.stdout[-4_000:]}")
        return failed

    def _forge(self, *arguments: str, fuzz_runs: int = FUZZ_RUNS[0]) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "FORGE_"))},
            "FOUNDRY_DYNAMIC_TEST_LINKING": "true",
            "FOUNDRY_FUZZ_RUNS": str(fuzz_runs),
            "FOUNDRY_SOLC": str(self.root / "tools" / "mutants" / "solc-once"),
            "MUTANTS_ANSWERS": str(self.folder / "answers"),
        }
        return subprocess.run(
            [str(_forge_of(self.root)), *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
        )


def _failures(output: str) -> Iterator[str]:
    """The failed tests that forge's output names, each as `file:suite.test`."""
    suites = [(match.start(), match[1]) for match in _SUITE.finditer(output)]
    for failure in _FAILURE.finditer(output):
        before = [name for start, name in suites if start < failure.start()]
        if before:
            yield f"{before[-1]}.{failure[1]}"


def _write(path: Path, text: str) -> None:
    """A file with this text; one that has it already keeps its time, by which forge knows it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _forge_of(root: Path) -> Path:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return root / f"node_modules/@foundry-rs/forge-{platform.system().lower()}-{machine}/bin/forge"
