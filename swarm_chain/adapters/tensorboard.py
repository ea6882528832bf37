"""What an agent learns of models, as event files that TensorBoard shows: a curve a metric, a step a round."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.agent.activity import Activity
from swarm_chain.core.traffic import Traffic
from swarm_chain.errors import ConfigurationError, ToolMissing

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


class Curves:
    """Writes a node's curves into a folder: an `OnActivity`. Files that cannot be written stop no agent.

    `base/` and `local/` hold the metrics of what a round's training started from and of what came out, `head/` those of
    each agreed model at the round it came from, `training/` samples and seconds, `traffic/` the bytes up to then.
    Goes on with the curves that are there already: a step that has a value gets no second one.
    """

    def __init__(self, folder: Path, *, traffic: Callable[[], Traffic]) -> None:
        """Raises `ToolMissing` without the package tensorboard, and `ConfigurationError` for no folder to write to."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ToolMissing(
                "--tensorboard needs the package tensorboard; install it: pip install 'swarm-chain[tensorboard]'"
            ) from error
        self._traffic = traffic
        try:
            self._last = _last_steps(folder) if folder.is_dir() else {}
            self._writer: SummaryWriter | None = SummaryWriter(str(folder))
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be written: {error.strerror}; choose another folder") from error

    def __call__(self, activity: Activity) -> None:
        """Writes what is new of an activity."""
        new = {
            (tag, step): value
            for step, values in _points(activity, self._traffic())
            for tag, value in values.items()
            if step > self._last.get(tag, -1)
        }
        if new and self._writer is not None:
            self._write(self._writer, new)

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, writer: SummaryWriter, points: Mapping[tuple[str, int], float]) -> None:
        try:
            for (tag, step), value in points.items():
                writer.add_scalar(tag, value, step)
                self._last[tag] = step
            writer.flush()
        except OSError as error:
            log.warning("the curves for TensorBoard end here: %s", error)
            self._writer = None


def _points(activity: Activity, traffic: Traffic) -> list[tuple[int, dict[str, float]]]:
    """Values by their tags, a mapping a step."""
    found: list[tuple[int, dict[str, float]]] = []
    if activity.head_round is not None:
        found.append((activity.head_round, _under("head", activity.head_metrics)))
    if activity.trained_round is not None:
        values = {**_under("base", activity.base_metrics), **_under("local", activity.local_metrics)}
        values |= {"traffic/up": float(traffic.up), "traffic/down": float(traffic.down)}
        if activity.samples is not None:
            values["training/samples"] = float(activity.samples)
        if activity.training_seconds is not None:
            values["training/seconds"] = activity.training_seconds
        found.append((activity.trained_round, values))
    return found


def _under(kind: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"{kind}/{name}": value for name, value in metrics.items()}


def _last_steps(folder: Path) -> dict[str, int]:
    """The last step of every curve that a folder's files hold."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    # It keeps the newest values of a curve; one is enough.
    found = EventAccumulator(str(folder), size_guidance={SCALARS: 1})
    found.Reload()
    return {tag: int(found.Scalars(tag)[-1].step) for tag in found.Tags()[SCALARS]}
