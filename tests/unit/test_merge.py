"""Merging: the agreed bits, whatever the machine, the block size and the order of arrival."""

from __future__ import annotations

import json
import resource
import statistics
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swarm_chain.core import weights
from swarm_chain.core.dtypes import DTYPES
from swarm_chain.core.merge import Contribution, Merged, Rule, merge, merge_parameters, parse_rule
from swarm_chain.core.merge.arithmetic import check_arithmetic
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import MalformedWeights, MergeError, ShapeMismatch
from swarm_chain.types import Address

Array = np.ndarray[Any, Any]
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/merges.json").read_text())
RULES = ("weighted_mean", "mean", "coordinate_median", "trimmed_mean:f=1")


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def contributions(folder: Path, updates: list[dict[str, Array]]) -> list[Contribution]:
    made = []
    for number, update in enumerate(updates):
        path = folder / f"update-{number}"
        weights.save(update, path)
        made.append(Contribution(node=address(number), weights=path, samples=10 * number + 5))
    return made


def merged_by(
    rule: str | Rule, given: list[Contribution], out: Path, *, block: int | None = None, **caps: int
) -> Merged:
    done = merge(
        given,
        rule=parse_rule(rule) if isinstance(rule, str) else rule,
        max_samples=caps.get("max_samples", 10**9),
        max_share_bps=caps.get("max_share_bps", 10_000),
        out=out,
        block=block,
    )
    assert done is not None
    return done


def merged_values(rule: str, updates: list[Array], folder: Path) -> Array:
    merged_by(rule, contributions(folder, [{"a": update} for update in updates]), folder / "out")
    return weights.load(folder / "out")["a"]


# ------------------------------------------------------------------------------------------------------- golden vectors


def text_of(vector: dict[str, Any]) -> str:
    """A vector's rule as `--merge` takes it."""
    parameters = dict(vector.get("options", {}))
    if vector["rule"] in ("trimmed_mean", "krum", "multi_krum"):
        parameters["f"] = vector["f"]
    if vector.get("before"):
        parameters["before"] = "+".join(vector["before"])
    written = ",".join(f"{name}={value}" for name, value in parameters.items())
    return f"{vector['rule']}:{written}" if written else vector["rule"]


@pytest.mark.parametrize("block", [1, 5, None])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{text_of(vector)}-{len(vector['nodes'])}")
def test_merge__numbers_merged_in_plain_python__gives_the_same_bits(
    vector: dict[str, Any], block: int | None, tmp_path: Path
) -> None:
    given = []
    for number, (node, samples) in enumerate(zip(vector["nodes"], vector["samples"], strict=True)):
        update = {
            name: np.frombuffer(bytes.fromhex(tensor["updates"][number]), DTYPES[tensor["dtype"]].numpy)
            for name, tensor in vector["tensors"].items()
        }
        weights.save(update, tmp_path / node)
        given.append(Contribution(node=Address(bytes.fromhex(node)), weights=tmp_path / node, samples=samples))
    base = {
        name: np.frombuffer(bytes.fromhex(tensor["base"]), DTYPES[tensor["dtype"]].numpy)
        for name, tensor in vector["tensors"].items()
    }
    merged = merge(
        given,
        rule=parse_rule(text_of(vector)),
        max_samples=vector["max_samples"],
        max_share_bps=vector["max_share_bps"],
        out=tmp_path / "out",
        base=weights.encode(base),
        state_out=tmp_path / "state",
        block=block,
    )
    assert merged is not None
    assert {node.hex(): weight for node, weight in merged.weights.items()} == vector["merged"]["weights"]
    found = {name: array.tobytes().hex() for name, array in weights.load(tmp_path / "out").items()}
    assert found == vector["merged"]["tensors"]
    assert merged.file == import_file(tmp_path / "out")
    state = weights.load(tmp_path / "state") if merged.state else {}
    assert {name: array.tobytes().hex() for name, array in state.items()} == vector["merged"]["state"]


# --------------------------------------------------------------------------------------------- same input, same bytes

MIXED = hnp.arrays(np.float32, 37, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@settings(max_examples=25, deadline=None)
@given(updates=st.lists(MIXED, min_size=3, max_size=6), data=st.data())
@pytest.mark.parametrize("rule", RULES)
def test_merge__any_block_size_and_order_of_arrival__gives_the_same_file(
    rule: str, updates: list[Array], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    given = contributions(folder, [{"a": update, "n": np.int64(update.view(np.int32))} for update in updates])
    expected = merged_by(rule, given, folder / "expected")
    shuffled = data.draw(st.permutations(given))
    block = data.draw(st.integers(1, 40))
    assert merged_by(rule, shuffled, folder / "out", block=block) == expected
    assert (folder / "out").read_bytes() == (folder / "expected").read_bytes()


# ------------------------------------------------------------------------------------------------------------ the rules


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [name for name, dtype in DTYPES.items() if dtype.is_float])
def test_merge__equal_updates__gives_the_update(rule: str, dtype: str, tmp_path: Path) -> None:
    # Thirds of other doubles need not add up to them.
    values = np.array([0.5, -0.25, 3.0]) if dtype == "F64" else np.random.default_rng(3).normal(size=500)
    update = values.astype(DTYPES[dtype].numpy)
    assert merged_values(rule, [update] * 3, tmp_path).tobytes() == update.tobytes()


@pytest.mark.parametrize("rule", ["weighted_mean", "mean"])
def test_merge__one_update__is_carried_bit_for_bit(rule: str, tmp_path: Path) -> None:
    update = np.array([0.1, -0.0, 5e-324, -1.7e308])
    assert merged_values(rule, [update], tmp_path).tobytes() == update.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.lists(MIXED, min_size=1, max_size=6))
def test_coordinate_median__any_updates__is_pythons_median(
    tmp_path_factory: pytest.TempPathFactory, updates: list[Array]
) -> None:
    found = merged_values("coordinate_median", updates, tmp_path_factory.mktemp("merge"))
    expected = [statistics.median(float(update[index]) for update in updates) for index in range(37)]
    assert np.array_equal(found, np.array(expected).astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(st.lists(MIXED, min_size=3, max_size=6))
@pytest.mark.parametrize("rule", RULES)
def test_merge__any_updates__stays_between_them_and_near_the_exact_mean(
    rule: str, tmp_path_factory: pytest.TempPathFactory, updates: list[Array]
) -> None:
    found = merged_values(rule, updates, tmp_path_factory.mktemp("merge"))
    stack = np.stack(updates)
    assert bool((found >= stack.min(axis=0)).all())
    assert bool((found <= stack.max(axis=0)).all())
    if rule == "mean":
        for index in range(37):
            exact = sum(Fraction(float(value)) for value in stack[:, index]) / len(updates)
            slack = Fraction(float(np.abs(stack[:, index]).max())) / 2**50 + abs(exact) / 2**24 + Fraction(1, 2**149)
            assert abs(Fraction(float(found[index])) - exact) <= slack


def test_trimmed_mean__one_node_lies__does_not_matter(tmp_path: Path) -> None:
    honest = [np.array([1.0, 2.0]), np.array([2.0, 3.0]), np.array([3.0, 4.0])]
    for lie in (np.array([1e300, -1e300]), np.array([-0.0, 7.0])):
        found = merged_values("trimmed_mean:f=1", [*honest, lie], tmp_path)
        assert bool(((found >= 1) & (found <= 4)).all())


def test_median__zeros_of_both_signs__gives_the_positive_one(tmp_path: Path) -> None:
    for signs in ([0.0, -0.0, -0.0], [-0.0, -0.0, -0.0], [-0.0, 0.0, 0.0]):
        found = merged_values("coordinate_median", [np.array([sign]) for sign in signs], tmp_path)
        assert found.tobytes() == bytes(8)


def test_mean__numbers_whose_sum_is_none__stays_finite(tmp_path: Path) -> None:
    largest = np.array([1.7976931348623157e308])
    for rule in RULES:
        found = merged_values(rule, [largest] * 3, tmp_path)
        assert found[0] in (largest[0], np.nextafter(largest[0], 0))
    assert merged_values("coordinate_median", [largest] * 4, tmp_path).tolist() == largest.tolist()


@pytest.mark.parametrize("rule", RULES)
def test_merge__integers_and_booleans__take_the_lower_median(rule: str, tmp_path: Path) -> None:
    updates = [
        {"steps": np.array([value, -value], np.int64), "flag": np.array([value > 3]), "big": np.array(value, np.uint64)}
        for value in (2**62 + 1, 2**62 + 3, 3, 2**62 + 2)
    ]
    merged_by(rule, contributions(tmp_path, updates), tmp_path / "out")
    found = weights.load(tmp_path / "out")
    assert found["steps"].tolist() == [2**62 + 1, -(2**62) - 2]
    assert found["flag"].tolist() == [True]
    assert found["big"].tolist() == 2**62 + 1
    assert (found["steps"].dtype, found["flag"].dtype, found["big"].shape) == (np.int64, np.bool_, ())


def test_weighted_mean__samples_and_caps__decide_the_shares(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.array([value])} for value in (0.0, 4.0, 8.0)])  # 5, 15, 25 samples.
    assert dict(merged_by("weighted_mean", given, tmp_path / "out").weights) == {
        address(0): 5,
        address(1): 15,
        address(2): 25,
    }
    assert weights.load(tmp_path / "out")["a"][0] == pytest.approx((15 * 4 + 25 * 8) / 45)
    capped = merged_by("weighted_mean", given, tmp_path / "out", max_samples=15)
    assert [*capped.weights.values()] == [5, 15, 15]
    assert [*merged_by("mean", given, tmp_path / "out").weights.values()] == [1, 1, 1]


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(("rule", "needed"), [("mean", 1), ("coordinate_median", 1), ("trimmed_mean:f=2", 5)])
def test_merge__fewer_updates_than_the_rule_needs__gives_none_and_writes_nothing(
    rule: str, needed: int, tmp_path: Path
) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}] * (needed - 1))
    caps = {"max_samples": 1, "max_share_bps": 10_000}
    assert merge(given, rule=parse_rule(rule), out=tmp_path / "out", **caps) is None  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_merge__a_node_twice__raises_merge_error(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}]) * 2
    with pytest.raises(MergeError, match="twice"):
        merged_by("mean", given, tmp_path / "out")


def test_merge__updates_of_two_models__raises_shape_mismatch_and_leaves_nothing(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}, {"a": np.zeros(2)}])
    with pytest.raises(ShapeMismatch):
        merged_by("mean", given, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["update-0", "update-1"]


def test_merge_parameters__an_update_of_another_dtype__is_named_beside_the_bases() -> None:
    base = {"a": np.zeros(3, np.float32)}
    with pytest.raises(ShapeMismatch, match=r"F64.* instead of .*F32"):
        merge_parameters(parse_rule("mean"), base, [base, {"a": np.zeros(3)}])


@pytest.mark.parametrize("samples", [[], [1], [0, 0], [1, -1], [1, 0.5]])
def test_merge_parameters__samples_that_are_none__raises_merge_error(samples: Any) -> None:
    base = {"a": np.zeros(1)}
    with pytest.raises(MergeError, match="there are 2 updates; pass a whole number of samples"):
        merge_parameters(parse_rule("weighted_mean"), base, [base, base], samples)


@pytest.mark.parametrize(
    ("caps", "said"), [({"max_samples": 0}, "max_samples is 0"), ({"max_share_bps": 10_001}, "max_share_bps is 10001")]
)
def test_merge_parameters__caps_out_of_range__raises_merge_error(caps: dict[str, int], said: str) -> None:
    base = {"a": np.zeros(1)}
    with pytest.raises(MergeError, match=said):
        merge_parameters(parse_rule("weighted_mean"), base, [base, base], **caps)


def test_merge__blocks_of_nothing__raises_merge_error(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}])
    with pytest.raises(MergeError, match="block is -5"):
        merged_by("mean", given, tmp_path / "out", block=-5)


def test_merge__more_updates_than_files_may_be_open__says_what_to_do(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}] * 60)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 20, hard))
    try:
        with pytest.raises(MergeError, match="ulimit -n 1060"):
            merged_by("mean", given, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not (tmp_path / "out").exists()


def test_merge__a_file_that_is_no_weights__raises_malformed_weights(tmp_path: Path) -> None:
    given = contributions(tmp_path, [{"a": np.zeros(1)}])
    given[0].weights.write_bytes(b"")
    with pytest.raises(MalformedWeights):
        merged_by("mean", given, tmp_path / "out")


def test_check_arithmetic__denormals_are_flushed__raises_merge_error() -> None:
    check_arithmetic()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormals")
    try:
        with pytest.raises(MergeError, match="denormal"):
            check_arithmetic()
    finally:
        torch.set_flush_denormal(False)


def test_merge__a_rule_that_gives_nan__raises_merge_error(tmp_path: Path) -> None:
    class Broken(Rule):
        name = "broken"
        parameters = {}  # type: ignore[assignment]  # noqa: RUF012

        def combine(self, updates: Array, shares: tuple[float, ...]) -> Array:
            return updates[0] * np.nan

    with pytest.raises(MergeError, match="broken gave NaN"):
        merged_by(Broken(), contributions(tmp_path, [{"a": np.zeros(1)}]), tmp_path / "out")
