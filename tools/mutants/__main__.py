"""Puts small faults into the contract, one at a time, and asks whether a test sees each.

    make mutants                          # all of them, about an hour on one core; stopped, it goes on where it was
    make mutants ARGS="--jobs 4"          # four at a time
    make mutants ARGS="--sample 30"       # as many, drawn by a seed from the commit
    make mutants ARGS="--match _isSlow"   # those whose name contains this

Ends with 1 where a mutant survived that `tests/contracts/equivalent-mutants.toml` does not explain, or where the list
explains more than one in twenty.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tools.mutants.bench import Bench, digest_of, test_sources
from tools.mutants.judging import Fate, Journal, Verdict, judge, read_arguments
from tools.mutants.operators import MUTATIONS, Mutant, mutants
from tools.mutants.solc import Compiler

ROOT: Final = Path(__file__).parents[2]
ARGUMENTS: Final = "tests/contracts/equivalent-mutants.toml"
MOST_ARGUED: Final = 0.05


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The exit status: 0 where every mutant is killed or explained."""
    options = _options(arguments)
    compiler = Compiler(root)
    everything = mutants(compiler.contract, compiler.tree())
    chosen = _chosen(everything, options, root)
    folder = root / "forge-cache" / "mutants"
    benches = _benches(compiler, folder, options.jobs)
    journal, argued = Journal(folder / "journal.jsonl", root), read_arguments(root / ARGUMENTS)
    verdicts = []
    for verdict in judge(chosen, compiler=compiler, benches=benches, journal=journal, argued=argued):
        verdicts.append(verdict)
        if verdict.fate is Fate.SURVIVED or options.verbose:
            print(f"{verdict.fate}: {verdict.key} {verdict.why}".rstrip(), flush=True)
    return _report(chosen, verdicts, most_argued=MOST_ARGUED * len(everything))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only as many, drawn at random")
    parser.add_argument("--seed", help="what draws them (default: the commit)")
    parser.add_argument("--match", default="", metavar="TEXT", help="only those whose name contains this")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tested at a time (default: 1)")
    parser.add_argument("--verbose", action="store_true", help="say what became of each")
    return parser.parse_args(arguments)


def _chosen(everything: Sequence[Mutant], options: argparse.Namespace, root: Path) -> list[Mutant]:
    chosen = [one for one in everything if options.match in one.key]
    if options.sample is None:
        return chosen
    seed = options.seed or _commit(root)
    print(f"{options.sample} of {len(chosen)} mutants, drawn by --seed {seed}", flush=True)
    return random.Random(seed).sample(chosen, min(options.sample, len(chosen)))


def _commit(root: Path) -> str:
    """What names the sources: the commit, or where there is none, their digest."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else digest_of(test_sources(root))


def _benches(compiler: Compiler, folder: Path, jobs: int) -> list[Bench]:
    """As many as work at a time. The contract itself must pass in the first, or no mutant's death says anything."""
    first = Bench.built(compiler.root, folder / "bench")
    killer = first.killer(compiler.bytecodes([compiler.contract])[0] or "")
    if killer:
        raise SystemExit(f"the contract itself fails {killer}; run `make contracts`")
    return [first, *(first.copied(folder / f"bench-{number}") for number in range(1, jobs))]


def _report(chosen: Iterable[Mutant], verdicts: Sequence[Verdict], *, most_argued: float) -> int:
    fates = {one.key: one.fate for one in verdicts}
    table = {operator: Counter(fates[one.key] for one in chosen if one.operator == operator) for operator in MUTATIONS}
    print(f"{'':20}" + "".join(f"{fate:>18}" for fate in Fate))
    for operator, counts in [*table.items(), ("all", Counter(fates.values()))]:
        print(f"{operator:20}" + "".join(f"{counts[fate]:18}" for fate in Fate))
    total = Counter(fates.values())
    alive = total[Fate.KILLED] + total[Fate.SURVIVED]
    print(f"score: {total[Fate.KILLED]} of {alive} that differ from the contract were killed")
    return int(total[Fate.SURVIVED] > 0 or total[Fate.EQUIVALENT] > most_argued)


if __name__ == "__main__":
    sys.exit(main())
