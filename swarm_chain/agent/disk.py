"""What goes wrong on this machine's disk while an agent runs, as errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from swarm_chain.errors import DiskFull, JournalError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_GOES_ON = "then start the agent again: it goes on where it was"


@contextmanager
def translated() -> Iterator[None]:
    """While inside, a full disk becomes `DiskFull`, and a journal that cannot be written `JournalError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise DiskFull(f"no room is left on the disk{where}: make room, {_GOES_ON}") from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise DiskFull(f"no room is left on the disk for the journal: make room, {_GOES_ON}") from error
        raise JournalError(f"the journal failed ({error}): look at this machine's disk, {_GOES_ON}") from error
