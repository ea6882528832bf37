"""Which of a model's tensors a swarm shares, which stay on their node, and which nobody trains."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from swarm_chain.errors import TaskError


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """Names in a model's state dict, each in one of the three."""

    shared: frozenset[str]
    private: frozenset[str]
    frozen: frozenset[str]

    @classmethod
    def of(
        cls,
        names: Collection[str],
        *,
        private: Sequence[str],
        frozen: Sequence[str],
        tied: Sequence[Collection[str]] = (),
    ) -> Layers:
        """A model's tensors by a task's patterns. Raises `TaskError` for a pattern that does not fit the model.

        `tied` are the names that mean one tensor: where one of them is private or frozen, all must be.
        """
        if not names:
            raise TaskError("the model has no tensors: there is nothing to train")
        _require_patterns(private, "private")
        _require_patterns(frozen, "frozen")
        for pattern in (*private, *frozen):
            if not any(fnmatchcase(name, pattern) for name in names):
                raise TaskError(f"the model has no tensor {pattern!r}; it has {', '.join(sorted(names))}")
        kept, fixed = _matching(names, private), _matching(names, frozen)
        if both := kept & fixed:
            raise TaskError(f"private and frozen at once: {', '.join(sorted(both))}; choose one")
        if not (shared := frozenset(names) - kept - fixed):
            raise TaskError("every tensor of the model is private or frozen: leave one for the swarm to train")
        made = cls(shared=shared, private=kept, frozen=fixed)
        for several in tied:
            made._require_together(several)
        return made

    def _require_together(self, several: Collection[str]) -> None:
        """A private tensor would leave its node under its other name, and a frozen one would be trained by it."""
        if not any(part.issuperset(several) for part in (self.shared, self.private, self.frozen)):
            raise TaskError(
                f"{' and '.join(sorted(several))} are one tensor of the model: name all of them in `private`, or in "
                "`frozen`, or none"
            )


def _require_patterns(patterns: object, what: str) -> None:
    """A text is a sequence of its letters too, and is never meant as one."""
    if isinstance(patterns, str) or not all(isinstance(one, str) for one in _items(patterns)):
        raise TaskError(f"`{what}` is {patterns!r}: give a tuple of patterns, like ('head.*',)")


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) else (None,)


def _matching(names: Collection[str], patterns: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
