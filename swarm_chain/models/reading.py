"""A swarm's results, read at one block of its chain: each beside its document, and refused where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from swarm_chain.chronicle import Chronicle, Library, Round, tell
from swarm_chain.core import documents
from swarm_chain.core.cids import Cid, document_cid
from swarm_chain.core.documents import ResultDocument, TaskDocument
from swarm_chain.errors import InvalidAnswer, NoSuchResult, ResultMismatch
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.types import BlockNumber, Digest, RoundNumber, Timestamp

GENESIS = RoundNumber(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreed:
    """A result that a swarm agreed on, or started from. `round` is the chain's word; None for the genesis."""

    digest: Digest
    document: ResultDocument
    task: TaskDocument
    round: Round | None

    @property
    def number(self) -> RoundNumber:
        """The round it came from; 0 for the genesis."""
        return self.document.round

    @property
    def cid(self) -> Cid:
        """The CID of its document."""
        return document_cid(self.digest)


class SwarmReading:
    """A swarm, as its chain has it `depth` blocks below the newest one. Documents are read when they are asked for."""

    def __init__(self, chain: Chain, store: UpdateStore, *, depth: int = 0) -> None:
        """Raises what a chain does, and `InvalidAnswer` where its events do not lead to its head."""
        view = chain.look(depth=depth)
        events = chain.events(to_block=view.block_number)
        self.chain, self.store, self.block_number = chain, store, view.block_number
        self.chronicle = tell(chain_id=chain.chain_id, contract=chain.coordinator, swarm=view.swarm, events=events)
        self.library = Library(self.chronicle, store)
        _check_story(self.chronicle)

    @property
    def head(self) -> RoundNumber:
        """The last round that ended in a result; 0 for the genesis."""
        return max(self.chronicle.results)

    @cached_property
    def task(self) -> TaskDocument:
        """The swarm's task. Raises what its store does, and `MalformedDocument`."""
        return documents.read(self.store.get, self.chronicle.config.task_digest, TaskDocument)

    def agreed(self, number: int | None = None) -> Agreed:
        """The result of a round; the head unless told.

        Raises `NoSuchResult`, `ResultMismatch`, `MalformedDocument`, and what the store does.
        """
        wanted = RoundNumber(self.head if number is None else number)
        digest = self.chronicle.results.get(wanted)
        if digest is None:
            raise NoSuchResult(why_none(self.chronicle, wanted))
        document = documents.read(self.store.get, digest, ResultDocument)
        check_result(document, self.chronicle, wanted)
        return Agreed(digest=digest, document=document, task=self.task, round=round_of(self.chronicle, wanted))

    @cached_property
    def times(self) -> Mapping[BlockNumber, Timestamp]:
        """When the blocks were in which rounds were finalised."""
        blocks = sorted({one.end.block_number for one in self.chronicle.finalized if one.end is not None})
        return dict(zip(blocks, self.chain.timestamps(blocks), strict=True))

    def finalized_at(self, round_: Round | None) -> Timestamp | None:
        """When a round ended in its result; None for one that did not, and for the genesis."""
        return None if round_ is None or round_.end is None else self.times.get(round_.end.block_number)


def round_of(chronicle: Chronicle, number: int) -> Round | None:
    """The round of that number; None where there is none, as for the genesis."""
    return next((one for one in chronicle.rounds if one.number == number), None)


def why_none(chronicle: Chronicle, number: int) -> str:
    """Why a round has no result, and which one to ask for instead."""
    results = sorted(chronicle.results)
    before = max((known for known in results if known < number), default=0)
    instead = f"the last result before it is that of round {before}" if before else "before it there is the genesis, 0"
    round_ = round_of(chronicle, number)
    if round_ is None:
        last = chronicle.rounds[-1].number if chronicle.rounds else 0
        return f"there is no round {number}: " + (f"the last is {last}" if last else "none was opened yet; 0 is there")
    if round_.abort_reason is not None:
        reason = round_.abort_reason.name.lower().replace("_", " ")
        return f"round {number} was aborted ({reason}) and has no result; {instead}"
    return f"round {number} still runs and has no result yet; {instead}"


def check_result(document: ResultDocument, chronicle: Chronicle, number: int) -> None:
    """Returns if a result's document says what its chain says of that round. Raises `ResultMismatch`."""
    round_ = round_of(chronicle, number)
    facts: Sequence[tuple[str, object, object]] = (
        ("round", document.round, number),
        ("task", document.task, document_cid(chronicle.config.task_digest)),
    )
    if round_ is not None:
        facts = (
            ("chain", document.chain, chronicle.chain_id),
            ("contract", document.contract, chronicle.contract),
            *facts,
            ("base", document.base, document_cid(round_.base)),
        )
    wrong = [name for name, said, right in facts if said != right]
    if wrong:
        raise ResultMismatch(
            f"the result of round {number} is about another {' and '.join(wrong)} than the chain says; "
            "run `swarm-chain audit`, which names who attested to it"
        )


def _check_story(chronicle: Chronicle) -> None:
    """Every round starts from the result before it, and the last result is the head."""
    result = chronicle.config.genesis_digest
    for round_ in chronicle.rounds:
        if round_.base != result:
            raise InvalidAnswer(f"the endpoint's events leave out how round {round_.number} got its base; use another")
        result = round_.result or result
    if result != chronicle.head:
        raise InvalidAnswer("the endpoint's events do not lead to the contract's head; look again, or use another")
