"""The swarm-chain command."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

from swarm_chain.cli.tree import cli


def main() -> None:
    """Runs the command line and exits with its status."""
    sys.excepthook = _show_bug
    cli.main(prog_name="swarm-chain")


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints a traceback with the lines of a task's source, which may be no file: Python's own does not before 3.13."""
    traceback.print_exception(kind, error, trace)
