"""Models as files: every byte checked on its way, written whole or not at all, with a card that says what they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core import weights
from swarm_chain.core.cids import Cid, Codec
from swarm_chain.core.documents import FROZEN_WEIGHTS, TaskDocument
from swarm_chain.core.unixfs import import_bytes, import_file
from swarm_chain.errors import (
    BlockNotFound,
    ConfigurationError,
    MalformedDocument,
    MalformedWeights,
    NotFinite,
    ShapeMismatch,
    TooLarge,
    WouldOverwrite,
)
from swarm_chain.models import export as exporting
from swarm_chain.models.card import card_path
from swarm_chain.models.export import export_model
from swarm_chain.models.reading import SwarmReading
from swarm_chain.types import Digest
from tests.chains import MemoryWorld
from tests.histories import START, Made, Script, changed, task_document
from tests.unit.test_models import all_say, says


def read(script: Script) -> SwarmReading:
    return SwarmReading(script.world.chain(None), script.store)


@pytest.fixture
def script() -> Script:
    made = Script(MemoryWorld)
    made.round(update=all_say(accuracy=0.25, loss=2.0, test_samples=40.0))
    made.round(withheld=[3], update=all_say(accuracy=0.5, loss=1.0, test_samples=40.0))
    return made


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --------------------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("number", [0, 1, 2, None])
def test_export_model__a_round__holds_that_rounds_tensors(script: Script, tmp_path: Path, number: int | None) -> None:
    done = export_model(read(script), number, tmp_path / "m.safetensors")
    wanted = script.parameters_of([script.genesis, *script.results][2 if number is None else number])
    found = load_file(tmp_path / "m.safetensors")
    assert found.keys() == wanted.keys()
    assert all((found[name] == wanted[name]).all() and found[name].dtype == wanted[name].dtype for name in wanted)
    assert files_in(tmp_path) == ["m.safetensors", "m.safetensors.md"]
    assert import_file(done.file).cid == done.agreed.document.weights
    assert done.fetched.sha256 == hashlib.sha256(done.file.read_bytes()).hexdigest()


def test_export_model__made_by_a_person__others_may_read_it(script: Script, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        done = export_model(read(script), None, tmp_path / "m.safetensors")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (done.file, done.card)} == {0o644}


@pytest.mark.parametrize("there", ["m.safetensors", "m.safetensors.md"])
@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere"])
def test_export_model__something_is_there__is_refused_and_left_alone(
    script: Script, tmp_path: Path, there: str, kind: str
) -> None:
    path = tmp_path / there
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(WouldOverwrite, match=f"{there} is there already.*--force"):
        export_model(read(script), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == [there]
    assert kind != "file" or path.read_text() == "mine"


@pytest.mark.parametrize("there", ["m.safetensors", "m.safetensors.md"])
def test_export_model__it_comes_meanwhile__is_refused_and_left_alone(
    script: Script, tmp_path: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = exporting.fetch_model

    def slow(*arguments: Any) -> Any:
        (tmp_path / there).write_text("mine")
        return fetch(*arguments)

    monkeypatch.setattr(exporting, "fetch_model", slow)
    with pytest.raises(WouldOverwrite):
        export_model(read(script), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_export_model__told_to_replace__replaces_both(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    file.write_text("old")
    card_path(file).write_text("old")
    export_model(read(script), 1, file, replace=True)
    assert load_file(file).keys() == START.keys()
    assert "round 1" in card_path(file).read_text()
    assert files_in(tmp_path) == ["m.safetensors", "m.safetensors.md"]


@pytest.mark.parametrize("there", ["m.safetensors", "m.safetensors.md"])
def test_export_model__told_to_replace_a_folder__is_refused_and_leaves_nothing(
    script: Script, tmp_path: Path, there: str
) -> None:
    (tmp_path / there).mkdir()
    with pytest.raises(ConfigurationError, match=f"{there} is a folder"):
        export_model(read(script), None, tmp_path / "m.safetensors", replace=True)
    assert files_in(tmp_path) == [there]


def test_export_model__folder_that_is_not_there__says_so(script: Script, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory; choose another place"):
        export_model(read(script), None, tmp_path / "nowhere" / "m.safetensors")


def test_export_model__block_of_the_weights_is_missing__leaves_nothing(script: Script, tmp_path: Path) -> None:
    assert isinstance(script.store, MemoryStore)
    del script.store._blocks[script.result(script.results[1]).weights]
    with pytest.raises(BlockNotFound):
        export_model(read(script), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == []


def forged(forge: Any) -> Script:
    """A swarm whose quorum attested to something that is no model of its task."""
    script = Script(MemoryWorld)

    def with_weights(made: Made) -> Any:
        file = import_bytes(forge(made), script.store.put)
        return replace(made.document, weights=file.cid, bytes=file.size)

    script.round(forge=with_weights)
    return script


@pytest.mark.parametrize(
    ("forge", "error"),
    [
        (lambda made: b"no weights", MalformedWeights),
        (lambda made: weights.encode({"other": np.zeros(3, np.float32)}), ShapeMismatch),
        (lambda made: weights.encode(changed(made, "dense.bias", (1,), lambda _: np.nan)), NotFinite),
        (lambda made: weights.encode(changed(made, "dense.bias", (0,), lambda _: -np.inf)), NotFinite),
        (lambda made: bytes(5000), TooLarge),
    ],
)
def test_export_model__attested_weights_are_no_model__are_refused_and_nothing_stays(
    tmp_path: Path, forge: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="the weights of round 1 cannot be used"):
        export_model(read(forged(forge)), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == []


# --------------------------------------------------------------------------------------------------------------- frozen


BACKBONE: Mapping[str, Any] = {"backbone.weight": np.arange(4, dtype=np.float32), "zero": np.zeros((), np.int64)}


def frozen_swarm(frozen: Mapping[str, Any] = BACKBONE, *, link: str | None = None) -> Script:
    """A swarm whose task has tensors that nobody trains."""
    store = MemoryStore()
    file = import_bytes(weights.encode(frozen), store.put)
    task: TaskDocument = task_document()
    task = replace(task, training={**task.training, FROZEN_WEIGHTS: link or str(file.cid)})
    script = Script(MemoryWorld, store=store, task=task)
    script.round()
    return script


def test_export_model__task_with_frozen_tensors__they_are_in_the_file(tmp_path: Path) -> None:
    script = frozen_swarm()
    done = export_model(read(script), None, tmp_path / "m.safetensors")
    found = load_file(done.file)
    assert found.keys() == START.keys() | BACKBONE.keys()
    assert (found["backbone.weight"] == BACKBONE["backbone.weight"]).all()
    assert (found["dense.bias"] == script.parameters_of(script.results[0])["dense.bias"]).all()
    with weights.WeightsFile(done.file) as opened:  # canonical, as all weights are
        assert [spec.name for spec in opened.specs] == sorted(found)
    assert str(done.fetched.frozen) in done.card.read_text()
    assert FROZEN_WEIGHTS not in done.card.read_text()
    assert files_in(tmp_path) == ["m.safetensors", "m.safetensors.md"]


def test_export_model__frozen_tensors_that_no_store_has__leaves_nothing(tmp_path: Path) -> None:
    nowhere = str(Cid(Codec.RAW, Digest(b"\x05" * 32)))
    with pytest.raises(BlockNotFound):
        export_model(read(frozen_swarm(link=nowhere)), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (lambda: frozen_swarm({"dense.bias": np.zeros(3, np.float32)}), MalformedWeights),
        (lambda: frozen_swarm({"x": np.array([np.nan])}), NotFinite),
        (lambda: frozen_swarm(link="no CID"), MalformedDocument),
    ],
)
def test_export_model__frozen_tensors_that_cannot_be__are_refused(
    tmp_path: Path, script: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        export_model(read(script()), None, tmp_path / "m.safetensors")
    assert files_in(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------- card


def card_of(script: Script, number: int | None, folder: Path) -> str:
    return export_model(read(script), number, folder / "m.safetensors").card.read_text()


def test_card__of_a_round__says_what_it_is_and_who_took_part(script: Script, tmp_path: Path) -> None:
    card = card_of(script, 2, tmp_path)
    result = script.result(script.results[1])
    for digest in (script.genesis, *script.results):
        assert digest.hex() in card
        assert str(script.result(digest).weights) in card
    for text in (
        "the model of round 2",
        str(result.cid()),
        str(script.task.cid()),
        "0x" + script.world.chain(None).coordinator.hex(),
        hashlib.sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest(),
        "| epochs | 1 |",
        r"weighted\_mean",
        "cleo (`0x90f7…b906`) unavailable",
        "## Intended use",
        "To be written by whoever answers for this model",
        "## Limits",
    ):
        assert text in card, text


def test_card__result_that_sites_measured__has_a_line_each_and_names_the_worst(tmp_path: Path) -> None:
    script = Script(MemoryWorld)
    script.round()
    script.round(
        update={
            1: says(accuracy=0.5, accuracy_low=0.4, accuracy_high=0.625, loss=3.0, test_samples=10.0),
            2: says(accuracy=0.9, loss=1.0, test_samples=30.0),
            3: says(accuracy=0.9, loss=1.0, test_samples=30.0),
        }
    )
    card = card_of(script, 1, tmp_path)
    assert "| site | accuracy (higher is better) | loss (lower is better) | test examples |" in card
    assert "| anna (`0x7099…79c8`) | 0.5 (0.4 to 0.625) | 3 | 10 |" in card
    assert "| **all sites** | **0.8429** | **1.286** |  |" in card
    assert "By accuracy it does worst at anna (`0x7099…79c8`): 0.5." in card
    assert "No update was trained from this model yet" not in card


def test_card__any__says_that_figures_are_with_each_sites_private_tensors(script: Script, tmp_path: Path) -> None:
    text = " ".join(card_of(script, 1, tmp_path).split())
    assert "each site measured the model together with its own: with this file alone it does otherwise" in text


def test_card__head__says_that_nobody_measured_it_and_what_was_measured_last(script: Script, tmp_path: Path) -> None:
    card = card_of(script, 2, tmp_path)
    assert "No update was trained from this model yet" in card
    assert "the result of round 1:" in card
    assert "**0.5**" in card


def test_card__nothing_measured__says_so(tmp_path: Path) -> None:
    assert "Nobody has measured this model" in card_of(Script(MemoryWorld), None, tmp_path)


def test_card__names_that_strangers_chose__are_no_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trick = "<script>|x|[a](http://b)\n# c\x1b[1m"
    monkeypatch.setattr("tests.histories.LABELS", ("admin", trick, "bert", "cleo"))
    script = Script(MemoryWorld, task=replace(task_document(), name="<b>|`x`"))
    script.round(update=all_say(**{"<img src=x>": 1.0}))
    script.round()
    card = card_of(script, 1, tmp_path)
    assert "\x1b" not in card
    assert r"\<script\>\|x\|\[a\]\(http\:\/\/b\)?\# c?\[1m" in card
    assert "# \\<b\\>\\|\\`x\\`: the model of round 1" in card
    assert not [line for line in card.splitlines() if line.startswith("# ") and "the model of" not in line]
    assert "<" not in card.replace("\\<", "")


def test_card__result_document_of_an_earlier_round_missing__says_so(script: Script, tmp_path: Path) -> None:
    assert isinstance(script.store, MemoryStore)
    del script.store._blocks[script.result(script.results[0]).cid()]
    assert "| 1 | the result's document is not at hand |  |" in card_of(script, 2, tmp_path)
