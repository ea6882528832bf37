"""What the swarm is compared with, measured: `python -m swarm_chain.demo.measure REQUEST ANSWER`, both JSON files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from swarm_chain.core.metrics import compared_metric, is_better
from swarm_chain.demo.comparison import Baselines
from swarm_chain.demo.ground import common_ground
from swarm_chain.errors import TaskError
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import SplitTask, Task
from swarm_chain.types import TrainingOutcome


def measure(task: Task, data: Sequence[str], *, deals: bool, seed: int, rounds: int) -> Baselines:
    """Metrics after as many epochs as in the swarm, from the same initial parameters.

    `data` is each node's; `deals` says whether it is what the task deals out.
    """
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks.baselines import alone_rounds

    ground = common_ground(task, data, deals=deals, seed=seed)
    trainers = [TorchTrainer(task, part) for part in ground.parts]
    initial = initial_parameters(task)
    at_best = isinstance(task, SplitTask) and task.alone_at_best
    alone = [_chosen(alone_rounds(trainer, initial, rounds=rounds), at_best=at_best) for trainer in trainers]
    pooled = _chosen(alone_rounds(TorchTrainer(task, ground.pooled), initial, rounds=rounds), at_best=False)
    return Baselines(
        alone=tuple({} if task.private else score(task, one.parameters, ground.test) for one in alone),
        alone_own=tuple(one.local_metrics for one in alone),
        pooled=score(task, pooled.parameters, ground.test, memory=pooled.memory),
        samples=tuple(trainer.samples() for trainer in trainers),
    )


def _chosen(outcomes: Iterable[TrainingOutcome], *, at_best: bool) -> TrainingOutcome:
    """The last round's outcome, or that of the best by what the node holds out."""
    chosen: TrainingOutcome | None = None
    for outcome in outcomes:
        if chosen is None or not at_best or _beats(outcome, chosen):
            chosen = outcome
    if chosen is None:
        raise TaskError("nothing was trained: ask for at least one round")
    return chosen


def _beats(one: TrainingOutcome, other: TrainingOutcome) -> bool:
    metric = compared_metric([one.local_metrics, other.local_metrics])
    return metric is None or is_better(metric, one.local_metrics[metric], other.local_metrics[metric])


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
