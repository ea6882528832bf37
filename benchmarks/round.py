"""What a round costs besides training: real agents, each a process, on a real chain, with a trainer that takes no time.

    python benchmarks/round.py                    # 2 nodes x 0.1 M parameters, 10 x 1 M, 10 x 10 M
    python benchmarks/round.py --sizes 4x0.5      # 4 nodes, half a million parameters
    python benchmarks/round.py --quick            # a small one, to see that it runs

A round's time is that between two heads, averaged over agents and all rounds but the first. It is split by what an
agent does: nothing is counted twice, so the parts add up to the whole. `up` and `down` are the bytes that a node writes
to and reads from the store in a round; `memory` is the largest resident set of an agent, and what it was before the
first round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

PHASES = ("encode", "chain", "store", "merge", "attest", "other", "wait")
"""Training to canonical weights; calls and reads of the chain; blocks written and read; judging and merging; the
attestation; journal, decisions and adopting the head; waiting for peers and for the next look."""
FLOWER = {(2, 0.1): 0.10, (10, 1.0): 0.41, (10, 10.0): 1.62}
"""Seconds of a round in Flower's simulation, without chain or hashing, on a machine of two cores."""
SIZES = ((2, 0.1), (10, 1.0), (10, 10.0))
TENSORS = 10
WINDOW = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How many nodes, and how many million parameters a model has."""

    nodes: int
    millions: float
    rounds: int

    @property
    def elements(self) -> int:
        return max(1, round(self.millions * 1_000_000 / TENSORS))

    def __str__(self) -> str:
        return f"{self.nodes} nodes x {self.millions:g} M"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One size's figures: a round of an average agent. `up`, `down` and memory in bytes."""

    nodes: int
    millions: float
    rounds: int
    seconds: float
    phases: dict[str, float]
    up: float
    down: float
    memory: int
    memory_before: int
    weights_bytes: int
    sha256_seconds: float
    memcpy_seconds: float
    flower_seconds: float | None

    @property
    def dominates(self) -> str:
        """The part that takes longest."""
        return max(self.phases, key=lambda phase: self.phases[phase])


# ------------------------------------------------------------------------------------------------------------- an agent


class Timers:
    """Seconds by phase. Inside another phase the outer one stands still, so that they add up."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self._open = ["other"]
        self._since = time.monotonic()

    def switch(self) -> None:
        """Books what passed to the phase that is open."""
        now = time.monotonic()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.switch()
        self._open.append(name)
        try:
            yield
        finally:
            self.switch()
            self._open.pop()

    def wrap(self, owner: Any, name: str, phase: str | Callable[..., str]) -> None:
        """Times every call of an attribute from now on."""
        inner = getattr(owner, name)

        @wraps(inner)
        def timed(*args: Any, **options: Any) -> Any:
            with self.phase(phase if isinstance(phase, str) else phase(*args)):
                return inner(*args, **options)

        setattr(owner, name, timed)


class Immediate:
    """A trainer that gives every parameter a nudge of its own: no two nodes, and no two rounds, have equal weights."""

    def __init__(self, index: int, timers: Timers) -> None:
        self._step, self._timers = 0.001 * (index + 1), timers

    def samples(self) -> Any:
        return 100

    def train(self, base: Any, *, memory: Any, round_number: int, on_progress: Callable[[float], None]) -> Any:
        from swarm_chain.types import Samples, TrainingOutcome

        with self._timers.phase("train"):
            moved = {name: array + array.dtype.type(self._step) for name, array in base.items()}
        return TrainingOutcome(parameters=moved, samples=Samples(100), base_metrics={}, local_metrics={})

    def evaluate(self, parameters: Any, *, memory: Any) -> dict[str, float]:
        return {}


def run_agent(asked: dict[str, Any]) -> None:
    """One agent's process: takes part, and writes down what it measured."""
    from swarm_chain.accounts import development_signer
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.agent.journal import Journal
    from swarm_chain.agent.policy import Policy
    from swarm_chain.bootstrap import DEVELOPMENT_PACE, wire_agent
    from swarm_chain.core import documents
    from swarm_chain.core.documents import TaskDocument
    from swarm_chain.types import Address, RegisterNode

    folder, index = Path(asked["folder"]), asked["index"]
    signer = development_signer(f"dev{index}", chain_id=asked["chain_id"])
    contract = Address(bytes.fromhex(asked["contract"]))
    chain = Web3Chain.connect([asked["rpc_url"]], contract, signer=signer, deployed_at=asked["block"])
    store = LocalStore(Path(asked["store"]))
    chain.send(RegisterNode(label=f"node {index}"))
    _wait_for_all(chain, asked["nodes"])
    before, timers = _peak_memory(), Timers()
    marks = _instrument(timers)
    poll, spread = DEVELOPMENT_PACE
    agent = wire_agent(
        task=documents.read(store.get, chain.swarm_info().config.task_digest, TaskDocument),
        chain=chain,
        store=store,
        trainer=Immediate(index, timers),
        journal=Journal(
            folder / "journal.sqlite", chain_id=chain.chain_id, coordinator=contract, account=signer.address
        ),
        spool=folder / "spool",
        policy=Policy(rounds=asked["rounds"], poll=poll, spread=spread),
        on_activity=lambda activity: None,
    )
    agent._sleep = _sleeper(timers)
    agent.run()
    (folder / "measured.json").write_text(
        json.dumps({"marks": marks, "memory": _peak_memory(), "memory_before": before}) + "\n"
    )


def _wait_for_all(chain: Any, nodes: int) -> None:
    while chain.swarm_info().active_nodes < nodes:
        time.sleep(0.05)


def _instrument(timers: Timers) -> list[dict[str, Any]]:
    """Times what agents are made of from now on. The list gets an entry at every head that one adopts."""
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.agent import convergence
    from swarm_chain.agent.contribution import Contribution
    from swarm_chain.agent.heads import Heads
    from swarm_chain.core.spool import Spool
    from swarm_chain.types import Attest

    for name in ("look", "events", "node_info", "attestations_for", "salt"):
        timers.wrap(Web3Chain, name, "chain")
    timers.wrap(Web3Chain, "send", lambda self, call, **_: "attest" if isinstance(call, Attest) else "chain")
    _count(timers, LocalStore, "publish", "up", lambda result, publication: publication.size)
    _count(timers, LocalStore, "get", "down", lambda result, cid: len(result))
    timers.wrap(Spool, "weights", "store")
    timers.wrap(Contribution, "train", "encode")
    timers.wrap(Contribution, "stage", "encode")
    timers.wrap(Contribution, "publish", "store")
    timers.wrap(convergence.Convergence, "_publish", "store")
    for name in ("judge_updates", "build_result"):
        timers.wrap(convergence, name, "merge")
    marks: list[dict[str, Any]] = []
    adopt = Heads.adopt

    def adopt_and_mark(self: Heads, result: Any) -> None:
        adopt(self, result)
        timers.switch()
        marks.append({"at": time.monotonic(), "seconds": dict(timers.seconds), "bytes": dict(timers.bytes)})

    Heads.adopt = adopt_and_mark  # type: ignore[method-assign]
    return marks


def _sleeper(timers: Timers) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        with timers.phase("wait"):
            time.sleep(seconds)

    return sleep


def _count(timers: Timers, owner: Any, name: str, way: str, size: Callable[..., int]) -> None:
    """Times a store's call, and adds up the bytes that it moved."""
    inner = getattr(owner, name)

    @wraps(inner)
    def counted(self: Any, what: Any, *args: Any, **options: Any) -> Any:
        with timers.phase("store"):
            result = inner(self, what, *args, **options)
        timers.bytes[way] += size(result, what)
        return result

    setattr(owner, name, counted)


def _peak_memory() -> int:
    """Bytes of the largest resident set so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# ------------------------------------------------------------------------------------------------------------ the swarm


def measure(size: Size) -> Measured:
    """A swarm of that size, from its deployment to its last round."""
    from swarm_chain.devnet import Devnet

    with tempfile.TemporaryDirectory(prefix="swarm-chain-round-") as name:
        folder = Path(name)
        with Devnet.start(port=0, log=folder / "anvil.log") as devnet:
            asked = _deploy(size, folder, devnet)
            agents = [_start(asked, index, folder / f"node-{index}") for index in range(size.nodes)]
            try:
                _wait_for_agents(agents, folder)
            finally:
                for agent in agents:
                    agent.kill()
                    agent.wait()
        found = [json.loads((folder / f"node-{index}" / "measured.json").read_text()) for index in range(size.nodes)]
        return _average(size, found, asked["weights_bytes"])


def _deploy(size: Size, folder: Path, devnet: Any) -> dict[str, Any]:
    """The contract and its first documents; what every agent is told."""
    import numpy as np

    from swarm_chain.accounts import development_signer
    from swarm_chain.adapters.local_store import LocalStore
    from swarm_chain.core import weights
    from swarm_chain.core.documents import MergeSettings, ShippedSource, TaskDocument, UpdateSettings, genesis
    from swarm_chain.core.unixfs import import_bytes
    from swarm_chain.deployment import deploy, swarm_config
    from swarm_chain.deployment.deployer import Deployer
    from swarm_chain.deployment.deployments import Deployments
    from swarm_chain.genesis import Genesis, put_genesis

    random = np.random.default_rng(0)
    parameters = {f"tensor-{index}": random.standard_normal(size.elements, np.float32) for index in range(TENSORS)}
    data = weights.encode(parameters)
    task = TaskDocument(
        name="benchmark",
        source=ShippedSource(name="benchmark", version="1"),
        model=weights.model_digest(weights.specs_of(parameters)),
        training={},
        merge=MergeSettings(rule="weighted_mean"),
        update=UpdateSettings(max_bytes=len(data)),
    )
    file = import_bytes(data)
    made = Genesis(task=task, result=genesis(task, weights=file.cid, size=file.size), weights=data)
    put_genesis(made, LocalStore(folder / "store"))
    signer = development_signer("dev0", chain_id=devnet.chain_id)
    config = swarm_config(
        task_digest=task.digest(),
        genesis_digest=made.result.digest(),
        admin=signer.address,
        open_registration=True,
        initial_window=WINDOW,
        min_window=WINDOW,
        reveal_window=WINDOW,
        merge_window=WINDOW,
    )
    deployed = deploy(
        config, deployer=Deployer.of([devnet.rpc_url], signer), deployments=Deployments(folder / "deployments.json")
    ).deployment
    assert deployed.contract is not None
    return {
        "rpc_url": devnet.rpc_url,
        "chain_id": devnet.chain_id,
        "contract": deployed.contract.hex(),
        "block": deployed.block,
        "store": str(folder / "store"),
        "nodes": size.nodes,
        "rounds": size.rounds,
        "weights_bytes": len(data),
    }


def _start(asked: dict[str, Any], index: int, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir()
    request = json.dumps({**asked, "index": index, "folder": str(folder)})
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with (folder / "agent.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, __file__, "--agent", request], env={**os.environ, **threads}, stdout=log, stderr=log
        )


def _wait_for_agents(agents: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """Returns once all ended well. When one fails, the others would wait for it for long."""
    while any(agent.poll() is None for agent in agents):
        if any(agent.poll() for agent in agents):
            raise SystemExit(f"an agent failed:\n{_log(folder)}")
        time.sleep(0.1)


def _log(folder: Path) -> str:
    return "\n".join(path.read_text()[-2000:] for path in folder.glob("node-*/agent.log"))


def _average(size: Size, found: Sequence[dict[str, Any]], weights_bytes: int) -> Measured:
    """A round of the average agent: what lies between the first head after the genesis and the last."""
    rounds = size.rounds - 1
    spans = [(one["marks"][1], one["marks"][-1]) for one in found]

    def mean(value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.mean((value(last) - value(first)) / rounds for first, last in spans)

    data = os.urandom(weights_bytes)
    return Measured(
        nodes=size.nodes,
        millions=size.millions,
        rounds=rounds,
        seconds=mean(lambda mark: mark["at"]),
        phases={phase: mean(lambda mark, phase=phase: mark["seconds"].get(phase, 0.0)) for phase in PHASES},
        up=mean(lambda mark: mark["bytes"].get("up", 0)),
        down=mean(lambda mark: mark["bytes"].get("down", 0)),
        memory=max(one["memory"] for one in found),
        memory_before=max(one["memory_before"] for one in found),
        weights_bytes=weights_bytes,
        sha256_seconds=_seconds(lambda: hashlib.sha256(data)),
        memcpy_seconds=_seconds(lambda: bytearray(data)),
        flower_seconds=FLOWER.get((size.nodes, size.millions)),
    )


def _seconds(action: Callable[[], object]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


# -------------------------------------------------------------------------------------------------------------- showing


def main(arguments: Sequence[str] | None = None) -> int:
    """0, once all sizes were measured."""
    asked = _parser().parse_args(arguments)
    if asked.agent:
        run_agent(json.loads(asked.agent))
        return 0
    sizes = [(2, 0.01)] if asked.quick else asked.sizes
    measured = []
    for nodes, millions in sizes:
        measured.append(measure(Size(nodes=nodes, millions=millions, rounds=2 if asked.quick else asked.rounds)))
        print(describe(measured[-1]), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in measured], indent=2) + "\n")
    return 0


def describe(one: Measured) -> str:
    """A size's figures in a few lines."""
    parts = "   ".join(f"{phase} {one.phases[phase]:.3f}" for phase in PHASES)
    flower = (
        f"; Flower's simulation, without chain or hashing: {one.flower_seconds:.2f} s" if one.flower_seconds else ""
    )
    return (
        f"{one.nodes} nodes x {one.millions:g} M parameters ({_mebibytes(one.weights_bytes)} of weights)\n"
        f"  {one.seconds:.2f} s a round{flower}\n"
        f"  {parts}   (seconds; {one.dominates} dominates)\n"
        f"  {_mebibytes(one.up)} up, {_mebibytes(one.down)} down a node and round; "
        f"memory of an agent {_mebibytes(one.memory)}, {_mebibytes(one.memory_before)} before the first round\n"
        f"  for comparison, the weights once: sha256 {one.sha256_seconds:.4f} s, copied {one.memcpy_seconds:.4f} s"
    )


def _mebibytes(size: float) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _size(text: str) -> tuple[int, float]:
    nodes, _, millions = text.partition("x")
    if not 2 <= int(nodes) <= 10 or float(millions) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 4x0.5: 2 to 10 nodes, and millions of parameters")
    return int(nodes), float(millions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_size, nargs="+", default=list(SIZES), metavar="NODESxMILLIONS")
    parser.add_argument("--rounds", type=int, choices=range(2, 101), default=4, metavar="N", help="2 to 100; default 4")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--agent", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
