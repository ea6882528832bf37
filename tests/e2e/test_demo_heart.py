"""`swarm-chain demo --task heart`: hospitals' files, from a folder to an audited model and its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.schemas import load_schema
from tests.command_line import CommandLine
from tests.e2e.running import Demo
from tests.hospitals import write_hospitals

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of four hospitals that ended well."""
    folder = tmp_path_factory.mktemp("hospitals")
    made = Demo(
        tmp_path_factory.mktemp("demo"), "--task", "heart", "--data", str(write_hospitals(folder)), "--rounds", "2"
    )
    try:
        assert made.wait() == 0, made.said
        yield made
    finally:
        made.end()


def test_demo_heart__folder_of_hospitals__each_node_trains_on_its_own(demo: Demo) -> None:
    report = demo.report()
    Draft202012Validator(load_schema("demo")).validate(report)
    assert report["audit"] == "PASS"
    assert [node["samples"] for node in report["nodes"]] == [60, 53, 14, 40]
    assert report["test_samples"] == 84
    assert [len(one["included"]) for one in report["rounds"]] == [4, 4]


def test_demo_heart__model__is_measured_everywhere_with_intervals(demo: Demo) -> None:
    report = demo.report()
    metrics = report["swarm_metrics"]
    assert metrics["accuracy"] == report["swarm_accuracy"]
    assert metrics["auroc_low"] < metrics["auroc"] < metrics["auroc_high"]
    assert {"female.brier", "male.sensitivity"} <= set(metrics)
    # What every hospital holds out is, taken together, what everything is tested on.
    counts = [30, 27, 7, 20]
    right = sum(count * node["swarm_own_accuracy"] for count, node in zip(counts, report["nodes"], strict=True))
    assert right / 84 == pytest.approx(report["swarm_accuracy"])
    assert "the swarm's model is worst at node-" in demo.out
    assert f"auroc {metrics['auroc']:.4g} [{metrics['auroc_low']:.2f} to " in demo.out


def test_demo_heart__a_field_is_broken__is_a_line_that_names_it(tmp_path: Path) -> None:
    path = write_hospitals(tmp_path) / "processed.va.data"
    lines = path.read_text().splitlines()
    lines[16] = "old" + lines[16]
    path.write_text("\n".join(lines))
    error = CommandLine(folder=tmp_path).run("demo", "--task", "heart", "--data", str(tmp_path)).error
    assert f"{path}, line 17, column 1 (age): " in error
