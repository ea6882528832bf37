"""What files cost beside `hashlib.sha256` over the same bytes: their CID, publishing them, fetching them verified.

    python benchmarks/ipfs.py                     # 200 MiB, the best of 5
    python benchmarks/ipfs.py --rows fetch        # those whose name has "fetch" in it
    python benchmarks/ipfs.py --quick             # 8 MiB once, to see that it runs

Each row runs in a process of its own, in turns with another that hashes: so both meet the same machine, and `memory` is
the row's alone, above what it had before its first run. A row with a goal may take so many times sha256's time; where
one takes longer, the program exits with 1. Rows of an IPFS node appear where there is one ($SWARM_CHAIN_IPFS, or `ipfs`
on the PATH).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

MEBIBYTE = 1 << 20
SIZE = 200 * MEBIBYTE
SEED = 5

Action = Callable[[], Any]
"""What is measured. If it returns something to call, that is called after it, and not measured."""
Make = Callable[["Bench"], Iterator[Action]]
"""Makes everything ready, yields what is measured, and puts away what it made."""
Start = Callable[["Bench"], Any]
"""The same as a context."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """The file that every row works on, and a folder of its own."""

    file: Path
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of the table. `goal` is how many times sha256's time it may take."""

    name: str
    start: Start
    goal: float | None = None
    needs_ipfs: bool = False


ROWS: dict[str, Row] = {}
SHA256 = "sha256"


def row(name: str, *, goal: float | None = None, needs_ipfs: bool = False) -> Callable[[Make], Start]:
    """Makes a generator that yields what is measured a row of the table."""

    def add(make: Make) -> Start:
        start = contextmanager(make)
        ROWS[name] = Row(name=name, start=start, goal=goal, needs_ipfs=needs_ipfs)
        return start

    return add


@row(SHA256)
def _sha256(bench: Bench) -> Iterator[Action]:
    """`hashlib.sha256` over the bytes in memory: what everything is compared with."""
    data = bench.file.read_bytes()
    yield lambda: hashlib.sha256(data).digest()


# ------------------------------------------------------------------------------------------------ CIDs and publishing


@row("CID: of a file, on one core", goal=1 / 0.9)
def _cid_on_one_core(bench: Bench) -> Iterator[Action]:
    """Reading, cutting and hashing, where nothing else can be done meanwhile."""
    from swarm_chain.core.unixfs import import_file

    _stay_on_one_core()
    yield lambda: import_file(bench.file)


@row("CID: of bytes in memory, on one core")
def _cid_in_memory(bench: Bench) -> Iterator[Action]:
    """The same without reading, as sha256 has it."""
    from swarm_chain.core.unixfs import import_bytes

    _stay_on_one_core()
    data = bench.file.read_bytes()
    yield lambda: import_bytes(data)


@row("CID: of a file, on all cores", goal=1 / 1.5)
def _cid_on_all_cores(bench: Bench) -> Iterator[Action]:
    """As it is by itself; sha256 is on one, since its blocks depend on each other. The goal is for two cores."""
    from swarm_chain.core.unixfs import import_file

    yield lambda: import_file(bench.file)


@row("CID: by the IPFS node, add --only-hash", needs_ipfs=True)
def _cid_by_node(bench: Bench) -> Iterator[Action]:
    """What the node says that the file's CID is; the file goes there by HTTP."""
    with _node(bench) as (store, _):
        yield lambda: _add(store, bench.file, only_hash=True)


@row("publish: into a local store", goal=1.5)
def _publish(bench: Bench) -> Iterator[Action]:
    """Cut, hashed and written; the system brings it to the disk when it likes."""
    yield _publishing(bench, sync=False)


@row("publish: into a local store, synced")
def _publish_synced(bench: Bench) -> Iterator[Action]:
    """As an agent does: all of it is on the disk at the end."""
    yield _publishing(bench, sync=True)


@row("publish: into the IPFS node, pinned", needs_ipfs=True)
def _publish_to_node(bench: Bench) -> Iterator[Action]:
    """As an agent does: a CAR to dag/import. After the first time the node has all of it, and checks that."""
    with _node(bench) as (store, _):
        yield lambda: _published(store, bench.file)


@row("publish: by the IPFS node, add", needs_ipfs=True)
def _add_to_node(bench: Bench) -> Iterator[Action]:
    """The node's own way."""
    with _node(bench) as (store, _):
        yield lambda: _add(store, bench.file, only_hash=False)


def _stay_on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _publishing(bench: Bench, *, sync: bool) -> Action:
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.core import dagcbor
    from swarm_chain.core.publication import Publication

    publication = Publication(document=dagcbor.encode({"file": "published"}), files=(bench.file,))
    folder = bench.folder / "published"

    def publish() -> Action:
        LocalStore(folder, sync=sync).publish(publication)
        return partial(shutil.rmtree, folder)

    return publish


def _add(api: str, file: Path, *, only_hash: bool) -> str:
    """The CID that a node gives a file of the swarm's profile."""
    from swarm_chain.adapters.kubo.rpc import Command, File, Rpc
    from swarm_chain.config import StoreSettings
    from swarm_chain.core.chunks import read_chunks

    def pieces() -> Iterator[bytes]:
        with file.open("rb", buffering=0) as stream:
            yield from read_chunks(stream, MEBIBYTE)

    profile = {"cid-version": "1", "raw-leaves": "true", "chunker": "size-1048576"}
    options = {**profile, "only-hash": str(only_hash).lower(), "quieter": "true"}
    command = Command(name="add", options=options, seconds=600, file=File(pieces))
    *_, answer = Rpc("the IPFS node", StoreSettings(address=api)).values(command)
    return str(answer["Hash"])


# ------------------------------------------------------------------------------------------------------------- fetching


@row("fetch: verified", goal=1.5)
def _fetch(bench: Bench) -> Iterator[Action]:
    """What a node does: from `swarm-chain store serve`, every block checked, handed out chunk by chunk."""
    with _served(bench) as (url, cid):
        yield _fetching(bench, url, cid)


@row("fetch: verified, in one piece")
def _fetch_car(bench: Bench) -> Iterator[Action]:
    """The same as from a gateway far away: one answer with all blocks."""
    with _served(bench) as (url, cid):
        yield _fetching(bench, url, cid, far=0.0)


@row("fetch: verified, into a file")
def _fetch_file(bench: Bench) -> Iterator[Action]:
    """As an agent keeps weights; not synced."""
    from swarm_chain.adapters.gateway_store import GatewayStore
    from swarm_chain.core.cids import parse_cid
    from swarm_chain.core.unixfs import File, save

    with _served(bench) as (url, cid):
        store = GatewayStore([url])
        file = File(cid=parse_cid(cid), size=bench.file.stat().st_size)
        yield lambda: save(store.get, file, bench.folder / "fetched", sync=False)


@row("fetch: the served blocks, not verified")
def _fetch_blindly(bench: Bench) -> Iterator[Action]:
    """The same bytes by `http.client`, one request after another: what serving and the loopback cost by themselves."""
    with _served(bench) as (url, cid):
        yield lambda: _drain(url, f"/ipfs/{cid}?format=car")


@row("fetch: an IPFS node's gateway, not verified", needs_ipfs=True)
def _fetch_node(bench: Bench) -> Iterator[Action]:
    """The file as the node's gateway puts it together: what it is, the reader cannot tell."""
    with _node(bench) as (store, gateway):
        cid = _published(store, bench.file)
        yield lambda: _drain(gateway, f"/ipfs/{cid}")


@contextmanager
def _served(bench: Bench) -> Iterator[tuple[str, str]]:
    """The file in a local store, served by the command: the gateway's URL, and the file's CID."""
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.core.unixfs import import_file

    store = LocalStore(bench.folder / "store", sync=False)
    cid = import_file(bench.file, store.put).cid
    command = [sys.executable, "-m", "swarm_chain", "store", "serve", "--store", store.name, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), str(cid)
        finally:
            process.terminate()


def _fetching(bench: Bench, url: str, cid: str, **limits: float) -> Action:
    from swarm_chain.adapters.gateway_store import GatewayStore
    from swarm_chain.adapters.gateways.limits import Limits
    from swarm_chain.core.cids import parse_cid
    from swarm_chain.core.unixfs import File, read

    store = GatewayStore([url], limits=Limits(**limits))
    file = File(cid=parse_cid(cid), size=bench.file.stat().st_size)

    def fetch() -> None:
        size = sum(len(chunk) for chunk in read(store.get, file))
        assert size == file.size

    return fetch


def _drain(url: str, path: str) -> None:
    """Reads an answer to its end, into the same memory again and again."""
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"), timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    buffer = bytearray(MEBIBYTE)
    while answer.readinto(buffer):
        pass
    connection.close()


# --------------------------------------------------------------------------------------------------------- an IPFS node


@contextmanager
def _node(bench: Bench) -> Iterator[tuple[str, str]]:
    """A private IPFS node with a new repository: the address of its RPC API, and the URL of its gateway."""
    from swarm_chain.devnet.ipfs import IpfsNodes

    with IpfsNodes(bench.folder) as nodes:
        (node,) = nodes.add("ipfs")
        until = time.monotonic() + 30
        while not (found := re.search(r"Gateway.*listening on /ip4/([0-9.]+)/tcp/([0-9]+)", node.log.read_text())):
            assert time.monotonic() < until, "the node does not say where its gateway is"
            time.sleep(0.1)
        yield node.api, f"http://{found[1]}:{found[2]}"


def _published(api: str, file: Path) -> str:
    """The CID of the file, once the node has it."""
    from swarm_chain.adapters.kubo_store import KuboStore
    from swarm_chain.config import StoreSettings
    from swarm_chain.core import dagcbor
    from swarm_chain.core.publication import Publication
    from swarm_chain.core.unixfs import import_file

    cid = import_file(file).cid
    document = dagcbor.encode({"file": cid})
    KuboStore(StoreSettings(address=api)).publish(Publication(document=document, files=(file,)))
    return str(cid)


# ------------------------------------------------------------------------------------------------------------ measuring


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A row's best time, that of sha256 in turns with it, and its memory in bytes (none is told on other systems)."""

    name: str
    seconds: float
    sha256_seconds: float
    memory: int | None
    goal: float | None

    @property
    def ratio(self) -> float:
        return self.seconds / self.sha256_seconds

    @property
    def is_missed(self) -> bool:
        return self.goal is not None and self.ratio > self.goal


class Runner:
    """A row in a process of its own, which runs once each time it is told to."""

    def __init__(self, name: str, file: Path, folder: Path) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--run", name, "--file", str(file), "--folder", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def run(self) -> float:
        """Seconds of one more run."""
        self._write("run")
        return float(self._read())

    def memory(self) -> int | None:
        """Bytes that the runs needed at most, above what there was before."""
        self._write("memory")
        found = self._read()
        return int(found) if found else None

    def close(self) -> None:
        """Ends the process."""
        with suppress(OSError):
            self._write("end")
        self._process.wait(60)

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a row failed; its error is above")
        return line.strip()


def serve_row(name: str, bench: Bench) -> None:
    """Does what a `Runner` says."""
    with ROWS[name].start(bench) as action:
        before = _reset_peak()
        print("ready", flush=True)
        for line in sys.stdin:
            if line.strip() == "end":
                break
            if line.strip() == "memory":
                peak = _memory("VmHWM")
                print("" if peak is None or before is None else max(0, peak - before), flush=True)
                continue
            started = time.perf_counter()
            afterwards = action()
            seconds = time.perf_counter() - started
            if callable(afterwards):
                afterwards()
            print(seconds, flush=True)


def _reset_peak() -> int | None:
    """Bytes of memory that are resident now; the peak is counted from here on (Linux only)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(key: str) -> int | None:
    try:
        found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def measure(one: Row, file: Path, folder: Path, times: int) -> Measured:
    """A row's figures, the best of some runs in turns with sha256's."""
    with ExitStack() as runners:
        sha256 = Runner(SHA256, file, folder / "sha256")
        runners.callback(sha256.close)
        measured = Runner(one.name, file, folder / "row")
        runners.callback(measured.close)
        turns = [(sha256.run(), measured.run()) for _ in range(times)]
        memory = measured.memory()
    hashing, seconds = (min(column) for column in zip(*turns, strict=True))
    return Measured(name=one.name, seconds=seconds, sha256_seconds=hashing, memory=memory, goal=one.goal)


# -------------------------------------------------------------------------------------------------------------- showing


def main(arguments: Sequence[str] | None = None) -> int:
    """0, once all rows were measured and none missed its goal."""
    asked = _parser().parse_args(arguments)
    if asked.run:
        serve_row(asked.run, Bench(file=asked.file, folder=asked.folder))
        return 0
    size, times = (8 * MEBIBYTE, 1) if asked.quick else (SIZE, 5)
    has_ipfs = bool(os.environ.get("SWARM_CHAIN_IPFS") or shutil.which("ipfs"))
    found = []
    print(f"{size // MEBIBYTE} MiB, the best of {times}\n\n{HEAD}", flush=True)
    for one in ROWS.values():
        if asked.rows in one.name and (has_ipfs or not one.needs_ipfs):
            found.append(_measured_in_a_folder(one, size, times))
            print(describe(found[-1], size), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    return int(any(one.is_missed for one in found) and not asked.quick)


def _measured_in_a_folder(one: Row, size: int, times: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="swarm-chain-ipfs-") as name:
        file = Path(name) / "file"
        _write_random(file, size)
        return measure(one, file, Path(name), times)


def _write_random(file: Path, size: int) -> None:
    import random

    source = random.Random(SEED)
    with file.open("wb") as stream:
        for _ in range(size // MEBIBYTE):
            stream.write(source.randbytes(MEBIBYTE))


HEAD = f"{'':44} {'seconds':>8} {'MiB/s':>7} {'x sha256':>9} {'goal':>5} {'MiB more':>9}"


def describe(one: Measured, size: int) -> str:
    """A row for people."""
    goal = "" if one.goal is None else f"{one.goal:.3g}" + ("!" if one.is_missed else "")
    memory = "" if one.memory is None else f"{one.memory / MEBIBYTE:.0f}"
    speed = size / MEBIBYTE / one.seconds
    return f"{one.name:44} {one.seconds:8.3f} {speed:7.0f} {one.ratio:9.2f} {goal:>5} {memory:>9}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", metavar="TEXT", help="only rows whose name has this in it")
    parser.add_argument("--quick", action="store_true", help="8 MiB once, to see that it runs; no goal counts")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
