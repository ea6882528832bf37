"""Laws that every merge obeys, and what the rules promise against updates that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_chain.core.merge import Recipe, merge_parameters, parse_rule

Array = np.ndarray[Any, Any]
RULES = (
    "weighted_mean",
    "mean",
    "coordinate_median",
    "trimmed_mean:f=1",
    "geometric_median",
    "krum:f=1",
    "multi_krum:f=1,m=3",
    "centered_clipping",
    "centered_clipping:iterations=20",
    "mean:before=norm_clipping",
    "weighted_mean:before=nearest_neighbour_mixing,before_f=1",
    "robust",
)
ROBUST = tuple(rule for rule in RULES if "mean" not in rule.split(":")[0].split("_") or rule.startswith("trimmed"))
SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(5, 9)


def merged(rule: str, updates: Array, base: Array | None = None, samples: list[int] | None = None) -> Array:
    start = np.zeros_like(updates[0]) if base is None else base
    done = merge_parameters(parse_rule(rule), {"a": start}, [{"a": row} for row in updates], samples, threads=1)
    return done.parameters["a"]


def some(seed: int, count: int, elements: int = 23) -> Array:
    rng = np.random.default_rng(seed)
    found: Array = rng.normal(size=elements) + rng.normal(size=(count, elements)) * 10.0 ** rng.integers(-2, 2)
    return found


@pytest.mark.parametrize("rule", [*RULES, "mean:step=momentum,step_beta=0"])
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=COUNTS)
def test_merge__equal_updates__gives_the_update(rule: str, seed: int, count: int) -> None:
    update = some(seed, 1)[0].astype(np.float32)
    base = some(seed + 1, 1)[0].astype(np.float32)
    found = merged(rule, np.stack([update] * count), base)
    # Norm clipping and centring know only the median distance: equal updates are all at it. A step is rounded twice:
    # how far it goes, which may be much further than to zero, and where it ends.
    apart = np.abs(update.astype(np.float64) - base) + np.abs(update)
    assert np.all(np.abs(found.astype(np.float64) - update) <= (2.0**-23 * apart if "step" in rule else 0))


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=COUNTS)
def test_merge__other_addresses__gives_the_same_to_the_last_bits(rule: str, seed: int, count: int) -> None:
    updates = some(seed, count)
    samples = np.random.default_rng(seed).integers(1, 99, count).tolist()
    order = np.random.default_rng(seed + 1).permutation(count)
    found = merged(rule, updates[order], samples=[samples[place] for place in order])
    np.testing.assert_allclose(found, merged(rule, updates, samples=samples), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=COUNTS, power=st.integers(-20, 20))
def test_merge__twice_as_far_from_the_base__gives_twice_as_much(rule: str, seed: int, count: int, power: int) -> None:
    updates = some(seed, count)
    assert np.array_equal(merged(rule, updates * 2.0**power), merged(rule, updates) * 2.0**power)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=COUNTS)
def test_merge__all_moved__gives_what_is_moved(rule: str, seed: int, count: int) -> None:
    updates, shift = some(seed, count), some(seed + 1, 1)[0]
    found = merged(rule, updates + shift, base=shift)
    np.testing.assert_allclose(found, merged(rule, updates) + shift, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", ["weighted_mean", "weighted_mean:before=norm_clipping"])
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, count=COUNTS, factor=st.integers(2, 1000))
def test_merge__samples_times_a_factor__change_nothing(rule: str, seed: int, count: int, factor: int) -> None:
    updates = some(seed, count)
    samples = np.random.default_rng(seed).integers(1, 99, count).tolist()
    times = [factor * one for one in samples]
    np.testing.assert_allclose(merged(rule, updates, samples=times), merged(rule, updates, samples=samples), rtol=1e-12)


@pytest.mark.parametrize("rule", ROBUST)
@pytest.mark.parametrize("lie", [1e3, -1e6, 3e30])
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, count=COUNTS, liar=st.integers(0, 4))
def test_merge__one_update_is_far_away__stays_among_the_others(
    rule: str, lie: float, seed: int, count: int, liar: int
) -> None:
    updates = some(seed, count)
    updates[liar] = lie
    honest = np.delete(updates, liar, axis=0)
    found = merged(rule, updates)
    centre = honest.mean(axis=0)
    spread = np.linalg.norm(honest - centre, axis=1).max() + np.linalg.norm(centre)
    assert np.linalg.norm(found - centre) <= 3 * spread


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, count=COUNTS)
def test_geometric_median__any_updates__no_point_near_it_has_a_smaller_sum(seed: int, count: int) -> None:
    updates = some(seed, count)
    found = merged("geometric_median:iterations=2000", updates)

    def total(point: Array) -> float:
        return float(np.linalg.norm(updates - point, axis=1).sum())

    rng = np.random.default_rng(seed)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(5):
            step = rng.normal(size=updates.shape[1])
            assert total(found) <= total(found + size * step / np.linalg.norm(step)) * (1 + 1e-6)


def test_krum__of_two_groups__is_an_update_of_the_larger_and_rejects_the_rest() -> None:
    rng = np.random.default_rng(3)
    updates = np.concatenate([rng.normal(size=(6, 50)), 20 + 0.01 * rng.normal(size=(3, 50))])
    done = merge_parameters(parse_rule("krum:f=3"), {"a": np.zeros(50)}, [{"a": row} for row in updates])
    (chosen,) = [place for place in range(9) if place not in done.rejected]
    assert chosen < 6
    assert done.parameters["a"].tobytes() == updates[chosen].tobytes()
    assert sorted(done.weights) == [0] * 8 + [1]


def test_krum__equally_near_updates__takes_the_lower_address() -> None:
    updates = [{"a": np.array([value])} for value in (4.0, 3.0, 2.0, 1.0)]
    done = merge_parameters(parse_rule("krum:f=0"), {"a": np.zeros(1)}, updates)
    assert done.parameters["a"].tolist() == [3.0]


def test_distances__one_node_blinds_its_own_scale_only() -> None:
    # Were a scale common to all, one huge number would hide what the others do.
    rng = np.random.default_rng(4)
    updates = rng.normal(size=(7, 400)).astype(np.float32)
    updates[0, 7] = 3e38
    updates[1] += 5
    done = merge_parameters(
        parse_rule("multi_krum:f=2,m=5"), {"a": np.zeros(400, np.float32)}, [{"a": u} for u in updates]
    )
    assert done.rejected == (0, 1)


@pytest.mark.parametrize("rule", [*RULES, "robust:f=1,step=adam"])
def test_merge__the_largest_numbers_there_are__gives_numbers(rule: str) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        largest = np.finfo(dtype).max
        signs = np.random.default_rng(5).choice([-1.0, 1.0, 0.0], size=(6, 40)).astype(dtype)
        found = merged(rule, signs * largest, base=signs[5] * largest)
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("text", "fewest", "safe"),
    [
        ("krum:f=1", 4, 5),
        ("krum:f=0", 3, 3),
        ("multi_krum:f=2,m=3", 5, 7),
        ("multi_krum:f=1,m=9", 9, 10),
        ("geometric_median", 1, 1),
        ("mean:before=nearest_neighbour_mixing,before_f=2", 5, 5),
        ("krum:f=1,before=norm_clipping+nearest_neighbour_mixing,before_f=3", 7, 7),
        ("robust:f=2", 5, 5),
    ],
)
def test_minimum_updates__a_recipe__is_the_largest_of_its_parts(text: str, fewest: int, safe: int) -> None:
    rule = parse_rule(text)
    assert (rule.minimum_updates, rule.safe_updates) == (fewest, safe)
    updates = [{"a": np.ones(3)}] * (fewest - 1)
    done = merge_parameters(rule, {"a": np.zeros(3)}, updates)
    assert done.parameters["a"].tolist() == [0, 0, 0]
    assert done.rejected == tuple(range(fewest - 1))


def test_robust__what_it_stands_for__is_written_out() -> None:
    rule = parse_rule("robust:f=2,step=momentum")
    assert isinstance(rule, Recipe)
    assert parse_rule(str(rule)) == rule
    assert rule.name == "trimmed_mean"
    assert {name: rule.parameters[name] for name in ("f", "before", "before_f", "step")} == {
        "f": 2,
        "before": "norm_clipping+nearest_neighbour_mixing",
        "before_f": 2,
        "step": "momentum",
    }


CANCELLING = (
    "geometric_median:before=nearest_neighbour_mixing,before_f=1",
    "trimmed_mean:f=1,before=nearest_neighbour_mixing+norm_clipping,before_f=1",
    "centered_clipping:before=nearest_neighbour_mixing,before_f=1",
    "krum:f=1,before=nearest_neighbour_mixing,before_f=1",
)


@pytest.mark.parametrize("rule", CANCELLING)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_merge__an_update_that_cancels_its_neighbours__is_merged(rule: str, seed: int) -> None:
    """What is mixed with it has length zero, and what is rounded of that less than zero."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=40).astype(np.float32)
    near = [base + np.float32(0.01) * rng.normal(size=40).astype(np.float32) for _ in range(2)]
    far = base + np.float32(0.03) * rng.normal(size=40).astype(np.float32)
    hostile = base - ((near[0] - base) + (near[1] - base))
    found = merged(rule, np.array([*near, far, hostile]), base)
    assert np.isfinite(found).all()
    assert np.abs(found - base).max() <= np.abs(far - base).max() + 1e-6
