"""Who took part in a round: what its events and documents say of each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from swarm_chain.chronicle import Library, Outcome, Read, Round
from swarm_chain.core.documents import Excluded, Included, UpdateDocument
from swarm_chain.reporting.report import Part, Taking
from swarm_chain.types import Address


def takings(round_: Round, library: Library, max_bytes: int | None) -> tuple[Taking, ...]:
    """What each node had to do with a round, in the order of their addresses.

    `max_bytes` is what the task allows an update's weights to have: nobody fetches more.
    """
    nodes = sorted(round_.members | round_.reveals.keys())
    judged = _judged(round_, library)
    found = [_taking(round_, node, judged.get(node), library, max_bytes) for node in nodes]
    return tuple(_with_fetched(found))


def _judged(round_: Round, library: Library) -> Mapping[Address, Included | Excluded]:
    """What a round's result says of each node; nothing where there is none, or it cannot be had."""
    document = None if round_.result is None else library.result(round_.result).document
    if document is None:
        return {}
    included: dict[Address, Included | Excluded] = {entry.node: entry for entry in document.included}
    return included | {entry.node: entry for entry in document.excluded}


def _taking(
    round_: Round, node: Address, judged: Included | Excluded | None, library: Library, max_bytes: int | None
) -> Taking:
    reveal = round_.reveals.get(node)
    if reveal is None:
        return Taking(node=node, part=Part.COMMITTED if node in round_.committed else Part.NOTHING)
    read = library.update(round_, node)
    return Taking(
        node=node,
        part=_part(judged),
        reason=judged.reason.value if isinstance(judged, Excluded) else None,
        weight=judged.weight if isinstance(judged, Included) else None,
        samples=reveal.samples,
        put=read.size + _weights_bytes(read.document, max_bytes) if read.document else None,
        metrics=read.document.local_metrics if read.document else {},
        problem=problem_of(read),
    )


def _part(judged: Included | Excluded | None) -> Part:
    if judged is None:
        return Part.REVEALED
    return Part.INCLUDED if isinstance(judged, Included) else Part.EXCLUDED


def _weights_bytes(document: UpdateDocument, max_bytes: int | None) -> int:
    # What a document says of its weights was checked by nobody where the update did not count.
    return 0 if max_bytes is not None and document.bytes > max_bytes else document.bytes


def _with_fetched(found: list[Taking]) -> Iterator[Taking]:
    total = sum(one.put or 0 for one in found)
    for one in found:
        yield one if one.samples is None else replace(one, fetched=total - (one.put or 0))


def problem_of(read: Read[Any]) -> str | None:
    """Why a document cannot be read, without the names of stores: these tell where somebody's files lie."""
    return "no store that was asked has it" if read.is_out_of_reach else read.problem


def attested(round_: Round) -> int:
    """Equal attestations to a round's result; to the one that has most, where there is none."""
    said = list(round_.attested.values())
    if round_.outcome is Outcome.FINALIZED:
        return sum(result == round_.result for result in said)
    return max((said.count(result) for result in set(said)), default=0)
