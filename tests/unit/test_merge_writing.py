"""A merged file is written chunk by chunk, by several threads, wherever chunks and elements end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.core import weights
from swarm_chain.core.files import write_at
from swarm_chain.core.merge import Contribution, merge, parse_rule, writing
from swarm_chain.core.merge.coordinate_median import CoordinateMedian
from swarm_chain.core.unixfs import CHUNK, import_bytes
from swarm_chain.errors import MergeError
from swarm_chain.types import Address

Parameters = Mapping[str, np.ndarray[Any, Any]]


def odd_model(rng: np.random.Generator) -> Parameters:
    """Three chunks whose ends fall into elements, since a few booleans come first."""
    return {
        "a": rng.integers(0, 2, 3).astype(np.bool_),
        "b": rng.standard_normal(CHUNK // 8 + 1),
        "c": np.empty((0, 4), np.float32),
        "d": rng.standard_normal((3, CHUNK // 12 + 5), np.float32),
        "e": rng.integers(-9, 9, CHUNK // 16),
        "f": rng.standard_normal(7).astype(np.float16),
        "g": np.empty(0, np.int8),
    }


def many_names(rng: np.random.Generator) -> Parameters:
    """A header of more than a chunk, and after it little."""
    return {f"layers.{number:05}.scale": rng.standard_normal((), np.float32) for number in range(15_000)}


def merged(update: bytes, folder: Path, rule: str = "coordinate_median", **given: Any) -> tuple[bytes, object]:
    three = [Contribution(node=Address(bytes([n]) * 20), weights=update, samples=1) for n in range(3)]
    done = merge(
        three, rule=parse_rule(rule), max_samples=1, max_share_bps=10_000, out=folder / "out", sync=False, **given
    )
    assert done is not None
    return (folder / "out").read_bytes(), done.file


@pytest.mark.parametrize("model", [odd_model, many_names, lambda rng: {}])
@pytest.mark.parametrize(("threads", "block", "compiled"), [(1, None, False), (3, 999, False), (2, None, True)])
def test_merge__equal_updates_of_several_chunks__are_written_as_they_are(
    model: Any, threads: int, block: int | None, compiled: bool, tmp_path: Path
) -> None:
    update = weights.encode(model(np.random.default_rng(1)))
    data, file = merged(update, tmp_path, threads=threads, block=block, compiled=compiled)
    assert data == update
    assert file == import_bytes(update)


@pytest.mark.parametrize("compiled", [False, True])
def test_merge__a_step_whose_elements_lie_across_chunks__remembers_each_where_it_belongs(
    compiled: bool, tmp_path: Path
) -> None:
    chance = np.random.default_rng(2)
    base: Any = odd_model(chance)
    update: Any = odd_model(chance)
    given = {"base": weights.encode(base), "state_out": tmp_path / "state", "threads": 2, "compiled": compiled}
    merged(weights.encode(update), tmp_path, "mean:step=momentum", **given)
    remembered = weights.load(tmp_path / "state")
    for name in "bd":
        (kept,) = [array for kind, array in remembered.items() if kind.endswith(name)]
        assert np.abs(kept - (update[name].astype(np.float64) - base[name])).max() < 1e-6


@pytest.mark.parametrize(
    "rule",
    ["mean", "coordinate_median", "robust:f=1", "krum:f=1", "centered_clipping:step=momentum"],
)
def test_merge__float32_of_several_chunks__is_the_same_compiled(rule: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    base, *updates = (
        weights.encode({"a": chance.standard_normal(2 * CHUNK // 4 + 5, np.float32), "b": np.ones(3, np.float32) * n})
        for n in range(6)
    )
    given = [Contribution(node=Address(bytes([n]) * 20), weights=one, samples=1) for n, one in enumerate(updates)]
    found = []
    for compiled in (False, True):
        done = merge(
            given,
            rule=parse_rule(rule),
            max_samples=1,
            max_share_bps=10_000,
            out=tmp_path / "out",
            base=base,
            state_out=tmp_path / "state",
            compiled=compiled,
            threads=2,
            sync=False,
        )
        assert done is not None
        found.append((done.file, done.state))
    assert found[0] == found[1]
    assert found[0][0].size > 2 * CHUNK


def test_merge__the_state_cannot_be_put_in_place__leaves_no_result_either(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    update = weights.encode({"w": np.ones(3, np.float32)})
    with pytest.raises(IsADirectoryError):
        merged(update, tmp_path, "mean:step=momentum", base=update, state_out=tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@dataclass(frozen=True, kw_only=True)
class FailsFirst(CoordinateMedian):
    """Fails for the first chunk once the second was begun, and takes its time for that."""

    begun: threading.Event

    def combine(self, updates: Any, shares: tuple[float, ...]) -> Any:
        if updates[0][0] == 0:
            assert self.begun.wait(10)
            raise MergeError("no")
        self.begun.set()
        time.sleep(0.2)
        return super().combine(updates, shares)


def test_merge__one_thread_fails__the_others_are_done_before_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []
    monkeypatch.setattr(writing, "write_at", lambda stream, data, place: written.append(stream.closed))
    update = weights.encode({"w": np.arange(CHUNK // 4 + 9, dtype=np.float32) // (CHUNK // 4 - 99)})
    three = [Contribution(node=Address(bytes([n]) * 20), weights=update, samples=1) for n in range(3)]
    with pytest.raises(MergeError, match=r"^no$"):
        merge(
            three,
            rule=FailsFirst(begun=threading.Event()),
            max_samples=1,
            max_share_bps=10_000,
            out=tmp_path / "out",
            threads=2,
        )
    assert written == [False]
    assert list(tmp_path.iterdir()) == []


def test_write_at__the_system_takes_less_than_it_is_given__writes_the_rest_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, place: whole(handle, data[:7], place))
    with (tmp_path / "out").open("wb") as stream:
        write_at(stream, bytes(range(100)), 3)
    assert (tmp_path / "out").read_bytes() == bytes(3) + bytes(range(100))
