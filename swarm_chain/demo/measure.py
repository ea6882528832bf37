"""What the swarm is compared with, measured: `python -m swarm_chain.demo.measure REQUEST ANSWER`, both JSON files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from swarm_chain.demo.comparison import Baselines, accuracy_of
from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import NodeData, SplitTask

if TYPE_CHECKING:
    from torch.utils.data import Dataset


def measure(task: SplitTask, data: Sequence[str], *, dealt: bool, nodes: int, seed: int, rounds: int) -> Baselines:
    """Accuracies on the test examples after as many epochs as in the swarm, from the same initial parameters.

    `data` is each node's; `dealt` says whether it is what the task deals out.
    """
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks.baselines import measure_baselines

    split = task.split(nodes, seed)
    parts = [task.open_data(each) for each in data]
    require_unseen(split.test, parts)
    trainers = [TorchTrainer(task, part) for part in parts]
    found = measure_baselines(
        trainers,
        TorchTrainer(task, split.pooled if dealt else pool(parts)),
        initial=initial_parameters(task),
        rounds=rounds,
        score=lambda parameters: score(task, parameters, split.test),
    )
    return Baselines(
        alone=tuple(accuracy_of(metrics) for metrics in found.alone),
        pooled=accuracy_of(found.pooled),
        samples=tuple(trainer.samples() for trainer in trainers),
    )


def require_unseen(test: Dataset[Any], parts: Sequence[NodeData]) -> None:
    """Raises `DataError` where an example for testing is in a node's data too, whole or with another target."""
    seen = {content for part in parts for content in [*_contents(part.training), *_contents(part.held_out)]}
    both = sum(content in seen for content in _contents(test))
    if both:
        raise DataError(
            f"{both} test examples are in the nodes' data too, so no accuracy would mean anything; remove them"
        )


def pool(parts: Sequence[NodeData]) -> NodeData:
    """Everybody's data in one place."""
    return NodeData(
        training=_joined([part.training for part in parts]), held_out=_joined([part.held_out for part in parts])
    )


def _contents(examples: Dataset[Any]) -> list[bytes]:
    """The inputs of every example, as bytes."""
    from swarm_chain.tasks.batches import count

    return [examples[row][0].numpy().tobytes() for row in range(count(examples))]


def _joined(several: Sequence[Dataset[Any]]) -> Dataset[Any]:
    import torch
    from torch.utils.data import ConcatDataset, TensorDataset

    if all(isinstance(one, TensorDataset) for one in several):
        tensors = zip(*(cast(TensorDataset, one).tensors for one in several), strict=True)
        return TensorDataset(*(torch.cat(column) for column in tensors))
    return ConcatDataset(several)


def main(request: Path, answer: Path) -> None:
    """Measures what a request asks for."""
    asked = json.loads(request.read_text(encoding="utf-8"))
    task = load_task(asked["task"], asked["training"])
    if not isinstance(task, SplitTask):
        raise TaskError(f"the task {task.name} brings no data of its own")
    choices = {key: asked[key] for key in ("dealt", "nodes", "seed", "rounds")}
    found = measure(task, asked["data"], **choices)
    answer.write_text(
        json.dumps({"alone": found.alone, "pooled": found.pooled, "samples": found.samples}) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
