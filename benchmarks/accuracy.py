"""How good a swarm's model is beside each node's own and one trained on all data, on the same test rows.

    python benchmarks/accuracy.py                 # digits: seeds 0 to 4, each a whole `swarm-chain demo`
    python benchmarks/accuracy.py --in-process    # the same training and merging without chain, stores and agents
    python benchmarks/accuracy.py --task heart --data FOLDER      # four hospitals, seeds 0 to 9
    python benchmarks/accuracy.py --task courses                  # 14 departments, seeds 0 to 4

Exits 1 where a figure is missed. For digits the swarm must be above every single node, the mean gap to pooled at most
1.5 points and no seed's above 3.5. For heart the mean gap must be at most 1.0 points and no seed's above 4, and the
swarm on average at least 8 points above the mean of the four alone, in no seed less than 5. For courses, measured by
RMSE, at least 10 of 14 departments must gain in every seed, each on its own ratings and beside its own model's best
epoch, and no seed's swarm be more than 0.01 above pooled.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a task's swarm must reach: worse than pooled at most, better than alone at least; None where not asked.

    In percent points of accuracy, or in what else the task is measured by.
    """

    seeds: range
    mean_gap: float
    largest_gap: float
    beats_every_node: bool = False
    mean_gain: float | None = None
    smallest_gain: float | None = None
    fewest_gaining: int | None = None
    metric: str = "accuracy"
    digits: int = 1

    @property
    def is_percent(self) -> bool:
        """Whether values are shares, told in percent, and not what they are, better when lower."""
        return self.metric == "accuracy"

    def value(self, metrics: Mapping[str, float]) -> float:
        """What models are compared by."""
        return 100 * metrics[self.metric] if self.is_percent else metrics[self.metric]

    def told(self, difference: float) -> str:
        """A difference, with its unit."""
        return f"{difference:.2f} points" if self.is_percent else f"{difference:.4f}"


FIGURES = {
    "digits": Figures(seeds=range(5), mean_gap=1.5, largest_gap=3.5, beats_every_node=True),
    "heart": Figures(seeds=range(10), mean_gap=1.0, largest_gap=4.0, mean_gain=8.0, smallest_gain=5.0),
    "courses": Figures(seeds=range(5), mean_gap=0.01, largest_gap=0.01, fewest_gaining=10, metric="rmse", digits=4),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Test metrics of one seed, and how long the run took.

    `own_alone` and `own_swarm` are each node's own model and the swarm's on that node's held-out examples. `alone` are
    the single nodes on all test examples; where layers are private there is one: each on its own, taken together.
    """

    seed: int
    alone: tuple[float, ...]
    swarm: float
    pooled: float
    seconds: float
    own_alone: tuple[float, ...] = ()
    own_swarm: tuple[float, ...] = ()
    is_lower_better: bool = False

    @property
    def gain(self) -> float:
        """How much better the swarm is than the mean of the single nodes."""
        return self._better(self.swarm, statistics.mean(self.alone))

    @property
    def gap(self) -> float:
        """How much worse the swarm is than pooled."""
        return self._better(self.pooled, self.swarm)

    @property
    def lead(self) -> float:
        """How much better the swarm is than the best single node."""
        return min(self._better(self.swarm, alone) for alone in self.alone)

    @property
    def gaining(self) -> int:
        """How many nodes do better with the swarm's model on their own held-out examples."""
        pairs = zip(self.own_alone, self.own_swarm, strict=True)
        return sum(self._better(swarm, alone) > 0 for alone, swarm in pairs)

    def _better(self, one: float, other: float) -> float:
        return other - one if self.is_lower_better else one - other


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where the figures are met, 1 where not."""
    asked = _parser().parse_args(arguments)
    figures = FIGURES[asked.task]
    measure: Callable[[int, argparse.Namespace], Outcome] = in_process if asked.in_process else by_demo
    print(f"{figures.metric} of each seed")
    print("seed   alone (best … worst)    swarm   pooled      gap     lead     gain   gaining     seconds")
    outcomes = []
    for seed in figures.seeds if asked.seeds is None else asked.seeds:
        outcomes.append(measure(seed, asked))
        print(_line(outcomes[-1], figures.digits), flush=True)
    failures = judge(outcomes, figures)
    print(_summary(outcomes, failures, figures))
    if asked.json:
        asked.json.write_text(json.dumps(report(outcomes, failures), indent=2) + "\n")
    return 1 if failures else 0


def by_demo(seed: int, asked: argparse.Namespace) -> Outcome:
    """What `swarm-chain demo` reports: agents, chain, stores and audit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo.json"
        command = [sys.executable, "-m", "swarm_chain", "demo", "--task", asked.task, "--rounds", str(asked.rounds)]
        command += [word for source in asked.data for word in ("--data", source)]
        command += ["--nodes", str(asked.nodes)] if asked.nodes else []
        started = time.monotonic()
        done = subprocess.run([*command, "--seed", str(seed), "--json", str(out)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"seed {seed}: the demo ended with status {done.returncode}\n{done.stderr}{done.stdout}")
        found = json.loads(out.read_text())
    nodes = found["nodes"]
    return _outcome(
        FIGURES[asked.task],
        seed=seed,
        alone=[node["alone_metrics"] for node in nodes],
        own_alone=[node["alone_own_metrics"] for node in nodes],
        own_swarm=[node["swarm_own_metrics"] for node in nodes],
        swarm=found["swarm_metrics"],
        pooled=found["pooled_metrics"],
        seconds=time.monotonic() - started,
    )


def in_process(seed: int, asked: argparse.Namespace) -> Outcome:
    """The trainer and the merge that agents use, one node after the other."""
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score, score_together
    from swarm_chain.demo.measure import measure

    started = time.monotonic()
    task = task_of(asked).seeded(seed)
    nodes = asked.nodes or task.usual_nodes
    with tempfile.TemporaryDirectory() as name:
        data = [str(Path(name) / f"{part}-{task.part_file}") for part in range(nodes)]
        for part, path in enumerate(data):
            task.write_part(Path(path), part, nodes=nodes, seed=seed)
        baselines = measure(task, data, deals=True, seed=seed, rounds=asked.rounds)
    split = task.split(nodes, seed)
    trainers = [TorchTrainer(task, part) for part in split.parts]
    swarm, memories = swarm_of(trainers, initial_parameters(task), asked.rounds)
    sites = [(swarm, memory, part.held_out) for memory, part in zip(memories, split.parts, strict=True)]
    return _outcome(
        FIGURES[asked.task],
        seed=seed,
        alone=baselines.alone,
        own_alone=baselines.alone_own,
        own_swarm=[score(task, swarm, held_out, memory=memory) for _, memory, held_out in sites],
        swarm=score_together(task, sites) if task.private else score(task, swarm, split.test),
        pooled=baselines.pooled,
        seconds=time.monotonic() - started,
    )


def _outcome(
    figures: Figures,
    *,
    seed: int,
    alone: Sequence[Mapping[str, float]],
    own_alone: Sequence[Mapping[str, float]],
    own_swarm: Sequence[Mapping[str, float]],
    swarm: Mapping[str, float],
    pooled: Mapping[str, float],
    seconds: float,
) -> Outcome:
    """What was measured, as figures are compared."""
    return Outcome(
        seed=seed,
        alone=tuple(map(figures.value, alone)) if all(alone) else (_together(own_alone),),
        swarm=figures.value(swarm),
        pooled=figures.value(pooled),
        seconds=seconds,
        own_alone=tuple(map(figures.value, own_alone)),
        own_swarm=tuple(map(figures.value, own_swarm)),
        is_lower_better=not figures.is_percent,
    )


def _together(nodes: Sequence[Mapping[str, float]]) -> float:
    """The RMSE over the held-out examples of all nodes, each predicted by its own model."""
    examples = sum(node["test_samples"] for node in nodes)
    return math.sqrt(sum(node["test_samples"] * node["rmse"] ** 2 for node in nodes) / examples)


def task_of(asked: argparse.Namespace) -> Any:
    """The task that was asked for, dealing out the data that were."""
    from swarm_chain.tasks import load_task

    task: Any = load_task(asked.task)
    return task.dealing(asked.data) if asked.data else task


def swarm_of(nodes: Sequence[Any], initial: Any, rounds: int) -> tuple[Any, list[Any]]:
    """The parameters that nodes agree on after some rounds of training and weighted means, and what each remembers."""
    from swarm_chain.core import weights
    from swarm_chain.core.merge import Contribution, MergeSettings, merge, rule_of
    from swarm_chain.types import Address

    settings, parameters = MergeSettings(rule="weighted_mean"), initial
    memories: list[Any] = [{} for _ in nodes]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(1, rounds + 1):
            contributions = []
            for index, node in enumerate(nodes):
                outcome = node.train(
                    parameters, memory=memories[index], round_number=number, on_progress=lambda done: None
                )
                memories[index] = outcome.memory
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
    return parameters, memories


def judge(outcomes: Sequence[Outcome], figures: Figures = FIGURES["digits"]) -> list[str]:
    """What of the figures is not met, a line each."""
    return [*_gaps_missed(outcomes, figures), *_gains_missed(outcomes, figures)]


def _gaps_missed(outcomes: Sequence[Outcome], figures: Figures) -> Iterator[str]:
    for one in outcomes:
        if figures.beats_every_node and one.lead <= 0:
            yield f"seed {one.seed}: the swarm is not above every single node (lead {one.lead:.2f})"
    for one in outcomes:
        if one.gap > figures.largest_gap:
            yield f"seed {one.seed}: gap {figures.told(one.gap)}"
    if (mean := statistics.mean(one.gap for one in outcomes)) > figures.mean_gap:
        yield f"mean gap {figures.told(mean)}"


def _gains_missed(outcomes: Sequence[Outcome], figures: Figures) -> Iterator[str]:
    for one in outcomes:
        if figures.smallest_gain is not None and one.gain < figures.smallest_gain:
            yield f"seed {one.seed}: gain {figures.told(one.gain)}"
    if figures.mean_gain is not None and (mean := _mean_gain(outcomes)) < figures.mean_gain:
        yield f"mean gain {figures.told(mean)}"
    for one in outcomes:
        if figures.fewest_gaining is not None and one.gaining < figures.fewest_gaining:
            yield f"seed {one.seed}: {one.gaining} of {len(one.own_alone)} nodes gain"


def report(outcomes: Sequence[Outcome], failures: Sequence[str]) -> dict[str, Any]:
    """What `--json` writes."""
    derived = ("gap", "lead", "gain", "gaining")
    seeds = [{**asdict(one), **{name: getattr(one, name) for name in derived}} for one in outcomes]
    mean_gap = statistics.mean(one.gap for one in outcomes)
    return {"seeds": seeds, "mean_gap": mean_gap, "largest_gap": max(one.gap for one in outcomes), "failures": failures}


def _line(one: Outcome, digits: int) -> str:
    alone = sorted(one.alone, reverse=not one.is_lower_better)
    ends = " … ".join(f"{value:.{digits}f}" for value in dict.fromkeys((alone[0], alone[-1])))
    values = "   ".join(f"{value:6.{digits}f}" for value in (one.swarm, one.pooled, one.gap, one.lead, one.gain))
    return f"{one.seed:4}   {ends:>20}   {values}   {one.gaining:3} of {len(one.own_alone):2}   {one.seconds:7.1f}"


def _summary(outcomes: Sequence[Outcome], failures: Sequence[str], figures: Figures) -> str:
    gaps = [one.gap for one in outcomes]
    lines = [
        f"mean gap to pooled {figures.told(statistics.mean(gaps))} (at most {figures.mean_gap}), "
        f"largest {figures.told(max(gaps))} (at most {figures.largest_gap})"
    ]
    if figures.beats_every_node:
        lines.append(f"smallest lead over a single node {min(one.lead for one in outcomes):.2f} (above 0)")
    if figures.mean_gain is not None:
        lines.append(
            f"mean gain over the mean of single nodes {figures.told(_mean_gain(outcomes))} (at least "
            f"{figures.mean_gain}), smallest {figures.told(min(one.gain for one in outcomes))} (at least "
            f"{figures.smallest_gain})"
        )
    if figures.fewest_gaining is not None:
        fewest = min(one.gaining for one in outcomes)
        lines.append(f"fewest nodes that gain on their own: {fewest} (at least {figures.fewest_gaining})")
    return "\n".join([*lines, *_means(outcomes, figures.digits), *(failures or ["PASS"])])


def _mean_gain(outcomes: Sequence[Outcome]) -> float:
    return statistics.mean(one.gain for one in outcomes)


def _means(outcomes: Sequence[Outcome], digits: int) -> Iterator[str]:
    """Means over the seeds: on the same test examples, and on each node's own."""
    alone = statistics.mean(statistics.mean(one.alone) for one in outcomes)
    swarm, pooled = (statistics.mean(getattr(one, name) for one in outcomes) for name in ("swarm", "pooled"))
    yield f"on the same test examples: alone {alone:.{digits}f}, swarm {swarm:.{digits}f}, pooled {pooled:.{digits}f}"
    if all(one.own_alone and one.own_swarm for one in outcomes):
        for name, kind in (("alone", "own_alone"), ("swarm", "own_swarm")):
            means = [statistics.mean(values) for values in zip(*(getattr(one, kind) for one in outcomes), strict=True)]
            each = ", ".join(f"{mean:.{digits}f}" for mean in means)
            yield f"on each node's own held-out examples, {name}: {each}; mean {statistics.mean(means):.{digits}f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=sorted(FIGURES), default="digits")
    parser.add_argument("--data", action="append", default=[], metavar="SOURCE", help="as `swarm-chain demo` takes it")
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="SEED", help="those of the task's figures, if not given"
    )
    parser.add_argument("--nodes", type=int, help="as many as the task's demo has, if not given")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--in-process", action="store_true", help="without chain, stores and agents")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
