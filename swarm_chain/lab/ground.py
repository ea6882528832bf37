"""Who has which data, in files as agents read them, and the test examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm_chain.demo.settings import node_key
from swarm_chain.errors import TaskError
from swarm_chain.lab.digit_deals import write_digits
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import NodeData, SplitTask
from swarm_chain.types import Address

if TYPE_CHECKING:
    from torch.utils.data import Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """A seeded task, each node's file, what is in it, and what models are measured on."""

    task: SplitTask
    files: tuple[Path, ...]
    parts: tuple[NodeData, ...]
    test: Dataset[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deal:
    """What says who has which data, in words that a process can be given."""

    task_name: str
    training: Mapping[str, Any]
    sources: tuple[str, ...]
    nodes: int
    alpha: float | None
    seed: int

    def write(self, folder: Path) -> Ground:
        """The data dealt out into files of a folder. Raises `DataError`, `TaskError`."""
        task = self._task()
        files = tuple(folder / f"{part}-{task.part_file}" for part in range(self.nodes))
        if task.name == "digits":
            write_digits(files, alpha=self.alpha, seed=self.seed)
        else:
            for part, file in enumerate(files):
                task.write_part(file, part, nodes=self.nodes, seed=self.seed)
        parts = tuple(task.open_data(str(file)) for file in files)
        return Ground(task=task, files=files, parts=parts, test=self._test(task))

    def _task(self) -> SplitTask:
        found = load_task(self.task_name, {**self.training, "seed": self.seed})
        if not isinstance(found, SplitTask):
            raise TaskError(f"the task {found.name} deals out no data of its own; choose one that does")
        return found.dealing(self.sources) if self.sources else found

    def _test(self, task: SplitTask) -> Dataset[Any]:
        from swarm_chain.tasks.digits import Digits

        return task.test if isinstance(task, Digits) else task.split(self.nodes, self.seed).test


@cache
def address_of(seed: int, node: int) -> Address:
    """The address of a node's account, the same with a chain and without: updates are merged in their order."""
    from eth_keys.datatypes import PrivateKey

    key = bytes.fromhex(node_key(seed, name_of(node)))
    return Address(PrivateKey(key).public_key.to_canonical_address())


def name_of(node: int) -> str:
    """What a node is called, as in a demo."""
    return f"node-{node + 1}"
