"""Where a swarm's first model comes from: the results of earlier swarms that geneses link to.

A genesis whose `base` is null starts from its task's seed or from a file. Otherwise `base` links to the result that the
weights were taken from: one that an earlier swarm finalised, which names that swarm and the round, or the genesis of an
earlier swarm, which names none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.errors import MalformedDocument
from swarm_chain.types import Address, Digest, RoundNumber

MAX_LINKS: Final = 64
"""Most results one behind the other that are followed: a line that somebody made longer was made to keep us busy."""

Read = Callable[[Cid], ResultDocument]
"""A result's document by its link. Raises what the store does, and `MalformedDocument`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A result of an earlier swarm, as its document names itself; what the chain says of it is another question."""

    result: Digest
    chain_id: int
    contract: Address
    round: RoundNumber

    @classmethod
    def of(cls, document: ResultDocument) -> Self | None:
        """What a result says of itself; None for a genesis, which names no swarm."""
        if document.chain is None or document.contract is None:
            return None
        return cls(result=document.digest(), chain_id=document.chain, contract=document.contract, round=document.round)


def earlier_results(genesis: ResultDocument, read: Read) -> Iterator[ResultDocument]:
    """The results that a genesis starts from, nearest first: geneses, if any, and last one that a swarm finalised.

    Nothing for a swarm that starts from a seed or a file. What was finalised has a swarm and a line of its own.
    Raises what `read` does, and `MalformedDocument` for more than `MAX_LINKS` geneses in a row.
    """
    document = genesis
    for _ in range(MAX_LINKS):
        if document.round != 0 or document.base is None:
            return
        document = read(document.base)
        yield document
    if document.round == 0 and document.base is not None:
        raise MalformedDocument(f"more than {MAX_LINKS} geneses one behind the other; no swarm has that many")


def origin_of(genesis: ResultDocument, read: Read) -> Origin | None:
    """The result of an earlier swarm that a genesis starts from; None where it starts from a seed or a file.

    Raises what `earlier_results` does.
    """
    *_, last = (genesis, *earlier_results(genesis, read))
    return None if last.round == 0 else Origin.of(last)
