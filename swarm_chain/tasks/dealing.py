"""Rows dealt out by their inputs: which are held out, and which are whose where several nodes share a data set.

A row stays where it is when others are added or their order changes, and rows of equal inputs stay together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from swarm_chain.errors import DataError
from swarm_chain.tasks.batches import collate, columns, count, require_finite

if TYPE_CHECKING:
    from torch.utils.data import Dataset

_SHARE = re.compile(r"(?P<data>.*)#part=(?P<part>\d{1,6}),of=(?P<of>\d{1,6}),seed=(?P<seed>\d{1,19})", re.DOTALL)

_READ_TWICE: Final = 8
"""Examples that are read twice, to see whether they stay the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One of several equal shares of a data set, as `patients.csv#part=0,of=3,seed=0` names it."""

    data: str
    part: int = 0
    of: int = 1
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The share that a text names; the whole where it names none. Raises `DataError`."""
        match = _SHARE.fullmatch(text)
        if match is None:
            return cls(data=text)
        part, of, seed = (int(match[name]) for name in ("part", "of", "seed"))
        if part >= of:
            raise DataError(f"there is no part {part} of {of} in {text!r}: choose one from 0 to {of - 1}")
        return cls(data=match["data"], part=part, of=of, seed=seed)

    def absolute(self) -> Self:
        """The same, found from any folder where the data are a file or a folder."""
        # Unlike a Path's, this `exists` takes texts that no path can be.
        return replace(self, data=str(Path(self.data).absolute())) if os.path.exists(self.data) else self  # noqa: PTH110

    def __str__(self) -> str:
        """The text that names it."""
        return f"{self.data}#part={self.part},of={self.of},seed={self.seed}" if self.of > 1 else self.data


def share_of(examples: Dataset[Any], share: Share) -> Dataset[Any]:
    """The rows of one share; all of them where there is one."""
    if share.of == 1:
        return examples
    numbers = _numbers(examples, f"swarm-chain share {share.seed}")
    return _rows_where(examples, numbers, lambda number: number % share.of == share.part)


def split_off(examples: Dataset[Any], share: float) -> tuple[Dataset[Any], Dataset[Any]]:
    """What to train on, and what to hold out: about `share` of the rows, from 0 to below 1."""
    numbers = _numbers(examples, "swarm-chain held out")
    limit = int(share * 2**64)
    return (
        _rows_where(examples, numbers, lambda number: number >= limit),
        _rows_where(examples, numbers, lambda number: number < limit),
    )


def _rows_where(examples: Dataset[Any], numbers: Sequence[int], holds: Callable[[int], bool]) -> Dataset[Any]:
    from torch.utils.data import Subset, TensorDataset

    rows = [row for row, number in enumerate(numbers) if holds(number)]
    return TensorDataset(*examples[rows]) if isinstance(examples, TensorDataset) else Subset(examples, rows)


def _numbers(examples: Dataset[Any], purpose: str) -> list[int]:
    """A number from 0 to 2**64 - 1 for each row, by the bytes of its input and by the purpose."""
    _require_steady(examples)
    return [int.from_bytes(sha256(purpose.encode() + content).digest()[:8], "big") for content in contents_of(examples)]


def contents_of(examples: Dataset[Any]) -> Iterator[bytes]:
    """The bytes of every row's input. Raises `DataError` for a row that is no pair, or holds NaN or infinity."""
    from torch.utils.data import TensorDataset

    if isinstance(examples, TensorDataset):
        inputs, targets = columns(examples)
        require_finite(inputs, targets, range(len(inputs)))
        yield from (b"".join(_bytes_in(one)) for one in inputs)
        return
    for row in range(count(examples)):
        inputs, targets = collate(examples, [row])
        require_finite(inputs, targets, [row])
        yield b"".join(_bytes_in(inputs))


def _require_steady(examples: Dataset[Any]) -> None:
    """Raises `DataError` where examples differ from one reading to the next."""
    from torch.utils.data import Subset

    some = Subset(examples, range(min(_READ_TWICE, count(examples))))
    if list(contents_of(some)) != list(contents_of(some)):
        raise DataError(
            "examples differ each time they are read, and which are held out is told by what they hold: make random "
            "changes in the task's `train`, not in its dataset, or give the task a method `open_data`"
        )


def _bytes_in(inputs: Any) -> Iterator[bytes]:
    """What tells an input from others: the bytes of its tensors, and its texts."""
    import torch

    if isinstance(inputs, torch.Tensor):
        yield inputs.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(inputs, Mapping):
        for value in inputs.values():
            yield from _bytes_in(value)
    elif isinstance(inputs, list | tuple):
        for value in inputs:
            yield from _bytes_in(value)
    else:
        yield repr(inputs).encode()
