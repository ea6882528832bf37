"""How far weights moved: against NumPy, and where its own sums would overflow."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swarm_chain.core import weights
from swarm_chain.models.difference import Difference, Move, difference
from swarm_chain.types import Parameters


def differ(folder: Path, a: Parameters, b: Parameters) -> Difference:
    for name, parameters in (("a", a), ("b", b)):
        weights.save(parameters, folder / name)
    return difference(folder / "a", folder / "b")


def move_of(found: Difference, name: str) -> Move:
    (move,) = [one.move for one in found.tensors if one.name == name]
    assert move is not None
    return move


def test_difference__two_tensors__is_what_numpy_says(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    a = {"x": random.normal(size=(300, 2000)).astype(np.float32), "y": random.normal(size=5)}
    b = {"x": (a["x"] + random.normal(size=a["x"].shape) / 10).astype(np.float32), "y": -a["y"]}
    found = differ(tmp_path, a, b)
    for name in a:
        move, one, other = move_of(found, name), a[name].astype(float).ravel(), b[name].astype(float).ravel()
        assert move.norm == pytest.approx(np.linalg.norm(other - one))
        assert move.norm_a == pytest.approx(np.linalg.norm(one))
        assert move.relative == pytest.approx(np.linalg.norm(other - one) / np.linalg.norm(one))
        assert move.largest == pytest.approx(np.abs(other - one).max())
        assert move.cosine == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    one, other = (np.concatenate([each[name].astype(float).ravel() for name in ("x", "y")]) for each in (a, b))
    assert found.total.norm == pytest.approx(np.linalg.norm(other - one))
    assert found.total.cosine == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    assert found.total.elements == 600_005


def test_difference__the_same__moved_by_nothing(tmp_path: Path) -> None:
    same = {"x": np.arange(1.0, 9.0, dtype=np.float32)}
    move = move_of(differ(tmp_path, same, same), "x")
    assert (move.changed, move.norm, move.relative, move.largest) == (0, 0.0, 0.0, 0.0)
    assert move.cosine == pytest.approx(1.0)


def test_difference__a_is_zero__has_no_relative_move_and_no_angle(tmp_path: Path) -> None:
    found = differ(tmp_path, {"x": np.zeros(3)}, {"x": np.ones(3)})
    move = move_of(found, "x")
    assert (move.changed, move.relative, move.cosine) == (3, None, None)
    assert (found.total.relative, found.total.cosine) == (None, None)


def test_difference__tensors_that_one_lacks__are_named_and_not_compared(tmp_path: Path) -> None:
    a = {"old": np.zeros(2), "same": np.ones(2), "grown": np.zeros((2, 2))}
    b = {"new": np.zeros(2), "same": np.ones(2), "grown": np.zeros((2, 3))}
    found = differ(tmp_path, a, b)
    sides = {one.name: (one.a is not None, one.b is not None, one.move is not None) for one in found.tensors}
    assert sides == {
        "grown": (True, True, False),
        "new": (False, True, False),
        "old": (True, False, False),
        "same": (True, True, True),
    }
    assert found.total.elements == 2


def test_difference__nothing_in_common__total_is_of_nothing(tmp_path: Path) -> None:
    total = differ(tmp_path, {"a": np.ones(2)}, {"b": np.ones(2)}).total
    assert (total.elements, total.norm, total.relative, total.cosine) == (0, 0.0, None, None)


def test_difference__integers_and_booleans__are_compared_and_not_in_the_total(tmp_path: Path) -> None:
    a = {"count": np.array([2**62]), "mask": np.array([True, False]), "x": np.ones(1, np.float32)}
    b = {"count": np.array([2**62 + 1]), "mask": np.array([True, True]), "x": np.ones(1, np.float32)}
    found = differ(tmp_path, a, b)
    assert [move_of(found, name).changed for name in ("count", "mask", "x")] == [1, 1, 0]
    assert found.total.elements == 1


def test_difference__other_number_format__is_compared_by_value(tmp_path: Path) -> None:
    a, b = {"x": np.array([1.0, 2.0], np.float32)}, {"x": np.array([1.0, 3.0]).astype(ml_dtypes.bfloat16)}
    move = move_of(differ(tmp_path, a, b), "x")
    assert (move.changed, move.norm, move.largest) == (1, 1.0, 1.0)


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e200, 1e307])
def test_difference__numbers_whose_squares_no_float_holds__are_measured_all_the_same(
    tmp_path: Path, unit: float
) -> None:
    move = move_of(differ(tmp_path, {"x": np.array([3 * unit, 0.0])}, {"x": np.array([3 * unit, 4 * unit])}), "x")
    assert move.norm == pytest.approx(4 * unit)
    assert move.norm_b == pytest.approx(5 * unit)
    assert move.relative == pytest.approx(4 / 3)
    assert move.cosine == pytest.approx(0.6)


def test_difference__norm_that_no_float_holds__is_infinite_and_the_rest_is_there(tmp_path: Path) -> None:
    largest = np.full(4, np.finfo(np.float64).max)
    found = differ(tmp_path, {"x": largest}, {"x": -largest})
    move = move_of(found, "x")
    assert math.isinf(move.norm)
    assert move.relative is None
    assert move.cosine == pytest.approx(-1.0)
    assert found.total.cosine is None


FLOATS = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(allow_nan=False, allow_infinity=False))


@given(st.data())
@settings(deadline=None)
def test_difference__whatever_the_numbers_are__measures_lie_where_they_must(data: st.DataObject) -> None:
    a = data.draw(FLOATS)
    b = data.draw(hnp.arrays(np.float64, a.shape, elements=st.floats(allow_nan=False, allow_infinity=False)))
    with TemporaryDirectory() as folder:
        move = move_of(differ(Path(folder), {"x": a}, {"x": b}), "x")
    assert move.changed == int((a != b).sum())
    assert move.norm >= move.largest * (1 - 1e-12) or math.isinf(move.norm)
    assert move.norm <= (move.norm_a + move.norm_b) * (1 + 1e-9)
    assert move.cosine is None or -1 <= move.cosine <= 1
    assert (move.cosine is None) == (not a.any() or not b.any())


def test_difference__large_models__does_not_hold_them(tmp_path: Path) -> None:
    a = {f"layer.{n}": np.full((1 << 20,), n, np.float32) for n in range(1, 9)}
    b = {name: array + 1 for name, array in a.items()}
    for name, parameters in (("a", a), ("b", b)):
        weights.save(parameters, tmp_path / name)
    size = sum(array.nbytes for array in a.values())
    del a, b
    tracemalloc.start()
    try:
        found = difference(tmp_path / "a", tmp_path / "b")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.total.changed == 8 << 20
    assert peak < size / 2
