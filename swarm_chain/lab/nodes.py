"""The nodes' training, and what attackers make of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from swarm_chain.adapters.torch_trainer import TorchTrainer
from swarm_chain.core.cids import Cid
from swarm_chain.errors import ConfigurationError
from swarm_chain.lab.attacks import Attack, Sight
from swarm_chain.lab.ground import Ground
from swarm_chain.tasks.base import NodeData
from swarm_chain.types import Parameters, RoundNumber, Samples

if TYPE_CHECKING:
    from torch.utils.data import Dataset

_REMEMBERED = 1000
"""Updates that are kept: rounds that start from the same base are trained once."""


class Nodes:
    """All nodes of a swarm, the last `byzantine` of which attack."""

    def __init__(self, ground: Ground, *, byzantine: int, seed: int) -> None:
        self._seed = seed
        count = len(ground.parts)
        self.honest, self.attackers = range(count - byzantine), range(count - byzantine, count)
        self._trainers = [TorchTrainer(ground.task, part) for part in ground.parts]
        self._ground = ground
        self._known: OrderedDict[tuple[Cid, int, int, bool], Parameters] = OrderedDict()

    def samples(self, node: int) -> Samples:
        """The number of samples that a node says it has: attackers say what is true."""
        return self._trainers[node].samples()

    def trained(self, nodes: Sequence[int], base: Parameters, link: Cid, number: RoundNumber) -> tuple[Parameters, ...]:
        """Honest updates of some nodes, from the base whose weights `link` names. Raises `NotFinite`."""
        return tuple(self._update(node, base, link, number, is_flipped=False) for node in nodes)

    def attacked(
        self, name: str, attack: Attack, base: Parameters, link: Cid, number: RoundNumber
    ) -> tuple[Parameters, ...]:
        """What the attackers send, having seen the honest updates. Raises `NotFinite`."""
        sight = Sight(
            base=base,
            honest=self.trained(self.honest, base, link, number),
            attackers=len(self.attackers),
            random=np.random.default_rng(_seed(self._seed, name, number)),
            flipped=lambda: tuple(self._update(node, base, link, number, is_flipped=True) for node in self.attackers),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            return attack.updates(sight)

    def _update(self, node: int, base: Parameters, link: Cid, number: RoundNumber, *, is_flipped: bool) -> Parameters:
        key = (link, number, node, is_flipped)
        if key not in self._known:
            self._known[key] = self._train(node, base, number, is_flipped)
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]

    def _train(self, node: int, base: Parameters, number: RoundNumber, is_flipped: bool) -> Parameters:
        trainer = self._trainers[node]
        if is_flipped:
            trainer = TorchTrainer(self._ground.task, flipped(self._ground.parts[node], self._ground.test))
        outcome = trainer.train(base, round_number=number, on_progress=lambda done: None)
        if outcome.memory:
            raise ConfigurationError(
                f"nodes of the task {self._ground.task.name} remember something from round to round, which the lab "
                "does not; choose another task, or keep_optimizer=false"
            )
        return outcome.parameters


def flipped(data: NodeData, test: Dataset[Any]) -> NodeData:
    """The same examples to train on, every label y turned into largest + smallest - y of the labels there are."""
    from torch.utils.data import TensorDataset

    if not isinstance(data.training, TensorDataset) or not isinstance(test, TensorDataset):
        raise ConfigurationError("labels are flipped in datasets of tensors alone; leave the attack label_flip away")
    inputs, labels = data.training.tensors
    known = test.tensors[1]
    turned: Any = TensorDataset(inputs, known.max() + known.min() - labels)
    return NodeData(training=turned, held_out=data.held_out)


def _seed(seed: int, attack: str, number: int) -> int:
    return int.from_bytes(sha256(f"swarm-chain lab {seed} {attack} {number}".encode()).digest()[:8], "big")
