"""What a swarm does now and what it waits for, read from its chain and stores; for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarm_chain.chronicle import Chronicle, Library, tell
from swarm_chain.core import documents
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.quorum import fault_tolerance
from swarm_chain.errors import Malformed, StoreError
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.status import sites
from swarm_chain.status.node import NodeStatusFile
from swarm_chain.types import (
    AbortReason,
    Address,
    BlockNumber,
    ChainView,
    Digest,
    Event,
    Metrics,
    NodeAnnounced,
    NodeInfo,
    NodeStatus,
    Phase,
    ResultAttested,
    RoundAborted,
    RoundFinalized,
    RoundNumber,
    UpdateCommitted,
    UpdateRevealed,
)

SETTLED_DEPTH = 64
"""Blocks below the newest one under which no reorganisation is expected."""
REPEATED = 2
"""Rounds in a row without a result after which the nodes that stay away are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LastUpdate:
    """A node's newest update. `problem` says why there are no metrics, where no store gives the document."""

    round: RoundNumber
    digest: Digest
    samples: int
    base_metrics: Metrics
    local_metrics: Metrics
    problem: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeState:
    """One node. `has_done` is what it did in the running or last round: committed, revealed, attested."""

    address: Address
    label: str
    info: NodeInfo
    is_expected: bool
    has_done: tuple[str, ...]
    stores: tuple[str, ...]
    last_update: LastUpdate | None

    @property
    def status(self) -> str:
        """In a word: active, suspended, suspended_by_registrar, removed; or absent."""
        if self.info.is_absent and self.info.status == NodeStatus.ACTIVE:
            return "absent"
        return self.info.status.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What would move the phase on before its deadline: these nodes' commits, reveals or attestations."""

    act: str
    nodes: tuple[Address, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmStatus:
    """A swarm at one block. `head_round` is None where no store has the head's document.

    `measured` are the newest results with what nodes' updates say of them, the head first.
    """

    chain_id: int
    coordinator: Address
    view: ChainView
    head_round: RoundNumber | None
    nodes: tuple[NodeState, ...]
    waiting: Waiting | None
    advice: tuple[str, ...]
    measured: tuple[sites.Scored, ...] = ()

    @property
    def seconds_left(self) -> int | None:
        """To the phase's deadline, on the chain's clock; negative once it waits to be closed. None when idle."""
        current = self.view.round
        return None if current.phase == Phase.IDLE else current.deadline - self.view.now

    def label_of(self, address: Address) -> str:
        """What people call a node: its label, or its address where it has none."""
        return next((node.label for node in self.nodes if node.address == address and node.label), _hex(address))

    def sites(self, agents: Mapping[Address, NodeStatusFile]) -> sites.Sites | None:
        """How the model that the swarm agreed on last, or the one before it, does at every node.

        `agents` are those on this machine, by account. None where nobody has scored any.
        """
        addresses = [node.address for node in self.nodes]
        return sites.compare_sites(self.measured, self.view.swarm.head, addresses, agents)


class EventHistory:
    """A swarm's events, of which each look fetches only those that may be new."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._settled: list[Event] = []
        self._settled_to: BlockNumber | None = None

    def up_to(self, block: BlockNumber) -> Sequence[Event]:
        """All events up to a block, this one included. Raises what a chain does."""
        if self._settled_to is not None and block < self._settled_to:
            # The chain is shorter than it was: a development chain was started anew.
            self._settled, self._settled_to = [], None
        first = None if self._settled_to is None else BlockNumber(self._settled_to + 1)
        new = self._chain.events(from_block=first, to_block=block)
        found = [*self._settled, *new]
        if block > SETTLED_DEPTH:
            self._settled_to = BlockNumber(block - SETTLED_DEPTH)
            self._settled = [event for event in found if event.block_number <= self._settled_to]
        return found


def read_status(chain: Chain, store: UpdateStore | None = None, history: EventHistory | None = None) -> SwarmStatus:
    """The swarm's state, with updates' metrics where a store is given. Raises what a chain does.

    Who looks again and again keeps a `history`, so that old events are fetched once.
    """
    view = chain.look()
    events = (history or EventHistory(chain)).up_to(view.block_number)
    chronicle = tell(chain_id=chain.chain_id, contract=chain.coordinator, swarm=view.swarm, events=events)
    library = Library(chronicle, store)
    nodes = tuple(_nodes(chain, chronicle, library, events, view))
    return SwarmStatus(
        chain_id=chain.chain_id,
        coordinator=chain.coordinator,
        view=view,
        head_round=_head_round(store, events, view.swarm.head),
        nodes=nodes,
        waiting=_waiting(view, nodes),
        advice=tuple(_advice(view, nodes, events)),
        measured=sites.measure(chronicle, library),
    )


# ---------------------------------------------------------------------------------------------------------------- nodes


def _nodes(
    chain: Chain, chronicle: Chronicle, library: Library, events: Sequence[Event], view: ChainView
) -> Iterable[NodeState]:
    stores = {event.node: event.stores for event in events if isinstance(event, NodeAnnounced)}
    infos = chain.node_infos(list(chronicle.labels))
    for (address, label), info in zip(chronicle.labels.items(), infos, strict=True):
        if info.status == NodeStatus.REMOVED and not info.is_expected_in(view.round.round):
            continue
        yield NodeState(
            address=address,
            label=label,
            info=info,
            is_expected=view.round.round > 0 and info.is_expected_in(view.round.round),
            has_done=tuple(_has_done(info, view)),
            stores=tuple(stores.get(address, b"").decode("utf-8", "replace").split()),
            last_update=_last_update(chronicle, library, address),
        )


def _has_done(info: NodeInfo, view: ChainView) -> Iterable[str]:
    current = view.round.round
    if current == 0:
        return
    if view.swarm.config.is_sealed and info.committed_round == current:
        yield "committed"
    if info.revealed_round == current:
        yield "revealed" if view.swarm.config.is_sealed else "submitted"
    if info.attested_round == current:
        yield "attested"


def _last_update(chronicle: Chronicle, library: Library, node: Address) -> LastUpdate | None:
    round_ = next((one for one in reversed(chronicle.rounds) if node in one.reveals), None)
    if round_ is None:
        return None
    reveal, found = round_.reveals[node], library.update(round_, node)
    document = found.document
    return LastUpdate(
        round=reveal.round,
        digest=reveal.digest,
        samples=reveal.samples,
        base_metrics=document.base_metrics if document else {},
        local_metrics=document.local_metrics if document else {},
        problem=found.problem,
    )


def _head_round(store: UpdateStore | None, events: Sequence[Event], head: Digest) -> RoundNumber | None:
    """The round whose result is the head; 0 for the genesis."""
    finalized = [event for event in events if isinstance(event, RoundFinalized)]
    if finalized:
        return finalized[-1].round if finalized[-1].result == head else None
    if store is None:
        return RoundNumber(0)
    try:
        return documents.read(store.get, head, ResultDocument).round
    except (StoreError, Malformed):
        return None


# -------------------------------------------------------------------------------------------------------------- waiting


def _waiting(view: ChainView, nodes: Sequence[NodeState]) -> Waiting | None:
    current, is_sealed = view.round, view.swarm.config.is_sealed
    match current.phase:
        case Phase.TRAINING:
            act = "commit" if is_sealed else "submit"
            missing = [one for one in nodes if one.is_expected and one.info.committed_round != current.round]
        case Phase.REVEALING:
            act = "reveal"
            missing = [
                one
                for one in nodes
                if one.info.committed_round == current.round and one.info.revealed_round != current.round
            ]
        case Phase.MERGING:
            act = "attest"
            missing = [
                one
                for one in nodes
                if one.info.revealed_round == current.round and one.info.attested_round != current.round
            ]
        case _:
            return None
    return Waiting(act=act, nodes=tuple(one.address for one in missing))


# --------------------------------------------------------------------------------------------------------------- advice


def _advice(view: ChainView, nodes: Sequence[NodeState], events: Sequence[Event]) -> Iterable[str]:
    """What a person can do where the swarm does not get on by itself."""
    if view.round.phase != Phase.IDLE and view.now >= view.round.deadline:
        yield "the deadline has passed: running agents close the phase, and so does anyone's `swarm-chain round close`"
    if view.round.phase == Phase.IDLE and view.swarm.active_nodes < view.swarm.required_updates:
        yield from _advise_too_few(view, nodes)
    aborted = _aborted_in_a_row(events)
    if len(aborted) >= REPEATED:
        yield _advise_aborted(view, nodes, events, aborted)


def _advise_too_few(view: ChainView, nodes: Sequence[NodeState]) -> Iterable[str]:
    swarm = view.swarm
    suspended = [node for node in nodes if node.info.status == NodeStatus.SUSPENDED]
    barred = [node for node in nodes if node.info.status == NodeStatus.SUSPENDED_BY_REGISTRAR]
    remedy = "" if suspended or barred else "; invite nodes with `swarm-chain invite ADDRESS`"
    yield f"no round can open: {swarm.active_nodes} nodes are active, {swarm.required_updates} are needed{remedy}"
    if suspended:
        yield f"suspended, until their agents run again or they call `swarm-chain node resume`: {_names(suspended)}"
    if barred:
        yield f"suspended by a registrar, whose action is what helps (`swarm-chain node lift NODE`): {_names(barred)}"


def _advise_aborted(
    view: ChainView, nodes: Sequence[NodeState], events: Sequence[Event], aborted: Sequence[RoundAborted]
) -> str:
    """Names who stays away while rounds end without a result: the contract never counts these as absent."""
    what = f"rounds {aborted[0].round} to {aborted[-1].round} ended without a result"
    away = [node for node in nodes if _was_expected(node, aborted[0]) and not _finished_any(node, aborted, events)]
    if not away:
        return f"{what}, and no node stayed away from all of them: their agents' logs say why"
    left = view.swarm.active_nodes - len(away)
    config = view.swarm.config
    needed = fault_tolerance(config.quorum_bps, config.min_updates, left).required
    help_ = "a registrar's action is what helps (`swarm-chain node suspend NODE`, or `node remove NODE`)"
    if left < needed:
        help_ = f"a registrar must invite more nodes, or these come back: without them {left} of {needed} are left"
    return f"{what}, and nobody becomes absent while none is finalised; {help_}; who stayed away: {_names(away)}"


def _aborted_in_a_row(events: Sequence[Event]) -> Sequence[RoundAborted]:
    """The last rounds that ended, back to the last finalised one."""
    aborted: list[RoundAborted] = []
    for event in events:
        if isinstance(event, RoundFinalized):
            aborted.clear()
        elif isinstance(event, RoundAborted):
            aborted.append(event)
    return aborted


def _was_expected(node: NodeState, first: RoundAborted) -> bool:
    """Whether an active node was so already when the rounds began to abort."""
    return node.info.status == NodeStatus.ACTIVE and node.info.active_from <= first.round


def _finished_any(node: NodeState, aborted: Sequence[RoundAborted], events: Sequence[Event]) -> bool:
    """Whether it did, in one of the rounds, what that round lacked in the end."""
    lacked = {event.round: _DONE[event.reason] for event in aborted}
    return any(
        isinstance(event, UpdateCommitted | UpdateRevealed | ResultAttested)
        and event.node == node.address
        and isinstance(event, lacked.get(event.round, ()))
        for event in events
    )


_DONE: Mapping[AbortReason, tuple[type[Event], ...]] = {
    # In a direct swarm submitting is both committing and revealing.
    AbortReason.TOO_FEW_UPDATES: (UpdateCommitted, UpdateRevealed),
    AbortReason.TOO_FEW_REVEALS: (UpdateRevealed,),
    AbortReason.NO_QUORUM: (ResultAttested,),
}


def _names(nodes: Sequence[NodeState]) -> str:
    return ", ".join(f"{node.label} ({_hex(node.address)})" if node.label else _hex(node.address) for node in nodes)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


# ----------------------------------------------------------------------------------------------------------------- JSON


def document_of(status: SwarmStatus, agents: Mapping[Address, NodeStatusFile] | None = None) -> Mapping[str, Any]:
    """The status for programs, as `schemas/status.schema.json` describes it. `agents` are those on this machine."""
    swarm, agents = status.view.swarm, agents or {}
    return {
        "chain_id": status.chain_id,
        "contract": _hex(status.coordinator),
        "block_number": status.view.block_number,
        "block_hash": _hex(status.view.block_hash),
        "now": status.view.now,
        "head": {
            "digest": _hex(swarm.head),
            "cid": str(document_cid(swarm.head)),
            "round": status.head_round,
        },
        "task": {"digest": _hex(swarm.config.task_digest), "cid": str(document_cid(swarm.config.task_digest))},
        "configuration": _configuration(status),
        "finalized_rounds": swarm.finalized_rounds,
        "active_nodes": swarm.active_nodes,
        "required_updates": swarm.required_updates,
        "round": _round(status),
        "nodes": [_node(node, agents.get(node.address)) for node in status.nodes],
        "sites": sites.document_of(status.sites(agents)),
        "advice": list(status.advice),
    }


def _configuration(status: SwarmStatus) -> Mapping[str, Any]:
    config = status.view.swarm.config
    return {
        "sealed": config.is_sealed,
        "quorum_bps": config.quorum_bps,
        "min_updates": config.min_updates,
        "initial_window": config.initial_window,
        "min_window": config.min_window,
        "max_window": config.max_window,
        "reveal_window": config.reveal_window,
        "merge_window": config.merge_window,
        "absence_limit": config.absence_limit,
        "open_registration": config.open_registration,
        "admin": _hex(config.admin),
    }


def _round(status: SwarmStatus) -> Mapping[str, Any]:
    current, waiting = status.view.round, status.waiting
    return {
        "number": current.round,
        "phase": current.phase.name.lower(),
        "abort_reason": None if current.abort_reason == AbortReason.NONE else current.abort_reason.name.lower(),
        "base": _hex(current.base),
        "deadline": current.deadline if current.phase != Phase.IDLE else None,
        "seconds_left": status.seconds_left,
        "expected": current.expected,
        "quorum": current.quorum,
        "commits": current.commits,
        "reveals": current.reveals,
        "leading": _hex(current.leading) if any(current.leading) else None,
        "leading_attestations": current.leading_attestations,
        "waiting_for": waiting and {"act": waiting.act, "nodes": [_hex(node) for node in waiting.nodes]},
    }


def _node(node: NodeState, agent: NodeStatusFile | None) -> Mapping[str, Any]:
    update = node.last_update
    return {
        "address": _hex(node.address),
        "label": node.label,
        "status": node.info.status.name.lower(),
        "absent": node.info.is_absent,
        "expected": node.is_expected,
        "done": list(node.has_done),
        "stores": list(node.stores),
        "last_update": update
        and {
            "round": update.round,
            "digest": _hex(update.digest),
            "samples": update.samples,
            "base_metrics": dict(update.base_metrics),
            "local_metrics": dict(update.local_metrics),
            "problem": update.problem,
        },
        "agent": agent and agent.document(),
    }
