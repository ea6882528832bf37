"""Silence about metrics that are no numbers: here that is what attacks are for, and tables say it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TRAINER: Final = "swarm_chain.adapters.torch_trainer"


@contextmanager
def quiet() -> Iterator[None]:
    """While inside, the trainer warns of nothing."""
    logger = logging.getLogger(_TRAINER)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
