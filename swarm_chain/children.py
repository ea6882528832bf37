"""Programs that run beside this one, write to a log, and do not outlive it unless they are meant to."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from swarm_chain.errors import ConfigurationError

_PR_SET_PDEATHSIG: Final = 1


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    outlives: bool = False,
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """A running program whose output goes to a new file at `log`.

    Unless it `outlives` this process it gets a SIGTERM when this one ends, however that ends. Raises
    `ConfigurationError` if the log cannot be written.
    """
    make_folder(log.parent)
    with _opened(log) as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            # A Ctrl-C in the terminal is for us: who started a program stops it after everything that uses it.
            start_new_session=True,
            preexec_fn=_prepared(outlives, niceness),
        )


def stop(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Asks a program to end, and waits for it. Kills it after `timeout` seconds."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_folder(folder: Path) -> None:
    """Makes a folder where there is none. Raises `ConfigurationError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"folder {folder} cannot be made: {error.strerror}; choose another") from error


def tail(path: Path, size: int = 4096) -> str:
    """The end of a log."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", "replace")


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    lines = reversed(tail(path).splitlines())
    return next((line.strip() for line in lines if line.strip()), "it said nothing")


def _opened(log: Path) -> IO[bytes]:
    try:
        return log.open("wb")
    except OSError as error:
        raise ConfigurationError(f"log {log} cannot be written: {error.strerror}; choose another") from error


def _prepared(outlives: bool, niceness: int) -> Callable[[], None] | None:
    """What a child runs before the program; None where there is nothing to do."""
    ask_kernel = None if outlives else _die_with_parent()
    if ask_kernel is None and niceness == 0:
        return None

    def prepare() -> None:
        if niceness:
            os.nice(niceness)
        if ask_kernel is not None:
            ask_kernel()

    return prepare


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs so that even a killed parent does not leave it behind; None where Linux is not there to do it.

    SIGTERM, so that it still writes its state.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
