"""Each attack of the lab, against its formula, on numbers that one can follow."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from swarm_chain.errors import ConfigurationError
from swarm_chain.lab.attacks import ATTACKS, Sight, find_attack
from swarm_chain.lab.attacks.jitter import SHARE, Jittered
from swarm_chain.lab.attacks.little import usual_z
from swarm_chain.lab.attacks.mimic import mimicked
from swarm_chain.lab.vectors import from_vector, to_vector
from swarm_chain.types import Parameters

BASE: Parameters = {
    "bias": np.array([1.0, 2.0], np.float32),
    "steps": np.array(7, np.int64),
    "weight": np.array([[0.5], [-0.5]], np.float64),
}
HONEST = np.array([[1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 2.0, 0.0], [2.0, 6.0, 2.0, 1.0]])
MEAN = np.array([2.0, 2.0, 2.0, 1 / 3])
DEVIATION = HONEST.std(axis=0)
FLIPPED = from_vector(np.full(4, 9.0), BASE)


def sight(differences: NDArray[np.float64] = HONEST, *, attackers: int = 2, seed: int = 0) -> Sight:
    return Sight(
        base=BASE,
        honest=tuple(from_vector(row, BASE) for row in differences),
        attackers=attackers,
        random=np.random.default_rng(seed),
        flipped=lambda: (FLIPPED,) * attackers,
    )


def sent(name: str, seen: Sight | None = None) -> NDArray[np.float64]:
    """What attackers send, minus the base."""
    updates = find_attack(name).updates(seen or sight())
    return np.stack([to_vector(update, BASE) for update in updates])


def all_equal(rows: Sequence[NDArray[np.float64]], expected: NDArray[np.float64]) -> bool:
    return all(np.allclose(row, expected, rtol=1e-6, atol=1e-6) for row in rows)


def test_vectors__are_update_minus_base_by_name__and_go_back() -> None:
    moved = from_vector(np.array([1.0, 2.0, 3.0, 4.0]), BASE)
    assert moved["bias"].tolist() == [2.0, 4.0]
    assert moved["weight"].tolist() == [[3.5], [3.5]]
    assert moved["steps"] == 7
    assert [moved[name].dtype for name in BASE] == [array.dtype for array in BASE.values()]
    assert to_vector(moved, BASE).tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("sign_flip", -1.0),
        ("sign_flip_10", -10.0),
        ("times_minus_100", -100.0),
        ("inner_product_0.1", -0.1),
        ("inner_product_0.5", -0.5),
        ("inner_product_2", -2.0),
    ],
)
def test_mean_times__is_the_honest_mean_turned_round(name: str, factor: float) -> None:
    assert all_equal(sent(name), factor * MEAN)


def test_gaussian__has_deviation_200_in_every_element_and_differs_by_attacker() -> None:
    wide = {"w": np.zeros(20_000, np.float32)}
    seen = Sight(base=wide, honest=(wide,), attackers=2, random=np.random.default_rng(1), flipped=lambda: ())
    one, other = (update["w"] for update in find_attack("gaussian").updates(seen))
    assert one.std() == pytest.approx(200.0, rel=0.02)
    assert abs(one.mean()) < 5.0
    assert not np.array_equal(one, other)


def test_little__is_the_mean_minus_z_deviations() -> None:
    assert all_equal(sent("little_1.5"), MEAN - 1.5 * DEVIATION)
    assert all_equal(sent("little"), MEAN - usual_z(3, 2) * DEVIATION)


@pytest.mark.parametrize(("honest", "attackers"), [(7, 3), (26, 24), (38, 12)])
def test_usual_z__leaves_as_many_honest_nodes_outside_as_a_majority_needs(honest: int, attackers: int) -> None:
    supporters = (honest + attackers) // 2 + 1 - attackers
    assert (1 - NormalDist().cdf(usual_z(honest, attackers))) * honest == pytest.approx(supporters)


def test_min_max__is_as_far_from_an_honest_update_as_two_honest_ones_are_and_no_further() -> None:
    seen = sight(np.random.default_rng(3).standard_normal((6, 4)))
    rows = seen.differences
    largest = max(float(np.linalg.norm(one - other)) for one in rows for other in rows)
    row = sent("min_max", seen)[0]
    assert max(float(np.linalg.norm(row - one)) for one in rows) == pytest.approx(largest, rel=1e-5)
    away = row - rows.mean(axis=0)
    along = away @ -rows.std(axis=0) / np.linalg.norm(away) / np.linalg.norm(rows.std(axis=0))
    assert along == pytest.approx(1.0, abs=1e-5)


def test_min_max__of_honest_nodes_that_agree__is_their_update() -> None:
    assert all_equal(sent("min_max", sight(np.tile(HONEST[:1], (3, 1)))), HONEST[0])


def test_mimic__sends_the_one_that_stands_out_along_the_widest_direction() -> None:
    # The third is apart in the second element, along which the honest updates differ most.
    assert mimicked(sight()) == 2
    assert all_equal(sent("mimic"), HONEST[2])


def test_zero__is_the_base() -> None:
    assert all_equal(sent("zero"), np.zeros(4))


def test_copied__is_a_peers_update_to_the_last_bit() -> None:
    seen = sight(attackers=4)
    updates = find_attack("copied").updates(seen)
    assert [update is seen.honest[place % 3] for place, update in enumerate(updates)] == [True] * 4


@pytest.mark.parametrize("name", ["nan", "infinity"])
def test_filled__has_no_number_among_its_floats(name: str) -> None:
    for update in find_attack(name).updates(sight()):
        assert not np.isfinite(update["bias"]).any()
        assert not np.isfinite(update["weight"]).any()
        assert update["steps"] == 7


def test_wrong_shapes__has_the_names_and_dtypes_of_the_model_and_another_shape() -> None:
    for update in find_attack("wrong_shapes").updates(sight()):
        assert update.keys() == BASE.keys()
        assert update["bias"].shape == (1,)
        assert update["bias"].dtype == BASE["bias"].dtype


def test_label_flip__is_what_training_on_wrong_labels_gives() -> None:
    assert find_attack("label_flip").updates(sight()) == (FLIPPED, FLIPPED)


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if isinstance(attack, Jittered)])
def test_jitter__is_a_fifth_of_what_is_sent__another_one_for_each_attacker(name: str) -> None:
    plain, noisy = sent(name.removesuffix("+jitter")), sent(name)
    lengths = np.linalg.norm(plain, axis=1)
    expected = SHARE * np.where(lengths > 0, lengths, np.linalg.norm(HONEST, axis=1).mean())
    assert np.linalg.norm(noisy - plain, axis=1) == pytest.approx(expected, rel=1e-4)
    assert not np.array_equal(noisy[0], noisy[1])


def test_attacks__that_send_equal_updates__all_have_a_form_with_noise() -> None:
    for name, attack in ATTACKS.items():
        updates = attack.updates(sight())
        if attack.sends_equal:
            assert all(np.array_equal(updates[0][key], update[key]) for update in updates for key in BASE)
        assert attack.sends_equal == (f"{name}+jitter" in ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks__same_sight_and_seed__same_updates(name: str) -> None:
    first, again = (find_attack(name).updates(sight(seed=5)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)


def test_find_attack__there_is_none__names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no attack 'sign_flap'; use some of label_flip, sign_flip"):
        find_attack("sign_flap")
