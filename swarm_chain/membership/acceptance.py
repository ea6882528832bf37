"""Whether a swarm's task may run here: one that comes as source code, not before its digest was accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import unified_diff

from swarm_chain.core import documents
from swarm_chain.core.documents import TaskDocument, explain_difference
from swarm_chain.core.rule_sources import fetch_rule
from swarm_chain.errors import Malformed, StoreError, TaskMismatch, TaskNotAccepted
from swarm_chain.genesis import read_source
from swarm_chain.ports import UpdateStore
from swarm_chain.tasks.sources import TaskFile, lines_of
from swarm_chain.types import Digest

Ask = Callable[["Offer"], bool]
"""Shows an offer to somebody who can answer, and says what they answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A swarm's task, to be read. `source` is None for one that ships, which is here already; so is `rule`, that of its
    merge rule."""

    document: TaskDocument
    source: bytes | None
    rule: bytes | None = None

    @property
    def digest(self) -> Digest:
        """What is accepted: it fixes source, hyper-parameters and merge rule."""
        return self.document.digest()


def read_offer(document: TaskDocument, store: UpdateStore) -> Offer:
    """A swarm's task with its sources. Nothing of them is run. Raises what a store does."""
    source, rule = read_source(document, store.get), fetch_rule(document.merge, store.get)
    return Offer(document=document, source=source, rule=rule)


def accept(
    offer: Offer,
    store: UpdateStore,
    *,
    digest: Digest | None = None,
    task: str | None = None,
    ask: Ask | None = None,
) -> Digest | None:
    """The digest that was accepted; None for a task that ships and was not asked about.

    By `digest`, by one's own `task` being the same, or by an answer. Raises `TaskNotAccepted`, and `TaskMismatch` with
    the difference where something else was accepted.
    """
    if digest is not None and digest != offer.digest:
        raise _other_digest(offer, digest, store)
    if task is not None:
        _require_same(offer, task)
    if offer.source is None or digest is not None or task is not None:
        return None if offer.source is None else offer.digest
    if ask is None or not ask(offer):
        raise TaskNotAccepted(
            f"the swarm's task {offer.document.name} is source code, and is not run here before somebody accepts it: "
            f"read it with `swarm-chain task show`, then join with --accept-task 0x{offer.digest.hex()}"
        )
    return offer.digest


def _require_same(offer: Offer, task: str) -> None:
    """Returns if a task of one's own has the swarm's source. Nothing is run; hyper-parameters are the swarm's."""
    file = TaskFile.parse(task)
    if file is None and offer.source is None and task == offer.document.name:
        return
    if file is None or offer.source is None:
        theirs = "is source code" if offer.source is not None else f"ships, and is called {offer.document.name}"
        raise TaskMismatch(f"--task {task} is not the swarm's task, which {theirs}; leave --task away to see it")
    ours = file.read()
    if ours != offer.source:
        raise TaskMismatch(
            f"{file.path} is not the source of the swarm's task {offer.document.name}: see the difference above",
            details=source_difference(ours, offer.source, here=str(file.path)),
        )


def _other_digest(offer: Offer, digest: Digest, store: UpdateStore) -> TaskMismatch:
    """What is different, where the task that was accepted can still be read."""
    message = f"0x{digest.hex()} was accepted, and the swarm's task is 0x{offer.digest.hex()}"
    try:
        earlier = read_offer(documents.read(store.get, digest, TaskDocument), store)
    except (StoreError, Malformed):
        return TaskMismatch(f"{message}: read it with `swarm-chain task show` before you accept it")
    fields = "; ".join(explain_difference(earlier.document, offer.document))
    difference = source_difference(earlier.source or b"", offer.source or b"", here="accepted")
    return TaskMismatch(f"{message}: {fields}", details=difference)


def source_difference(ours: bytes, theirs: bytes, *, here: str) -> str:
    """A unified diff from what is here to the swarm's; says so where all that differs does not show."""
    mine, other = (lines_of(source.decode("utf-8", "replace")) for source in (ours, theirs))
    if mine == other and ours != theirs:
        return f"{here} and the swarm's have the same lines, and differ in how these end"
    return "\n".join(unified_diff(mine, other, fromfile=here, tofile="the swarm's", lineterm=""))
