"""What merging takes: time, and memory besides the updates, beside other libraries and beside reading alone.

    python benchmarks/merge.py                          # 10 updates of 10 M parameters, and 32 of 2 M
    python benchmarks/merge.py --peers PYTHON           # ByzFL and Flower too, as PYTHON's environment has them
    python benchmarks/merge.py --sizes 4x1 --json FILE  # 4 updates of a million parameters

Each figure is of a process of its own, the best of some runs. Ours are from files that the system has in its memory to
a canonical file and its CID, without waiting for a disk; those of others are from arrays in memory to an array. `floor`
is reading every byte of the updates once. Memory is how much the largest resident set grew; a model is one update.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merge_peers import timed

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
KINDS = ("ByzFL, NumPy", "ByzFL, torch", "Flower")
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
    found: list[Measured] = []
    for size in arguments.sizes:
        with TemporaryDirectory(prefix="merge-", dir=_folder()) as folder:
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
    parser.add_argument("--threads", type=int, default=0, help="Threads of ours; as many as merging takes unless told.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", metavar="PYTHON", help="The interpreter of an environment with byzfl, torch, flwr.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", nargs=6, help=argparse.SUPPRESS)
    return parser.parse_args()


def _folder() -> Path | None:
    """A folder in memory where there is one."""
    shared = Path("/dev/shm")  # noqa: S108  a folder with a random name is made in it
    return shared if shared.is_dir() else None


def _write_updates(folder: Path, size: Size) -> None:
    import numpy as np

    from swarm_chain.core import weights

    base = np.random.default_rng(0).standard_normal(size.elements, np.float32)
    for number in range(-1, size.updates):
        step = np.random.default_rng(number + 1).standard_normal(size.elements, np.float32)
        name = "base" if number < 0 else f"update-{number}"
        weights.save({"w": base if number < 0 else base + np.float32(0.01) * step}, folder / name)


def _measured(folder: Path, size: Size, arguments: argparse.Namespace) -> Iterator[Measured]:
    for rule in arguments.rules:
        own = [str(folder), str(size.updates), str(size.f), str(arguments.repeats), rule, str(arguments.threads)]
        yield _figure(size, rule, "ours", [sys.executable, __file__, "--one", *own])
        for kind in KINDS if arguments.peers and rule != FLOOR else ():
            script = str(Path(__file__).with_name("merge_peers.py"))
            peer = [str(folder), str(size.updates), str(size.f), str(min(arguments.repeats, 2)), rule, kind]
            figure = _figure(size, rule, kind, [arguments.peers, script, *peer])
            if figure is not None:
                yield figure


def _figure(size: Size, rule: str, library: str, command: Sequence[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    if not done.stdout.strip():
        return None
    answer = json.loads(done.stdout.splitlines()[-1])
    models = answer["memory"] / size.model
    return Measured(size=str(size), rule=rule, library=library, models=models, **answer)


def _one(folder: str, count: str, f: str, repeats: str, rule: str, threads: str) -> int:
    """One figure of ours, in a process of its own."""
    work = (
        _reading(Path(folder), int(count))
        if rule == FLOOR
        else _merging(Path(folder), int(count), int(f), rule, int(threads))
    )
    print(json.dumps(timed(work, int(repeats))))
    return 0


def _merging(folder: Path, count: int, f: int, rule: str, threads: int) -> Any:
    from swarm_chain.core.merge import Contribution, merge, parse_rule
    from swarm_chain.types import Address

    given = [
        Contribution(node=Address(number.to_bytes(20, "big")), weights=folder / f"update-{number}", samples=1)
        for number in range(count)
    ]
    recipe = parse_rule(RULES[rule].format(f=f))
    return lambda: merge(
        given,
        rule=recipe,
        max_samples=1,
        max_share_bps=10_000,
        out=folder / "merged",
        base=folder / "base",
        threads=threads or None,
        sync=False,
    )


def _reading(folder: Path, count: int) -> Any:
    import numpy as np

    from swarm_chain.core.weights import WeightsFile, blocks

    def read() -> None:
        for number in range(count):
            with WeightsFile(folder / f"update-{number}") as file:
                for start, stop in blocks(file.specs[0].count, 1 << 16):
                    np.maximum.reduce(file.block("w", start, stop).view(np.int32))
                file.release()

    return read


# -------------------------------------------------------------------------------------------------------------- showing


def _tables(found: Sequence[Measured]) -> str:
    """A table of each size: seconds (of all processors), how many times faster ours is than the best of the others."""
    lines = []
    for size in dict.fromkeys(one.size for one in found):
        here = [one for one in found if one.size == size]
        libraries = list(dict.fromkeys(one.library for one in here))
        lines += ["", size, "", f"| | {' | '.join(libraries)} | times faster | ours, models |"]
        lines += [f"| --- |{' ---: |' * (len(libraries) + 2)}"]
        for rule in dict.fromkeys(one.rule for one in here):
            by_library = {one.library: one for one in here if one.rule == rule}
            ours, others = by_library["ours"], [one.seconds for one in by_library.values() if one.library != "ours"]
            cells = [_cell(by_library.get(name)) for name in libraries]
            faster = f"{min(others) / ours.seconds:.1f}" if others else ""
            lines.append(f"| {rule} | {' | '.join(cells)} | {faster} | {ours.models:.2f} |")
    return "\n".join(lines)


def _cell(one: Measured | None) -> str:
    return "" if one is None else f"{one.seconds:.3f} ({one.cpu:.3f})"


if __name__ == "__main__":
    sys.exit(main())
