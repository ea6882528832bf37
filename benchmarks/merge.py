"""What merging takes: time, and memory besides the updates, beside other libraries and beside reading alone.

    make peers && python benchmarks/merge.py            # 10 updates of 10 M parameters, and 32 of 2 M
    python benchmarks/merge.py --sizes 4x1 --json FILE  # 4 updates of a million parameters

ByzFL and Flower are in an environment of their own, which `make peers` makes; without it, ours are measured alone.

Each figure is the best of some runs in processes of its own, which take turns with those of the other libraries. Ours
are from files that the system has in its memory to a canonical file and its CID, without waiting for a disk; those of
others are from arrays in memory to an array. `ours` is NumPy in one thread, `compiled` ours with Numba in as many as
the other libraries get (`--threads`). `floor` is reading every byte of the updates once. Memory is how much the largest
resident set grew, with the updates in memory for all; a model is one update.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from merge_peers import timed

from swarm_chain.core import weights
from swarm_chain.core.merge import Contribution, merge, parse_rule
from swarm_chain.core.merge.available import load
from swarm_chain.core.merge.inputs import Source
from swarm_chain.core.merge.parallel import usable_processors
from swarm_chain.core.weights import WeightsFile, blocks
from swarm_chain.types import Address

SIZES = ("10x10", "32x2")
RULES = {
    "mean": "mean",
    "coordinate_median": "coordinate_median",
    "trimmed_mean": "trimmed_mean:f={f}",
    "geometric_median": "geometric_median",
    "krum": "krum:f={f}",
    "nearest_neighbour_mixing": "mean:before=nearest_neighbour_mixing,before_f={f}",
    "centered_clipping": "centered_clipping",
    "robust": "robust:f={f}",
}
"""What is measured, by the name that others have for it."""
PEERS = ("ByzFL, NumPy", "ByzFL, torch", "Flower")
OURS, COMPILED = "ours", "compiled"
FLOOR = "floor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How many updates, and how many million parameters each has."""

    updates: int
    millions: float

    @classmethod
    def parse(cls, text: str) -> Size:
        updates, _, millions = text.partition("x")
        try:
            size = cls(updates=int(updates), millions=float(millions))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text} is no size; write e.g. 10x10 for 10 updates of 10 M") from None
        if size.updates < 4 or size.millions <= 0:
            raise argparse.ArgumentTypeError(f"{text}: at least 4 updates, of more than no parameters")
        return size

    @property
    def elements(self) -> int:
        return max(1, round(self.millions * 1_000_000))

    @property
    def model(self) -> int:
        return 4 * self.elements

    @property
    def f(self) -> int:
        """How many dishonest nodes rules are set to withstand."""
        return max(1, min(3, (self.updates - 3) // 2))

    def __str__(self) -> str:
        return f"{self.updates} x {self.millions:g} M"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One figure: seconds, those of all processors together, and bytes of memory besides the updates."""

    size: str
    rule: str
    library: str
    seconds: float
    cpu: float
    memory: int
    models: float


# ------------------------------------------------------------------------------------------------------------ measuring


def main() -> int:
    arguments = _arguments()
    if arguments.one:
        return _one(*arguments.one)
    if not arguments.peers:
        print("ByzFL and Flower are not measured: `make peers` installs them", file=sys.stderr)
    found: list[Measured] = []
    for size in arguments.sizes:
        with TemporaryDirectory(prefix="merge-", dir=arguments.folder) as folder:
            _write_updates(Path(folder), size)
            for one in _measured(Path(folder), size, arguments):
                found.append(one)
                print(
                    f"{one.size}  {one.rule:<25} {one.library:<14} {one.seconds:8.3f} s  {one.cpu:8.3f} s of CPU  "
                    f"{one.models:6.2f} models",
                    flush=True,
                )
    print(_tables(found))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=Size.parse, nargs="+", default=[Size.parse(one) for one in SIZES])
    parser.add_argument("--rules", nargs="+", choices=[*RULES, FLOOR], default=[FLOOR, *RULES])
    parser.add_argument("--threads", type=int, default=usable_processors(), help="Threads of each library.")
    parser.add_argument("--rounds", type=int, default=3, help="How often libraries take turns.")
    parser.add_argument("--repeats", type=int, default=3, help="Runs in a process.")
    parser.add_argument("--folder", type=Path, help="Where files are; the system's for temporary ones unless told.")
    parser.add_argument(
        "--peers", default=_peers(), metavar="PYTHON", help="The interpreter of an environment with byzfl, torch, flwr."
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", nargs=7, help=argparse.SUPPRESS)
    return parser.parse_args()


def _peers() -> str | None:
    """What `make peers` made."""
    made = Path(__file__).parents[1] / ".venv-peers"
    return str(made / "bin/python") if (made / ".installed").exists() else None


def _write_updates(folder: Path, size: Size) -> None:
    base = np.random.default_rng(0).standard_normal(size.elements, np.float32)
    for number in range(-1, size.updates):
        step = np.random.default_rng(number + 1).standard_normal(size.elements, np.float32)
        name = "base" if number < 0 else f"update-{number}"
        weights.save({"w": base if number < 0 else base + np.float32(0.01) * step}, folder / name)
    os.sync()  # What is still to be written would be, while others are measured.


def _measured(folder: Path, size: Size, arguments: argparse.Namespace) -> Iterator[Measured]:
    for rule in arguments.rules:
        libraries = (OURS,) if rule == FLOOR else (OURS, COMPILED, *(PEERS if arguments.peers else ()))
        taken: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for library in libraries:
                answer = _answer(_command(folder, size, rule, library, arguments), arguments.threads)
                taken[library] = _best(answer, taken.get(library, answer))
        for library in libraries:
            if one := taken[library]:
                yield Measured(
                    size=str(size),
                    rule=rule,
                    library=library,
                    seconds=one["seconds"],
                    cpu=one["cpu"],
                    memory=int(one["memory"]),
                    models=one["memory"] / size.model,
                )


def _command(folder: Path, size: Size, rule: str, library: str, arguments: argparse.Namespace) -> list[str]:
    given = [str(folder), str(size.updates), str(size.f), str(arguments.repeats), rule, library, str(arguments.threads)]
    if library in PEERS:
        return [arguments.peers, str(Path(__file__).with_name("merge_peers.py")), *given]
    return [sys.executable, __file__, "--one", *given]


def _answer(command: Sequence[str], threads: int) -> dict[str, float]:
    """What a process measured; nothing where the library has no such rule."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **limits})
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
    return found


def _best(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: (max if name == "memory" else min)(value, other[name]) for name, value in one.items()}


def _one(folder: str, count: str, f: str, repeats: str, rule: str, library: str, threads: str) -> int:
    """One figure of ours, in a process of its own: time from files, and memory with the updates in memory."""
    if rule == FLOOR:
        print(json.dumps(timed(_reading(Path(folder), int(count)), int(repeats))))
        return 0
    compiled = library == COMPILED
    if compiled and load() is None:
        return 0
    # Memory first: what was taken once is there to be taken again.
    held = timed(_merging(Path(folder), int(count), int(f), rule, int(threads), compiled, Path.read_bytes), 1)
    again = _merging(Path(folder), int(count), int(f), rule, int(threads), compiled, Path)
    # Where a file is replaced, a file system may wait for the disk.
    found = timed(again, int(repeats), (Path(folder) / "merged").unlink)
    print(json.dumps({**found, "memory": held["memory"]}))
    return 0


def _merging(
    folder: Path, count: int, f: int, rule: str, threads: int, compiled: bool, source: Callable[[Path], Source]
) -> Any:
    given = [
        Contribution(node=Address(number.to_bytes(20, "big")), weights=source(folder / f"update-{number}"), samples=1)
        for number in range(count)
    ]
    base = source(folder / "base")
    recipe = parse_rule(RULES[rule].format(f=f))
    return lambda: merge(
        given,
        rule=recipe,
        max_samples=1,
        max_share_bps=10_000,
        out=folder / "merged",
        base=base,
        threads=threads if compiled else None,
        compiled=compiled,
        sync=False,
    )


def _reading(folder: Path, count: int) -> Any:
    def read() -> None:
        for number in range(count):
            with WeightsFile(folder / f"update-{number}") as file:
                for start, stop in blocks(file.specs[0].count, 1 << 16):
                    np.maximum.reduce(file.block("w", start, stop).view(np.int32))
                file.release()

    return read


# -------------------------------------------------------------------------------------------------------------- showing


def _tables(found: Sequence[Measured]) -> str:
    """A table of each size: seconds (of all processors), and how many times faster ours are than the best peer."""
    lines = []
    for size in dict.fromkeys(one.size for one in found):
        here = [one for one in found if one.size == size]
        libraries = list(dict.fromkeys(one.library for one in here))
        heads = [*libraries, f"{OURS} faster", f"{COMPILED} faster", "models"]
        lines += ["", size, "", f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
        for rule in dict.fromkeys(one.rule for one in here):
            by_library = {one.library: one for one in here if one.rule == rule}
            cells = [_cell(by_library.get(name)) for name in libraries]
            cells += [_faster(by_library, OURS), _faster(by_library, COMPILED)]
            models = ", ".join(f"{by_library[name].models:.2f}" for name in (OURS, COMPILED) if name in by_library)
            lines.append(f"| {rule} | {' | '.join(cells)} | {models} |")
    return "\n".join(lines)


def _faster(by_library: Mapping[str, Measured], which: str) -> str:
    """By the clock, and by the time of all processors."""
    peers = [by_library[name] for name in PEERS if name in by_library]
    one = by_library.get(which)
    if not peers or one is None:
        return ""
    return f"{min(peer.seconds for peer in peers) / one.seconds:.1f} ({min(peer.cpu for peer in peers) / one.cpu:.1f})"


def _cell(one: Measured | None) -> str:
    return "" if one is None else f"{one.seconds:.3f} ({one.cpu:.3f})"


if __name__ == "__main__":
    sys.exit(main())
