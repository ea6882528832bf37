"""One game: a rule, an attack, a seed, and what the model is worth in the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from swarm_chain.adapters.torch_trainer import score
from swarm_chain.core.cids import Cid
from swarm_chain.core.merge import Recipe
from swarm_chain.errors import MergeError, NotFinite
from swarm_chain.lab.attacks import CLEAN, find_attack
from swarm_chain.lab.fairness import Treatment
from swarm_chain.lab.ground import Ground, address_of
from swarm_chain.lab.nodes import Nodes
from swarm_chain.lab.swarm import Sent, Swarm
from swarm_chain.types import Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class RealGame:
    """What the same game ended in on a chain: the weights after each round, and what an audit says of them."""

    heads: tuple[Cid, ...]
    audit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """How a game ended. `heads` are the weights after each round; `metrics` those of the last on the test examples.

    `stopped` says why it ended early: honest nodes cannot train from such a head, or no merge gives numbers. `real` is
    what came of it with contract and agents, where it was played so too.
    """

    rule: str
    attack: str
    seed: int
    metrics: Metrics
    heads: tuple[Cid, ...]
    treatment: Treatment = field(default_factory=Treatment)
    stopped: str | None = None
    real: RealGame | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether contract and agents, where they played it too, came to the same bytes in every round."""
        return self.real is None or (self.real.heads == self.heads and self.real.audit == "PASS")


def play(ground: Ground, nodes: Nodes, *, rule: tuple[str, Recipe], attack: str, seed: int, rounds: int) -> Played:
    """A swarm of these nodes for some rounds, with the attack in each. Raises `DataError`."""
    text, recipe = rule
    heads: list[Cid] = []
    treated: list[Treatment] = []
    stopped = None
    with _folder() as folder:
        swarm = Swarm(ground.task, recipe, folder)
        try:
            for _ in range(rounds):
                treated.append(_play_round(swarm, nodes, recipe, attack, seed))
                heads.append(swarm.head)
        except (NotFinite, MergeError) as error:
            stopped = str(error)
        metrics = score(ground.task, swarm.parameters(), ground.test)
    return Played(
        rule=text,
        attack=attack,
        seed=seed,
        metrics=metrics,
        heads=tuple(heads),
        treatment=Treatment.together(treated),
        stopped=stopped,
    )


def _play_round(swarm: Swarm, nodes: Nodes, rule: Recipe, attack: str, seed: int) -> Treatment:
    sent = list(_sent(swarm, nodes, attack, seed))
    built = swarm.merge(sent)
    dishonest = () if attack == CLEAN else [address_of(seed, node) for node in nodes.attackers]
    samples = {one.node: int(one.samples) for one in sent} if rule.rule.uses_samples else None
    return Treatment.of(built, dishonest, samples)


def _sent(swarm: Swarm, nodes: Nodes, attack: str, seed: int) -> Iterator[Sent]:
    """The round's updates, the attackers' last: they had to see the others'."""
    base, link, number = swarm.parameters(), swarm.head, swarm.round
    found = list(nodes.trained(nodes.honest, base, link, number))
    if attack == CLEAN:
        found += nodes.trained(nodes.attackers, base, link, number)
    else:
        found += nodes.attacked(attack, find_attack(attack), base, link, number)
    for node, parameters in enumerate(found):
        yield Sent(node=address_of(seed, node), parameters=parameters, samples=nodes.samples(node))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is gone afterwards; in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108  a private folder is made in it
    with tempfile.TemporaryDirectory(prefix="swarm-chain-lab-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)
