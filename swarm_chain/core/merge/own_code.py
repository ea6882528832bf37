"""Rules that do not ship are other people's code: whatever they raise is what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from swarm_chain.core.merge.rule import MergeRule
from swarm_chain.errors import MergeError, SwarmChainError


@contextmanager
def blamed_on(kind: type[MergeRule]) -> Iterator[None]:
    """What a rule that does not ship raises inside becomes a `MergeError`; a mistake in one that ships stays itself."""
    try:
        yield
    except SwarmChainError:
        raise
    except (Exception, SystemExit) as error:
        if kind.__module__.startswith(f"{__package__}."):
            raise
        raise MergeError(f"the merge rule {kind.name} cannot merge: {type(error).__name__}: {error}") from error
