"""The documents that a swarm's story links to, as far as stores have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from swarm_chain.chronicle.rounds import Chronicle, Round
from swarm_chain.core.cids import document_cid, verify
from swarm_chain.core.documents import MAX_DOCUMENT, Document, ResultDocument, TaskDocument, UpdateDocument
from swarm_chain.errors import Malformed, StoreError
from swarm_chain.ports import UpdateStore
from swarm_chain.types import Address, Digest, Metrics, RoundNumber

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, kw_only=True, slots=True)
class Read(Generic[D]):
    """A document that was looked for, of `size` bytes. Where there is none, `problem` says why in a line.

    `is_out_of_reach`: no store gave it; the problem then names stores, which is for nobody but who chose them.
    """

    document: D | None = None
    size: int = 0
    problem: str | None = None
    is_out_of_reach: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a site measured a result to be, in the update of a round that started from it. The node's own word."""

    round: RoundNumber
    metrics: Metrics


class Library:
    """A swarm's documents. Each is read from the store when it is first asked for, and once."""

    def __init__(self, chronicle: Chronicle, store: UpdateStore | None) -> None:
        self._chronicle = chronicle
        self._store = store
        self._task: Read[TaskDocument] | None = None
        self._updates: dict[tuple[RoundNumber, Address], Read[UpdateDocument]] = {}
        self._results: dict[Digest, Read[ResultDocument]] = {}

    def task(self) -> Read[TaskDocument]:
        """What the swarm agreed on before it started."""
        if self._task is None:
            self._task = self._read(self._chronicle.config.task_digest, TaskDocument)
        return self._task

    def result(self, digest: Digest) -> Read[ResultDocument]:
        """A result: of a round, or the genesis."""
        if digest not in self._results:
            self._results[digest] = self._read(digest, ResultDocument)
        return self._results[digest]

    def update(self, round_: Round, node: Address) -> Read[UpdateDocument]:
        """What a node revealed in a round. No document where it is about another round, node, base or swarm."""
        key = round_.number, node
        if key not in self._updates:
            found = self._read(round_.reveals[node].digest, UpdateDocument)
            wrong = found.document and self._contradiction(found.document, round_, node)
            self._updates[key] = Read(problem=wrong) if wrong else found
        return self._updates[key]

    def measured(self, result: Digest) -> Mapping[Address, Measured]:
        """How a result does at each site: what the newest update says that was trained from it."""
        return {
            node: Measured(round=round_.number, metrics=document.base_metrics)
            for round_ in self._chronicle.rounds_from(result)
            for node in round_.reveals
            if (document := self.update(round_, node).document)
        }

    def _contradiction(self, document: UpdateDocument, round_: Round, node: Address) -> str | None:
        said = (document.chain, document.contract, document.round, document.node, document.base)
        chronicle = self._chronicle
        seen = (chronicle.chain_id, chronicle.contract, round_.number, node, document_cid(round_.base))
        names = ("chain", "contract", "round", "node", "base")
        wrong = [name for name, one, other in zip(names, said, seen, strict=True) if one != other]
        return f"its document is about another {' and '.join(wrong)}" if wrong else None

    def _read(self, digest: Digest, kind: type[D]) -> Read[D]:
        if self._store is None:
            return Read(problem="no store was given", is_out_of_reach=True)
        try:
            data = self._store.get(document_cid(digest), max_bytes=MAX_DOCUMENT)
            verify(document_cid(digest), data)
            return Read(document=kind.decode(data), size=len(data))
        except StoreError as error:
            return Read(problem=str(error), is_out_of_reach=True)
        except Malformed as error:
            return Read(problem=str(error))
