"""Names that follow a name: what comes after `lab` and `lab-2`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count


def following(name: str, *, longest: int) -> Iterator[str]:
    """The names after this one, without end: it with a number from 2, or with the next one where it has one already.

    None has more than `longest` characters: what is too long is cut before the number.

    >>> names = following("lab-2", longest=32)
    >>> next(names), next(names)
    ('lab-3', 'lab-4')
    """
    match = re.fullmatch(r"(.+)-([2-9]|[1-9]\d{1,2})", name)
    root, first = (match[1], int(match[2]) + 1) if match else (name, 2)
    for number in count(first):
        ending = f"-{number}"
        yield root[: longest - len(ending)] + ending
