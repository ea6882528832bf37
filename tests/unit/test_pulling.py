"""A folder that always holds a whole model: what readers see, what is kept, what is refused."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from safetensors.numpy import load_file

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import BlockNotFound, ChainUnavailable, ConfigurationError
from swarm_chain.models.folder import ModelFolder
from swarm_chain.models.pulling import Origin, Puller
from swarm_chain.schemas import load_schema
from swarm_chain.types import Address
from tests.chains import MemoryWorld
from tests.histories import Script


def origin(script: Script, *, chain: Any = None) -> Origin:
    return Origin(
        chain=chain or script.world.chain(None),
        store=script.store,
        depth=0,
        elsewhere=lambda chain_id, contract: None,
    )


def puller(script: Script, root: Path, *, keep: int = 3) -> Puller:
    return Puller(lambda: origin(script), ModelFolder(root, keep=keep))


@pytest.fixture
def script() -> Script:
    made = Script(MemoryWorld)
    made.round()
    return made


def versions(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.is_symlink() and path.is_dir())


def round_in(folder: Path) -> int:
    found: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return int(found["round"])


def test_pull__first_time__current_has_the_heads_model_and_says_what_it_is(script: Script, tmp_path: Path) -> None:
    pulled = puller(script, tmp_path).pull()
    assert pulled is not None
    current = tmp_path / "current"
    assert current.resolve() == pulled.version
    said = json.loads((current / "model.json").read_text())
    Draft202012Validator(load_schema("model")).validate(said)
    result = script.result(script.results[0])
    assert (said["round"], said["result"]["cid"], said["weights"]) == (1, str(result.cid()), str(result.weights))
    assert import_file(current / "model.safetensors").cid == result.weights
    wanted = script.parameters_of(script.results[0])
    assert all((array == wanted[name]).all() for name, array in load_file(current / "model.safetensors").items())
    assert "the model of round 1" in (current / "model.safetensors.md").read_text()
    assert not list(tmp_path.glob(".*"))


def test_pull__again__does_nothing_until_the_head_moves(script: Script, tmp_path: Path) -> None:
    one = puller(script, tmp_path)
    assert one.pull() is not None
    assert one.pull() is None
    assert puller(script, tmp_path).pull() is None  # another process, later
    script.round()
    pulled = one.pull()
    assert pulled is not None
    assert (pulled.agreed.number, round_in(tmp_path / "current")) == (2, 2)


def test_pull__more_rounds_than_are_kept__oldest_go(script: Script, tmp_path: Path) -> None:
    one = puller(script, tmp_path, keep=2)
    one.pull()
    for _ in range(3):
        script.round()
        one.pull()
    assert [name.split("-")[1] for name in versions(tmp_path)] == ["000003", "000004"]
    assert round_in(tmp_path / "current") == 4


def test_pull__keep_one__holds_the_current_alone(script: Script, tmp_path: Path) -> None:
    one = puller(script, tmp_path, keep=1)
    one.pull()
    script.round()
    one.pull()
    assert len(versions(tmp_path)) == 1
    assert round_in(tmp_path / "current") == 2


def test_pull__a_reader_all_the_while__never_sees_half_a_model_or_files_of_two_rounds(
    script: Script, tmp_path: Path
) -> None:
    # All of them stay: a reader may be slower than three rounds.
    one = puller(script, tmp_path, keep=13)
    one.pull()
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            folder = (tmp_path / "current").resolve(strict=True)
            said = json.loads((folder / "model.json").read_text())
            cid = str(import_file(folder / "model.safetensors").cid)
            card = (folder / "model.safetensors.md").read_text()
            assert cid == said["weights"]
            assert f"the model of round {said['round']}\n" in card
            seen.append((said["round"], cid))

    reader = _Thread(target=read)
    reader.start()
    for number in range(2, 14):
        script.round()
        one.pull()
        while number % 4 == 0 and reader.is_alive() and (not seen or seen[-1][0] < number):
            time.sleep(0.001)
    done.set()
    reader.join(10)
    assert reader.error is None
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
    assert len({number for number, _ in seen}) > 2


class _Thread(threading.Thread):
    """A thread whose failure is not lost."""

    error: BaseException | None = None

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:
            self.error = error


# ------------------------------------------------------------------------------------------------------- interruptions


def test_pull__block_missing__current_stays_and_it_is_had_once_it_comes(script: Script, tmp_path: Path) -> None:
    one = puller(script, tmp_path)
    one.pull()
    script.round()
    assert isinstance(script.store, MemoryStore)
    weights = script.result(script.results[1]).weights
    block = script.store._blocks.pop(weights)
    with pytest.raises(BlockNotFound):
        one.pull()
    assert (round_in(tmp_path / "current"), len(versions(tmp_path))) == (1, 1)
    assert not list(tmp_path.glob(".*"))
    script.store.put(weights, block)
    one.pull()
    assert round_in(tmp_path / "current") == 2


def test_pull__chain_away_at_the_start__is_connected_to_once_it_answers(script: Script, tmp_path: Path) -> None:
    answers: Iterator[bool] = iter([False, False, True])

    def connect() -> Origin:
        if not next(answers):
            raise ChainUnavailable("away")
        return origin(script)

    one = Puller(connect, ModelFolder(tmp_path, keep=3))
    for _ in range(2):
        with pytest.raises(ChainUnavailable):
            one.pull()
    assert one.pull() is not None
    assert one.pull() is None


@pytest.mark.parametrize("moment", ["fill", "rename", "link"])
def test_pull__killed_at_any_moment__next_one_ends_at_the_head_and_cleans_up(
    script: Script, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    puller(script, tmp_path).pull()
    script.round()
    with monkeypatch.context() as patch:
        # As after a kill: what was begun stays, nothing is cleaned.
        patch.setattr("swarm_chain.models.folder._remove", lambda path: None)
        target = {"fill": "_make", "rename": "_point", "link": "_prune"}[moment]
        if moment == "fill":
            patch.setattr("swarm_chain.models.pulling.write_text", _die)
        else:
            patch.setattr(ModelFolder, target, _die)
        with pytest.raises(KeyboardInterrupt):
            puller(script, tmp_path).pull()
    assert round_in(tmp_path / "current") == (2 if moment == "link" else 1)
    puller(script, tmp_path).pull()
    assert round_in(tmp_path / "current") == 2
    assert not list(tmp_path.glob(".*"))
    assert [name.split("-")[1] for name in versions(tmp_path)] == ["000001", "000002"]


def _die(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_pull__model_there_was_harmed_before_it_became_current__is_fetched_anew(script: Script, tmp_path: Path) -> None:
    one = puller(script, tmp_path)
    pulled = one.pull()
    assert pulled is not None
    (pulled.version / "model.safetensors").write_bytes(b"harmed")
    (tmp_path / "current").unlink()
    puller(script, tmp_path).pull()
    assert import_file(tmp_path / "current" / "model.safetensors").cid == pulled.agreed.document.weights


@pytest.mark.parametrize("lost", ["", "model.safetensors", "model.json"])
def test_pull__current_model_was_removed_by_somebody__is_fetched_anew(
    script: Script, tmp_path: Path, lost: str
) -> None:
    pulled = puller(script, tmp_path).pull()
    assert pulled is not None
    gone = pulled.version / lost
    gone.unlink() if lost else shutil.rmtree(gone)
    assert puller(script, tmp_path).pull() == pulled
    assert import_file(tmp_path / "current" / "model.safetensors").cid == pulled.agreed.document.weights


# ------------------------------------------------------------------------------------------------------------- refusals


def test_pull__folder_of_another_swarm__is_refused(script: Script, tmp_path: Path) -> None:
    puller(script, tmp_path).pull()
    other = Script(lambda config: MemoryWorld(config, coordinator=Address(b"\xe0" * 20)))
    with pytest.raises(ConfigurationError, match=r"holds the models of swarm 0xc0c0.*choose another folder"):
        puller(other, tmp_path).pull()
    assert round_in(tmp_path / "current") == 1


def test_pull__folder_with_a_current_of_somebodys__is_refused(script: Script, tmp_path: Path) -> None:
    (tmp_path / "current").write_text("mine")
    with pytest.raises(ConfigurationError, match="was not made by `swarm-chain pull`"):
        puller(script, tmp_path).pull()
    assert (tmp_path / "current").read_text() == "mine"


def test_opened__twice__second_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    one, other = (ModelFolder(tmp_path / "models", keep=1) for _ in range(2))
    with one.opened(), pytest.raises(ConfigurationError, match="another `swarm-chain pull` writes to"), other.opened():
        pass
    with other.opened():
        pass


def test_opened__place_that_is_a_file__is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"cannot be written: .*; choose another folder"),
        ModelFolder(tmp_path / "models", keep=1).opened(),
    ):
        pass


def test_pull__files_that_are_not_ours__are_left_alone(script: Script, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "round-trip").mkdir()
    one = puller(script, tmp_path, keep=1)
    one.pull()
    script.round()
    one.pull()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "round-trip").is_dir()
