"""docs/how-to/your-own-task.md: every Python block of it, run."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest
import torch
from safetensors.torch import load_file

from swarm_chain.adapters.torch_trainer import PRIVATE, REMEMBERED, TorchTrainer, initial_parameters
from swarm_chain.core.documents import MergeSettings
from swarm_chain.genesis import make_genesis, start_from_file
from swarm_chain.tasks import load_task
from swarm_chain.tasks.base import Task
from swarm_chain.tasks.baselines import alone_rounds
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.types import TrainingOutcome
from tests.docs import DOCS, blocks

PAGE = "how-to/your-own-task.md"
SPLIT, BREAST, *VARIATIONS = blocks(PAGE, "python")
SAVE = next(block for block in VARIATIONS if "save_file" in block)
VARIATIONS.remove(SAVE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder: three hospitals' files, and the task with all that the page puts below it."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("split.py").write_text(SPLIT)
        run_path("split.py")
    (folder / "breast.py").write_text("\n\n".join([BREAST, *VARIATIONS]))
    return folder


def trained(folder: Path, name: str, rounds: int = 2, **settings: object) -> list[TrainingOutcome]:
    kind = load_task(f"{folder}/breast.py:{name}")
    task = type(kind)(type(kind.defaults)(**{**kind.defaults.document(), **settings}))  # type: ignore[arg-type]
    trainer = TorchTrainer(task, str(folder / "hospital-2.csv"))
    return list(alone_rounds(trainer, initial_parameters(task), rounds=rounds))


def test_split__three_files__hold_every_row_once(folder: Path) -> None:
    lines = [row for number in (1, 2, 3) for row in (folder / f"hospital-{number}.csv").read_text().splitlines()[1:]]
    assert len(lines) == 569
    assert sum(line.endswith(",1") for line in lines) == 212


def test_breast__as_it_stands__learns(folder: Path) -> None:
    first, *_, last = trained(folder, "Breast", rounds=5)
    assert 100 < last.samples < 190
    assert last.samples + last.local_metrics["test_samples"] == 190
    assert last.local_metrics["accuracy"] > 0.85 > first.base_metrics["accuracy"]
    assert {"auroc", "sensitivity_low", "brier"} <= last.local_metrics.keys()


NAMES = [name for block in VARIATIONS for name in re.findall(r"^class (\w+)\(Breast\)", block, re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_variation__trains(folder: Path, name: str) -> None:
    last = trained(folder, name)[-1]
    assert last.samples > 100
    assert last.local_metrics["loss"] < last.base_metrics["loss"] or last.local_metrics["accuracy"] > 0.8


def test_variations__are_all_there() -> None:
    assert NAMES == ["Careful", "Adapted", "Patient", "Measured", "Streamed", "LastHeldOut"]


def test_careful__settings_of_its_own__can_be_set(folder: Path) -> None:
    assert trained(folder, "Careful", rounds=1, hidden=7)[0].parameters["0.weight"].shape == (7, 30)


def test_adapted__layers__are_where_the_page_says(folder: Path) -> None:
    last = trained(folder, "Adapted")[-1]
    assert last.parameters.keys() == {"shared.1.weight", "shared.1.bias"}
    assert last.memory.keys() == {PRIVATE + "own.weight", PRIVATE + "own.bias"}


def test_save__the_models_file__is_one_to_start_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    kind = type(load_task("breast.py:Adapted"))
    Path("save.py").write_text(SAVE)
    run_path("save.py", {"Adapted": kind})
    task = kind()
    made = make_genesis(
        task, MergeSettings(rule="mean"), start=start_from_file(task, folder / "pretrained.safetensors")
    )
    saved = load_file(folder / "pretrained.safetensors")
    assert torch.equal(torch.from_numpy(task.frozen_parameters["fixed.bias"]), saved["fixed.bias"])
    assert made.frozen is not None


def test_patient__rounds__are_remembered(folder: Path) -> None:
    assert [int(one.memory[f"{REMEMBERED}rounds"]) for one in trained(folder, "Patient", rounds=3)] == [1, 2, 3]


def test_measured__group_and_metric__are_in_what_it_reports(folder: Path) -> None:
    metrics = trained(folder, "Measured")[-1].local_metrics
    assert {"missed", "large.accuracy", "large.missed"} <= metrics.keys()


def test_last_held_out__forty_rows__judge(folder: Path) -> None:
    last = trained(folder, "LastHeldOut")[-1]
    assert (last.samples, last.local_metrics["test_samples"]) == (150, 40)


@pytest.mark.parametrize("name", sorted(Hyperparameters().document()))
def test_page__names_every_hyper_parameter(name: str) -> None:
    assert f"`{name}`" in (DOCS / PAGE).read_text()


def test_page__names_everything_that_a_task_may_define() -> None:
    text = (DOCS / PAGE).read_text()
    table = text[text.index("## What a task says") : text.index("### Hyper-parameters")]
    inner = {"predictions", "measure", "evaluate", "seeded", "located", "source", "source_code", "version", "device"}
    public = {name for name in vars(Task) if not name.startswith("_")} - inner
    assert not [name for name in sorted(public) if f"`{name}" not in table and f"`{name}`" not in table]
