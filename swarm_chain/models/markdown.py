"""Markdown whose contents strangers chose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_MARKUP = re.compile(r"""([\\`*_{}\[\]<>()#!|~&:/@"'$^=+]|(?<=www)\.)""")
"""What can be markup inside of a line; hyphens, dots and commas there are none, but for names of web sites."""


def escaped(text: object) -> str:
    """Text inside of a line that Markdown shows as it is: no markup, no HTML, no second line.

    >>> escaped("<b>*anna*</b>")
    '\\\\<b\\\\>\\\\*anna\\\\*\\\\<\\\\/b\\\\>'
    """
    printable = "".join(char if char.isprintable() else "?" for char in str(text))
    # Every punctuation mark of ASCII may stand behind a backslash (CommonMark 2.4).
    return _MARKUP.sub(r"\\\1", printable)


def code(text: object) -> str:
    """What programs chose, and people copy: digests, CIDs, addresses."""
    return f"`{text}`"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; its cells are Markdown already."""
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
