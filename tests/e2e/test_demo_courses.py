"""`swarm-chain demo --task courses`: departments' files, a model private in part, and what is measured of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters
from swarm_chain.core.cids import parse_cid
from swarm_chain.core.weights import decode
from swarm_chain.schemas import load_schema
from swarm_chain.tasks import Courses
from swarm_chain.tasks.baselines import alone_rounds
from tests.departments import write_departments
from tests.e2e.running import Demo

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_departments(tmp_path_factory.mktemp("departments"))


@pytest.fixture(scope="module")
def demo(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of three departments that ended well, and whose files stay."""
    options = [word for file in files for word in ("--data", file)]
    made = Demo(tmp_path_factory.mktemp("demo"), "--task", "courses", *options, "--rounds", "4", keep=True)
    try:
        assert made.wait() == 0, made.said
        yield made
    finally:
        made.end()


def test_demo_courses__files__a_node_each_measured_by_its_own_lecturers(demo: Demo) -> None:
    report = demo.report()
    Draft202012Validator(load_schema("demo")).validate(report)
    assert (report["audit"], report["metric"], report["swarm_accuracy"]) == ("PASS", "rmse", None)
    assert len(report["nodes"]) == 3
    assert all(node["alone_metrics"] == {} for node in report["nodes"])
    own = [node["swarm_own_metrics"] for node in report["nodes"]]
    examples = sum(one["test_samples"] for one in own)
    assert examples == report["test_samples"] == 600 - sum(node["samples"] for node in report["nodes"])
    together = sum(one["test_samples"] * one["rmse"] ** 2 for one in own) / examples
    assert report["swarm_metrics"]["rmse"] == pytest.approx(math.sqrt(together))
    assert "test rmse" in demo.out
    assert "4 of 4 rounds finalised" in demo.out


def test_demo_courses__a_node_alone__is_measured_after_its_best_epoch(demo: Demo, files: list[str]) -> None:
    task = Courses(replace(Courses.defaults, epochs=1))
    epochs = alone_rounds(TorchTrainer(task, files[0]), initial_parameters(task), rounds=4 * Courses.defaults.epochs)
    found = [epoch.local_metrics["rmse"] for epoch in epochs]
    assert demo.report()["nodes"][0]["alone_own_metrics"]["rmse"] == pytest.approx(min(found))
    assert min(found) < found[0]


def test_demo_courses__store__has_nothing_of_any_lecturer(demo: Demo) -> None:
    store = LocalStore(demo.kept / "store", writable=False)
    weights = [decode(store.get(parse_cid(one["weights"]))) for one in demo.report()["rounds"]]
    assert {name for each in weights for name in each} == {"circumstances.weight", "level", "students.weight"}
    assert np.abs(weights[-1]["students.weight"]).max() > 0.1
    blocks = [path.read_bytes() for path in (demo.kept / "store").rglob("*") if path.is_file()]
    assert len(blocks) > 20
    assert not any(b"lecturers" in block for block in blocks)
    assert any(b"lecturers" in path.read_bytes() for path in (demo.kept / "nodes").rglob("*") if path.is_file())
