"""What the swarm is compared with, measured in a process of its own while the swarm trains: `python -m` this module.

It reads a JSON request from the file that it is given, and writes its answer to the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from swarm_chain import children
from swarm_chain.demo.agents import ONE_THREAD
from swarm_chain.demo.places import Places
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.swarm import Member
from swarm_chain.errors import DataError, DemoFailed, TaskError
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import NodeData, SplitTask

if TYPE_CHECKING:
    from torch.utils.data import Dataset

METRIC: Final = "accuracy"
_NICENESS: Final = 10
"""Nodes come first: a round waits for the slowest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baselines:
    """Test accuracies without a swarm: each node's own, and of all data pooled. `samples` are training examples."""

    alone: tuple[float, ...]
    pooled: float
    samples: tuple[int, ...]


class Comparison:
    """The measurement under way. Leaving the `with` block ends it."""

    def __init__(self, settings: DemoSettings, members: Sequence[Member], places: Places) -> None:
        self._log = places.root / "comparison.log"
        self._answer = places.root / "comparison.json"
        request = places.root / "comparison-request.json"
        request.write_text(json.dumps(_request(settings, members), indent=2) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", __name__, str(request), str(self._answer)]
        environment = {**os.environ, **ONE_THREAD}
        self._process = children.spawn(command, self._log, environment=environment, niceness=_NICENESS)

    def result(self, timeout: float) -> Baselines:
        """What was measured, once it is. Raises `DemoFailed`."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DemoFailed(
                f"the comparison did not end within {timeout:.0f} s; run again with fewer --rounds"
            ) from None
        if status != 0:
            raise DemoFailed(f"the comparison failed: {children.last_line(self._log)}")
        found = json.loads(self._answer.read_text(encoding="utf-8"))
        return Baselines(alone=tuple(found["alone"]), pooled=float(found["pooled"]), samples=tuple(found["samples"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def test_examples(task: SplitTask, *, nodes: int, seed: int) -> Dataset[Any]:
    """The examples that no training may see: the same for every node, the swarm and the pooled data."""
    return task.split(nodes, seed).test


def accuracy_of(metrics: Mapping[str, float]) -> float:
    """The metric that a demo compares by. Raises `TaskError` for a task that does not measure it."""
    if METRIC not in metrics:
        raise TaskError(
            f"the demo compares by {METRIC}, and the task measures {', '.join(sorted(metrics)) or 'nothing'}"
        )
    return metrics[METRIC]


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


def measure(task: SplitTask, data: Sequence[str], *, nodes: int, seed: int, rounds: int) -> Baselines:
    """Accuracies on the test examples after as many epochs as in the swarm, from the same initial parameters."""
    from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
    from swarm_chain.tasks.baselines import measure_baselines

    test = test_examples(task, nodes=nodes, seed=seed)
    parts = [task.open_data(each) for each in data]
    require_unseen(test, parts)
    trainers = [TorchTrainer(task, part) for part in parts]
    found = measure_baselines(
        trainers,
        TorchTrainer(task, pool(parts)),
        initial=initial_parameters(task),
        rounds=rounds,
        score=lambda parameters: score(task, parameters, test),
    )
    return Baselines(
        alone=tuple(accuracy_of(metrics) for metrics in found.alone),
        pooled=accuracy_of(found.pooled),
        samples=tuple(trainer.samples() for trainer in trainers),
    )


def _request(settings: DemoSettings, members: Sequence[Member]) -> dict[str, Any]:
    return {
        "task": settings.task.name,
        "training": settings.task.hyperparameters.document(),
        "data": [member.data for member in members],
        "nodes": settings.nodes,
        "seed": settings.seed,
        "rounds": settings.rounds,
    }


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
    found = measure(task, asked["data"], nodes=asked["nodes"], seed=asked["seed"], rounds=asked["rounds"])
    answer.write_text(
        json.dumps({"alone": found.alone, "pooled": found.pooled, "samples": found.samples}) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
