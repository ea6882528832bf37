"""The models a swarm agreed on, fetched and checked before a node trains from one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm_chain.agent.journal import Journal
from swarm_chain.core import documents, weights
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ResultDocument, TaskDocument
from swarm_chain.core.merge import rule_of
from swarm_chain.core.spool import Spool
from swarm_chain.core.step_state import read_state
from swarm_chain.core.unixfs import File
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, model_digest
from swarm_chain.errors import ShapeMismatch, TaskMismatch, TooLarge
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Digest, Parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A result, its weights and what its step carries on, on this disk and checked."""

    digest: Digest
    document: ResultDocument
    weights: Path
    state: Path | None = None


class Heads:
    """A node's copies of results. Only weights of the task's model, all finite, are ever adopted."""

    def __init__(self, *, task: TaskDocument, store: UpdateStore, spool: Spool, journal: Journal) -> None:
        self._task = task
        self._store = store
        self._spool = spool
        self._journal = journal

    def holds(self, weights_cid: Cid) -> bool:
        return self._spool.holds(weights_cid)

    def adopt(self, result: Digest) -> None:
        """Makes a result the node's own. Raises what a store does, `TaskMismatch`, `ShapeMismatch`, `NotFinite`."""
        document = self.head(result).document
        self._journal.adopt(result, document.weights)
        self._prune(document)

    def document(self, result: Digest) -> ResultDocument:
        """A result's document. Raises what a store does, and `Malformed`."""
        return documents.read(self._store.get, result, ResultDocument)

    def head(self, result: Digest) -> Head:
        """A result and its weights, fetched where they are not here yet, and checked."""
        document = self.document(result)
        if document.task != self._task.cid():
            raise TaskMismatch(
                f"result {document_cid(result)} is of task {document.task}, not of {self._task.cid()}; "
                "this node was configured for another swarm: join again"
            )
        if document.bytes > self._task.update.max_bytes:
            raise TooLarge(f"result {document_cid(result)} declares {document.bytes} bytes of weights, too many")
        path = self._spool.weights(File(cid=document.weights, size=document.bytes))
        specs = self._check(path)
        state = read_state(rule_of(self._task.merge).step, document.state, specs, self._spool.weights)
        return Head(digest=result, document=document, weights=path, state=state)

    def parameters(self, result: Digest) -> Parameters:
        """A result's tensors, in memory."""
        return weights.load(self.head(result).weights)

    def _check(self, path: Path) -> Specs:
        with WeightsFile(path) as opened:
            if model_digest(opened.specs) != self._task.model:
                raise ShapeMismatch("the head's tensors are not the task's model; this swarm is broken from its start")
            check_finite(opened)
            return opened.specs

    def _prune(self, head: ResultDocument) -> None:
        """Keeps the head, its state, what was trained, to submit it again if a round aborts, and the node's memory."""
        training = self._journal.training()
        wanted = (training.weights, training.memory) if training else ()
        self._spool.keep_only({cid for cid in (head.weights, head.state, *wanted) if cid is not None})
