"""Rows of handwritten digits: all of them, a node's file, and which are held out."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swarm_chain.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEST_SHARE = 0.2
HELD_OUT_ONE_IN = 10
PIXELS = 64
LARGEST_PIXEL = 16
LARGEST_LABEL = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Images as 64 grey values from 0 to 16 each, and which digit each shows. Shapes (n, 64) and (n,), uint8."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """The chosen rows, in their order."""
        return Rows(pixels=self.pixels[chosen], labels=self.labels[chosen])

    def contents(self) -> set[bytes]:
        """The pixels of every row, each once."""
        return {row.tobytes() for row in self.pixels}

    def numbers(self, salt: bytes) -> list[int]:
        """A 64-bit number for each row that depends on its content alone, the same on every machine."""
        return [int.from_bytes(sha256(salt + row.tobytes()).digest()[:8], "big") for row in self.pixels]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which part of the digits a node has: `digits:part=0,of=4,seed=0`."""

    part: int
    of: int
    seed: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The part that a text names. Raises `DataError`."""
        match = re.fullmatch(r"digits:part=(\d{1,9}),of=(\d{1,9}),seed=(\d{1,18})", text)
        if match is None:
            raise DataError(f"cannot read data {text!r}: write it like digits:part=0,of=4,seed=0")
        part, of, seed = map(int, match.groups())
        return cls(part=part, of=of, seed=seed)


def all_rows() -> Rows:
    """The whole data set, as scikit-learn ships it."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Rows(pixels=pixels.astype("uint8"), labels=labels.astype("uint8"))


def is_test(rows: Rows) -> NDArray[np.bool_]:
    """Which rows of the whole data set are for testing: a fifth of each label, chosen by content, not by a seed."""
    import numpy as np

    numbers = np.array(rows.numbers(b"swarm-chain digits test"), dtype=np.uint64)
    test = np.zeros(len(rows), dtype=bool)
    for label in np.unique(rows.labels):
        of_label = np.flatnonzero(rows.labels == label)
        in_order = of_label[np.argsort(numbers[of_label], kind="stable")]
        test[in_order[: round(TEST_SHARE * len(of_label))]] = True
    return test


def is_held_out(rows: Rows) -> NDArray[np.bool_]:
    """Which rows a node keeps aside to judge models by: about a tenth, at least one if there are two.

    Decided by a row's content alone, so that a row stays on its side when others are added, and equal rows share one.
    """
    import numpy as np

    numbers = np.array(rows.numbers(b"swarm-chain digits held out"), dtype=np.uint64)
    held_out: NDArray[np.bool_] = numbers % HELD_OUT_ONE_IN == 0
    if not held_out.any() and len(set(numbers.tolist())) > 1:
        held_out = numbers == numbers.min()
    return held_out


def write_rows(path: Path, rows: Rows) -> None:
    """Writes rows as an .npz file, `pixels` and `labels`. An agent that reads it meanwhile gets the old or the new."""
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, pixels=rows.pixels, labels=rows.labels)
    unfinished.replace(path)


def read_rows(path: Path) -> Rows:
    """The rows of an .npz file. Raises `DataError` where it is not one, empty, or holds anything but digits."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            pixels, labels = file["pixels"], file["labels"]
    except FileNotFoundError as error:
        raise DataError(f"there is no data file {path}: check `data` in the node's configuration") from error
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an .npz file with `pixels` and `labels`: write it anew") from error
    if problem := next(_problems(pixels, labels), None):
        raise DataError(f"{path}: {problem}")
    return Rows(pixels=pixels.astype(np.uint8), labels=labels.astype(np.uint8))


def _problems(pixels: NDArray[np.generic], labels: NDArray[np.generic]) -> Iterator[str]:
    """What is wrong with a file's arrays, and what to do; the first is enough."""
    if pixels.ndim != 2 or pixels.shape[1] != PIXELS or labels.shape != pixels.shape[:1]:
        yield f"shapes are {pixels.shape} and {labels.shape}: give `pixels` as (n, {PIXELS}) and `labels` as (n,)"
        return
    if not len(labels):
        yield "no rows: give at least one"
        return
    for name, values, largest in (("pixels", pixels, LARGEST_PIXEL), ("labels", labels, LARGEST_LABEL)):
        if (row := _first_bad_row(values, largest)) is not None:
            yield f"row {row} of `{name}` is not made of whole numbers from 0 to {largest}: repair or remove it"


def _first_bad_row(values: NDArray[Any], largest: int) -> int | None:
    """The first row that holds NaN, a fraction, or anything beyond 0 to `largest`."""
    import numpy as np

    if values.dtype.kind not in "uif":
        return 0
    good = np.isfinite(values) & (values >= 0) & (values <= largest) & (np.trunc(values) == values)
    bad_rows = (~good.reshape(len(values), -1).all(axis=1)).nonzero()[0]
    return int(bad_rows[0]) if len(bad_rows) else None
