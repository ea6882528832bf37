"""How good the swarm's model is, on the test examples and at every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarm_chain.demo.ground import common_ground
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.swarm import Member
from swarm_chain.tasks.batches import count
from swarm_chain.types import Metrics, Parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Metrics of the head: on all test examples, and on what each node holds out; empty where that is nothing."""

    together: Metrics
    at_nodes: tuple[Metrics, ...]
    test_samples: int


def score_head(settings: DemoSettings, members: Sequence[Member], head: Parameters) -> Scores:
    """The head's metrics. A model with private layers is at each node as the node remembers them.

    On the test examples such a model does not exist as one: there each node predicts what it holds out itself.
    """
    from swarm_chain.adapters.torch_trainer import score, score_together

    task = settings.task
    ground = common_ground(task, [member.data for member in members], deals=settings.deals, seed=settings.seed)
    sites = [(head, member.memory(), part.held_out) for member, part in zip(members, ground.parts, strict=True)]
    together = score_together(task, sites) if task.private else score(task, head, ground.test)
    return Scores(
        together=together,
        at_nodes=tuple(score(task, head, held_out, memory=memory) for head, memory, held_out in sites),
        test_samples=sum(count(held_out) for *_, held_out in sites) if task.private else count(ground.test),
    )
