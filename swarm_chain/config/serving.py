"""Whether a node serves its blocks to peers, and at which address: `auto`, `off`, or `HOST:PORT`."""

from __future__ import annotations

import re
from typing import Final

AUTO: Final = "auto"
"""Where peers reach this machine, as far as it knows itself."""
OFF: Final = "off"
"""Nowhere: peers fetch from a store that somebody else serves."""

_PLACE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")


def is_serving(text: str) -> bool:
    """Whether a text says where to serve: `auto`, `off`, or an address of this machine with a port."""
    return text in (AUTO, OFF) or parse_place(text) is not None


def parse_place(text: str) -> tuple[str, int] | None:
    """The host and the port of `HOST:PORT`, where port 0 is a free one; None for any other text.

    >>> parse_place("[::1]:4801")
    ('::1', 4801)
    """
    match = _PLACE.fullmatch(text)
    if match is None or int(match[3]) > 65_535:
        return None
    return match[1] or match[2], int(match[3])
