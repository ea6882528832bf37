"""How good a swarm's model is beside each node's own and one trained on all data, on the same test rows.

    python benchmarks/accuracy.py                 # seeds 0 to 4, each a whole `swarm-chain demo`
    python benchmarks/accuracy.py --in-process    # the same training and merging without chain, stores and agents

Exits 1 where a swarm is not above every single node, where the mean gap to pooled is above 1.5 points, or one seed's
above 3.5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEAN_GAP, LARGEST_GAP = 1.5, 3.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Test accuracies of one seed, in percent, and how long the run took."""

    seed: int
    alone: tuple[float, ...]
    swarm: float
    pooled: float
    seconds: float

    @property
    def gap(self) -> float:
        """Points that the swarm is below pooled."""
        return self.pooled - self.swarm

    @property
    def lead(self) -> float:
        """Points that the swarm is above the best single node."""
        return self.swarm - max(self.alone)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the figures are met, 1 where not."""
    asked = _parser().parse_args(arguments)
    measure: Callable[[int, argparse.Namespace], Outcome] = in_process if asked.in_process else by_demo
    print("seed   alone (best … worst)   swarm   pooled   gap    lead   seconds")
    outcomes = []
    for seed in asked.seeds:
        outcomes.append(measure(seed, asked))
        print(_line(outcomes[-1]), flush=True)
    failures = judge(outcomes)
    print(_summary(outcomes, failures))
    if asked.json:
        asked.json.write_text(json.dumps(report(outcomes, failures), indent=2) + "\n")
    return 1 if failures else 0


def by_demo(seed: int, asked: argparse.Namespace) -> Outcome:
    """What `swarm-chain demo` reports: agents, chain, stores and audit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo.json"
        command = [sys.executable, "-m", "swarm_chain", "demo"]
        command += ["--nodes", str(asked.nodes), "--rounds", str(asked.rounds)]
        started = time.monotonic()
        done = subprocess.run([*command, "--seed", str(seed), "--json", str(out)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"seed {seed}: the demo ended with status {done.returncode}\n{done.stderr}{done.stdout}")
        found = json.loads(out.read_text())
    return Outcome(
        seed=seed,
        alone=tuple(100 * node["alone_accuracy"] for node in found["nodes"]),
        swarm=100 * found["swarm_accuracy"],
        pooled=100 * found["pooled_accuracy"],
        seconds=time.monotonic() - started,
    )


def in_process(seed: int, asked: argparse.Namespace) -> Outcome:
    """The trainer and the merge that agents use, one node after the other."""
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks import Digits
    from swarm_chain.tasks.baselines import measure_baselines

    started = time.monotonic()
    task = Digits().seeded(seed)
    split, initial = task.split(asked.nodes, seed), initial_parameters(task)
    nodes = [TorchTrainer(task, part) for part in split.parts]
    baselines = measure_baselines(
        nodes,
        TorchTrainer(task, split.pooled),
        initial=initial,
        rounds=asked.rounds,
        score=lambda parameters: score(task, parameters, split.test),
    )
    swarm = score(task, swarm_of(nodes, initial, asked.rounds), split.test)
    return Outcome(
        seed=seed,
        alone=tuple(100 * metrics["accuracy"] for metrics in baselines.alone),
        swarm=100 * swarm["accuracy"],
        pooled=100 * baselines.pooled["accuracy"],
        seconds=time.monotonic() - started,
    )


def swarm_of(nodes: Sequence[Any], initial: Any, rounds: int) -> Any:
    """The parameters that the nodes agree on after some rounds of training and weighted means."""
    from swarm_chain.core import weights
    from swarm_chain.core.merge import Contribution, MergeSettings, merge, rule_of
    from swarm_chain.types import Address

    settings, parameters = MergeSettings(rule="weighted_mean"), initial
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(1, rounds + 1):
            contributions = []
            for index, node in enumerate(nodes):
                outcome = node.train(parameters, round_number=number, on_progress=lambda done: None)
                file = folder / f"{index}.safetensors"
                weights.save(outcome.parameters, file)
                address = Address(index.to_bytes(20, "big"))
                contributions.append(Contribution(node=address, weights=file, samples=outcome.samples))
            merge(
                contributions,
                rule=rule_of(settings),
                max_samples=settings.max_samples,
                max_share_bps=settings.max_share_bps,
                out=folder / "merged.safetensors",
            )
            parameters = weights.decode((folder / "merged.safetensors").read_bytes())
    return parameters


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """What of the figures is not met, a line each."""
    failures = [
        f"seed {one.seed}: the swarm is not above every single node (lead {one.lead:.2f})"
        for one in outcomes
        if one.lead <= 0
    ]
    failures += [f"seed {one.seed}: gap {one.gap:.2f} points" for one in outcomes if one.gap > LARGEST_GAP]
    if (mean := statistics.mean(one.gap for one in outcomes)) > MEAN_GAP:
        failures.append(f"mean gap {mean:.2f} points")
    return failures


def report(outcomes: Sequence[Outcome], failures: Sequence[str]) -> dict[str, Any]:
    """What `--json` writes."""
    seeds = [{**asdict(one), "gap": one.gap, "lead": one.lead} for one in outcomes]
    mean_gap = statistics.mean(one.gap for one in outcomes)
    return {"seeds": seeds, "mean_gap": mean_gap, "largest_gap": max(one.gap for one in outcomes), "failures": failures}


def _line(one: Outcome) -> str:
    alone = f"{max(one.alone):.1f} … {min(one.alone):.1f}"
    return (
        f"{one.seed:4}   {alone:>20}   {one.swarm:5.1f}   {one.pooled:6.1f}"
        f"   {one.gap:4.1f}   {one.lead:5.1f}   {one.seconds:7.1f}"
    )


def _summary(outcomes: Sequence[Outcome], failures: Sequence[str]) -> str:
    gaps = [one.gap for one in outcomes]
    figures = (
        f"mean gap to pooled {statistics.mean(gaps):.2f} points (at most {MEAN_GAP}), largest {max(gaps):.2f} "
        f"(at most {LARGEST_GAP}); smallest lead over a single node {min(one.lead for one in outcomes):.2f} (above 0)"
    )
    return "\n".join([figures, *(failures or ["PASS"])])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)), metavar="SEED")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--in-process", action="store_true", help="without chain, stores and agents")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
