"""What everybody is measured on: test examples that nobody trains on, and all data in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarm_chain.errors import DataError
from swarm_chain.tasks.base import NodeData, SplitTask, Task
from swarm_chain.tasks.dealing import contents_of
from swarm_chain.tasks.pooling import pool

if TYPE_CHECKING:
    from torch.utils.data import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """Each node's data, all of it in one place, and what to measure on."""

    parts: tuple[NodeData, ...]
    pooled: NodeData
    test: Dataset[Any]


def common_ground(task: Task, data: Sequence[str], *, deals: bool, seed: int) -> Ground:
    """The ground for nodes with these data. `deals` says whether they are what the task deals out.

    A task that brings test examples is measured on these, another on what all nodes hold out.
    Raises `DataError` where a node trains on a test example.
    """
    parts = tuple(task.open_data(each) for each in data)
    pooled = pool(parts)
    test = pooled.held_out
    if isinstance(task, SplitTask):
        split = task.split(len(data), seed)
        pooled, test = split.pooled if deals else pooled, split.test
    require_unseen(test, parts)
    return Ground(parts=parts, pooled=pooled, test=test)


def require_unseen(test: Dataset[Any], parts: Sequence[NodeData]) -> None:
    """Raises `DataError` where a node trains on an example for testing, with whatever target."""
    seen = {content for part in parts for content in contents_of(part.training)}
    both = sum(content in seen for content in contents_of(test))
    if both:
        raise DataError(
            f"nodes train on {both} of the test examples too, so no metric would mean anything; remove these"
        )
