"""What a node should do next: a function of the chain, of what the node has done so far, and of nothing else.

`decide` is asked after every look at the chain. It returns one action; the agent does it and looks again, so that
a node that was killed between two actions goes on where the chain and its journal say it is (PROTOCOL §6).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from swarm_chain.types import (
    Address,
    Call,
    ChainView,
    CloseRound,
    Commitment,
    CommitUpdate,
    Digest,
    NodeStatus,
    OpenRound,
    Phase,
    Resume,
    RevealUpdate,
    RoundNumber,
    Salt,
    Samples,
    SubmitUpdate,
    Suspend,
    Timestamp,
)

# -------------------------------------------------------------------------------------------------------------- actions


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopt:
    """Fetch and check a result, and hold its weights."""

    result: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Train:
    """Train on this node's data, starting from `base`."""

    round: RoundNumber
    base: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Write the update's document for a round, from what was trained on the round's base."""

    round: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """Put the staged update into the stores: from now on it can be read."""

    round: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """Fetch the round's updates, merge, attest, converge."""

    round: RoundNumber


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Send a call to the coordinator, now."""

    call: Call


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Look again when something may have changed; at `until` at the latest, where that is known."""

    why: str
    until: Timestamp | None = None


Action = Adopt | Train | Stage | Publish | Merge | Send | Wait

# ---------------------------------------------------------------------------------------------------------------- input


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedUpdate:
    """An update that is ready for one round: what will be committed, revealed, published."""

    round: RoundNumber
    base: Digest
    digest: Digest
    samples: Samples
    salt: Salt
    commitment: Commitment
    is_published: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What a node knows of itself when it decides.

    `is_willing`: whether it will contribute to rounds now (it has data, and is not ending).
    `is_deep`: whether the phase it sees is as deep in the chain as its confirmations ask.
    `waited`: seconds since it first saw the swarm idle after this round, or a deadline of this round passed.
    `absent`: nodes that anyone may suspend.
    `spread`: the longest that calls which anyone can make are put off, in seconds.
    """

    account: Address
    adopted: Digest | None
    trained_on: Digest | None
    staged: StagedUpdate | None
    is_willing: bool
    is_deep: bool
    sits_out: RoundNumber | None
    waited: float
    absent: tuple[Address, ...]
    spread: float


# ------------------------------------------------------------------------------------------------------------- decision


def decide(view: ChainView, own: Situation) -> Action:
    """The next action of the node `own.account` in the state `view`."""
    if view.round.phase == Phase.IDLE:
        return _decide_idle(view, own)
    if view.now >= view.round.deadline:
        return _in_turn(CloseRound(round=view.round.round), view, own)
    if view.round.phase == Phase.TRAINING:
        return _decide_training(view, own)
    if view.round.phase == Phase.REVEALING:
        return _decide_revealing(view, own)
    return _decide_merging(view, own)


def only_watches(view: ChainView, own: Situation) -> bool:
    """Whether a node holds the head, and will not train from it as things are."""
    if own.adopted != view.swarm.head:
        return False
    if view.round.phase == Phase.IDLE:
        return not own.is_willing or view.node.status in _WHY_OUTSIDE
    is_expected = view.node.is_expected_in(view.round.round) and own.sits_out != view.round.round
    return not own.is_willing or not is_expected


def spread_of(node: Address, round_number: int, longest: float) -> float:
    """Seconds by which `node` puts off what anyone may do in a round, from 0 to `longest`, different for each node."""
    drawn = int.from_bytes(sha256(node + round_number.to_bytes(4, "big")).digest()[:4], "big")
    return longest * drawn / 2**32


def _decide_idle(view: ChainView, own: Situation) -> Action:
    if own.adopted != view.swarm.head:
        return Adopt(result=view.swarm.head)
    membership = _decide_membership(view, own)
    if membership is not None:
        return membership
    if own.absent:
        return _in_turn(Suspend(node=own.absent[0]), view, own)
    if view.swarm.active_nodes < view.swarm.required_updates:
        return Wait(why=f"{view.swarm.active_nodes} of {view.swarm.required_updates} nodes needed are active")
    return _in_turn(OpenRound(), view, own)


def _decide_training(view: ChainView, own: Situation) -> Action:
    if not view.node.is_expected_in(view.round.round):
        return _sit(view, own, "not expected in this round")
    if view.node.committed_round == view.round.round:
        return _wait(view, "peers are training")
    if own.sits_out == view.round.round:
        return _wait(view, "sitting this round out")
    if not own.is_willing:
        return _decide_membership(view, own) or _wait(view, "sitting this round out")
    return _contribute(view, own)


def _contribute(view: ChainView, own: Situation) -> Action:
    round_number, base = view.round.round, view.round.base
    if own.adopted != base:
        return Adopt(result=base)
    if own.trained_on != base:
        return Train(round=round_number, base=base)
    staged = own.staged
    if staged is None or staged.round != round_number or staged.base != base:
        return Stage(round=round_number)
    if view.swarm.config.is_sealed:
        return Send(call=CommitUpdate(round=round_number, commitment=staged.commitment))
    if not staged.is_published:
        return Publish(round=round_number)
    return Send(call=SubmitUpdate(round=round_number, digest=staged.digest, samples=staged.samples))


def _decide_revealing(view: ChainView, own: Situation) -> Action:
    round_number = view.round.round
    if view.node.committed_round != round_number:
        return _sit(view, own, "peers reveal their updates")
    if view.node.revealed_round == round_number:
        return _wait(view, "peers reveal their updates")
    staged = own.staged
    if own.sits_out == round_number or staged is None or staged.round != round_number:
        return _wait(view, "sitting this round out")
    if not own.is_deep:
        return _wait(view, "the round is not yet deep enough in the chain")
    if not staged.is_published:
        return Publish(round=round_number)
    return Send(call=RevealUpdate(round=round_number, digest=staged.digest, samples=staged.samples, salt=staged.salt))


def _decide_merging(view: ChainView, own: Situation) -> Action:
    if view.node.revealed_round == view.round.round:
        return Merge(round=view.round.round)
    return _sit(view, own, "peers merge")


def _sit(view: ChainView, own: Situation, why: str) -> Action:
    """A node with no part in this round gets ready for the next one meanwhile."""
    if own.adopted != view.swarm.head:
        return Adopt(result=view.swarm.head)
    return _decide_membership(view, own) or _wait(view, why)


def _decide_membership(view: ChainView, own: Situation) -> Action | None:
    """Resumes or suspends the node itself, so that nobody waits for one that does not come."""
    status = view.node.status
    if status == NodeStatus.SUSPENDED:
        return Send(call=Resume()) if own.is_willing else Wait(why="suspended, and not ready to contribute")
    if status != NodeStatus.ACTIVE:
        return Wait(why=_WHY_OUTSIDE[status])
    if not own.is_willing:
        return Send(call=Suspend(node=own.account))
    return None


_WHY_OUTSIDE = {
    NodeStatus.UNREGISTERED: "not registered: ask a registrar for an invitation, then `swarm-chain join`",
    NodeStatus.SUSPENDED_BY_REGISTRAR: "suspended by a registrar, who alone can lift it",
    NodeStatus.REMOVED: "removed by a registrar, who alone can add it again",
}


def _in_turn(call: Call, view: ChainView, own: Situation) -> Action:
    """A call that anyone may make, once this node's share of the spread has passed: so not everyone pays for it."""
    if own.waited >= spread_of(own.account, view.round.round, own.spread):
        return Send(call=call)
    return Wait(why=f"{call.function} is due")


def _wait(view: ChainView, why: str) -> Wait:
    return Wait(why=why, until=view.round.deadline)


# ----------------------------------------------------------------------------------------------------------- converging


FIRST_WORD = 1 / 3
"""Share of the merge window after which a node attests with what it has."""
LAST_WORD = 2 / 3
"""Share of the merge window after which a node moves to the plurality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A result of the running round that this node has computed itself."""

    result: Digest
    included: int
    attestations: int


def choose_result(
    *,
    elapsed: float,
    mine: Candidate | None,
    is_complete: bool,
    attested: Candidate | None,
    candidates: Iterable[Candidate],
) -> Digest | None:
    """The result to attest to now, or None to leave things as they are (PROTOCOL §6, Converging).

    `elapsed` is the share of the merge window that has passed, 0.0 to 1.0. `mine` is what this node gets from all it
    could fetch; None where too much of it is unavailable. `is_complete` says whether that is everything. `attested` is
    what the node attests to so far. `candidates` are the results that somebody attests to and this node re-executed.
    """
    seen = [candidate for candidate in candidates if candidate.attestations > 0]
    if elapsed >= LAST_WORD:
        return _changed(_plurality(seen) or mine, attested)
    if attested is not None:
        larger = [candidate for candidate in seen if candidate.included > attested.included]
        return max(larger, key=_most_included).result if larger else None
    if mine is not None and (is_complete or elapsed >= FIRST_WORD):
        return mine.result
    return None


def _plurality(seen: list[Candidate]) -> Candidate | None:
    return min(seen, key=lambda one: (-one.attestations, one.included, one.result), default=None)


def _most_included(candidate: Candidate) -> tuple[int, int, bytes]:
    return candidate.included, candidate.attestations, bytes(255 - byte for byte in candidate.result)


def _changed(wanted: Candidate | None, attested: Candidate | None) -> Digest | None:
    if wanted is None or (attested is not None and attested.result == wanted.result):
        return None
    return wanted.result
