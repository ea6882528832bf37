"""What judging makes of attackers' updates, through the lab's swarm: the code that agents and audits run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Module

from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.documents import Excluded, Included, MergeSettings, Reason
from swarm_chain.core.judge import BuiltResult
from swarm_chain.core.merge import parse_rule
from swarm_chain.genesis import make_genesis
from swarm_chain.lab.attacks import Sight, find_attack
from swarm_chain.lab.fairness import Treatment
from swarm_chain.lab.swarm import Sent, Swarm
from swarm_chain.lab.vectors import from_vector
from swarm_chain.tasks import Task
from swarm_chain.types import Address, Parameters, Samples

HONEST, ATTACKERS = 7, 3
LINK = cid_of(b"some update", Codec.DAG_CBOR)


class Small(Task):
    """A model of nine numbers."""

    def model(self) -> Module:
        return Linear(2, 3)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.nn.functional.mse_loss(outputs, targets)


def address(number: int) -> Address:
    return Address(bytes([number + 1]) * 20)


@dataclass(frozen=True)
class Case:
    """One of the rounds that are tried: nodes at addresses of any order, with updates of any size."""

    seed: int

    def play(self, attack: str, folder: Path) -> tuple[BuiltResult, frozenset[Address]]:
        """The result of the round, and who attacked."""
        random = np.random.default_rng(self.seed)
        rule = ("weighted_mean", "coordinate_median", f"robust:f={ATTACKERS}")[self.seed % 3]
        swarm = Swarm(Small(), parse_rule(rule), folder)
        base = swarm.parameters()
        honest = tuple(self._update(base, random) for _ in range(HONEST))
        sight = Sight(base=base, honest=honest, attackers=ATTACKERS, random=random, flipped=lambda: ())
        order = random.permutation(HONEST + ATTACKERS)
        updates = (*honest, *find_attack(attack).updates(sight))
        sent = [
            Sent(node=address(int(place)), parameters=update, samples=Samples(int(random.integers(1, 1000))))
            for place, update in zip(order, updates, strict=True)
        ]
        return swarm.merge(sent), frozenset(one.node for one in sent[HONEST:])

    def _update(self, base: Parameters, random: np.random.Generator) -> Parameters:
        size = sum(array.size for array in base.values())
        return from_vector(10.0 ** random.uniform(-6, 6) * random.standard_normal(size), base)


def reasons(built: BuiltResult, nodes: frozenset[Address]) -> Iterator[Reason]:
    return (entry.reason for entry in built.document.excluded if entry.node in nodes)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("nan", Reason.NON_FINITE),
        ("infinity", Reason.NON_FINITE),
        ("wrong_shapes", Reason.SHAPE_MISMATCH),
        ("copied", Reason.DUPLICATE),
    ],
)
def test_merge__what_no_rule_should_see__is_excluded_100_times_in_100(
    attack: str, reason: Reason, tmp_path: Path
) -> None:
    for seed in range(100):
        built, attackers = Case(seed).play(attack, _new(tmp_path / str(seed)))
        assert [*reasons(built, attackers)] == [reason] * ATTACKERS
        assert all(entry.node in attackers for entry in built.document.excluded)


def test_merge__attackers_send_equal_updates__one_of_them_counts_at_most(tmp_path: Path) -> None:
    built, attackers = Case(0).play("sign_flip", tmp_path)
    assert [*reasons(built, attackers)] == [Reason.DUPLICATE] * (ATTACKERS - 1)


def test_merge__attackers_add_noise__all_are_judged_like_others(tmp_path: Path) -> None:
    built, attackers = Case(0).play("sign_flip+jitter", tmp_path)
    assert [*reasons(built, attackers)] == []


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


# ------------------------------------------------------------------------------------------------------- honest nodes


def result(weights: dict[int, int], rejected: tuple[int, ...] = (), duplicates: tuple[int, ...] = ()) -> BuiltResult:
    """A result in which nodes have these weights, and others none."""
    task = make_genesis(Small(), MergeSettings(rule="mean"))
    gone = {**dict.fromkeys(rejected, Reason.REJECTED), **dict.fromkeys(duplicates, Reason.DUPLICATE)}
    document = replace(
        task.result,
        included=tuple(Included(node=address(node), update=LINK, weight=weight) for node, weight in weights.items()),
        excluded=tuple(Excluded(node=address(node), update=LINK, reason=reason) for node, reason in gone.items()),
    )
    return BuiltResult(document=document, weights=Path("unused"), judgements=())


def test_treatment__an_honest_node_is_left_out_by_the_rule__is_rejected() -> None:
    found = Treatment.of(result({0: 1, 1: 1}, rejected=(2, 3)), attackers=[address(3)], samples=None)
    assert (found.honest, found.rejected, found.light, found.excluded) == (3, 1, 0, 0)
    assert found.attackers == {"rejected": 1}
    assert found.share_wronged == pytest.approx(1 / 3)


def test_treatment__less_than_a_tenth_of_a_fair_share__is_light() -> None:
    # Of four a fair share is 250,000 millionths.
    found = Treatment.of(result({0: 24_999, 1: 25_001, 2: 450_000, 3: 500_000}), attackers=(), samples=None)
    assert (found.honest, found.light) == (4, 1)


def test_treatment__of_a_rule_that_counts_samples__measures_by_them() -> None:
    samples = {address(0): 1, address(1): 99}
    assert Treatment.of(result({0: 1, 1: 99}), attackers=(), samples=samples).light == 0
    assert Treatment.of(result({0: 1, 1: 99}), attackers=(), samples=None).light == 1


def test_treatment__what_was_never_merged__is_nobodys_share() -> None:
    # Of two that the rule was given a fair share is a half, whoever else sent something.
    found = Treatment.of(result({0: 6, 1: 94}, duplicates=(2, 3)), attackers=[address(2)], samples=None)
    assert (found.honest, found.light, found.excluded) == (3, 0, 1)


def test_treatment__together__adds_up() -> None:
    one = Treatment(honest=3, rejected=1, light=1, excluded=0, attackers={"included": 2})
    both = Treatment.together([one, Treatment(honest=2, attackers={"included": 1, "duplicate": 1})])
    assert both == Treatment(honest=5, rejected=1, light=1, attackers={"included": 3, "duplicate": 1})
