"""How good a swarm's model is beside each node's own and one trained on all data, on the same test rows.

    python benchmarks/accuracy.py                 # digits: seeds 0 to 4, each a whole `swarm-chain demo`
    python benchmarks/accuracy.py --in-process    # the same training and merging without chain, stores and agents
    python benchmarks/accuracy.py --task heart --data FOLDER      # four hospitals, seeds 0 to 9

Exits 1 where a figure is missed. For digits the swarm must be above every single node, the mean gap to pooled at most
1.5 points and no seed's above 3.5. For heart the mean gap must be at most 1.0 points and no seed's above 4, and the
swarm on average at least 8 points above the mean of the four alone, in no seed less than 5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a task's swarm must reach, in points: below pooled at most, above alone at least; None where not asked."""

    seeds: range
    mean_gap: float
    largest_gap: float
    beats_every_node: bool = False
    mean_gain: float | None = None
    smallest_gain: float | None = None


FIGURES = {
    "digits": Figures(seeds=range(5), mean_gap=1.5, largest_gap=3.5, beats_every_node=True),
    "heart": Figures(seeds=range(10), mean_gap=1.0, largest_gap=4.0, mean_gain=8.0, smallest_gain=5.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Test accuracies of one seed, in percent, and how long the run took.

    `own_alone` and `own_swarm` are each node's own model and the swarm's on that node's held-out examples; empty where
    they were not measured.
    """

    seed: int
    alone: tuple[float, ...]
    swarm: float
    pooled: float
    seconds: float
    own_alone: tuple[float, ...] = ()
    own_swarm: tuple[float, ...] = ()

    @property
    def gain(self) -> float:
        """Points that the swarm is above the mean of the single nodes."""
        return self.swarm - statistics.mean(self.alone)

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
    figures = FIGURES[asked.task]
    measure: Callable[[int, argparse.Namespace], Outcome] = in_process if asked.in_process else by_demo
    print("seed   alone (best … worst)   swarm   pooled   gap    lead    gain   seconds")
    outcomes = []
    for seed in figures.seeds if asked.seeds is None else asked.seeds:
        outcomes.append(measure(seed, asked))
        print(_line(outcomes[-1]), flush=True)
    failures = judge(outcomes, figures)
    print(_summary(outcomes, failures, figures))
    if asked.json:
        asked.json.write_text(json.dumps(report(outcomes, failures), indent=2) + "\n")
    return 1 if failures else 0


def by_demo(seed: int, asked: argparse.Namespace) -> Outcome:
    """What `swarm-chain demo` reports: agents, chain, stores and audit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo.json"
        command = [sys.executable, "-m", "swarm_chain", "demo"]
        command += ["--task", asked.task, "--nodes", str(asked.nodes), "--rounds", str(asked.rounds)]
        command += [word for source in asked.data for word in ("--data", source)]
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
        own_alone=_percents(node["alone_own_accuracy"] for node in found["nodes"]),
        own_swarm=_percents(node["swarm_own_accuracy"] for node in found["nodes"]),
    )


def in_process(seed: int, asked: argparse.Namespace) -> Outcome:
    """The trainer and the merge that agents use, one node after the other."""
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks.baselines import train_alone

    started = time.monotonic()
    task = task_of(asked).seeded(seed)
    split, initial = task.split(asked.nodes, seed), initial_parameters(task)
    nodes = [TorchTrainer(task, part) for part in split.parts]
    alone = [train_alone(node, initial, rounds=asked.rounds) for node in nodes]
    pooled = train_alone(TorchTrainer(task, split.pooled), initial, rounds=asked.rounds)
    swarm = swarm_of(nodes, initial, asked.rounds)

    def accuracy(parameters: Any) -> float:
        return 100 * score(task, parameters, split.test)["accuracy"]

    return Outcome(
        seed=seed,
        alone=tuple(accuracy(parameters) for parameters in alone),
        swarm=accuracy(swarm),
        pooled=accuracy(pooled),
        seconds=time.monotonic() - started,
        own_alone=_percents(node.evaluate(own)["accuracy"] for node, own in zip(nodes, alone, strict=True)),
        own_swarm=_percents(node.evaluate(swarm)["accuracy"] for node in nodes),
    )


def task_of(asked: argparse.Namespace) -> Any:
    """The task that was asked for, dealing out the data that were."""
    from swarm_chain.tasks import load_task

    task: Any = load_task(asked.task)
    return task.dealing(asked.data) if asked.data else task


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


def judge(outcomes: Sequence[Outcome], figures: Figures = FIGURES["digits"]) -> list[str]:
    """What of the figures is not met, a line each."""
    return [*_gaps_missed(outcomes, figures), *_gains_missed(outcomes, figures)]


def _gaps_missed(outcomes: Sequence[Outcome], figures: Figures) -> Iterator[str]:
    for one in outcomes:
        if figures.beats_every_node and one.lead <= 0:
            yield f"seed {one.seed}: the swarm is not above every single node (lead {one.lead:.2f})"
    for one in outcomes:
        if one.gap > figures.largest_gap:
            yield f"seed {one.seed}: gap {one.gap:.2f} points"
    if (mean := statistics.mean(one.gap for one in outcomes)) > figures.mean_gap:
        yield f"mean gap {mean:.2f} points"


def _gains_missed(outcomes: Sequence[Outcome], figures: Figures) -> Iterator[str]:
    if figures.mean_gain is None or figures.smallest_gain is None:
        return
    for one in outcomes:
        if one.gain < figures.smallest_gain:
            yield f"seed {one.seed}: gain {one.gain:.2f} points"
    if (mean := statistics.mean(one.gain for one in outcomes)) < figures.mean_gain:
        yield f"mean gain {mean:.2f} points"


def report(outcomes: Sequence[Outcome], failures: Sequence[str]) -> dict[str, Any]:
    """What `--json` writes."""
    seeds = [{**asdict(one), "gap": one.gap, "lead": one.lead, "gain": one.gain} for one in outcomes]
    mean_gap = statistics.mean(one.gap for one in outcomes)
    return {"seeds": seeds, "mean_gap": mean_gap, "largest_gap": max(one.gap for one in outcomes), "failures": failures}


def _percents(shares: Iterable[float]) -> tuple[float, ...]:
    return tuple(100 * share for share in shares)


def _line(one: Outcome) -> str:
    alone = f"{max(one.alone):.1f} … {min(one.alone):.1f}"
    return (
        f"{one.seed:4}   {alone:>20}   {one.swarm:5.1f}   {one.pooled:6.1f}"
        f"   {one.gap:4.1f}   {one.lead:5.1f}   {one.gain:5.1f}   {one.seconds:7.1f}"
    )


def _summary(outcomes: Sequence[Outcome], failures: Sequence[str], figures: Figures) -> str:
    gaps = [one.gap for one in outcomes]
    lines = [
        f"mean gap to pooled {statistics.mean(gaps):.2f} points (at most {figures.mean_gap}), largest {max(gaps):.2f} "
        f"(at most {figures.largest_gap})"
    ]
    if figures.beats_every_node:
        lines.append(f"smallest lead over a single node {min(one.lead for one in outcomes):.2f} (above 0)")
    if figures.mean_gain is not None:
        gains = [one.gain for one in outcomes]
        lines.append(
            f"mean gain over the mean of single nodes {statistics.mean(gains):.2f} (at least {figures.mean_gain}), "
            f"smallest {min(gains):.2f} (at least {figures.smallest_gain})"
        )
    return "\n".join([*lines, *_means(outcomes), *(failures or ["PASS"])])


def _means(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Means over the seeds: on the same test examples, and on each node's own."""
    alone = statistics.mean(statistics.mean(one.alone) for one in outcomes)
    swarm, pooled = (statistics.mean(getattr(one, name) for one in outcomes) for name in ("swarm", "pooled"))
    yield f"on the same test examples: alone {alone:.1f}, swarm {swarm:.1f}, pooled {pooled:.1f}"
    if all(one.own_alone and one.own_swarm for one in outcomes):
        for name, kind in (("alone", "own_alone"), ("swarm", "own_swarm")):
            means = [statistics.mean(shares) for shares in zip(*(getattr(one, kind) for one in outcomes), strict=True)]
            each = ", ".join(f"{mean:.1f}" for mean in means)
            yield f"on each node's own held-out examples, {name}: {each}; mean {statistics.mean(means):.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=sorted(FIGURES), default="digits")
    parser.add_argument("--data", action="append", default=[], metavar="SOURCE", help="as `swarm-chain demo` takes it")
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="SEED", help="those of the task's figures, if not given"
    )
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--in-process", action="store_true", help="without chain, stores and agents")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
