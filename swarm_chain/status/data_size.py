"""How large a node's data are, to set beside what its agent sends."""

from __future__ import annotations

import os
from pathlib import Path

from swarm_chain.errors import DataError
from swarm_chain.tasks.dealing import Share


def data_size(data: str) -> int | None:
    """Bytes on disk of what a node's `data` names, a file or a folder with all below it; None for anything else.

    Of a file that nodes share, a node's part of them.
    """
    try:
        share = Share.parse(data)
        path = Path(share.data)
        if share.data and path.is_dir():
            return _below(path) // share.of
        return path.stat().st_size // share.of if path.is_file() else None
    except (DataError, OSError, ValueError):
        return None


def _below(folder: Path) -> int:
    """Links are not followed: a folder that holds itself would have no size."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(os.lstat(Path(place, name)).st_size for name in names)
    return total
