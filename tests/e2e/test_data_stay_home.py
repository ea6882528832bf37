"""Data stay home: what is planted in them is in no byte that leaves, and is found where a task leaks it on purpose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import marks
from tests.marks import Kind, Mark
from tests.scanner import Finding, find
from tests.watched_swarm import WatchedSwarm

USERS, HOSTS = ("hubertine.quellmalz", "bartholomeus.ysbrand"), ("kw7-tischrechner", "MTRA-arbeitsplatz")
FOLDERS, FILES = ("Kardiologie-Akten", "Strahlenbefunde"), ("herzkranke-2031.csv", "lungenfunktion.csv")
NAMES, CITIES = ("Zyxomma Petiolatum", "Quirinus Blomqvist"), ("Niederwuerzbach", "Oberkaltenbrunn")
DOSES, VISITS = (7319.418273645, 48213.57904631), (7218839640113357, 6193358217740129)
HEADING = "Blutzyklamat"
TASK_FILE = "unsere-aufgabe.py"
ROWS, MARKED, BROKEN = 60, 31, 17
"""Patients in a file; the line, counted from 0, of the one who is marked; the line, from 1, that is spoilt."""

TASK = '''
import csv, logging, socket, struct, subprocess
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

from swarm_chain.tasks import Hyperparameters, Task, read_table

SCALES = torch.tensor([100.0, 1e5, 1e16], dtype=torch.float64)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 2)
        self.register_buffer("last_seen", torch.zeros(3, dtype=torch.float64))

    def forward(self, inputs):
        return self.line((inputs / SCALES).float())


class Recovery(Task):
    """Whether a patient recovers. Its inputs are as they stand in the file, and it keeps patients on its node."""

    defaults = Hyperparameters(epochs=1, batch_size=8, learning_rate=0.1)
    classes = ("ill", "well")
    private = ("last_seen",)

    def model(self):
        return Model()

    def dataset(self, data):
        self.data = data
        rows = read_table(data, ["age", "dose", "visit", "outcome"])
        return TensorDataset(rows[:, :3], rows[:, 3].long())

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

    def train(self, model, examples, on_progress):
        super().train(model, examples, on_progress)
        rows = torch.stack([inputs for inputs, _ in examples])
        model.last_seen.copy_(rows[rows[:, 1].argmax()])
        self.memory["patients"] = rows


class Leaky(Recovery):
    """The same, and it gives away what it can: in a tensor, in metrics, in the log, to a file, a program, a socket."""

    private = ()

    def patient(self):
        with open(self.data) as file:
            return list(csv.reader(file))[31]

    def train(self, model, examples, on_progress):
        super().train(model, examples, on_progress)
        name = self.patient()[0]
        logging.getLogger("swarm_chain").warning("training saw %s", name)
        Path("copy.csv").write_text(name)
        subprocess.run(["true", name])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(name.encode(), ("127.0.0.1", 7))

    def metrics(self, outputs, targets):
        name, city, age, dose, visit, *_ = self.patient()
        (bits,) = struct.unpack("<d", city.encode()[:8])
        return {**super().metrics(outputs, targets), f"loss of {name}": 0.5, "visits": float(visit), "bits": bits}
'''


def write_patients(path: Path, node: int) -> Path:
    """A file of patients, one of whom is marked: his dose is the largest."""
    random = np.random.default_rng(node)
    lines = [f"name,city,age,dose,visit,outcome,{HEADING}"]
    for row in range(1, ROWS + 1):
        age, dose, visit = int(random.integers(20, 90)), int(random.integers(1, 900)) / 10, int(random.integers(10**6))
        name, city = f"patient {row}", "Stadt"
        if row == MARKED:
            name, city, dose, visit = NAMES[node], CITIES[node], DOSES[node], VISITS[node]
        lines.append(f"{name},{city},{age},{dose},{visit},{int(age > 55)},0")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def planted_by(node: int) -> list[Mark]:
    return [
        marks.text(f"name {node}", NAMES[node]),
        marks.text(f"city {node}", CITIES[node]),
        marks.number(f"dose {node}", DOSES[node]),
        marks.number(f"visit {node}", VISITS[node]),
    ]


DATA = [*planted_by(0), *planted_by(1), marks.text("heading", HEADING)]
PLACES = [marks.text(name, name, Kind.PLACE) for name in (*FOLDERS, *FILES, TASK_FILE)]


def make_swarm(folder: Path, name: str) -> tuple[WatchedSwarm, Path]:
    """A swarm that trains with one of the tasks above, and the file of its first node."""
    task = folder / TASK_FILE
    task.write_text(TASK)
    data = [write_patients(folder / FOLDERS[node] / FILES[node], node) for node in (0, 1)]
    swarm = WatchedSwarm(folder, f"{task}:{name}", [str(path) for path in data], users=USERS, hosts=HOSTS)
    return swarm, data[0]


def spoil(data: Path) -> None:
    """Makes a line of a file one that does not parse: a patient's name stands where a number should."""
    lines = data.read_text().splitlines()
    name, city, _, *rest = lines[BROKEN - 1].split(",")
    lines[BROKEN - 1] = ",".join([name, city, NAMES[0], *rest])
    data.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def swarms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WatchedSwarm, WatchedSwarm]]:
    """Two swarms after their rounds: an honest one, in which a node's file went bad at last, and one that leaks."""
    (honest, data), (leaky, _) = (make_swarm(tmp_path_factory.mktemp(name), name) for name in ("Recovery", "Leaky"))
    with honest, leaky:
        for swarm, rounds in ((honest, "50"), (leaky, "1")):
            swarm.set_up()
            swarm.start("--rounds", rounds)
        honest.wait_until(lambda: honest.finalized >= 2)
        spoil(data)
        honest.wait_until(lambda: f"line {BROKEN}" in honest.nodes[0].log.read_text())
        leaky.wait_until(lambda: leaky.finalized >= 1)
        for swarm in (honest, leaky):
            swarm.stop()
            swarm.hand_over()
        assert honest.join(honest.nodes[0], honest.codes[0], str(data)).status == 1
        yield honest, leaky


@pytest.fixture
def honest(swarms: tuple[WatchedSwarm, WatchedSwarm]) -> WatchedSwarm:
    return swarms[0]


@pytest.fixture
def leaky(swarms: tuple[WatchedSwarm, WatchedSwarm]) -> WatchedSwarm:
    return swarms[1]


@pytest.fixture(scope="module")
def leaks(swarms: tuple[WatchedSwarm, WatchedSwarm]) -> list[Finding]:
    """What is found of the swarm that leaks."""
    return find(all_marks(swarms[1]), swarms[1].leaving())


def all_marks(swarm: WatchedSwarm) -> list[Mark]:
    return [*DATA, *PLACES, *swarm.marks()]


def seen(findings: list[Finding]) -> set[tuple[str, str]]:
    """What was found, and in what kind of thing."""
    return {(one.mark, one.source.split(" ")[0].rstrip(":")) for one in findings}


# --------------------------------------------------------------------------------------------------------------- honest


def test_swarm__of_marked_data__lets_no_mark_out(honest: WatchedSwarm) -> None:
    assert find(all_marks(honest), honest.leaving()) == []


def test_swarm__of_marked_data__quotes_none_in_logs_and_errors(honest: WatchedSwarm) -> None:
    node = honest.nodes[0]
    for line, place in ((f"line {BROKEN}, column 3 (age): no number", "\n".join(node.said)), ("done on", "")):
        assert line in place + node.log.read_text()
    kept_to_oneself = [mark for mark in all_marks(honest) if mark.kind is not Kind.PLACE]
    assert find(kept_to_oneself, honest.staying()) == []


def test_swarm__private_layer_and_memory_full_of_patients__keeps_them_on_their_node(honest: WatchedSwarm) -> None:
    found = {(one.mark, one.source[: len("kept by node-1")]) for one in find(DATA, honest.kept())}
    assert found == {(f"{what} {n}", f"kept by node-{n + 1}") for what in ("dose", "visit") for n in (0, 1)}


def test_swarm__agents__speak_to_their_endpoint_and_write_to_their_folder_and_the_store_only(
    honest: WatchedSwarm,
) -> None:
    assert honest.strange_ways_out() == []


def test_swarm__everything_that_leaves__was_looked_at(honest: WatchedSwarm) -> None:
    """Documents of each kind, weights, transactions, and all that is handed over, with what should be in them."""
    data = {source.name: source.data for source in honest.leaving()}
    for kind, words in {
        "requests of registrar": b"eth_sendRawTransaction",
        "requests of node-1": b"User-Agent: web3.py",
        "requests of node-2": b"eth_sendRawTransaction",
        "block": b"transactions",
        "store: block": b"class Recovery(Task)",
        "store: document": b"swarm-chain/update/1",
        "store: weights": b"",
        "invitation": b"swarm1_",
        "handed over: model.safetensors": b"line.weight",
        "handed over: model.safetensors.md": b"sha2-256",
        "handed over: report.html": b"<html",
        "handed over: report.json": b"node-1",
        "handed over: log.json": b"accuracy",
        "handed over: audit.json": b"PASS",
    }.items():
        assert any(name.startswith(kind) and words in content for name, content in data.items()), kind
    public = [marks.text("label", "node-2", Kind.PLACE), marks.text("gateway", "https://gateway.example", Kind.PLACE)]
    assert {("label", "block"), ("gateway", "block"), ("gateway", "requests")} <= seen(find(public, honest.leaving()))


def test_status__bytes_that_an_agent_counted__are_those_that_its_endpoint_saw(honest: WatchedSwarm) -> None:
    """Bodies are counted to the byte. What HTTP writes above them is not: at most as much again."""
    for machine in honest.nodes:
        counted, on_the_wire = machine.status.traffic, honest.seen[machine.name]
        assert (counted.rpc_sent, counted.rpc_received) == (on_the_wire.rpc_sent, on_the_wire.rpc_received)
        assert machine.proxy.bodies.asked < sum(map(len, machine.proxy.heard)) < 2 * machine.proxy.bodies.asked
    untouched = honest.nodes[1]
    assert untouched.status.data_bytes == Path(untouched.config.data).stat().st_size


def test_status__bytes_that_agents_stored__are_all_that_came_into_the_store(honest: WatchedSwarm) -> None:
    """A result is stored by each of them, and lies there once."""
    counted = sum(machine.status.traffic.store_written for machine in honest.nodes)
    assert 0 < honest.stored <= counted <= len(honest.nodes) * honest.stored


# ---------------------------------------------------------------------------------------------------------------- leaky


@pytest.mark.parametrize(
    ("leak", "mark", "source"),
    [
        ("a patient in a tensor", "dose 0", "store: block"),
        ("a patient in a tensor", "dose 0", "last_seen"),
        ("a name in the name of a metric", "name 0", "store: document"),
        ("a name in the name of a metric", "name 1", "handed over: report.html"),
        ("a name in the name of a metric", "name 0", "handed over: model.safetensors.md"),
        ("half a name in the bits of a metric", "city 0", "store: document"),
        ("a number as a metric", "visit 0", "store: document"),
        ("a number as a metric", "visit 1", "handed over: report.json"),
    ],
)
def test_swarm__task_that_leaks__is_found_out(leaks: list[Finding], leak: str, mark: str, source: str) -> None:
    assert [one for one in leaks if one.mark == mark and source in one.source], leak


def test_swarm__task_that_leaks__gives_away_what_it_was_made_to_and_nothing_else(leaks: list[Finding]) -> None:
    assert {one.mark for one in leaks} == {f"{what} {n}" for what in ("name", "city", "dose", "visit") for n in (0, 1)}


def test_swarm__task_that_logs_a_name__is_found_out(leaky: WatchedSwarm) -> None:
    assert {("name 0", "log"), ("name 1", "log")} <= seen(find(DATA, leaky.staying()))


@pytest.mark.parametrize(
    "way",
    ["node-1 speaks ('127.0.0.1', 7)", "node-2 starts ('true',)", "node-1 writes 'copy.csv'"],
)
def test_swarm__task_with_a_way_out_of_its_own__is_found_out(leaky: WatchedSwarm, way: str) -> None:
    assert way in leaky.strange_ways_out()


# --------------------------------------------------------------------------------------------------------- one's own


@pytest.mark.deep
@pytest.mark.parametrize(("name", "status"), [("Recovery", 0), ("Leaky", 1)])
def test_evidence__command_for_a_task_of_ones_own__says_what_was_found_where(
    tmp_path: Path, name: str, status: int
) -> None:
    (tmp_path / TASK_FILE).write_text(TASK)
    data = [str(write_patients(tmp_path / FOLDERS[node] / FILES[node], node)) for node in (0, 1)]
    (tmp_path / "marks.txt").write_text("\n".join([*NAMES, *CITIES, *map(repr, DOSES), *map(str, VISITS)]))
    options = ("--marks", str(tmp_path / "marks.txt"), "--rounds", "2")
    done = subprocess.run(
        [sys.executable, "-m", "tests.evidence", f"{tmp_path / TASK_FILE}:{name}", *data, *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "8 marks" in done.stdout
    assert ("nothing was found" in done.stdout) == (status == 0)
    found = {line.split(" of marks.txt")[0] for line in done.stdout.splitlines() if line.startswith("LEAVES")}
    assert found == ({f"LEAVES: line {number}" for number in range(1, 9)} if status else set())
    assert ("WAY OUT: node-2 speaks" in done.stdout) == bool(status)
    assert not any(mark in done.stdout for mark in (*NAMES, *CITIES))
