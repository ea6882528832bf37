"""Sums that share terms, and sorting that copies nothing, are what they are without these shortcuts, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_chain.core.merge.adding import WeightedSums, weighted_sum
from swarm_chain.core.merge.releasing import Releasing
from swarm_chain.core.merge.sorting import ranked

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 9), sums=st.integers(1, 9), choices=st.integers(1, 3))
def test_weighted_sums__parts_in_common_or_none__are_those_added_up_one_by_one(
    seed: int, count: int, sums: int, choices: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = list(rng.normal(size=(count, 17)).astype(np.float32))
    # Few different parts, among them zero: many sums begin alike, are the same, or have no term at all.
    parts = rng.choice([0.0, *rng.normal(size=choices)], size=(sums, count))
    expected = [weighted_sum(rows, one).copy() for one in parts.tolist()]
    found = WeightedSums(parts).of(rows)
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]
    plain = [sum((float(part) * row.astype(np.float64) for row, part in zip(rows, one, strict=True))) for one in parts]
    np.testing.assert_allclose(found, plain, rtol=1e-12, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 20), data=st.data())
def test_ranked__rows_that_nobody_may_write_to__gives_the_rows_of_these_ranks(
    seed: int, count: int, data: st.DataObject
) -> None:
    ranks = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count))
    rows = np.random.default_rng(seed).integers(-9, 9, (count, 31)).astype(np.float32) / 4
    rows[rows == 0] = -0.0
    rows.flags.writeable = False
    found = ranked(list(rows), ranks)
    expected = np.sort(rows, axis=0)[ranks] + np.float32(0)
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]


@pytest.mark.parametrize(("files", "ahead"), [(4, 0), (4, 5 << 20), (32, 5 << 20), (500, 500 << 20)])
def test_releasing__whatever_is_read__holds_at_most_its_share(files: int, ahead: int) -> None:
    held, most = 0, 0

    def release() -> None:
        nonlocal held
        held = 0

    releasing = Releasing(release, most=16 << 20, files=files, ahead=ahead)
    for _ in range(2000):
        held += 1 << 16
        most = max(most, held)
        releasing.read(1 << 16)
    assert most + ahead + files * (64 << 10) <= max(16 << 20, ahead + files * (64 << 10) + (2 << 20)) + (1 << 16)
    assert most >= 2 << 20
