"""Curves for TensorBoard, read back by its own reader."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

from swarm_chain.adapters.meter import Meter
from swarm_chain.adapters.tensorboard import Curves
from swarm_chain.agent.activity import Activity, OnActivity
from swarm_chain.agent.policy import Policy
from swarm_chain.core.traffic import Traffic
from swarm_chain.errors import ConfigurationError, ToolMissing
from tests.swarm import Node, Swarm

FIRST = 7 * (1 + 10 + 100 + 1000) / 4
"""The sum of all parameters after the first round of four nodes."""


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve in a folder, all its points as they were written."""
    reader = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    reader.Reload()
    return {tag: [(one.step, one.value) for one in reader.Scalars(tag)] for tag in reader.Tags()[SCALARS]}


def showing(swarm: Swarm, curves: OnActivity) -> Node:
    """Node 0, started again with curves."""
    node = swarm.restart(swarm.nodes[0])
    node.agent._on_activity = curves
    return node


@pytest.fixture
def curves(tmp_path: Path) -> Callable[[], Curves]:
    return lambda: Curves(tmp_path / "curves", traffic=lambda: Traffic(rpc_sent=7, store_read=11))


def test_curves__agent_of_a_swarm__every_metric_has_a_step_a_round(
    tmp_path: Path, curves: Callable[[], Curves]
) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(rounds=3, spread=0.0)})
    written = curves()
    node = showing(swarm, written)
    swarm.run(rounds=3)
    node.agent.run()
    written.close()
    found = read(tmp_path / "curves")
    assert found["base/sum"] == [(1, 0.0), (2, FIRST), (3, 2 * FIRST)]
    assert found["local/sum"] == [(1, 7.0), (2, FIRST + 7), (3, 2 * FIRST + 7)]
    assert found["head/sum"] == [(0, 0.0), (1, FIRST), (2, 2 * FIRST), (3, 3 * FIRST)]
    assert found["training/samples"] == [(1, 10.0), (2, 10.0), (3, 10.0)]
    assert [step for step, _ in found["training/seconds"]] == [1, 2, 3]
    assert found["traffic/up"] == [(1, 7.0), (2, 7.0), (3, 7.0)]
    assert found["traffic/down"] == [(1, 11.0), (2, 11.0), (3, 11.0)]


def test_curves__agent_killed_and_started_again__goes_on_without_gaps_or_second_values(
    tmp_path: Path, curves: Callable[[], Curves]
) -> None:
    swarm = Swarm(tmp_path)
    for rounds in (1, 2, 4):
        showing(swarm, curves())  # whoever wrote before was killed: nothing was closed
        swarm.run(rounds=rounds)
    found = read(tmp_path / "curves")
    assert found["base/sum"] == [(1, 0.0), (2, FIRST), (3, 2 * FIRST), (4, 3 * FIRST)]
    assert [step for step, _ in found["head/sum"]] == [0, 1, 2, 3]


def test_curves__killed_between_training_and_writing__the_next_process_writes_it(
    tmp_path: Path, curves: Callable[[], Curves]
) -> None:
    swarm = Swarm(tmp_path)
    swarm.run(rounds=1)
    node = showing(swarm, curves())
    node.agent.step()
    assert read(tmp_path / "curves")["local/sum"] == [(1, 7.0)]


@pytest.mark.parametrize("garbage", [b"no events at all" * 9, b""])
def test_curves__a_file_in_the_folder_is_damaged__goes_on_beside_it(
    tmp_path: Path, curves: Callable[[], Curves], garbage: bytes
) -> None:
    written = curves()
    written(Activity(does="training", round=1, trained_round=1, local_metrics={"accuracy": 0.5}))
    written.close()
    (file,) = (tmp_path / "curves").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / "curves" / "events.out.tfevents.1.other.1.0").write_bytes(garbage)
    again = curves()
    again(Activity(does="training", round=2, trained_round=2, local_metrics={"accuracy": 0.75}))
    again.close()
    assert (2, 0.75) in read(tmp_path / "curves")["local/accuracy"]


def test_curves__groups_and_intervals__are_curves_too(tmp_path: Path, curves: Callable[[], Curves]) -> None:
    metrics = {"accuracy": 0.5, "accuracy_low": 0.25, "female.accuracy": 0.125}
    written = curves()
    written(Activity(does="training", round=1, trained_round=1, local_metrics=metrics))
    written.close()
    found = read(tmp_path / "curves")
    assert {name: found[f"local/{name}"] for name in metrics} == {name: [(1, metrics[name])] for name in metrics}


def test_curves__nothing_trained_yet__writes_no_point(tmp_path: Path, curves: Callable[[], Curves]) -> None:
    written = curves()
    written(Activity(does="waiting", round=3))
    written.close()
    assert read(tmp_path / "curves") == {}


def test_curves__package_not_installed__says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ToolMissing, match=r"pip install 'swarm-chain\[tensorboard\]'"):
        Curves(tmp_path, traffic=Meter().total)


def test_curves__folder_cannot_be_made__says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/run cannot be written"):
        Curves(tmp_path / "file" / "run", traffic=Meter().total)
