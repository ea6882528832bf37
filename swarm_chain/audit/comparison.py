"""A result's lists beside the judgements of whoever executes the round again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from swarm_chain.audit.report import Fault, Finding
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import Excluded, Included, Reason, ResultDocument
from swarm_chain.core.judge import Judgement
from swarm_chain.types import Address, RoundNumber

Entry = Included | Excluded

_OTHERS_MATTER = (Reason.DUPLICATE, Reason.REJECTED)
"""Reasons that hang on more than the update itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What re-judging a round gave.

    `weights` are the integer weights of those that count; None where no merge could be executed. `unknown` are the
    nodes whose bytes could not be had; `is_complete` says that no byte was missing that a judgement hangs on.
    """

    judgements: Mapping[Address, Judgement]
    weights: Mapping[Address, int] | None
    unknown: Collection[Address]
    is_complete: bool


def compare_lists(claimed: ResultDocument, judged: Judged, number: RoundNumber) -> Iterator[Finding]:
    """A finding for each node that a result lists otherwise than the judgements say."""
    listed: list[Entry] = [*claimed.included, *claimed.excluded]
    entries = {one.node: one for one in listed}
    for node in sorted(judged.judgements.keys() | entries.keys()):
        entry, judgement = entries.get(node), judged.judgements.get(node)
        for fault, message in _compare(entry, judgement, judged):
            yield Finding(fault=fault, message=message, round=number, nodes=(node,))


def _compare(entry: Entry | None, judgement: Judgement | None, judged: Judged) -> Iterator[tuple[Fault, str]]:
    if judgement is None:
        yield Fault.NOT_REVEALED, "the result names it, and it revealed nothing in this round"
        return
    if entry is None:
        yield Fault.NOT_LISTED, f"it is in neither list of the result, and {_verdict_on(judgement)}"
        return
    revealed = document_cid(judgement.reveal.digest)
    if entry.update != revealed:
        yield Fault.WRONG_UPDATE, f"the result lists {entry.update} as its update; it revealed {revealed}"
    if _can_be_compared(entry, judgement, judged):
        yield from _compare_reason(entry, judgement)
        yield from _compare_weight(entry, judgement, judged.weights)


def _can_be_compared(entry: Entry, judgement: Judgement, judged: Judged) -> bool:
    if judgement.reveal.node in judged.unknown:
        return False
    if judged.is_complete:
        return True
    # Where bytes are missing, or no merge can be executed, only what the update alone shows is certain.
    return _own_reason(entry.reason if isinstance(entry, Excluded) else None) is not _own_reason(judgement.reason)


def _own_reason(reason: Reason | None) -> Reason | None:
    return None if reason in _OTHERS_MATTER else reason


def _compare_reason(entry: Entry, judgement: Judgement) -> Iterator[tuple[Fault, str]]:
    if isinstance(entry, Excluded):
        if entry.reason is not judgement.reason:
            yield Fault.WRONG_EXCLUSION, f"it is excluded as {entry.reason}, and {_verdict_on(judgement)}"
    elif judgement.reason is not None:
        yield Fault.WRONG_INCLUSION, f"it is included, and {_verdict_on(judgement)}"


def _compare_weight(
    entry: Entry, judgement: Judgement, weights: Mapping[Address, int] | None
) -> Iterator[tuple[Fault, str]]:
    if isinstance(entry, Excluded) or judgement.reason is not None or weights is None:
        return
    right = weights[judgement.reveal.node]
    if entry.weight != right:
        yield Fault.WRONG_NODE_WEIGHT, f"it weighs {entry.weight} in the result, and must weigh {right}"


def _verdict_on(judgement: Judgement) -> str:
    if judgement.reason is None:
        return "nothing is wrong with its update"
    return f"must be excluded as {judgement.reason} ({judgement.detail})"
