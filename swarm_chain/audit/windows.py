"""How long phases last: PROTOCOL's windows that adapt, replayed."""

from __future__ import annotations

from swarm_chain.types import SwarmConfig


class Windows:
    """The training window and the stretch of the other two, after each event that changes them."""

    def __init__(self, config: SwarmConfig) -> None:
        self._config = config
        self.training: int = config.initial_window
        self.stretch = 1

    @property
    def revealing(self) -> int:
        """Seconds that a revealing phase lasts if it starts now."""
        return min(self._config.reveal_window * self.stretch, self._config.max_window)

    @property
    def merging(self) -> int:
        """Seconds that a merging phase lasts if it starts now."""
        return min(self._config.merge_window * self.stretch, self._config.max_window)

    def open(self, *, has_newcomer: bool) -> None:
        """A round opens: a newcomer gets time."""
        if has_newcomer:
            self.training = max(self.training, self._config.initial_window)

    def end_training(self, *, took: int | None, is_base_new: bool) -> None:
        """Training ended after `took` seconds because all came, or at its deadline: None."""
        if took is None:
            self.training = self._within_limits((self.training * 3 + 1) // 2)
        elif is_base_new:
            self.training = self._within_limits(2 * took)

    def abort_late(self) -> None:
        """A round aborted after training."""
        if self.revealing < self._config.max_window or self.merging < self._config.max_window:
            self.stretch *= 2

    def finalize(self, *, was_fast: bool) -> None:
        """A round was finalised; `was_fast` if no phase after training used more than half of its window."""
        if was_fast:
            self.stretch = max(1, self.stretch // 2)

    def _within_limits(self, seconds: int) -> int:
        return max(self._config.min_window, min(seconds, self._config.max_window))
