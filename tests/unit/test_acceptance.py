"""Whether a swarm's task may run here: what is asked, what is shown, and that nothing runs before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core.documents import MergeSettings
from swarm_chain.errors import BlockNotFound, TaskMismatch, TaskNotAccepted, TaskSourceError, TooLarge
from swarm_chain.genesis import Genesis, make_genesis, put_genesis, read_source, task_of
from swarm_chain.membership.acceptance import Offer, accept, read_offer, source_difference
from swarm_chain.tasks import load_task
from swarm_chain.tasks.sources import MAX_SOURCE

SOURCE = """from pathlib import Path

import torch

from swarm_chain.tasks import Task

Path({mark!r}).touch()


class Line(Task):
    def model(self):
        return torch.nn.Linear({width}, 1)

    def loss(self, outputs, targets):
        return (outputs - targets).square().mean()
"""


class World:
    """A swarm's task as source code that leaves a file behind wherever it is run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark, self.store = folder, folder / "it-ran", MemoryStore()
        self.file = self.write("line.py", width=2)
        self.genesis = self.deployed()
        self.offer = read_offer(self.genesis.task, self.store)

    def write(self, name: str, *, width: int) -> Path:
        path = self.folder / name
        path.write_text(SOURCE.format(mark=str(self.mark), width=width))
        return path

    def deployed(self) -> Genesis:
        """As whoever deploys makes it: there it is run."""
        made = make_genesis(load_task(f"{self.file}:Line"), MergeSettings(rule="mean"))
        put_genesis(made, self.store)
        self.mark.unlink()
        # A joiner's process has run nothing yet.
        forget(made)
        return made

    @property
    def ran(self) -> bool:
        return self.mark.exists()


def forget(made: Genesis) -> None:
    import sys
    from hashlib import sha256

    del sys.modules[f"swarm_chain_task_{sha256(made.source or b'').hexdigest()}"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_accept__nobody_to_ask__says_how_and_runs_nothing(world: World) -> None:
    with pytest.raises(TaskNotAccepted, match=f"--accept-task 0x{world.offer.digest.hex()}"):
        accept(world.offer, world.store)
    assert not world.ran


def test_accept__no_at_the_prompt__is_not_accepted(world: World) -> None:
    asked: list[Offer] = []
    with pytest.raises(TaskNotAccepted):
        accept(world.offer, world.store, ask=lambda offer: bool(asked.append(offer)))
    assert asked == [world.offer]
    assert not world.ran


def test_accept__yes_at_the_prompt__is_the_digest(world: World) -> None:
    assert accept(world.offer, world.store, ask=lambda offer: True) == world.genesis.task.digest()
    assert not world.ran


def test_accept__the_digest__asks_nobody(world: World) -> None:
    def ask(offer: Offer) -> bool:
        raise AssertionError("asked")

    digest = world.genesis.task.digest()
    assert accept(world.offer, world.store, digest=digest, ask=ask) == digest
    task = task_of(world.genesis.task, world.store.get, accepted=digest)
    assert (task.name, world.ran) == ("Line", True)


def test_accept__another_digest__is_refused_whatever_else_is_given(world: World) -> None:
    with pytest.raises(TaskMismatch, match=r"0x0{64} was accepted, and the swarm's task is 0x"):
        accept(world.offer, world.store, digest=bytes(32), task=f"{world.file}:Line", ask=lambda offer: True)  # type: ignore[arg-type]
    assert not world.ran


def test_accept__digest_of_an_earlier_task__shows_what_changed(world: World) -> None:
    earlier = world.offer
    world.file = world.write("line.py", width=3)
    later = read_offer(world.deployed().task, world.store)
    with pytest.raises(TaskMismatch) as caught:
        accept(later, world.store, digest=earlier.digest)
    assert "model: 0x" in str(caught.value)
    assert "source: " in str(caught.value)
    assert "-        return torch.nn.Linear(2, 1)" in caught.value.details
    assert "+        return torch.nn.Linear(3, 1)" in caught.value.details


@pytest.mark.parametrize("name", ["line.py", "line.py:Line"])
def test_accept__ones_own_copy_of_the_file__is_enough(world: World, name: str) -> None:
    assert accept(world.offer, world.store, task=f"{world.folder}/{name}") == world.offer.digest
    assert not world.ran


def test_accept__file_that_differs__shows_the_difference_and_runs_neither(world: World) -> None:
    other = world.write("other.py", width=5)
    with pytest.raises(TaskMismatch, match=r"other\.py is not the source of the swarm's task Line") as caught:
        accept(world.offer, world.store, task=f"{other}:Line")
    assert "-        return torch.nn.Linear(5, 1)" in caught.value.details
    assert "+        return torch.nn.Linear(2, 1)" in caught.value.details
    assert not world.ran


def test_accept__file_that_differs_in_line_ends_alone__says_so(world: World) -> None:
    world.file.write_bytes(world.file.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(TaskMismatch) as caught:
        accept(world.offer, world.store, task=str(world.file))
    assert "the same lines, and differ in how these end" in caught.value.details


def test_accept__file_that_is_not_there__says_so(world: World) -> None:
    with pytest.raises(TaskSourceError, match="cannot be read"):
        accept(world.offer, world.store, task="nowhere.py:Line")


def test_accept__shipped_name_for_source_code__is_refused(world: World) -> None:
    with pytest.raises(TaskMismatch, match="not the swarm's task, which is source code"):
        accept(world.offer, world.store, task="digits")


def test_accept__task_that_ships__takes_no_question() -> None:
    made = make_genesis(load_task("digits"), MergeSettings(rule="mean"))
    store = MemoryStore()
    put_genesis(made, store)
    offer = read_offer(made.task, store)
    assert offer.source is None
    assert accept(offer, store) is None
    assert accept(offer, store, task="digits") is None
    assert accept(offer, store, digest=offer.digest) is None
    with pytest.raises(TaskMismatch, match="which ships, and is called digits"):
        accept(offer, store, task="heart")
    with pytest.raises(TaskMismatch, match="was accepted"):
        accept(offer, store, digest=bytes(32))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------ task_of


@pytest.mark.parametrize("accepted", [None, bytes(32)])
def test_task_of__not_accepted__runs_nothing(world: World, accepted: bytes | None) -> None:
    with pytest.raises(TaskNotAccepted):
        task_of(world.genesis.task, world.store.get, accepted=accepted)  # type: ignore[arg-type]
    assert not world.ran


def test_task_of__digest_of_the_same_source_with_other_settings__runs_nothing(world: World) -> None:
    other = replace(world.genesis.task, training={**world.genesis.task.training, "epochs": 9})
    with pytest.raises(TaskNotAccepted):
        task_of(other, world.store.get, accepted=world.genesis.task.digest())
    assert not world.ran


def test_task_of__source_that_does_not_run_here__says_why(world: World) -> None:
    broken = replace(world.genesis.task, source=_put(world, b"import not_there_at_all\n"))
    with pytest.raises(TaskMismatch, match=r"cannot be run here: Line\.py, line 1: ModuleNotFoundError") as caught:
        task_of(broken, world.store.get, accepted=broken.digest())
    assert "import not_there_at_all" in caught.value.details


def test_task_of__source_without_the_task__says_so(world: World) -> None:
    empty = replace(world.genesis.task, source=_put(world, b"x = 1\n"))
    with pytest.raises(TaskMismatch, match="has 0 tasks named Line"):
        task_of(empty, world.store.get, accepted=empty.digest())


def test_read_source__larger_than_any_task__is_refused_before_it_is_fetched(world: World) -> None:
    huge = replace(world.genesis.task, source=_put(world, b"#" * (MAX_SOURCE + 1)))
    with pytest.raises(TooLarge):
        read_source(huge, world.store.get)


def test_read_source__in_no_store__says_so(world: World) -> None:
    with pytest.raises(BlockNotFound):
        read_source(world.genesis.task, MemoryStore().get)


def _put(world: World, source: bytes):  # type: ignore[no-untyped-def]
    from swarm_chain.core.unixfs import import_bytes

    return import_bytes(source, world.store.put).cid


def test_source_difference__bytes_that_are_no_text__is_shown_all_the_same() -> None:
    assert "+" in source_difference(b"a\n\xff\n", b"a\nb\n", here="mine")
