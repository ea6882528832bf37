"""Rows dealt out by what they hold: to nodes, and to training or judging; and what is done to them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from swarm_chain.errors import DataError, TaskError
from swarm_chain.tasks import NodeData, Task, standardised
from swarm_chain.tasks.batches import count
from swarm_chain.tasks.dealing import Share, contents_of, share_of, split_off

ROWS = torch.randn(400, 3, generator=torch.Generator().manual_seed(5))


class OneByOne(Dataset[Any]):
    """Examples of any kind, made one at a time."""

    def __init__(self, examples: Sequence[Any]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> Any:
        return self.examples[row]


def tensors(rows: Tensor) -> TensorDataset:
    return TensorDataset(rows, rows.sum(dim=1))


def rows_in(examples: Dataset[Any]) -> set[bytes]:
    return set(contents_of(examples))


# --------------------------------------------------------------------------------------------------------------- shares


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a.csv", Share(data="a.csv")),
        ("a.csv#part=2,of=3,seed=9", Share(data="a.csv", part=2, of=3, seed=9)),
        ("a#b.csv#part=0,of=2,seed=0", Share(data="a#b.csv", part=0, of=2, seed=0)),
        ("#part=0,of=2,seed=0", Share(data="", part=0, of=2, seed=0)),
        ("a.csv#part=x", Share(data="a.csv#part=x")),
    ],
)
def test_share__a_text__names_data_and_part(text: str, share: Share) -> None:
    assert Share.parse(text) == share
    assert str(share) == text


@pytest.mark.parametrize("part", ["3,of=3", "0,of=0", "7,of=2"])
def test_share__part_that_there_is_not__raises_data_error(part: str) -> None:
    with pytest.raises(DataError, match="there is no part"):
        Share.parse(f"a.csv#part={part},seed=0")


def test_absolute__a_file_or_folder__is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").touch()
    assert str(Share.parse("a.csv#part=1,of=2,seed=0").absolute()) == f"{tmp_path}/a.csv#part=1,of=2,seed=0"
    assert Measured(ROWS).located("a.csv") == f"{tmp_path}/a.csv"
    (tmp_path / Measured.data_example).touch()
    assert Measured(ROWS).located(Measured.data_example) == Measured.data_example
    for text in ("b.csv", "digits:part=0,of=2,seed=0", "", "x" * 5000, "a\0b"):
        assert str(Share.parse(text).absolute()) == text


def parts(examples: Dataset[Any], of: int, seed: int = 0) -> list[Dataset[Any]]:
    return [share_of(examples, Share(data="", part=part, of=of, seed=seed)) for part in range(of)]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_share_of__all_shares__are_disjoint_complete_and_about_equal(of: int) -> None:
    found = [rows_in(part) for part in parts(tensors(ROWS), of)]
    assert set.union(*found) == rows_in(tensors(ROWS))
    assert sum(len(part) for part in found) == len(ROWS)
    assert all(0.6 < len(part) * of / len(ROWS) < 1.4 for part in found)


def test_share_of__another_seed__are_other_shares() -> None:
    assert rows_in(parts(tensors(ROWS), 3)[0]) != rows_in(parts(tensors(ROWS), 3, seed=1)[0])


@given(st.permutations(range(60)), st.integers(1, 59))
def test_share_of_and_split_off__rows_reordered_and_added__every_row_stays_where_it_was(
    order: list[int], before: int
) -> None:
    fewer, more = tensors(ROWS[:before]), tensors(ROWS[order])
    for old, new in zip(parts(fewer, 3), parts(more, 3), strict=True):
        assert rows_in(old) <= rows_in(new)
        for kept, grown in zip(split_off(old, 0.3), split_off(new, 0.3), strict=True):
            assert rows_in(kept) <= rows_in(grown)


def test_split_off__about_the_share__is_held_out_and_nothing_is_in_both() -> None:
    training, held_out = split_off(tensors(ROWS), 0.25)
    assert not rows_in(training) & rows_in(held_out)
    assert count(training) + count(held_out) == len(ROWS)
    assert 70 < count(held_out) < 130
    assert count(split_off(tensors(ROWS), 0.0)[1]) == 0


def test_split_off__of_a_share__is_as_even_as_of_all() -> None:
    assert all(0.1 < count(split_off(part, 0.25)[1]) / count(part) < 0.45 for part in parts(tensors(ROWS), 4))


def test_split_off__equal_inputs__stay_together_whatever_their_targets() -> None:
    twice = TensorDataset(torch.cat([ROWS, ROWS]), torch.arange(2.0 * len(ROWS)))
    training, held_out = split_off(twice, 0.4)
    assert not rows_in(training) & rows_in(held_out)
    assert count(held_out) == 2 * len(rows_in(held_out))


def test_split_off__dataset_of_any_kind__the_same_rows_as_of_tensors() -> None:
    made = OneByOne([(row, float(row.sum())) for row in ROWS])
    arrays = OneByOne([(row.numpy(), float(row.sum())) for row in ROWS])
    wanted = [rows_in(part) for part in split_off(tensors(ROWS), 0.3)]
    assert [rows_in(part) for part in split_off(made, 0.3)] == wanted
    assert [rows_in(part) for part in split_off(arrays, 0.3)] == wanted


@pytest.mark.parametrize(
    "kind",
    [
        lambda row: {"amount": torch.tensor([row]), "name": f"row {row}"},
        lambda row: (torch.tensor(row), torch.zeros(2)),
        lambda row: f"a sentence, number {row}",
        lambda row: row,
        lambda row: torch.tensor(row % 2 == 0).expand(row + 1) if row < 0 else torch.tensor([row]).bfloat16(),
    ],
)
def test_split_off__inputs_of_any_kind__are_told_apart(kind: Any) -> None:
    examples = OneByOne([(kind(row), 0.0) for row in range(100)])
    assert len(rows_in(examples)) == 100
    training, held_out = split_off(examples, 0.3)
    assert 10 < count(held_out) < 60
    assert count(training) + count(held_out) == 100


# ------------------------------------------------------------------------------------------------- what cannot be dealt


def test_split_off__dataset_without_a_length__says_what_to_give() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            yield torch.zeros(1), 0.0

    with pytest.raises(DataError, match="Stream has no length: give a map-style dataset"):
        split_off(Stream(), 0.2)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        (TensorDataset(ROWS), "a tuple of 1: make examples pairs"),
        (TensorDataset(ROWS, ROWS, ROWS), "a tuple of 3: make examples pairs"),
        (OneByOne([{"x": 1.0, "y": 2.0}]), "a dict: make examples pairs"),
        (OneByOne([torch.zeros(2)]), "a Tensor: make examples pairs"),
        (OneByOne([(object(), 1.0)]), "examples must be pairs of input and target"),
    ],
)
def test_split_off__examples_that_are_no_pairs__says_what_they_are(examples: Dataset[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_off(examples, 0.2)


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("is_whole", [True, False])
def test_split_off__nan_in_a_row__names_the_row_of_the_whole_dataset(where: int, is_whole: bool) -> None:
    columns = [ROWS.clone(), ROWS.sum(dim=1)]
    columns[where][317] = torch.nan
    examples = TensorDataset(*columns) if is_whole else OneByOne(list(zip(*columns, strict=True)))
    with pytest.raises(DataError, match=f"the {('input', 'target')[where]} of example 317 holds NaN"):
        split_off(examples, 0.2)


def test_split_off__examples_that_change_with_each_reading__says_where_to_put_the_chance() -> None:
    class Flipped(OneByOne):
        def __getitem__(self, row: int) -> Any:
            inputs, target = super().__getitem__(row)
            return inputs.flip(0) if torch.rand(()) < 0.5 else inputs, target

    torch.manual_seed(1)
    with pytest.raises(DataError, match="differ each time they are read"):
        split_off(Flipped([(row, 0.0) for row in ROWS]), 0.2)


# ------------------------------------------------------------------------------------------------------- standardised()


class Measured(Task):
    """Rows as they are in a file, standardised by the node's own."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def model(self) -> nn.Module:
        return nn.Linear(3, 1)

    def dataset(self, data: str) -> TensorDataset:
        return TensorDataset(self.rows, torch.arange(float(len(self.rows))))

    def prepare(self, data: NodeData) -> NodeData:
        return standardised(data)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.mse_loss(outputs.squeeze(1), targets)


def test_standardised__training_rows__have_mean_0_and_deviation_1() -> None:
    data = Measured(ROWS * 7 + 3).open_data("")
    inputs = data.training.tensors[0]  # type: ignore[attr-defined]
    assert inputs.dtype == torch.float32
    assert inputs.mean(dim=0).numpy() == pytest.approx(np.zeros(3), abs=1e-6)
    assert inputs.std(dim=0, correction=0).numpy() == pytest.approx(np.ones(3), abs=1e-6)


def test_standardised__column_that_does_not_vary__is_centred_only() -> None:
    rows = ROWS.clone()
    rows[:, 1] = 5.0
    data = Measured(rows).open_data("")
    assert not data.training.tensors[0][:, 1].any()  # type: ignore[attr-defined]
    assert not data.held_out.tensors[0][:, 1].any()  # type: ignore[attr-defined]


def test_open_data__rows_added__none_that_was_held_out_is_trained_on_though_all_inputs_moved() -> None:
    def targets(examples: Any) -> set[float]:
        return set(examples.tensors[1].tolist())

    before, after = Measured(ROWS[:200]).open_data(""), Measured(ROWS).open_data("")
    assert targets(before.held_out) <= targets(after.held_out)
    assert targets(before.training) <= targets(after.training)
    assert not torch.equal(before.training.tensors[0][0], after.training.tensors[0][0])  # type: ignore[attr-defined]


def test_standardised__dataset_that_holds_no_tensors__says_what_to_do() -> None:
    data = NodeData(training=OneByOne([(ROWS[0], 0.0)]), held_out=OneByOne([]))
    with pytest.raises(TaskError, match="TensorDataset: write prepare"):
        standardised(data)
    nothing = NodeData(training=TensorDataset(ROWS[:0], ROWS[:0, 0]), held_out=TensorDataset(ROWS[:0], ROWS[:0, 0]))
    assert standardised(nothing) is nothing
