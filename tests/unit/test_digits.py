"""The digits task: who has which rows, files, and what is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from swarm_chain.errors import DataError
from swarm_chain.tasks import Digits, Split
from swarm_chain.tasks import digits as digits_module
from swarm_chain.tasks.digits_data import Rows, all_rows, is_held_out, is_test, read_rows, write_rows
from swarm_chain.tasks.label_skew import deal_out

SPLITS = [(1, 0), (2, 3), (4, 0), (4, 7), (8, 1), (12, 2)]


@cache
def split(nodes: int, seed: int) -> Split:
    return Digits().split(nodes, seed)


def contents(examples: Dataset[Any]) -> list[bytes]:
    assert isinstance(examples, TensorDataset)
    return [row.numpy().tobytes() for row in examples.tensors[0]]


def labels(examples: Dataset[Any]) -> torch.Tensor:
    assert isinstance(examples, TensorDataset)
    return examples.tensors[1]


@pytest.mark.parametrize(("nodes", "seed"), SPLITS)
def test_split__any__every_row_is_in_exactly_one_place(nodes: int, seed: int) -> None:
    dealt = split(nodes, seed)
    places = [contents(dealt.test)]
    places += [contents(rows) for part in dealt.parts for rows in (part.training, part.held_out)]
    everything = [row for place in places for row in place]
    assert len(everything) == len(set(everything)) == 1797


@pytest.mark.parametrize(("nodes", "seed"), SPLITS)
def test_split__any__each_node_has_sixty_rows_to_train_on_and_some_to_judge_by(nodes: int, seed: int) -> None:
    sizes = [(len(contents(part.training)), len(contents(part.held_out))) for part in split(nodes, seed).parts]
    assert len(sizes) == nodes
    assert min(training for training, _ in sizes) >= 60
    assert min(held_out for _, held_out in sizes) >= 1


@pytest.mark.parametrize(("nodes", "seed"), SPLITS)
def test_split__any__pooled_is_what_all_nodes_train_on(nodes: int, seed: int) -> None:
    dealt = split(nodes, seed)
    pooled = [row for part in dealt.parts for row in contents(part.training)]
    assert sorted(contents(dealt.pooled.training)) == sorted(pooled)


def test_split__test_rows__are_a_fifth_of_each_label_whatever_the_seed() -> None:
    assert contents(split(4, 0).test) == contents(split(8, 1).test)
    everyone = np.bincount(all_rows().labels)
    testing = torch.bincount(labels(split(4, 0).test)).numpy()
    assert np.abs(testing - everyone / 5).max() <= 0.5


def test_split__four_nodes__are_unequal_and_skewed() -> None:
    parts = split(4, 0).parts
    counts = np.array([torch.bincount(labels(part.training), minlength=10).numpy() for part in parts])
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert len(set(counts.sum(axis=1))) == 4
    assert shares.max() > 0.2
    assert shares.min() < 0.01


def test_split__same_numbers__give_the_split_that_they_always_gave() -> None:
    """Nodes that compute their own part depend on it: a change would put one node's rows into another's."""
    sizes = [(len(contents(part.training)), len(contents(part.held_out))) for part in split(4, 7).parts]
    assert sizes == [(234, 29), (393, 47), (385, 50), (273, 27)]


def test_split__other_seed__deals_otherwise() -> None:
    assert contents(split(4, 0).parts[0].training) != contents(split(4, 7).parts[0].training)


@pytest.mark.parametrize("nodes", [0, -1, 30])
def test_split__nodes_that_cannot_be__raises_data_error(nodes: int) -> None:
    with pytest.raises(DataError, match=f"to {nodes} nodes: choose"):
        Digits().split(nodes, 0)


def test_split__test_row_has_a_twin_in_a_part__raises_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = all_rows()
    pixels = rows.pixels.copy()
    test = is_test(rows)
    pixels[np.flatnonzero(~test)[0]] = pixels[np.flatnonzero(test)[0]]
    monkeypatch.setattr(digits_module, "all_rows", lambda: Rows(pixels=pixels, labels=rows.labels))
    monkeypatch.setattr(digits_module, "is_test", lambda _: test)
    with pytest.raises(DataError, match="a test row is in a node's part"):
        Digits().split(4, 0)


def test_inputs__every_value_a_pixel_may_have__have_mean_zero_and_deviation_one() -> None:
    dealt = split(4, 0)
    assert isinstance(dealt.test, TensorDataset)
    seen = dealt.test.tensors[0].unique()
    assert len(seen) == 17
    assert float(seen.mean()) == pytest.approx(0, abs=1e-6)
    assert float(seen.std(correction=0)) == pytest.approx(1, abs=1e-6)


def test_open_data__computed_part__is_the_part_of_the_split() -> None:
    data, part = Digits().open_data("digits:part=2,of=4,seed=7"), split(4, 7).parts[2]
    assert contents(data.training) == contents(part.training)
    assert contents(data.held_out) == contents(part.held_out)
    assert torch.equal(labels(data.training), labels(part.training))


def test_open_data__file_of_a_part__is_the_part_of_the_split(tmp_path: Path) -> None:
    Digits().write_part(tmp_path / "clinic" / "part.npz", 1, nodes=4, seed=7)
    data, part = Digits().open_data(str(tmp_path / "clinic" / "part.npz")), split(4, 7).parts[1]
    assert contents(data.training) == contents(part.training)
    assert contents(data.held_out) == contents(part.held_out)
    assert torch.equal(labels(data.training), labels(part.training))
    assert [path.name for path in (tmp_path / "clinic").iterdir()] == ["part.npz"]


@pytest.mark.parametrize(
    "text",
    ["digits:", "digits:part=0", "digits:part=0,of=4", "digits:part=x,of=4,seed=0", "digits:part=-1,of=4,seed=0"],
)
def test_open_data__part_that_cannot_be_read__raises_data_error_with_an_example(text: str) -> None:
    with pytest.raises(DataError, match="write it like digits:part=0,of=4,seed=0"):
        Digits().open_data(text)


def test_open_data__part_beyond_the_last__raises_data_error() -> None:
    with pytest.raises(DataError, match="no part 4 of 4: choose one from 0 to 3"):
        Digits().open_data("digits:part=4,of=4,seed=0")


def test_read_rows__no_such_file__raises_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data file"):
        read_rows(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"pixels,labels\n", b"PK\x03\x04 and no more", b"\x93NUMPY\x01\x00"])
def test_read_rows__not_an_npz_file__raises_data_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"part.npz is not an .npz file"):
        read_rows(tmp_path / "part.npz")


def test_read_rows__a_folder__raises_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not an .npz file"):
        read_rows(tmp_path)


def test_read_rows__pickled_objects__raises_data_error_and_runs_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    np.savez(tmp_path / "part.npz", pixels=np.array([Trap()], dtype=object), labels=np.zeros(1, np.uint8))
    with pytest.raises(DataError, match=r"is not an .npz file"):
        read_rows(tmp_path / "part.npz")
    assert not (tmp_path / "sprung").exists()


def some(change: Any = None) -> np.ndarray[Any, Any]:
    pixels = np.zeros((3, 64))
    if change is not None:
        pixels[1, 5] = change
    return pixels


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"pixels": some()}, r"not an \.npz file with `pixels` and `labels`"),
        ({"pixels": some()[:0], "labels": np.zeros(0)}, "no rows: give at least one"),
        ({"pixels": some()[:, :63], "labels": np.zeros(3)}, "shapes are"),
        ({"pixels": some(), "labels": np.zeros(4)}, "shapes are"),
        ({"pixels": some().reshape(3, 8, 8), "labels": np.zeros(3)}, "shapes are"),
        ({"pixels": some(np.nan), "labels": np.zeros(3)}, "row 1 of `pixels`"),
        ({"pixels": some(np.inf), "labels": np.zeros(3)}, "row 1 of `pixels`"),
        ({"pixels": some(0.5), "labels": np.zeros(3)}, "row 1 of `pixels`"),
        ({"pixels": some(17), "labels": np.zeros(3)}, "row 1 of `pixels`"),
        ({"pixels": some(-1), "labels": np.zeros(3)}, "row 1 of `pixels`"),
        ({"pixels": some(), "labels": np.array([0, 1, 10])}, "row 2 of `labels`"),
        ({"pixels": some(), "labels": np.array([np.nan, 1, 1])}, "row 0 of `labels`"),
        ({"pixels": some(), "labels": np.array(["a", "b", "c"])}, "row 0 of `labels`"),
    ],
)  # fmt: skip
def test_read_rows__file_with_something_else__raises_data_error(
    tmp_path: Path, arrays: dict[str, Any], problem: str
) -> None:
    np.savez(tmp_path / "part.npz", **arrays)
    with pytest.raises(DataError, match=problem):
        read_rows(tmp_path / "part.npz")


def test_write_rows__while_the_file_is_read__replaces_it_whole(tmp_path: Path) -> None:
    rows, path = all_rows(), tmp_path / "part.npz"
    write_rows(path, rows)
    with path.open("rb") as opened:
        write_rows(path, rows.where(rows.labels < 5))
        with np.load(opened) as old:
            assert len(old["labels"]) == 1797
    assert len(read_rows(path)) == (rows.labels < 5).sum()


def test_is_held_out__rows_are_added__keeps_each_row_on_its_side() -> None:
    rows = all_rows()
    before = is_held_out(rows.where(np.arange(1797) < 300))
    assert np.array_equal(is_held_out(rows)[:300], before)
    assert 15 <= before.sum() <= 45


def test_is_held_out__few_rows__holds_one_back() -> None:
    rows = all_rows()
    kept = rows.where(~is_held_out(rows)).where(np.arange((~is_held_out(rows)).sum()) < 5)
    assert is_held_out(kept).sum() == 1


def test_is_held_out__one_row__is_for_training() -> None:
    rows = all_rows()
    assert not is_held_out(rows.where(np.arange(1797) == 0)).any()


def test_metrics__known_outputs__are_accuracy_and_cross_entropy() -> None:
    outputs = torch.zeros(4, 10)
    outputs[torch.arange(4), torch.tensor([0, 1, 2, 3])] = 1.0
    metrics = Digits().metrics(outputs, torch.tensor([0, 1, 2, 9]))
    assert metrics["accuracy"] == 0.75
    assert metrics["loss"] == pytest.approx(np.log(np.e + 9) - 0.75)


def test_deal_out__nothing_suffices__raises_data_error() -> None:
    with pytest.raises(DataError, match="too small to be dealt out to 2 nodes"):
        deal_out(np.zeros(4, int), np.ones(4, bool), nodes=2, seed=0, concentration=0.5, suffices=lambda owners: False)
