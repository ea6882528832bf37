"""The games of one rule and seed, which one process plays: what starts from the same base is trained once."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.core.merge import parse_rule
from swarm_chain.lab.game import Played, play
from swarm_chain.lab.ground import Deal
from swarm_chain.lab.nodes import Nodes
from swarm_chain.lab.quiet import quiet
from swarm_chain.lab.settings import LabSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is played: a rule against some attacks, by nodes with these data."""

    deal: Deal
    byzantine: int
    rule: str
    attacks: tuple[str, ...]
    rounds: int

    def play(self) -> list[Played]:
        """The games, in the order of their attacks."""
        rule, seed = parse_rule(self.rule), self.deal.seed
        with quiet(), tempfile.TemporaryDirectory(prefix="swarm-chain-lab-") as folder:
            ground = self.deal.write(Path(folder))
            nodes = Nodes(ground, byzantine=self.byzantine, seed=seed)
            return [
                play(ground, nodes, rule=(self.rule, rule), attack=attack, seed=seed, rounds=self.rounds)
                for attack in self.attacks
            ]


def jobs_of(settings: LabSettings) -> list[Job]:
    """All that is to be played, seed by seed."""
    return [
        Job(
            deal=deal_of(settings, seed),
            byzantine=settings.byzantine,
            rule=rule,
            attacks=settings.played,
            rounds=settings.rounds,
        )
        for seed in settings.seeds
        for rule in settings.rules
    ]


def deal_of(settings: LabSettings, seed: int) -> Deal:
    """Who has which data, for one seed."""
    return Deal(
        task_name=settings.task_name,
        training=settings.task.hyperparameters.document(),
        sources=settings.sources,
        nodes=settings.nodes,
        alpha=settings.alpha,
        seed=seed,
    )
