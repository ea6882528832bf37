"""Where models are trained: the processor, or a GPU where there is one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from swarm_chain.errors import TaskError

if TYPE_CHECKING:
    import torch


def find_device(wanted: str) -> torch.device:
    """The device that a hyper-parameter names; for `auto` a GPU where there is one.

    Raises `TaskError` for one that is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(name for name, is_there in there.items() if is_there) if wanted == "auto" else wanted
    if not there[name]:
        raise TaskError(f"the task trains on {name}, and torch finds none here: join where there is one")
    if name == "cuda":
        # What cuBLAS needs to give the same bits twice; read when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(name)
