"""An agent is killed while it trains: the swarm goes on without it, and takes it back when it returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_chain.types import NodeResumed, NodeSuspended, SuspensionReason
from tests.e2e.running import Demo, start_agent

pytestmark = pytest.mark.deep

ROUNDS = 24
"""A node that starts anew takes as long as a few of them, on a busy machine ten."""
SLOW = ("--nodes", "3", "--rounds", str(ROUNDS), "--set", "epochs=100")
VICTIM = "node-2"


@pytest.mark.parametrize("client", ["anvil", pytest.param("ganache", marks=pytest.mark.deep)])
def test_kill__agent_while_it_trains__is_suspended_then_resumes_and_is_included_again(
    tmp_path: Path, client: str
) -> None:
    demo = Demo(tmp_path, *SLOW, "--client", client, keep=True)
    try:
        killed_in = kill_while_training(demo)
        demo.wait_until(lambda: suspensions(demo))
        again = start_agent(demo.config_of(VICTIM), rounds=ROUNDS, log=tmp_path / "again.log")
        assert demo.wait(480) == 0, demo.said
        assert again.wait(30) == 0, (tmp_path / "again.log").read_text()
        events = demo.events()
    finally:
        demo.end()
    included = {one["number"]: one["included"] for one in demo.report()["rounds"]}
    assert VICTIM not in included[killed_in]
    assert VICTIM in included[ROUNDS]
    assert len(included[killed_in]) == 2
    account = {node["name"]: node["address"] for node in demo.report()["nodes"]}[VICTIM]
    (absence,) = [event for event in events if is_absence(event)]
    assert isinstance(absence, NodeSuspended)
    assert "0x" + absence.node.hex() == account
    assert [event.node for event in events if isinstance(event, NodeResumed)] == [absence.node]
    assert f"{VICTIM} is gone: killed by signal 9" in demo.said
    assert f"{VICTIM} is back" in demo.said


def kill_while_training(demo: Demo) -> int:
    """Kills the victim's agent in the middle of a training, after the first round; the round it was in."""
    return demo.kill_agent(VICTIM, lambda activity: activity.does == "training" and activity.round > 1).round


def suspensions(demo: Demo) -> list[object]:
    return [event for event in demo.events() if is_absence(event)]


def is_absence(event: object) -> bool:
    return isinstance(event, NodeSuspended) and event.reason == SuspensionReason.ABSENCE
