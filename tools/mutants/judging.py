"""What became of each mutant: killed by which test, not compiled, the same code, argued to be equivalent, or alive."""

from __future__ import annotations

import json
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from swarm_chain.compiler import read_sources
from tools.mutants.bench import Bench, digest_of, test_sources
from tools.mutants.operators import Mutant
from tools.mutants.solc import CONTRACT, Compiler

BATCH: Final = 20
"""Mutants compiled at once: most of one compilation is the compiler's start."""


class Fate(StrEnum):
    """What a mutant ended as."""

    KILLED = "killed"
    STILLBORN = "does not compile"
    SAME = "same code"
    EQUIVALENT = "argued"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A mutant's fate, and which test killed it or which argument speaks for it."""

    key: str
    fate: Fate
    why: str = ""


class Journal:
    """Verdicts, kept so that a run that was stopped goes on; each holds while what it was found on is the same.

    That is the contract for a mutant that is none, also the file of the test that killed it, and all tests otherwise.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._digests: dict[str, str] = {}
        self.verdicts = {one.key: one for one in self._read()}

    def add(self, verdict: Verdict) -> None:
        """Keeps a verdict."""
        self.verdicts[verdict.key] = verdict
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"on": self._evidence(verdict), **asdict(verdict)}) + "\n")

    def _read(self) -> Iterator[Verdict]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            on = entry.pop("on")
            verdict = Verdict(**{**entry, "fate": Fate(entry["fate"])})
            if self._evidence(verdict) == on:
                yield verdict

    def _evidence(self, verdict: Verdict) -> str:
        file = verdict.why.partition(":")[0]
        if verdict.fate in (Fate.STILLBORN, Fate.SAME):
            file = CONTRACT
        elif verdict.fate is not Fate.KILLED or not (self._root / file).is_file():
            file = ""
        if file not in self._digests:
            self._digests[file] = digest_of(read_sources(self._root, file) if file else test_sources(self._root))
        return self._digests[file]


def read_arguments(path: Path) -> dict[str, str]:
    """Why some mutants cannot be told from the contract, by their keys."""
    groups = tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]
    return {key: str(group["because"]) for group in groups for key in group["mutants"]}


def judge(
    mutants: Sequence[Mutant],
    *,
    compiler: Compiler,
    benches: Sequence[Bench],
    journal: Journal,
    argued: Mapping[str, str],
) -> Iterator[Verdict]:
    """Each mutant's verdict; those in the journal first, and who survived last, when all of them are compared."""
    for verdict in [journal.verdicts[one.key] for one in mutants if one.key in journal.verdicts]:
        if verdict.fate is not Fate.SURVIVED:
            yield verdict
    left = [one for one in mutants if one.key not in journal.verdicts]
    for verdict in _tests(left, compiler, benches):
        journal.add(verdict)
        if verdict.fate is not Fate.SURVIVED:
            yield verdict
    survivors = [one for one in mutants if journal.verdicts[one.key].fate is Fate.SURVIVED]
    for verdict in _compared(survivors, compiler):
        journal.add(verdict)
        yield _argued(verdict, argued)


def _tests(mutants: Sequence[Mutant], compiler: Compiler, benches: Sequence[Bench]) -> Iterator[Verdict]:
    """What the tests make of each."""
    original = compiler.bytecodes([compiler.contract])[0] if mutants else None
    free: SimpleQueue[Bench] = SimpleQueue()
    for bench in benches:
        free.put(bench)
    with ThreadPoolExecutor(len(benches)) as pool:
        for batch, codes in _compiled(mutants, compiler, len(benches)):
            yield from pool.map(lambda mutant, code: _tried(mutant, code, original, free), batch, codes)


def _compiled(
    mutants: Sequence[Mutant], compiler: Compiler, jobs: int
) -> Iterator[tuple[Sequence[Mutant], Sequence[str | None]]]:
    """Batches with their codes; as many as there are jobs are compiled while another is tested."""
    batches = [mutants[at : at + BATCH] for at in range(0, len(mutants), BATCH)]
    with ThreadPoolExecutor(jobs) as pool:
        ahead: deque[Future[list[str | None]]] = deque()
        for number, batch in enumerate(batches):
            for following in batches[number + len(ahead) : number + 1 + jobs]:
                ahead.append(pool.submit(compiler.bytecodes, [one.source for one in following]))
            yield batch, ahead.popleft().result()


def _tried(mutant: Mutant, code: str | None, original: str | None, free: SimpleQueue[Bench]) -> Verdict:
    if code is None:
        return Verdict(key=mutant.key, fate=Fate.STILLBORN)
    if code == original:
        return Verdict(key=mutant.key, fate=Fate.SAME)
    bench = free.get()
    try:
        killer = bench.killer(code)
    finally:
        free.put(bench)
    return Verdict(key=mutant.key, fate=Fate.KILLED if killer else Fate.SURVIVED, why=killer or "")


def _compared(survivors: Sequence[Mutant], compiler: Compiler) -> Iterator[Verdict]:
    """Who survived, less those that, optimised as it ships, are the contract's own code."""
    shipped = compiler.bytecodes([compiler.contract], optimised=True)[0] if survivors else None
    for batch in (survivors[at : at + BATCH] for at in range(0, len(survivors), BATCH)):
        for one, code in zip(batch, compiler.bytecodes([each.source for each in batch], optimised=True), strict=True):
            yield Verdict(key=one.key, fate=Fate.SAME if code == shipped else Fate.SURVIVED)


def _argued(verdict: Verdict, arguments: Mapping[str, str]) -> Verdict:
    if verdict.fate is Fate.SURVIVED and verdict.key in arguments:
        return Verdict(key=verdict.key, fate=Fate.EQUIVALENT, why=arguments[verdict.key])
    return verdict
