"""What a lab found: for each rule, what each attack leaves of the model."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from swarm_chain.lab.attacks import CLEAN
from swarm_chain.lab.fairness import Treatment
from swarm_chain.lab.game import Played
from swarm_chain.lab.settings import LabSettings

ACCURACY: Final = "accuracy"
LOSS: Final = "loss"
PLAIN: Final = "weighted_mean"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one attack leaves of one rule's model: means over the seeds, and what became of updates in all of them.

    `loss` is None where it is no number in some seed: the model says nothing any more.
    """

    rule: str
    attack: str
    accuracy: float
    lowest: float
    loss: float | None
    treatment: Treatment
    stopped: int

    @classmethod
    def of(cls, games: tuple[Played, ...]) -> Cell:
        """The cell of one rule's and attack's games, one a seed."""
        accuracies = [game.metrics[ACCURACY] for game in games]
        losses = [game.metrics.get(LOSS) for game in games]
        numbers = [loss for loss in losses if loss is not None]
        return cls(
            rule=games[0].rule,
            attack=games[0].attack,
            accuracy=statistics.fmean(accuracies),
            lowest=min(accuracies),
            loss=statistics.fmean(numbers) if len(numbers) == len(losses) else None,
            treatment=Treatment.together(game.treatment for game in games),
            stopped=sum(game.stopped is not None for game in games),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LabReport:
    """All games, and what they come to."""

    settings: LabSettings
    games: tuple[Played, ...]
    seconds: float

    def cell(self, rule: str, attack: str) -> Cell:
        """What an attack leaves of a rule's model."""
        found = tuple(game for game in self.games if (game.rule, game.attack) == (rule, attack))
        return Cell.of(tuple(sorted(found, key=lambda game: game.seed)))

    def worst(self, rule: str) -> Cell:
        """The attack that leaves least, by mean accuracy."""
        return min((self.cell(rule, attack) for attack in self.settings.attacks), key=lambda cell: cell.accuracy)

    @property
    def is_confirmed(self) -> bool:
        """Whether every game that contract and agents played too came to the same bytes there."""
        return all(game.is_confirmed for game in self.games)

    @property
    def clean(self) -> float:
        """Accuracy with nobody attacking: of the plain mean, or where it was not tried of the best rule."""
        rules = [PLAIN] if PLAIN in self.settings.rules else self.settings.rules
        return max(self.cell(rule, CLEAN).accuracy for rule in rules)

    def kept(self, rule: str) -> float:
        """The share of the clean accuracy that is left in the worst case."""
        return self.worst(rule).accuracy / self.clean if self.clean else 0.0

    def treatment(self, rule: str, *, clean: bool) -> Treatment:
        """What became of updates under a rule, with nobody attacking or under all attacks."""
        attacks = (CLEAN,) if clean else self.settings.attacks
        return Treatment.together(self.cell(rule, attack).treatment for attack in attacks)

    def document(self) -> dict[str, Any]:
        """The report for programs, as `schemas/lab.schema.json` describes it."""
        settings = self.settings
        return {
            "task": settings.task.name,
            "training": {
                name: value for name, value in settings.task.hyperparameters.document().items() if name != "seed"
            },
            "nodes": settings.nodes,
            "byzantine": settings.byzantine,
            "alpha": settings.alpha,
            "rounds": settings.rounds,
            "seeds": list(settings.seeds),
            "clean_accuracy": self.clean,
            "rules": [self._rule(rule) for rule in settings.rules],
            "cells": [_cell(self.cell(rule, attack)) for rule in settings.rules for attack in settings.played],
            "games": [_game(game) for game in self._ordered()],
            "seconds": round(self.seconds, 3),
        }

    def _rule(self, rule: str) -> dict[str, Any]:
        worst = self.worst(rule)
        return {
            "rule": rule,
            "clean_accuracy": self.cell(rule, CLEAN).accuracy,
            "worst_accuracy": worst.accuracy,
            "worst_attack": worst.attack,
            "kept": self.kept(rule),
            "clean": _treated(self.treatment(rule, clean=True)),
            "attacked": _treated(self.treatment(rule, clean=False)),
        }

    def _ordered(self) -> Iterator[Played]:
        rules, played = list(self.settings.rules), list(self.settings.played)
        yield from sorted(self.games, key=lambda game: (game.seed, rules.index(game.rule), played.index(game.attack)))


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "rule": cell.rule,
        "attack": cell.attack,
        "accuracy": cell.accuracy,
        "lowest_accuracy": cell.lowest,
        "loss": cell.loss,
        "stopped": cell.stopped,
        **_treated(cell.treatment),
    }


def _treated(treatment: Treatment) -> dict[str, Any]:
    return {
        "honest_updates": treatment.honest,
        "honest_rejected": treatment.rejected,
        "honest_light": treatment.light,
        "honest_excluded": treatment.excluded,
        "attackers_updates": dict(sorted(treatment.attackers.items())),
    }


def _game(game: Played) -> dict[str, Any]:
    return {
        "rule": game.rule,
        "attack": game.attack,
        "seed": game.seed,
        "accuracy": game.metrics[ACCURACY],
        "loss": game.metrics.get(LOSS),
        "heads": [str(head) for head in game.heads],
        "stopped": game.stopped,
        "real": game.real and {"heads": [str(head) for head in game.real.heads], "audit": game.real.audit},
    }
