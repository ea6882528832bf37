"""What the swarm is compared with, measured: `python -m swarm_chain.demo.measure REQUEST ANSWER`, both JSON files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import reduce
from pathlib import Path

from swarm_chain.core.metrics import compared_metric, is_better
from swarm_chain.demo.comparison import Baselines
from swarm_chain.demo.ground import common_ground
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import NodeData, SplitTask, Task
from swarm_chain.types import Parameters, TrainingOutcome


def measure(task: Task, data: Sequence[str], *, deals: bool, seed: int, rounds: int) -> Baselines:
    """Metrics after as many epochs as in the swarm, from the same initial parameters.

    `data` is each node's; `deals` says whether it is what the task deals out.
    """
    from swarm_chain.adapters.torch_trainer import initial_parameters, score

    ground = common_ground(task, data, deals=deals, seed=seed)
    initial = initial_parameters(task)
    stops_at_best = isinstance(task, SplitTask) and task.alone_at_best
    train = _best_epoch if stops_at_best else _last_round
    alone = [train(task, part, initial, rounds) for part in ground.parts]
    pooled = _last_round(task, ground.pooled, initial, rounds)
    return Baselines(
        alone=tuple({} if task.private else score(task, one.parameters, ground.test) for one in alone),
        alone_own=tuple(one.local_metrics for one in alone),
        pooled=score(task, pooled.parameters, ground.test, memory=pooled.memory),
        samples=tuple(one.samples for one in alone),
    )


def _last_round(task: Task, data: NodeData, initial: Parameters, rounds: int) -> TrainingOutcome:
    """What training on some data alone ends in."""
    *_, last = _rounds(task, data, initial, rounds)
    return last


def _best_epoch(task: Task, data: NodeData, initial: Parameters, rounds: int) -> TrainingOutcome:
    """What it gave after the epoch that was best by what is held out: as if one knew when to stop."""
    epochs = rounds * task.hyperparameters.epochs
    one_by_one = type(task)(replace(task.hyperparameters, epochs=1))
    return reduce(_better, _rounds(one_by_one, data, initial, epochs))


def _rounds(task: Task, data: NodeData, initial: Parameters, rounds: int) -> Iterator[TrainingOutcome]:
    from swarm_chain.adapters.torch_trainer import TorchTrainer
    from swarm_chain.tasks.baselines import alone_rounds

    return alone_rounds(TorchTrainer(task, data), initial, rounds=rounds)


def _better(one: TrainingOutcome, later: TrainingOutcome) -> TrainingOutcome:
    metric = compared_metric([one.local_metrics, later.local_metrics])
    is_beaten = metric is None or is_better(metric, later.local_metrics[metric], one.local_metrics[metric])
    return later if is_beaten else one


def main(request: Path, answer: Path) -> None:
    """Measures what a request asks for."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    task = load_task(asked["task"], asked["training"])
    if asked["sources"] and isinstance(task, SplitTask):
        task = task.dealing(asked["sources"])
    found = measure(task, asked["data"], deals=asked["deals"], seed=asked["seed"], rounds=asked["rounds"])
    answer.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
