"""A task of one's own through the demo: the one that `new` writes, and one that uses all that a task may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.adapters.local_store import LocalStore
from swarm_chain.adapters.torch_trainer import PRIVATE, REMEMBERED
from swarm_chain.agent.contribution import read_memory
from swarm_chain.agent.journal import Journal
from swarm_chain.bootstrap import spool_folder
from swarm_chain.config import load_node_config
from swarm_chain.core.cids import parse_cid
from swarm_chain.core.spool import Spool
from swarm_chain.core.weights import decode
from swarm_chain.schemas import load_schema
from swarm_chain.types import Parameters
from tests.command_line import CommandLine
from tests.e2e.running import Demo, start_agent

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")

ROUNDS = 4
VICTIM = "node-2"
EVERYTHING = '''
import torch
from sklearn.datasets import load_wine
from torch import nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, Task, standardised


class Everything(Task):
    """A frozen projection, a shared body, a head of each node's own; Adam lives on, and rounds are counted."""

    defaults = Hyperparameters(epochs=2, batch_size=8, learning_rate=0.01, optimizer="adam", keep_optimizer=True)
    classes = ("one", "two", "three")
    data_example = "wine"
    private = ("head.*",)
    frozen = ("stem.*",)

    def model(self):
        model = nn.Sequential()
        model.add_module("stem", nn.Sequential(nn.Linear(13, 24), nn.BatchNorm1d(24), nn.Tanh()))
        model.add_module("body", nn.Linear(24, 16))
        model.add_module("head", nn.Linear(16, 3))
        return model

    def dataset(self, data):
        inputs, targets = load_wine(return_X_y=True)
        return TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets).long())

    def prepare(self, data):
        return standardised(data)

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

    def train(self, model, examples, on_progress):
        self.memory["trainings"] = self.memory.get("trainings", torch.zeros(())) + 1
        super().train(model, examples, on_progress)
'''


def test_new_then_demo__ends_in_pass(tmp_path: Path) -> None:
    CommandLine(folder=tmp_path).must("new", "t.py")
    demo = Demo(tmp_path, "--task", "t.py:MyTask", "--nodes", "2", "--rounds", "2")
    try:
        assert demo.wait() == 0, demo.said
    finally:
        demo.end()
    report = demo.report()
    Draft202012Validator(load_schema("demo")).validate(report)
    assert report["audit"] == "PASS"
    assert [len(one["included"]) for one in report["rounds"]] == [2, 2]
    assert sum(node["samples"] for node in report["nodes"]) > 100
    assert "audit PASS" in demo.out


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with one node killed as soon as it had trained, and started again."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "own.py").write_text(EVERYTHING)
    demo = Demo(folder, "--task", f"{folder}/own.py:Everything", "--nodes", "3", "--rounds", str(ROUNDS), keep=True)
    try:
        kill_once_trained(demo)
        again = start_agent(demo.config_of(VICTIM), rounds=ROUNDS, log=folder / "again.log")
        assert demo.wait() == 0, demo.said
        assert again.wait(30) == 0, (folder / "again.log").read_text()
        yield demo
    finally:
        demo.end()


def kill_once_trained(demo: Demo) -> None:
    """Kills the victim's agent at the end of a training, after the first round."""
    demo.kill_agent(VICTIM, lambda activity: 1 < activity.round == activity.trained_round)


def memory_of(demo: Demo, name: str) -> Parameters:
    config = load_node_config(demo.config_of(name))
    journal = Journal(config.journal, chain_id=config.chain_id, coordinator=config.contract, account=config.account)
    try:
        return read_memory(journal, Spool(spool_folder(config), LocalStore(demo.kept / "store").get))
    finally:
        journal.close()


@pytest.mark.deep
def test_everything__every_round_passes_the_audit_with_all_nodes(everything: Demo) -> None:
    report = everything.report()
    assert report["audit"] == "PASS"
    assert [len(one["included"]) for one in report["rounds"]] == [3] * ROUNDS
    assert 0.5 < report["swarm_metrics"]["accuracy"] <= 1


@pytest.mark.deep
def test_everything__results__hold_the_shared_layers_alone(everything: Demo) -> None:
    store = LocalStore(everything.kept / "store", writable=False)
    for one in everything.report()["rounds"]:
        assert decode(store.get(parse_cid(one["weights"]))).keys() == {"body.bias", "body.weight"}


@pytest.mark.deep
def test_everything__each_node_killed_or_not__remembers_every_round_once(everything: Demo) -> None:
    memories = {node["name"]: memory_of(everything, node["name"]) for node in everything.report()["nodes"]}
    for name, memory in memories.items():
        assert memory[f"{REMEMBERED}trainings"] == ROUNDS, name
        assert {PRIVATE + "head.bias", PRIVATE + "head.weight"} <= memory.keys()
    steps = {name: int(memory[f"{REMEMBERED}optimizer.0.step"]) for name, memory in memories.items()}
    assert all(count % (2 * ROUNDS) == 0 for count in steps.values())
    assert min(steps.values()) >= 2 * ROUNDS * 3
    heads = [memory[PRIVATE + "head.weight"].tobytes() for memory in memories.values()]
    assert len(set(heads)) == 3


@pytest.mark.deep
def test_everything__nodes_own_heads__are_in_no_block_of_the_store(everything: Demo) -> None:
    blocks = [path.read_bytes() for path in (everything.kept / "store").rglob("*") if path.is_file()]
    assert len(blocks) > 3 * ROUNDS
    for node in everything.report()["nodes"]:
        head = memory_of(everything, node["name"])[PRIVATE + "head.weight"].tobytes()
        assert not any(head in block for block in blocks)
