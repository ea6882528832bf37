"""What the swarm is compared with, measured in a process of its own while the swarm trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from swarm_chain import children
from swarm_chain.config.threads import ONE_THREAD
from swarm_chain.demo.places import Places
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.swarm import Member
from swarm_chain.errors import DemoFailed
from swarm_chain.types import Metrics

_NICENESS: Final = 10
"""Nodes come first: a round waits for the slowest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baselines:
    """How good models are without a swarm: each node's own, trained on `samples`, and one of all data pooled.

    `alone` and `pooled` are measured on the test examples, `alone_own` on what each node holds out itself. Empty where
    there is nothing to measure on: a model with private layers can be measured at its own node only.
    """

    alone: tuple[Metrics, ...]
    alone_own: tuple[Metrics, ...]
    pooled: Metrics
    samples: tuple[int, ...]


class Comparison:
    """The measurement under way. Leaving the `with` block ends it."""

    def __init__(self, settings: DemoSettings, members: Sequence[Member], places: Places) -> None:
        self._log = places.root / "comparison.log"
        self._answer = places.root / "comparison.json"
        request = places.root / "comparison-request.json"
        request.write_text(json.dumps(_request(settings, members), indent=2) + "\n", encoding="utf-8")
        command = [sys.executable, "-P", "-m", "swarm_chain.demo.measure", str(request), str(self._answer)]
        environment = {**os.environ, **ONE_THREAD}
        self._process = children.spawn(command, self._log, environment=environment, niceness=_NICENESS)

    def result(self, timeout: float) -> Baselines:
        """What was measured, once it is. Raises `DemoFailed`."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DemoFailed(
                f"the comparison did not end within {timeout:.0f} s; run again with fewer --rounds"
            ) from None
        if status != 0:
            raise DemoFailed(f"the comparison failed: {children.last_line(self._log)}")
        found = json.loads(self._answer.read_text(encoding="utf-8"))
        return Baselines(
            alone=tuple(found["alone"]),
            alone_own=tuple(found["alone_own"]),
            pooled=found["pooled"],
            samples=tuple(found["samples"]),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _request(settings: DemoSettings, members: Sequence[Member]) -> dict[str, Any]:
    return {
        "task": settings.task_name,
        "training": settings.task.hyperparameters.document(),
        "data": [member.data for member in members],
        "sources": list(settings.sources),
        "deals": settings.deals,
        "seed": settings.seed,
        "rounds": settings.rounds,
    }
