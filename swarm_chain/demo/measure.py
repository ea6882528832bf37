"""What the swarm is compared with, measured: `python -m swarm_chain.demo.measure REQUEST ANSWER`, both JSON files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm_chain.demo.comparison import METRIC, Baselines, accuracy_of
from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import NodeData, SplitTask
from swarm_chain.tasks.pooling import pool

if TYPE_CHECKING:
    from torch.utils.data import Dataset


def measure(task: SplitTask, data: Sequence[str], *, dealt: bool, nodes: int, seed: int, rounds: int) -> Baselines:
    """Accuracies on the test examples after as many epochs as in the swarm, from the same initial parameters.

    `data` is each node's; `dealt` says whether it is what the task deals out.
    """
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks.baselines import train_alone

    split = task.split(nodes, seed)
    parts = [task.open_data(each) for each in data]
    require_unseen(split.test, parts)
    trainers = [TorchTrainer(task, part) for part in parts]
    initial = initial_parameters(task)
    alone = [train_alone(trainer, initial, rounds=rounds) for trainer in trainers]
    pooled = train_alone(TorchTrainer(task, split.pooled if dealt else pool(parts)), initial, rounds=rounds)
    return Baselines(
        alone=tuple(accuracy_of(score(task, parameters, split.test)) for parameters in alone),
        alone_own=tuple(trainer.evaluate(own).get(METRIC) for trainer, own in zip(trainers, alone, strict=True)),
        pooled=accuracy_of(score(task, pooled, split.test)),
        samples=tuple(trainer.samples() for trainer in trainers),
    )


def require_unseen(test: Dataset[Any], parts: Sequence[NodeData]) -> None:
    """Raises `DataError` where a node trains on an example for testing, with whatever target."""
    seen = {content for part in parts for content in _contents(part.training)}
    both = sum(content in seen for content in _contents(test))
    if both:
        raise DataError(
            f"nodes train on {both} of the test examples too, so no accuracy would mean anything; remove these"
        )


def _contents(examples: Dataset[Any]) -> list[bytes]:
    """The inputs of every example, as bytes."""
    from swarm_chain.tasks.batches import count

    return [examples[row][0].numpy().tobytes() for row in range(count(examples))]


def main(request: Path, answer: Path) -> None:
    """Measures what a request asks for."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    task = load_task(asked["task"], asked["training"])
    if not isinstance(task, SplitTask):
        raise TaskError(f"the task {task.name} brings no test data to compare on")
    if asked["sources"]:
        task = task.dealing(asked["sources"])
    choices = {key: asked[key] for key in ("dealt", "nodes", "seed", "rounds")}
    found = measure(task, asked["data"], **choices)
    answer.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
