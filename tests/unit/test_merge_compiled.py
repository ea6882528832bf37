"""What Numba compiles gives the bits of what NumPy does, whatever the numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numba import config

from swarm_chain.core import weights
from swarm_chain.core.merge import Contribution, Rule, available, merge, parse_rule
from swarm_chain.core.merge.available import load, pays
from swarm_chain.core.merge.comparing import same_bits, same_ranks
from swarm_chain.core.merge.compiled.vectors import _SOURCES, kept_in
from swarm_chain.core.merge.coordinate_median import CoordinateMedian
from swarm_chain.core.merge.kernels import kernel_of
from swarm_chain.errors import MergeError
from swarm_chain.types import Address

RULES = (
    "weighted_mean",
    "coordinate_median",
    "trimmed_mean:f=1",
    "geometric_median",
    "krum:f=1",
    "centered_clipping",
    "robust:f=1",
    "coordinate_median:before=norm_clipping,step=momentum",
)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def merged(given: list[Contribution], rule: Any, base: bytes, out: Path, *, compiled: bool) -> tuple[object, ...]:
    done = merge(
        given,
        rule=rule,
        max_samples=100,
        max_share_bps=10_000,
        out=out,
        base=base,
        state_out=out.with_name("state"),
        compiled=compiled,
        threads=2,
        sync=False,
    )
    assert done is not None
    return done.file, done.state, done.weights


@settings(max_examples=25, deadline=None)
@given(updates=hnp.arrays(np.float32, st.tuples(st.sampled_from((5, 8)), st.integers(1, 300)), elements=FLOATS))
@pytest.mark.parametrize("rule", RULES)
def test_merge__compiled__gives_the_bits_of_numpy(
    rule: str, updates: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    others = {"half": np.ones(3, np.float16), "n": np.arange(3), "odd": np.zeros(1, np.bool_)}
    encoded = [weights.encode({"a": row, **others, "w": row[::-1] * np.float32(0.1)}) for row in updates]
    given = [
        Contribution(node=Address(bytes([number]) * 20), weights=one, samples=number + 1)
        for number, one in enumerate(encoded)
    ]
    by_numpy, by_kernels = (
        merged(given[:-1], parse_rule(rule), encoded[-1], folder / f"out-{compiled}", compiled=compiled)
        for compiled in (False, True)
    )
    assert by_numpy == by_kernels


@pytest.mark.parametrize("count", [4, 10, 33])
def test_merge__compiled__blocks_and_chunks_end_anywhere(count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(count)
    rows = rng.standard_normal((count + 1, 90_001), np.float32) * np.float32(10.0) ** rng.integers(-30, 30, 90_001)
    base = weights.encode({"w": rows[-1]})
    given = [
        Contribution(node=Address(bytes([number]) * 20), weights=weights.encode({"w": row}), samples=1)
        for number, row in enumerate(rows[:-1])
    ]
    for rule in RULES:
        found = [merged(given, parse_rule(rule), base, tmp_path / "out", compiled=one) for one in (False, True)]
        assert found[0] == found[1], rule


def test_same_bits__an_operation_that_rounds_otherwise__is_seen() -> None:
    class Wrong:
        """All that is compiled, with one sum in the last place of a float64 beside."""

        def __getattr__(self, name: str) -> Any:
            return getattr(load(), name)

        def weighted_sum(self, addresses: Any, start: int, parts: Any, largest: float, out: Any) -> None:
            load().weighted_sum(addresses, start, parts, largest, out)  # type: ignore[union-attr]
            out[-1] = np.nextafter(out[-1], out.dtype.type(np.inf))

    assert load() is not None
    assert same_bits(load())  # type: ignore[arg-type]
    assert not same_bits(Wrong())  # type: ignore[arg-type]


def test_same_ranks__a_network_that_takes_another_rank__is_seen() -> None:
    class Wrong:
        """All that is compiled, with the mean of all ranks where that of two was asked for."""

        def __getattr__(self, name: str) -> Any:
            return getattr(load(), name)

        def ranked_mean(self, addresses: Any, start: int, kept: Any, largest: float, out: Any) -> None:
            load().ranked_mean(addresses, start, (0,) * len(addresses), largest, out)  # type: ignore[union-attr]

    for rounded in (False, True):
        assert same_ranks(load(), 6, (2, 3), mixed=False, rounded=rounded)  # type: ignore[arg-type]
        assert not same_ranks(Wrong(), 6, (2, 3), mixed=False, rounded=rounded)  # type: ignore[arg-type]


def test_kernel_of__ranks_that_no_median_or_trimmed_mean_has__are_left_to_numpy() -> None:
    class Lowest(CoordinateMedian):
        def ranks(self, count: int) -> Any:
            return (0,)

    assert kernel_of(Lowest(), None, None, 4) is None
    assert kernel_of(CoordinateMedian(), None, None, 129) is None


def test_load__the_compiler_is_there_and_does_not_work__is_none_and_says_why() -> None:
    script = "from swarm_chain.core.merge.available import load; assert load() is None"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert "merging without Numba, which is installed and cannot be used here: NotImplementedError: " in done.stderr


def test_kept_in__any_of_its_sources_changes__is_another_folder(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("one.py", "two.py")]
    for source in sources:
        source.write_text("x = 1")
    first = kept_in(sources, "")
    sources[1].write_text("x = 2")
    assert kept_in(sources, "") != first
    assert kept_in(sources, str(tmp_path / "told")).parent == tmp_path / "told"


def test_load__what_is_compiled__is_kept_for_its_sources() -> None:
    compiled: Any = load()
    folders = {Path(one.stats.cache_path) for one in (compiled.weighted_sum, compiled.products)}
    assert all(kept_in(_SOURCES, config.CACHE_DIR) in folder.parents for folder in folders)
    assert {source.name for source in _SOURCES} >= {"vectors.py", "sums.py", "gram.py", "sorting.py"}


def test_merge__a_network_cannot_be_compiled__is_numpys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*given: object, **named: object) -> bool:
        raise RuntimeError("no such instruction")

    chance = np.random.default_rng(3)
    base, *updates = (weights.encode({"w": chance.standard_normal(99, np.float32)}) for _ in range(6))
    given = [Contribution(node=Address(bytes([n]) * 20), weights=one, samples=1) for n, one in enumerate(updates)]
    expected = merged(given, parse_rule("coordinate_median"), base, tmp_path / "numpy", compiled=False)
    available._ranks_are_right.cache_clear()
    monkeypatch.setattr("swarm_chain.core.merge.available.same_ranks", fail)
    assert merged(given, parse_rule("coordinate_median"), base, tmp_path / "out", compiled=True) == expected
    available._ranks_are_right.cache_clear()


def test_merge__nothing_to_compile_with__is_an_error_only_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = weights.encode({"w": np.ones(4, np.float32)})
    given = [Contribution(node=Address(bytes(20)), weights=one, samples=1)]
    monkeypatch.setattr("swarm_chain.core.merge.available.load", lambda: None)
    with pytest.raises(MergeError, match="Numba"):
        merged(given, parse_rule("mean"), one, tmp_path / "out", compiled=True)
    monkeypatch.setattr("swarm_chain.core.merge.available.pays", lambda specs, count: True)
    assert merge(given, rule=parse_rule("mean"), max_samples=1, max_share_bps=10_000, out=tmp_path / "out")


def test_kernel_of__a_rule_with_a_combine_of_its_own__is_left_to_it() -> None:
    class Louder(CoordinateMedian):
        def combine(self, updates: Any, shares: tuple[float, ...]) -> Any:
            return 2 * super().combine(updates, shares)

    assert kernel_of(CoordinateMedian(), None, None, 4) is not None
    assert kernel_of(Louder(), None, None, 4) is None
    assert issubclass(Louder, Rule)


def test_pays__small_models_and_other_formats__are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = weights.TensorSpec("w", "F32", (10_000_000,)), weights.TensorSpec("w", "F32", (1000,))
    half = weights.TensorSpec("w", "BF16", (10_000_000,))
    assert [pays((spec,), 10) for spec in (large, small, half)] == [True, False, False]
    monkeypatch.setattr(available, "find_spec", lambda name: None)
    assert not pays((large,), 10)
