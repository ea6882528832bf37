"""Writes down every way out that this process takes: whom it speaks to, what it starts, which files it writes.

Python runs this file first in a process whose PYTHONPATH names its folder. Each line is an event and its object.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_LOG = os.open(os.environ["SWARM_CHAIN_TEST_WAYS_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_SPEAKING = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
_STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event in _SPEAKING:
        _note("speaks", args[-1])
    elif event == "socket.getaddrinfo":
        _note("speaks", args[:2])
    elif event in _STARTING:
        _note("starts", args[:1])
    elif event == "sqlite3.connect":
        _note("writes", os.fspath(args[0]))
    elif event in ("os.rename", "os.link", "os.symlink"):
        _note("writes", os.fspath(args[1]))
    elif event == "open" and not isinstance(args[0], int) and isinstance(args[2], int) and args[2] & _WRITING:
        _note("writes", os.fspath(args[0]))


def _note(kind: str, what: object) -> None:
    os.write(_LOG, f"{kind} {what!r}\n".encode("utf-8", "backslashreplace"))


sys.addaudithook(_watch)
