"""Data that change while a swarm trains: counted, learnt from, and missed where they are broken."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from swarm_chain.adapters.torch_trainer import score
from swarm_chain.agent.activity import Health
from swarm_chain.agent.policy import Policy
from swarm_chain.errors import DataError
from swarm_chain.tasks import Hyperparameters, Task, read_table
from swarm_chain.types import NodeStatus
from tests.swarm import Node, Swarm, TorchSwarm

SLOPE, NEW_SLOPE = 2.0, -3.0


class TwoAmounts(Task):
    """An outcome that two amounts make up; `data` is a CSV file."""

    defaults = Hyperparameters(epochs=5, batch_size=8, learning_rate=0.1)

    def model(self) -> nn.Module:
        return nn.Linear(2, 1)

    def dataset(self, data: str) -> TensorDataset:
        rows = read_table(data, ["first", "second", "outcome"]).float()
        return TensorDataset(rows[:, :2], rows[:, 2:])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs, targets)


def row(number: int, *, is_new: bool = False) -> str:
    first, second = (number * 37 % 101) / 101, (number * 53 % 89) / 89 if is_new else 0.0
    return f"{first},{second},{SLOPE * first + NEW_SLOPE * second}\n"


def rows(*numbers: int, is_new: bool = False) -> str:
    return "".join(row(number, is_new=is_new) for number in numbers)


class World:
    """Two nodes, whose first rows say nothing of the second amount."""

    def __init__(self, folder: Path, policies: dict[int, Policy] | None = None) -> None:
        self.files = [folder / "a.csv", folder / "b.csv"]
        for file, start in zip(self.files, (0, 200), strict=True):
            file.write_text("first,second,outcome\n" + rows(*range(start, start + 60)))
        self.swarm = TorchSwarm(folder, TwoAmounts, [str(file) for file in self.files], policies=policies)

    def add(self, node: int, count: int, start: int = 1000) -> None:
        with self.files[node].open("a") as file:
            file.write(rows(*range(start, start + count), is_new=True))

    def samples(self, node: Node) -> int:
        return next(one.samples for one in self.swarm.updates() if one.node == node.account)


def loss_on_new_rows(swarm: TorchSwarm) -> float:
    inputs = torch.rand(200, 2, generator=torch.Generator().manual_seed(3))
    targets = (inputs * torch.tensor([SLOPE, NEW_SLOPE])).sum(dim=1, keepdim=True)
    return score(TwoAmounts(), swarm.parameters_of(swarm.head()), TensorDataset(inputs, targets))["loss"]


def test_rows_added_between_rounds__are_counted_in_the_next_update_and_the_head_learns_from_them(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    swarm, node = world.swarm, world.swarm.nodes[0]
    swarm.run(rounds=2)
    before, blind = world.samples(node), loss_on_new_rows(swarm)
    assert before + node.journal.training().local_metrics["test_samples"] == 60
    world.add(0, 60)
    swarm.run(rounds=3)
    assert world.samples(node) + node.journal.training().local_metrics["test_samples"] == 120
    assert world.samples(node) > before + 30
    swarm.run(rounds=8)
    assert loss_on_new_rows(swarm) < 0.1 * blind
    weights = {entry.node: entry.weight for entry in swarm.head().included}
    assert weights[node.account] == world.samples(node)


def test_min_new_samples__a_file_that_does_not_grow__its_node_sits_out_until_there_are_enough(tmp_path: Path) -> None:
    world = World(tmp_path, policies={0: Policy(min_new_samples=20, spread=0.0)})
    swarm, patient = world.swarm, world.swarm.nodes[0]
    third = tmp_path / "c.csv"
    third.write_text("first,second,outcome\n" + rows(*range(300, 360)))
    swarm.data = [*swarm.data, str(third)]
    swarm.nodes.append(swarm.join(2))
    swarm.run(rounds=1)
    before = world.samples(patient)
    swarm.run(rounds=3)
    assert swarm.chain.node_info(patient.account).status == NodeStatus.SUSPENDED
    assert {one.node for one in swarm.updates()} == {node.account for node in swarm.nodes[1:]}
    world.add(0, 15)
    swarm.run(rounds=4)
    assert patient.account not in {one.node for one in swarm.updates()}
    world.add(0, 25, start=2000)
    swarm.run_until(lambda: patient.account in {one.node for one in swarm.updates()} and _is_recent(world, before))
    assert world.samples(patient) >= before + 20


def _is_recent(world: World, before: int) -> bool:
    return world.samples(world.swarm.nodes[0]) > before


def test_min_new_samples__data_that_take_long_to_read__are_counted_now_and_then(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, policies={0: Policy(min_new_samples=5, spread=0.0)})
    patient = swarm.nodes[0]
    swarm.run(rounds=1)
    counted: list[float] = []

    def samples() -> int:
        counted.append(swarm.chain.look().now)
        swarm.chain.advance(2)
        return int(patient.trainer.count)

    patient.trainer.samples = samples
    for _ in range(200):
        for node in swarm.nodes:
            node.agent.step()
        swarm.chain.advance(1)
    assert 3 < len(counted) < 12
    assert all(later - earlier >= 40 for earlier, later in pairwise(counted))
    patient.trainer.count += 5
    rounds = swarm.chain.look().swarm.finalized_rounds
    swarm.run(rounds=rounds + 40)
    assert len(patient.trainer.trainings) == 2


def test_file_broken_in_line_17__is_named_and_the_node_goes_on_once_it_is_repaired(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    swarm, node = world.swarm, world.swarm.nodes[0]
    swarm.run(rounds=1)
    good = world.files[0].read_text()
    lines = good.splitlines()
    lines[16] = "0.5;0.0;1.0"
    world.files[0].write_text("\n".join(lines))
    place = f"{world.files[0]}, line 17: 1 fields where line 1 names 3 columns"
    swarm.run_until(lambda: any(place in one.note and one.health is Health.TROUBLED for one in node.activities))
    assert place in caplog.text
    assert node.journal.training().round == 1
    world.files[0].write_text(good)
    swarm.run(rounds=3, steps=5000)
    assert world.samples(node) > 40


def test_file_broken_before_the_first_round__ends_the_agent_with_file_and_line(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.files[0].write_text("first,second,outcome\n" + rows(*range(15)) + "0.5,0.0\n" + rows(*range(20, 40)))
    with pytest.raises(DataError, match=r"a\.csv, line 17: 2 fields where line 1 names 3 columns"):
        world.swarm.run(rounds=1)
