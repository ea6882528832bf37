"""Whether planted values leave a node that trains with a task of yours.

    python -m tests.evidence my_task.py:MyTask a.csv b.csv --marks marks.txt

trains a swarm of one node for each file, into which you planted what `marks.txt` lists: a number or a text a line. It
looks for these in every byte that leaves the nodes, says where one was found, and ends with 0 only where none was.
docs/how-to/data-protection.md says what that shows, and what it does not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests import marks
from tests.marks import Kind, Mark
from tests.scanner import Finding, find
from tests.watched_swarm import WatchedSwarm


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    chosen = _parser().parse_args(arguments)
    planted = list(read_marks(chosen.marks))
    data = [str(Path(one).absolute()) if Path(one).exists() else one for one in chosen.data]
    users, hosts = ([f"{what}-{number:02d}-zyxqvut" for number in range(len(data))] for what in ("user", "host"))
    with tempfile.TemporaryDirectory() as folder:
        task, colon, name = chosen.task.rpartition(".py:")
        source = f"{Path(task).absolute()}{colon}{name}" if colon else chosen.task
        with WatchedSwarm(Path(folder), source, data, users=users, hosts=hosts) as swarm:
            swarm.set_up()
            swarm.start("--rounds", str(chosen.rounds))
            swarm.wait_until(lambda: swarm.finalized >= chosen.rounds, timeout=chosen.timeout)
            swarm.stop()
            swarm.hand_over()
            return report(swarm, planted)


def read_marks(file: Path) -> Iterator[Mark]:
    """A mark for each line that is not empty: a number, or a text."""
    for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if text.strip():
            yield _mark(f"line {line} of {file.name}", text.strip())


def report(swarm: WatchedSwarm, planted: Sequence[Mark]) -> int:
    """Says what was found. The exit status."""
    own = swarm.marks()
    out = find([*planted, *own], swarm.leaving())
    logged = find([*planted, *(mark for mark in own if mark.kind is Kind.SECRET)], swarm.staying())
    ways = swarm.strange_ways_out()
    for title, findings in (("LEAVES", out), ("IN A LOG", logged)):
        for line in _lines(findings):
            print(f"{title}: {line}")
    for way in ways:
        print(f"WAY OUT: {way}")
    sources = list(swarm.leaving())
    print(
        f"{len(planted)} marks and {len(own)} names, passwords and keys, looked for in {len(sources)} things that left"
    )
    for machine in swarm.nodes:
        traffic, size = machine.status.traffic, machine.status.data_bytes
        of = "" if size is None else f"; its data have {size:,}"
        print(f"{machine.name}: {traffic.up:,} bytes up, {traffic.down:,} down{of}")
    print("FOUND" if out or logged or ways else "nothing was found")
    return 1 if out or logged or ways else 0


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    def key(one: Finding) -> tuple[str, str]:
        return one.mark, one.source

    for (mark, source), several in groupby(sorted(findings, key=key), key=key):
        yield f"{mark}, in {source} ({', '.join(sorted(one.form for one in several))})"


def _mark(name: str, text: str) -> Mark:
    try:
        value = float(text)
    except ValueError:
        return marks.text(name, text)
    return marks.number(name, int(text) if text.lstrip("+-").isdigit() else value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.evidence", description=__doc__.splitlines()[0])
    parser.add_argument("task", help="the task, as `deploy --task` takes it")
    parser.add_argument("data", nargs="+", help="data with planted values, one for each node, as --data takes it")
    parser.add_argument("--marks", type=Path, required=True, help="a file with the planted values, one a line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=600, help="seconds that the rounds may take")
    return parser


if __name__ == "__main__":
    sys.exit(main())
