"""A swarm in one line of a list: how far it is, how good its model is, and what it does. Few requests, for many swarms.

Events are not asked for: they take many requests where a swarm is old. What they would say of the head, its document
says, and the updates that it links to: how good the model was that its round started from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swarm_chain.core import documents
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.metrics import compared_metric
from swarm_chain.errors import Malformed, StoreError
from swarm_chain.models.scores import scores_by
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.types import AbortReason, ChainView, Phase, RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A model's mean over the sites that measured it, by the metric that swarms are compared by."""

    metric: str
    value: float
    sites: int
    test_samples: int | None
    round: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """A swarm at a glance. `head_round` is None where no store has the head's document, and the chain leaves it open;
    `compared` is of the newest result that is measured, None where documents are missing."""

    view: ChainView
    head_round: RoundNumber | None
    compared: Compared | None

    @property
    def state(self) -> str:
        """What it does, in a few words."""
        current, swarm = self.view.round, self.view.swarm
        if current.phase != Phase.IDLE:
            late = ", waits to be closed" if self.view.now >= current.deadline else ""
            return f"round {current.round} {current.phase.name.lower()}{late}"
        if swarm.active_nodes < swarm.required_updates:
            return f"idle: {swarm.active_nodes} nodes active, {swarm.required_updates} needed"
        if current.abort_reason != AbortReason.NONE:
            return f"idle: round {current.round} was aborted, {current.abort_reason.name.lower().replace('_', ' ')}"
        return "idle" if current.round else "idle: no round yet"


def glance_at(chain: Chain, store: UpdateStore | None) -> Glance:
    """A swarm as it is now. Raises what a chain does; documents may be missing."""
    view = chain.look()
    head = _read(store, view)
    return Glance(
        view=view,
        head_round=head.round if head else _round_by_chain(view),
        compared=_compared(head, store) if head and store else None,
    )


def _read(store: UpdateStore | None, view: ChainView) -> ResultDocument | None:
    try:
        return documents.read(store.get, view.swarm.head, ResultDocument) if store else None
    except (StoreError, Malformed):
        return None


def _round_by_chain(view: ChainView) -> RoundNumber | None:
    """The head's round, where the contract's state leaves no other."""
    if view.swarm.finalized_rounds in (0, view.round.round):
        return RoundNumber(view.swarm.finalized_rounds)
    is_last = view.round.phase == Phase.IDLE and view.round.abort_reason == AbortReason.NONE
    return view.round.round if is_last else None


def _compared(head: ResultDocument, store: UpdateStore) -> Compared | None:
    """How good the result was that the head's round started from."""
    try:
        base = documents.read(store.get, head.base, ResultDocument) if head.base and head.round else None
    except (StoreError, Malformed):
        return None
    scores = scores_by(head, store.get)
    metric = compared_metric(list(scores.metrics.values())) or compared_metric([scores.names])
    mean = scores.mean(metric) if metric else None
    if base is None or metric is None or mean is None:
        return None
    return Compared(
        metric=metric,
        value=mean.value,
        sites=mean.sites,
        test_samples=scores.test_samples(metric),
        round=base.round,
    )


def document_of(glance: Glance) -> Mapping[str, object]:
    """The glance for programs, as part of `schemas/swarms.schema.json`."""
    from swarm_chain.core.cids import document_cid

    view, compared = glance.view, glance.compared
    return {
        "head": {
            "digest": "0x" + view.swarm.head.hex(),
            "cid": str(document_cid(view.swarm.head)),
            "round": glance.head_round,
        },
        "finalized_rounds": view.swarm.finalized_rounds,
        "active_nodes": view.swarm.active_nodes,
        "required_updates": view.swarm.required_updates,
        "round": view.round.round,
        "phase": view.round.phase.name.lower(),
        "state": glance.state,
        "score": compared
        and {
            "metric": compared.metric,
            "value": compared.value,
            "sites": compared.sites,
            "test_samples": compared.test_samples,
            "round": compared.round,
        },
    }
