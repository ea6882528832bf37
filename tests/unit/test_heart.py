"""Task `heart`: what it reads, what a model sees, who is for testing, and, with the real files, how good it is."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from swarm_chain.adapters.torch_trainer import TorchTrainer, initial_parameters, score
from swarm_chain.errors import DataError, TaskError
from swarm_chain.ports import Trainer
from swarm_chain.tasks import Heart, load_task
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.heart import COLUMNS, SEX
from swarm_chain.tasks.heart_files import CHECKSUMS, downloaded_files
from swarm_chain.tasks.heart_rows import Patients, features, is_test, read_patients
from swarm_chain.types import RoundNumber
from tests.hospitals import write_hospital, write_hospitals

GOOD = "63,1,4,145,233,1,2,150,0,2.3,3,0,6,0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four hospitals, one of them with a single patient who is well."""
    return write_hospitals(tmp_path)


# -------------------------------------------------------------------------------------------------------------- reading


def test_read_patients__missing_values__leave_out_rows_but_not_for_dropped_columns(tmp_path: Path) -> None:
    path = tmp_path / "some.data"
    path.write_text(
        f"{GOOD}\n63,1,4,?,233,1,2,150,0,2.3,3,0,6,0\n\n28.0,0,2,130,132,0,2,185,0,-.5,?,,?,3\n63{',' * 13}\n"
    )
    patients = read_patients(path)
    assert patients.values.tolist() == [
        [63, 1, 4, 145, 233, 1, 2, 150, 0, 2.3, 0],
        [28, 0, 2, 130, 132, 0, 2, 185, 0, -0.5, 3],
    ]
    assert patients.is_ill.tolist() == [False, True]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (GOOD.replace("145", "many"), "line 17, column 4 (trestbps): no number"),
        (GOOD.replace("2.3", "inf"), "line 17, column 10 (oldpeak): no finite number"),
        (GOOD.replace("63,1,4", "63,1,5"), "line 17, column 3 (cp): none of 1, 2, 3, 4"),
        (GOOD.replace("63,1,4", "63,0.5,4"), "line 17, column 2 (sex): none of 0, 1"),
        (GOOD[:-1] + "9", "line 17, column 14 (num): none of 0, 1, 2, 3, 4"),
        (GOOD[:-2], "line 17, column 14: the line has 13 columns and should have 14"),
        (GOOD + ",1", "line 17, column 15: the line has 15 columns and should have 14"),
    ],
)
def test_open_data__a_field_is_broken__names_file_line_and_column(tmp_path: Path, bad: str, words: str) -> None:
    path = tmp_path / "broken.data"
    path.write_text("\n".join([GOOD] * 16 + [bad, GOOD]))
    with pytest.raises(DataError) as caught:
        Heart().open_data(str(path))
    assert f"{path}, {words}" in str(caught.value)


def test_open_data__no_text__names_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "odd.data").write_bytes(GOOD.encode() + b"\n63,1,\xff" + GOOD.encode())
    with pytest.raises(DataError, match=r"odd\.data, line 2, column 3: no UTF-8 text"):
        Heart().open_data(str(tmp_path / "odd.data"))


@pytest.mark.parametrize(("text", "words"), [("", "no row without"), ("63,1" + "," * 12, "no row without")])
def test_open_data__nobody_in_it__is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "empty.data").write_text(text)
    with pytest.raises(DataError, match=words):
        Heart().open_data(str(tmp_path / "empty.data"))


def test_open_data__no_file__says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give the path of one hospital's file"):
        Heart().open_data(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="give the path of one hospital's file"):
        Heart().open_data(str(tmp_path))


# ------------------------------------------------------------------------------------------------- features and testing


def test_features__amounts__are_normalised_by_training_rows_and_codes_stand_apart(tmp_path: Path) -> None:
    patients = read_patients(write_hospital(tmp_path / "a", ill=30, well=30))
    test = is_test(patients, seed=0)
    seen = features(patients, training=~test)
    assert seen.shape == (60, COLUMNS)
    assert np.allclose(seen[~test][:, :5].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(seen[~test][:, :5].std(axis=0), 1, atol=1e-5)
    assert not np.allclose(seen[test][:, :5].mean(axis=0), 0, atol=1e-3)
    assert (seen[:, SEX] == patients.column("sex")[:, 0]).all()
    assert (seen[:, 8:12].argmax(axis=1) + 1 == patients.column("cp")[:, 0]).all()
    assert (seen[:, 12:15].argmax(axis=1) == patients.column("restecg")[:, 0]).all()
    assert (seen[:, 8:].sum(axis=1) == 2).all()


def test_features__column_does_not_vary__is_centred_only(tmp_path: Path) -> None:
    patients = read_patients(write_hospital(tmp_path / "a", ill=5, well=5))
    patients.values[:, 4] = 0
    seen = features(patients, training=np.ones(10, bool))
    assert (seen[:, 2] == 0).all()
    assert np.isfinite(seen).all()


def test_is_test__third_of_each_kind__and_an_only_one_trains(tmp_path: Path) -> None:
    patients = read_patients(write_hospital(tmp_path / "a", ill=31, well=1))
    test = is_test(patients, seed=0)
    assert test[patients.is_ill].sum() == 10
    assert not test[~patients.is_ill].any()
    other = is_test(patients, seed=1)
    assert other.sum() == 10
    assert (other != test).any()


def test_is_test__rows_in_another_order_or_more_of_them__hardly_any_changes_sides(tmp_path: Path) -> None:
    patients = read_patients(write_hospital(tmp_path / "a", ill=60, well=60))
    test = is_test(patients, seed=3)
    backwards = Patients(values=patients.values[::-1])
    assert (is_test(backwards, seed=3)[::-1] == test).all()
    fewer = Patients(values=patients.values[2:])
    assert (is_test(fewer, seed=3) != test[2:]).sum() <= 2


def test_is_test__equal_rows__share_a_side(tmp_path: Path) -> None:
    values = np.repeat(read_patients(write_hospital(tmp_path / "a", ill=9, well=9)).values, 2, axis=0)
    test = is_test(Patients(values=values), seed=0)
    assert (test[::2] == test[1::2]).all()
    assert 6 <= test.sum() <= 12


# ---------------------------------------------------------------------------------------------------------- dealing out


def test_split__folder__a_hospital_each_and_all_held_out_rows_for_testing(folder: Path) -> None:
    task = Heart().dealing([str(folder)])
    split = task.split(4, 0)
    assert [count(part.training) for part in split.parts] == [60, 53, 14, 40]
    assert count(split.test) == sum(count(part.held_out) for part in split.parts) == 30 + 27 + 7 + 20
    assert count(split.pooled.training) == 60 + 53 + 14 + 40
    first = [row[0] for row in task.open_data(str(folder / "processed.cleveland.data")).held_out]  # type: ignore[attr-defined]
    assert torch.equal(torch.stack(first), torch.stack([split.test[row][0] for row in range(30)]))


def test_split__a_file_for_each_node__is_theirs(folder: Path) -> None:
    task = Heart().dealing([str(folder / "processed.va.data"), str(folder / "processed.hungarian.data")]).seeded(5)
    assert [count(part.training) for part in task.split(2, 5).parts] == [40, 53]


def test_split__other_number_of_nodes_or_another_seed__is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="3 nodes cannot share the files of 4 hospitals"):
        Heart().dealing([str(folder)]).split(3, 0)
    with pytest.raises(TaskError, match="the task's seed, 0, says who is held out"):
        Heart().dealing([str(folder)]).split(4, 1)


def test_dealing__folder_lacks_files__names_them(folder: Path) -> None:
    (folder / "processed.va.data").unlink()
    with pytest.raises(DataError, match=r"lacks processed\.va\.data"):
        Heart().dealing([str(folder)]).split(4, 0)
    with pytest.raises(DataError, match="is no folder"):
        Heart().dealing([str(folder / "processed.cleveland.data")]).split(4, 0)


def test_dealing__digits__deals_out_its_own_alone() -> None:
    task = load_task("digits")
    with pytest.raises(TaskError, match="digits deals out its own data"):
        task.dealing(["somewhere"])  # type: ignore[attr-defined]


def test_write_part__a_hospital__reads_back_the_same(folder: Path, tmp_path: Path) -> None:
    task, path = Heart().dealing([str(folder)]), tmp_path / "node" / "patients.data"
    task.write_part(path, 3, nodes=4, seed=0)
    part, there = task.split(4, 0).parts[3], task.open_data(str(path))
    assert torch.equal(torch.stack([row[0] for row in part.training]), torch.stack([row[0] for row in there.training]))  # type: ignore[attr-defined]


def test_train__folder__learns_and_is_measured_with_intervals_and_by_sex(folder: Path) -> None:
    task = Heart().dealing([str(folder)])
    trainer: Trainer = TorchTrainer(task, str(folder / "processed.cleveland.data"))
    outcome = trainer.train(initial_parameters(task), round_number=RoundNumber(1), on_progress=lambda done: None)
    assert outcome.local_metrics["auroc"] > max(0.7, outcome.base_metrics["auroc"])
    assert outcome.local_metrics["auroc_low"] < outcome.local_metrics["auroc"] < outcome.local_metrics["auroc_high"]
    assert {"female.accuracy", "male.brier"} <= set(outcome.local_metrics)


def test_train__hospital_with_one_who_is_well__has_no_auroc(folder: Path) -> None:
    task = Heart().dealing([str(folder)])
    outcome = TorchTrainer(task, str(folder / "processed.switzerland.data")).evaluate(initial_parameters(task))
    assert "sensitivity" in outcome
    assert not {"auroc", "specificity", "auroc_low", "female.accuracy"} & set(outcome)


# ------------------------------------------------------------------------------------------------------------- download


def archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An archive that serves a folder's files, whose checksums are pinned. Returns what is asked of it."""
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> object:
        asked.append(url.rsplit("/", 1)[1])
        return (folder / asked[-1]).open("rb")

    checksums = {name: sha256((folder / name).read_bytes()).hexdigest() for name in CHECKSUMS}
    monkeypatch.setattr("swarm_chain.tasks.heart_files.urlopen", urlopen)
    monkeypatch.setattr("swarm_chain.tasks.heart_files.CHECKSUMS", checksums)
    return asked


def test_downloaded_files__not_there_yet__are_fetched_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = archive(folder, monkeypatch)
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path / "home"))
    assert [path.read_bytes() for path in downloaded_files()] == [(folder / name).read_bytes() for name in CHECKSUMS]
    assert asked == list(CHECKSUMS)
    downloaded_files()[1].write_text("bit rot")
    assert count(Heart().split(4, 0).parts[1].training) == 53
    assert asked == [*CHECKSUMS, "processed.hungarian.data"]


def test_downloaded_files__other_bytes__are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(folder, monkeypatch)
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path / "home"))
    (folder / "processed.va.data").write_text(GOOD)
    with pytest.raises(DataError, match=r"processed\.va\.data has SHA-256 .* give their folder with --data"):
        downloaded_files()
    assert not (tmp_path / "home" / "data" / "heart-disease" / "processed.va.data").exists()


def test_split__no_data_and_no_network__says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(url: str, timeout: float) -> object:
        raise URLError("no route to host")

    monkeypatch.setattr("swarm_chain.tasks.heart_files.urlopen", urlopen)
    monkeypatch.setenv("SWARM_CHAIN_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"cannot be downloaded .*no route to host.* give their folder with --data"):
        Heart().split(4, 0)


# ------------------------------------------------------------------------------------------------------- the real files


@pytest.fixture
def real() -> str:
    folder = os.environ.get("SWARM_CHAIN_HEART_DATA")
    if not folder:
        pytest.skip("SWARM_CHAIN_HEART_DATA does not name a folder with the four hospitals' files")
    return folder


def test_real_files__rows__are_the_benchmarks(real: str) -> None:
    patients = [read_patients(Path(real) / name) for name in CHECKSUMS]
    assert [len(each) for each in patients] == [303, 261, 46, 130]
    assert [int(each.is_ill.sum()) for each in patients] == [139, 98, 45, 101]


def test_real_files__checksums__are_of_the_archives_files(real: str) -> None:
    for name, checksum in CHECKSUMS.items():
        lines = (Path(real) / name).read_text().split("\n")
        # A copy may leave missing values empty that the archive marks.
        marked = "\n".join(",".join(field or "?" for field in each.split(",")) if each else "" for each in lines)
        assert sha256(marked.encode()).hexdigest() == checksum


def test_real_files__pooled__tells_patients_apart(real: str) -> None:
    task = Heart().dealing([real])
    split, parameters = task.split(4, 0), initial_parameters(task)
    for number in range(1, 4):
        outcome = TorchTrainer(task, split.pooled).train(
            parameters, round_number=RoundNumber(number), on_progress=lambda done: None
        )
        parameters = outcome.parameters
    found = score(task, parameters, split.test)
    assert found["accuracy"] > 0.74
    assert found["auroc_low"] > 0.75
    assert {"female.auroc", "male.auroc"} <= set(found)
