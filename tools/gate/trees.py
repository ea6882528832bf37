"""Whether the trees, the tests and the random walk say the same."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from tools.gate.commands import run
from tools.gate.figures import Row

CHECKS: Final = ("tests/checks/test_trees.py", "tests/checks/test_invariants.py")


def row(root: Path) -> Row:
    """The table's row on what is written beside what is tested."""
    done = run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *CHECKS], root=root)
    counted = re.search(r"(\d+) passed", done.out)
    faults = [] if done.status == 0 and counted else done.out.splitlines()[-20:] or ["pytest said nothing"]
    return Row(name="trees", figures=f"{counted[1] if counted else 0} checks of trees against tests", faults=faults)
