"""The benchmarks run, and their figures hold together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_round__quick__splits_a_round_into_parts_that_add_up(tmp_path: Path) -> None:
    out = tmp_path / "round.json"
    command = [sys.executable, str(BENCHMARKS / "round.py"), "--quick", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(out.read_text())
    assert f"{max(one['phases'], key=one['phases'].get)} dominates" in done.stdout
    # Making up the update, which is no part of a round's cost, takes next to nothing here.
    assert sum(one["phases"].values()) == pytest.approx(one["seconds"], rel=0.05)
    assert all(seconds > 0 for seconds in one["phases"].values())
    # Each of the two fetches the other's weights, and writes its own and those that both merged.
    assert one["weights_bytes"] < one["down"] < 1.5 * one["weights_bytes"]
    assert 2 * one["weights_bytes"] < one["up"] < 2.5 * one["weights_bytes"]
    assert one["memory"] > one["memory_before"]


@pytest.mark.parametrize("sizes", ["1x1", "11x1", "2x0", "two"])
def test_round__size_that_cannot_be__is_refused(sizes: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "round.py"), "--sizes", sizes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--sizes" in done.stderr


def test_ipfs__quick__fetches_from_a_served_store(tmp_path: Path) -> None:
    out = tmp_path / "ipfs.json"
    command = [sys.executable, str(BENCHMARKS / "ipfs.py"), "--quick", "--rows", "fetch: verified", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert [one["name"] for one in found][:2] == ["fetch: verified", "fetch: verified, in one piece"]
    assert all(one["name"] in done.stdout for one in found)
    for one in found:
        assert one["seconds"] > 0
        assert one["sha256_seconds"] > 0
        # Sixteen blocks at most, whatever the file's size; nothing is told where the system does not say.
        assert one["memory"] is None or one["memory"] < 64 << 20


def test_merge__small__measures_every_rule_beside_reading_alone(tmp_path: Path) -> None:
    out = tmp_path / "merge.json"
    command = [sys.executable, str(BENCHMARKS / "merge.py"), "--sizes", "5x0.3", "--repeats", "1", "--json", str(out)]
    done = subprocess.run(
        [*command, "--peers", "", "--rounds", "1", "--rules", "floor", "coordinate_median", "krum", "robust"],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    all_found = json.loads(out.read_text())
    assert all(one["size"] == "5 x 0.3 M" for one in all_found)
    assert [one["rule"] for one in all_found if one["library"] == "compiled"] == ["coordinate_median", "krum", "robust"]
    found = {one["rule"]: one for one in all_found if one["library"] == "ours"}
    assert list(found) == ["floor", "coordinate_median", "krum", "robust"]
    # Merging reads all that `floor` does, and more.
    assert 0 < found["floor"]["cpu"] < found["robust"]["cpu"]
    assert "| coordinate_median |" in done.stdout


@pytest.mark.parametrize("size", ["3x1", "10x0", "ten"])
def test_merge__size_that_cannot_be__is_refused(size: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "merge.py"), "--sizes", size]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--sizes" in done.stderr
