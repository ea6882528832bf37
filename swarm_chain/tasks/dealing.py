"""Rows dealt out by their inputs: which are held out, and which are whose where several nodes share a data set.

A row stays where it is when others are added or their order changes, and rows of equal inputs stay together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from swarm_chain.errors import DataError
from swarm_chain.tasks.batches import count, tensors_in

if TYPE_CHECKING:
    from torch.utils.data import Dataset

_SHARE = re.compile(r"(?P<data>.*)#part=(?P<part>\d{1,6}),of=(?P<of>\d{1,6}),seed=(?P<seed>\d{1,19})", re.DOTALL)


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
    return [int.from_bytes(sha256(purpose.encode() + content).digest()[:8], "big") for content in contents_of(examples)]


def contents_of(examples: Dataset[Any]) -> Iterator[bytes]:
    """The bytes of every row's input."""
    for row in range(count(examples)):
        yield _content(examples[row][0])


def _content(inputs: Any) -> bytes:
    import torch
    from torch.utils.data import default_collate

    collated = inputs if isinstance(inputs, torch.Tensor) else default_collate([inputs])
    tensors = (tensor.detach().cpu().contiguous().flatten() for tensor in tensors_in(collated))
    return b"".join(tensor.view(torch.uint8).numpy().tobytes() for tensor in tensors)
