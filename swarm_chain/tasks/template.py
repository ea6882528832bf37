"""The task that `swarm-chain new` writes: `starter.py`, with another name."""

from __future__ import annotations

from importlib.resources import files


def template(class_name: str, file_name: str) -> str:
    """The source of a task to start from. `class_name` must be a Python name."""
    text = files("swarm_chain.tasks").joinpath("starter.py").read_text(encoding="utf-8")
    return text.replace("MyTask", class_name).replace("my_task.py", file_name)
