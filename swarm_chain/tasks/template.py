"""The task that `swarm-chain new` writes: `starter.py`, with another name."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

CLASS: Final = "MyTask"
_FILE: Final = "my_task.py"


def template(class_name: str, file_name: str) -> str:
    """The source of a task to start from. `class_name` must be a Python name that is not taken."""
    return _starter().replace(CLASS, class_name).replace(_FILE, file_name)


def is_taken(class_name: str) -> bool:
    """Whether the source uses a name for something else."""
    return class_name != CLASS and re.search(rf"\b{re.escape(class_name)}\b", _starter()) is not None


def _starter() -> str:
    return files("swarm_chain.tasks").joinpath("starter.py").read_text(encoding="utf-8")
