"""What a demo shows: how many nodes, which task, which rules."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from swarm_chain.core.merge import Recipe
from swarm_chain.deployment import swarm_config
from swarm_chain.devnet import Client
from swarm_chain.errors import ConfigurationError
from swarm_chain.tasks.base import SplitTask, Task
from swarm_chain.types import Address, Digest, SwarmConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSettings:
    """A demo's choices. `data` is each node's, as its task takes it; without any, the task deals its own out.

    `task_name` is what the task was loaded by: another process does the same. `is_on_ipfs`: each node has an IPFS node
    of its own, instead of one folder for all.
    """

    nodes: int
    rounds: int
    task: Task
    task_name: str
    rule: Recipe
    seed: int = 0
    data: tuple[str, ...] = ()
    is_sealed: bool = True
    client: Client = "anvil"
    is_on_ipfs: bool = False

    def __post_init__(self) -> None:
        """Refuses what no swarm can be run with."""
        if self.data and len(self.data) != self.nodes:
            raise ConfigurationError(
                f"there are {len(self.data)} --data for {self.nodes} nodes; give one for each, or none"
            )
        if not self.data and not isinstance(self.task, SplitTask):
            raise ConfigurationError(f"which data? the task {self.task.name} deals out none of its own; give --data")

    @property
    def deals(self) -> bool:
        """Whether the task deals out its own data."""
        return not self.data

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the data set lies that the task deals out, where that was said."""
        return self.task.sources if isinstance(self.task, SplitTask) else ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the nodes are called."""
        return tuple(f"node-{number}" for number in range(1, self.nodes + 1))

    def key_of(self, name: str) -> str:
        """The private key of a node: the same for the same seed, and so worth nothing.

        Nodes are merged in the order of their addresses, so equal models need equal addresses.
        """
        return node_key(self.seed, name)

    def config(self, *, task_digest: Digest, genesis_digest: Digest, admin: Address) -> SwarmConfig:
        """The contract's configuration.

        A phase ends as soon as all have acted, so its window costs nothing until a node dies: then one of them is
        waited for, once, since an absence of one round is enough. They are long enough for nodes that share two slow
        cores, and twice as long for those with IPFS nodes beside them.
        """
        patience = 2 if self.is_on_ipfs else 1
        return swarm_config(
            task_digest=task_digest,
            genesis_digest=genesis_digest,
            admin=admin,
            is_sealed=self.is_sealed,
            initial_window=patience * (30 + 4 * self.nodes),
            min_window=patience * (16 + self.nodes),
            max_window=600,
            reveal_window=patience * (16 + self.nodes),
            merge_window=patience * (26 + self.nodes),
            absence_limit=1,
        )


def node_key(seed: int, name: str) -> str:
    """The private key of the node of that name: see `DemoSettings.key_of`."""
    return sha256(f"swarm-chain demo {seed} {name}".encode()).hexdigest()
