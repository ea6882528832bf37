"""What every `Chain` does: the same calls, events, records and errors in memory, on Anvil and on Ganache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from swarm_chain import errors
from swarm_chain.ports import Chain
from swarm_chain.types import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    AbortReason,
    AddNode,
    Address,
    Announce,
    Attest,
    BlockNumber,
    Call,
    CloseRound,
    Commitment,
    CommitUpdate,
    Lift,
    NodeAnnounced,
    NodeRegistered,
    NodeRemoved,
    NodeResumed,
    NodeStatus,
    NodeSuspended,
    OpenRound,
    Phase,
    RegisterNode,
    RemoveNode,
    ResultAttested,
    Resume,
    RevealingStarted,
    RevealUpdate,
    RoundAborted,
    RoundClosed,
    RoundFinalized,
    RoundNumber,
    RoundOpened,
    Salt,
    Samples,
    SubmitUpdate,
    Suspend,
    SuspensionReason,
    Timestamp,
    UpdateCommitted,
    UpdateRevealed,
)
from tests.chains import (
    CONFIG,
    World,
    commit,
    commitment_call,
    digest,
    invitation_call,
    normalised,
    reveal,
    reveal_call,
    signer,
)

Deploy = Callable[..., World]
DIRECT = replace(CONFIG, is_sealed=False)
INVITED = replace(CONFIG, open_registration=False)
ONE = RoundNumber(1)
UPDATE, RESULT, OTHER = digest(0xC), digest(0xD), digest(0xE)
AT = {"block_number": BlockNumber(0), "log_index": 0, "transaction": b""}


def joined(world: World, nodes: int = 4) -> list[Chain]:
    """The first accounts, registered; account 0 is the registrar too."""
    chains = [world.chain(index) for index in range(nodes)]
    for index, chain in enumerate(chains):
        chain.send(RegisterNode(label=f"node {index}"))
    return chains


def training(world: World, nodes: int = 4) -> list[Chain]:
    chains = joined(world, nodes)
    chains[0].send(OpenRound())
    return chains


def revealing(world: World, nodes: int = 4, *, committed: int | None = None) -> list[Chain]:
    chains = training(world, nodes)
    commit_all(world, chains[:committed], chains[0].look().swarm.current_round)
    return chains


def merging(world: World, nodes: int = 4) -> list[Chain]:
    chains = revealing(world, nodes)
    for chain in chains:
        reveal(chain, 1, UPDATE)
    return chains


def commit_all(world: World, chains: list[Chain], number: int) -> None:
    for chain in chains:
        commit(chain, number, UPDATE)
    if chains[0].look().round.phase is Phase.TRAINING:
        close(world, chains[0])


def close(world: World, chain: Chain) -> None:
    """Closes the running phase at its deadline."""
    view = chain.look()
    world.wait(view.round.deadline - world.now)
    chain.send(CloseRound(round=view.swarm.current_round))


def finish(world: World, chains: list[Chain], *, result: int) -> None:
    """A whole round in which these take part, and whose quorum attests."""
    chains[0].send(OpenRound())
    number = chains[0].look().swarm.current_round
    commit_all(world, chains, number)
    for chain in chains:
        reveal(chain, number, UPDATE)
    if chains[0].look().round.phase is Phase.REVEALING:
        close(world, chains[0])
    for chain in chains:
        if chain.look().round.phase is Phase.MERGING:
            chain.send(Attest(round=number, result=digest(result)))


def refused(chain: Chain, call: Call, error: errors.Reverted) -> None:
    """Asserts that the call reverts with exactly this error."""
    with pytest.raises(errors.Reverted) as raised:
        chain.send(call)
    assert type(raised.value) is type(error)
    assert raised.value.arguments == error.arguments


def account_of(chain: Chain) -> Address:
    assert chain.account is not None
    return chain.account


# -------------------------------------------------------------------------------------------------------------- rounds


def test_look__nothing_happened__shows_the_configuration_and_the_genesis(deployed: Deploy) -> None:
    world = deployed()

    view = world.chain(1).look()

    assert view.swarm.config == CONFIG
    assert view.swarm.head == view.round.base == CONFIG.genesis_digest
    assert (view.swarm.current_round, view.swarm.active_nodes, view.swarm.required_updates) == (0, 0, 2)
    assert view.round.phase is Phase.IDLE
    assert view.round.training_window == CONFIG.initial_window
    assert view.node.status is NodeStatus.UNREGISTERED
    assert view.commitment == bytes(32)
    assert len(view.block_hash) == 32


def test_sealed_round__all_take_part__ends_in_the_attested_result(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    opened = chains[0].look()
    for chain in chains:
        commit(chain, 1, UPDATE, samples=7)
    in_revealing = chains[0].look()
    assert in_revealing.commitment == commitment_call(chains[0], 1, UPDATE, 7).commitment
    for chain in chains:
        reveal(chain, 1, UPDATE, samples=7)
    in_merging = chains[0].look()
    for chain in chains[:3]:
        last = chain.send(Attest(round=ONE, result=RESULT))
    nodes = [account_of(chain) for chain in chains]

    events = normalised(chains[0].events(round_number=ONE))

    expected = [
        RoundOpened(**AT, round=ONE, base=CONFIG.genesis_digest, deadline=opened.round.deadline, expected=4, quorum=3),
        *(
            UpdateCommitted(
                **AT, round=ONE, node=account_of(each), commitment=commitment_call(each, 1, UPDATE, 7).commitment
            )
            for each in chains
        ),
        RevealingStarted(**AT, round=ONE, commits=4, deadline=in_revealing.round.deadline),
        *(UpdateRevealed(**AT, round=ONE, node=node, digest=UPDATE, samples=Samples(7)) for node in nodes),
        RoundClosed(**AT, round=ONE, updates=4, deadline=in_merging.round.deadline),
        *(ResultAttested(**AT, round=ONE, node=node, result=RESULT) for node in nodes[:3]),
        RoundFinalized(**AT, round=ONE, result=RESULT, attestations=3),
    ]
    assert events == expected
    assert normalised(last.events) == expected[-2:]
    view = chains[0].look()
    assert (view.swarm.head, view.swarm.finalized_rounds) == (RESULT, 1)
    assert (view.round.phase, view.round.base) == (Phase.IDLE, CONFIG.genesis_digest)
    assert view.node.attested == RESULT
    assert view.commitment == bytes(32)
    assert chains[0].attestations_for(RESULT) == 3
    assert chains[0].attestations_for(OTHER) == 0


def test_sealed_round__in_each_phase__view_says_when_it_began_and_ends(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    first = chains[0].look().round
    for chain in chains:
        commit(chain, 1, UPDATE)
    second = chains[0].look().round
    for chain in chains:
        reveal(chain, 1, UPDATE)
    third = chains[0].look().round

    assert [first.phase, second.phase, third.phase] == [Phase.TRAINING, Phase.REVEALING, Phase.MERGING]
    windows = [each.deadline - each.phase_started_at for each in (first, second, third)]
    assert windows == [CONFIG.initial_window, CONFIG.reveal_window, CONFIG.merge_window]
    assert second.phase_started_at == first.phase_started_at + 4
    assert third.phase_started_at == second.phase_started_at + 4


def test_direct_round__all_submit__goes_from_training_to_merging(deployed: Deploy) -> None:
    chains = training(deployed(DIRECT), nodes=3)
    nodes = [account_of(chain) for chain in chains]
    for chain in chains:
        last = chain.send(SubmitUpdate(round=ONE, digest=UPDATE, samples=Samples(5)))
    merging_until = chains[0].look().round.deadline
    for chain in chains[:2]:
        chain.send(Attest(round=ONE, result=RESULT))

    assert normalised(last.events) == [
        UpdateRevealed(**AT, round=ONE, node=nodes[2], digest=UPDATE, samples=Samples(5)),
        RoundClosed(**AT, round=ONE, updates=3, deadline=merging_until),
    ]
    view = chains[0].look()
    assert (view.swarm.head, view.round.commits, view.round.reveals) == (RESULT, 3, 3)
    assert (view.node.committed_round, view.node.revealed_round, view.node.attested_round) == (1, 1, 1)


def test_attest__nodes_change_their_minds__counts_follow_and_the_first_result_stays_leading(deployed: Deploy) -> None:
    chains = merging(deployed())
    chains[0].send(Attest(round=ONE, result=OTHER))
    chains[1].send(Attest(round=ONE, result=RESULT))
    chains[0].send(Attest(round=ONE, result=RESULT))
    view = chains[0].look()
    assert (view.round.leading, view.round.leading_attestations) == (OTHER, 0)
    assert (chains[0].attestations_for(OTHER), chains[0].attestations_for(RESULT)) == (0, 2)
    assert view.node.attested == RESULT

    chains[0].send(Attest(round=ONE, result=OTHER))
    chains[2].send(Attest(round=ONE, result=OTHER))
    chains[3].send(Attest(round=ONE, result=OTHER))

    assert chains[0].look().swarm.head == OTHER


# ----------------------------------------------------------------------------------------------------------- deadlines


def test_commit__one_second_before_the_deadline__is_accepted_and_at_it_refused(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    deadline = chains[0].look().round.deadline
    world.wait(deadline - 1 - world.now)

    commit(chains[0], 1, UPDATE)

    assert world.now == deadline
    refused(chains[1], commitment_call(chains[1], 1, UPDATE), errors.DeadlinePassed(round=1, deadline=deadline))


def test_reveal_and_attest__at_the_deadline__are_refused(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world)
    for chain in chains[:3]:
        reveal(chain, 1, UPDATE)
    deadline = chains[0].look().round.deadline
    world.wait(deadline - world.now)
    refused(chains[3], reveal_call(chains[3], 1, UPDATE), errors.DeadlinePassed(round=1, deadline=deadline))
    chains[3].send(CloseRound(round=ONE))
    deadline = chains[0].look().round.deadline
    world.wait(deadline - world.now)

    refused(chains[0], Attest(round=ONE, result=RESULT), errors.DeadlinePassed(round=1, deadline=deadline))


def test_close__one_second_too_early_then_in_time__is_refused_then_accepted(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    deadline = chains[0].look().round.deadline
    world.wait(deadline - 1 - world.now)
    too_early = errors.DeadlineNotReached(round=1, deadline=deadline)

    refused(world.chain(9), CloseRound(round=ONE), too_early)
    world.chain(9).send(CloseRound(round=ONE))

    assert chains[0].look().round.phase is Phase.IDLE


# -------------------------------------------------------------------------------------------------------------- aborts


def test_close__too_few_committed__aborts_and_keeps_the_head(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    for chain in chains[:2]:
        commit(chain, 1, UPDATE)

    close(world, chains[3])

    view = chains[0].look()
    assert normalised(chains[0].events(round_number=ONE))[-1] == RoundAborted(
        **AT, round=ONE, reason=AbortReason.TOO_FEW_UPDATES
    )
    assert (view.round.abort_reason, view.swarm.head) == (AbortReason.TOO_FEW_UPDATES, CONFIG.genesis_digest)
    assert view.round.training_window == 900
    assert view.round.stretch == 1


def test_close__too_few_revealed__aborts_and_stretches_later_windows(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world)
    reveal(chains[0], 1, UPDATE)

    close(world, chains[0])

    view = chains[0].look()
    assert (view.round.phase, view.round.abort_reason) == (Phase.IDLE, AbortReason.TOO_FEW_REVEALS)
    assert (view.round.stretch, view.node.revealed_round) == (2, 1)


def test_close__no_quorum__aborts_and_stretches_later_windows(deployed: Deploy) -> None:
    world = deployed()
    chains = merging(world)
    for chain, result in zip(chains, (RESULT, RESULT, OTHER, OTHER), strict=True):
        chain.send(Attest(round=ONE, result=result))

    close(world, world.chain(9))

    view = chains[0].look()
    assert (view.round.phase, view.round.abort_reason) == (Phase.IDLE, AbortReason.NO_QUORUM)
    assert (view.round.stretch, view.swarm.finalized_rounds) == (2, 0)


# ------------------------------------------------------------------------------------------------------------- windows


def test_training_window__all_committed_on_a_new_base__becomes_twice_what_it_took(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    chains[0].send(OpenRound())
    commit(chains[0], 1, UPDATE)
    world.wait(98)
    commit(chains[1], 1, UPDATE)

    assert chains[0].look().round.training_window == 200


def test_training_window__all_committed_on_the_old_base__stays(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world, 2)
    close(world, chains[0])
    chains[0].send(OpenRound())

    commit_all(world, chains, 2)

    assert chains[0].look().round.training_window == 900


def test_training_window__all_were_fast__is_not_below_the_least(deployed: Deploy) -> None:
    chains = revealing(deployed(), 2)

    assert chains[0].look().round.training_window == CONFIG.min_window


def test_training_window__deadlines_pass_again_and_again__is_not_above_the_most(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    windows = []
    for _ in range(6):
        chains[0].send(OpenRound())
        close(world, chains[0])
        windows.append(chains[0].look().round.training_window)

    assert windows == [900, 1350, 2025, 3038, 3600, 3600]


def test_training_window__a_node_joined__is_the_initial_one_for_a_round(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    finish(world, chains, result=1)
    assert chains[0].look().round.training_window == CONFIG.min_window
    world.chain(2).send(RegisterNode(label="late"))

    chains[0].send(OpenRound())

    view = chains[0].look()
    assert view.round.deadline - view.round.phase_started_at == CONFIG.initial_window


def test_stretch__fast_round_after_an_abort__is_halved_again(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world, 2)
    close(world, chains[0])
    assert chains[0].look().round.stretch == 2
    chains[0].send(OpenRound())
    commit_all(world, chains, 2)
    stretched = chains[0].look().round
    for chain in chains:
        reveal(chain, 2, UPDATE)
    for chain in chains:
        chain.send(Attest(round=RoundNumber(2), result=RESULT))

    assert stretched.deadline - stretched.phase_started_at == 2 * CONFIG.reveal_window
    assert chains[0].look().round.stretch == 1


def test_stretch__slow_round_after_an_abort__stays(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world, 2)
    close(world, chains[0])
    chains[0].send(OpenRound())
    commit_all(world, chains, 2)
    world.wait(CONFIG.reveal_window)
    for chain in chains:
        reveal(chain, 2, UPDATE)
    for chain in chains:
        chain.send(Attest(round=RoundNumber(2), result=RESULT))

    assert chains[0].look().round.stretch == 2


def test_stretch__aborts_again_and_again__stops_at_the_longest_window(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    seen = []
    for number in range(1, 7):
        chains[0].send(OpenRound())
        commit_all(world, chains, number)
        close(world, chains[0])
        seen.append(chains[0].look().round.stretch)

    assert seen == [2, 4, 8, 16, 16, 16]


# ---------------------------------------------------------------------------------------------------------- membership


def test_absence__a_node_reveals_in_no_round__anyone_suspends_it_and_it_resumes(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world)
    gone = account_of(chains[3])
    for result in (1, 2):
        finish(world, chains[:3], result=result)
    assert chains[0].node_info(gone).is_absent

    world.chain(9).send(Suspend(node=gone))
    finish(world, chains[:3], result=3)
    assert chains[0].look().round.expected == 3
    chains[3].send(Resume())

    info = chains[3].look().node
    assert (info.status, info.active_from, info.absent_at) == (NodeStatus.ACTIVE, 4, 4)
    own = [event for event in normalised(chains[0].events()) if getattr(event, "node", None) == gone]
    assert own == [
        NodeRegistered(**AT, node=gone, active_from=ONE, label="node 3"),
        NodeSuspended(**AT, node=gone, active_until=RoundNumber(3), reason=SuspensionReason.ABSENCE),
        NodeResumed(**AT, node=gone, active_from=RoundNumber(4)),
    ]


def test_absence__rounds_that_abort__make_nobody_absent(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    for _ in range(3):
        chains[0].send(OpenRound())
        close(world, chains[0])

    assert not chains[1].look().node.is_absent


def test_suspend_and_resume__within_one_round__undo_each_other(deployed: Deploy) -> None:
    chains = training(deployed())
    own = account_of(chains[1])
    chains[1].send(Suspend(node=own))
    suspended = chains[1].look()
    chains[1].send(Resume())
    resumed = chains[1].look()

    commit(chains[1], 1, UPDATE)

    assert (suspended.swarm.active_nodes, suspended.node.active_until) == (3, 2)
    assert suspended.round.expected == 4
    assert (resumed.swarm.active_nodes, resumed.node.active_from) == (4, 1)


def test_remove_and_add__within_one_round__undo_each_other(deployed: Deploy) -> None:
    chains = training(deployed())
    node = account_of(chains[1])
    removed = chains[0].send(RemoveNode(node=node))
    added = chains[0].send(AddNode(node=node, label="again"))

    assert normalised(removed.events) == [NodeRemoved(**AT, node=node, active_until=RoundNumber(2))]
    assert normalised(added.events) == [NodeRegistered(**AT, node=node, active_from=ONE, label="again")]
    assert chains[1].look().node.status is NodeStatus.ACTIVE


def test_suspend__by_a_registrar__ends_by_lift_alone(deployed: Deploy) -> None:
    chains = joined(deployed())
    node = account_of(chains[1])
    receipt = chains[0].send(Suspend(node=node))
    refused(chains[1], Resume(), errors.SuspendedByARegistrar(node=node))

    lifted = chains[0].send(Lift(node=node))

    assert normalised(receipt.events) == [
        NodeSuspended(**AT, node=node, active_until=ONE, reason=SuspensionReason.REGISTRAR)
    ]
    assert normalised(lifted.events) == [NodeResumed(**AT, node=node, active_from=ONE)]


def test_suspend__a_registrar_on_a_suspended_node__makes_it_its_own(deployed: Deploy) -> None:
    chains = joined(deployed())
    node = account_of(chains[1])
    chains[1].send(Suspend(node=node))

    chains[0].send(Suspend(node=node))

    assert chains[1].look().node.status is NodeStatus.SUSPENDED_BY_REGISTRAR


def test_registering__with_an_invitation__joins_from_the_next_round(deployed: Deploy) -> None:
    world = deployed(INVITED)
    chain = world.chain(5)

    receipt = chain.send(invitation_call(chain, account_of(chain), expiry=world.now + 100, label="Klinik Süd"))

    assert normalised(receipt.events) == [
        NodeRegistered(**AT, node=account_of(chain), active_from=ONE, label="Klinik Süd")
    ]
    assert chain.look().swarm.active_nodes == 1


def test_announce__some_stores__is_in_an_event_only(deployed: Deploy) -> None:
    (chain,) = joined(deployed(), 1)
    stores = b"https://one.example\n/ip4/1.2.3.4/tcp/4001"

    receipt = chain.send(Announce(stores=stores))

    assert normalised(receipt.events) == [NodeAnnounced(**AT, node=account_of(chain), stores=stores)]


# ------------------------------------------------------------------------------------------------------------- refusals


def test_registering__not_allowed__says_why(deployed: Deploy) -> None:
    world = deployed(INVITED)
    admin, chain = world.chain(0), world.chain(5)
    own, other = account_of(chain), account_of(world.chain(6))
    later = world.now + 10_000
    by_stranger = invitation_call(chain, own, registrar=7, expiry=later)
    stranger = signer(7).address

    refused(chain, RegisterNode(label=""), errors.RegistrationNotOpen())
    refused(
        chain, invitation_call(chain, other, expiry=later), errors.InvitationNotForCaller(account=other, caller=own)
    )
    refused(chain, invitation_call(chain, own, expiry=world.now), errors.InvitationExpired(expiry=world.now))
    refused(chain, by_stranger, errors.InvitationNotFromRegistrar(registrar=stranger))
    forged = invitation_call(chain, own, expiry=later, by=7)
    refused(chain, forged, errors.InvalidInvitationSignature())
    refused(chain, replace(forged, signature=b"short"), errors.InvalidInvitationSignature())
    too_long = invitation_call(chain, own, expiry=later, label="é" * 33)
    refused(chain, too_long, errors.LabelTooLong(length=66, limit=64))
    refused(chain, Announce(stores=b""), errors.NotRegistered(account=own))
    refused(chain, AddNode(node=own, label=""), errors.NotRegistrar(caller=own))
    refused(admin, AddNode(node=ZERO_ADDRESS, label=""), errors.ZeroNode())

    chain.send(invitation_call(chain, own, expiry=later))
    refused(chain, invitation_call(chain, own, expiry=later), errors.AlreadyRegistered(node=own))
    refused(admin, AddNode(node=own, label=""), errors.AlreadyRegistered(node=own))
    refused(chain, Announce(stores=bytes(513)), errors.StoresTooLong(length=513, limit=512))
    admin.send(RemoveNode(node=own))
    refused(chain, invitation_call(chain, own, expiry=later), errors.RemovedByRegistrar(node=own))
    refused(admin, RemoveNode(node=own), errors.NotRegistered(account=own))


def test_membership__not_allowed__says_why(deployed: Deploy) -> None:
    chains = joined(deployed())
    admin, node, peer = chains[0], chains[1], account_of(chains[2])
    own = account_of(node)

    refused(node, RemoveNode(node=peer), errors.NotRegistrar(caller=own))
    refused(node, Lift(node=peer), errors.NotRegistrar(caller=own))
    refused(node, Suspend(node=peer), errors.NotAbsent(node=peer, absentAt=2, finalizedRounds=0))
    refused(node, Resume(), errors.NotSuspended(node=own))
    refused(admin, Lift(node=own), errors.NotSuspended(node=own))
    node.send(Suspend(node=own))
    refused(node, Suspend(node=own), errors.AlreadySuspended(node=own))
    refused(chains[2], Suspend(node=own), errors.AlreadySuspended(node=own))
    refused(node, OpenRound(), errors.NotActive(caller=own))


def test_open_round__not_allowed__says_why(deployed: Deploy) -> None:
    world = deployed()
    (first,) = joined(world, 1)
    refused(first, OpenRound(), errors.TooFewActiveNodes(active=1, required=2))
    refused(world.chain(9), OpenRound(), errors.NotActive(caller=account_of(world.chain(9))))
    world.chain(1).send(RegisterNode(label=""))
    first.send(OpenRound())

    refused(first, OpenRound(), errors.WrongPhase(round=1, actual=Phase.TRAINING, needed=Phase.IDLE))


def test_training__not_allowed__says_why(deployed: Deploy) -> None:
    world = deployed()
    chains = training(world)
    node, own = chains[1], account_of(chains[1])
    nothing = CommitUpdate(round=ONE, commitment=Commitment(ZERO_DIGEST))
    late = world.chain(5)
    late.send(RegisterNode(label="late"))

    refused(node, commitment_call(node, 2, UPDATE), errors.NotCurrentRound(round=2, current=1))
    refused(
        node, reveal_call(node, 1, UPDATE), errors.WrongPhase(round=1, actual=Phase.TRAINING, needed=Phase.REVEALING)
    )
    refused(
        node,
        Attest(round=ONE, result=RESULT),
        errors.WrongPhase(round=1, actual=Phase.TRAINING, needed=Phase.MERGING),
    )
    refused(late, commitment_call(late, 1, UPDATE), errors.NotExpected(round=1, caller=account_of(late)))
    refused(node, SubmitUpdate(round=ONE, digest=UPDATE, samples=Samples(1)), errors.NotDirect())
    refused(node, nothing, errors.ZeroCommitment())
    commit(node, 1, UPDATE)
    refused(node, commitment_call(node, 1, OTHER), errors.AlreadyCommitted(round=1, node=own))
    refused(node, CloseRound(round=RoundNumber(7)), errors.NotCurrentRound(round=7, current=1))


def test_revealing__not_allowed__says_why(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world, committed=3)
    node, own = chains[0], account_of(chains[0])
    expected = commitment_call(node, 1, UPDATE).commitment
    actual = commitment_call(node, 1, OTHER).commitment
    zero = RevealUpdate(round=ONE, digest=ZERO_DIGEST, samples=Samples(1), salt=Salt(bytes(32)))

    refused(chains[3], reveal_call(chains[3], 1, UPDATE), errors.NotCommitted(round=1, node=account_of(chains[3])))
    refused(node, zero, errors.ZeroDigest())
    refused(node, reveal_call(node, 1, UPDATE, samples=0), errors.ZeroSamples())
    refused(node, reveal_call(node, 1, OTHER), errors.CommitmentMismatch(expected=expected, actual=actual))
    reveal(node, 1, UPDATE)
    refused(node, reveal_call(node, 1, UPDATE), errors.AlreadyRevealed(round=1, node=own))
    refused(
        node,
        commitment_call(node, 1, UPDATE),
        errors.WrongPhase(round=1, actual=Phase.REVEALING, needed=Phase.TRAINING),
    )


def test_merging__not_allowed__says_why(deployed: Deploy) -> None:
    world = deployed()
    chains = revealing(world)
    for chain in chains[:3]:
        reveal(chain, 1, UPDATE)
    close(world, chains[0])
    node, own = chains[0], account_of(chains[0])

    refused(chains[3], Attest(round=ONE, result=RESULT), errors.NotRevealed(round=1, node=account_of(chains[3])))
    refused(node, Attest(round=ONE, result=ZERO_DIGEST), errors.ZeroDigest())
    node.send(Attest(round=ONE, result=RESULT))
    refused(node, Attest(round=ONE, result=RESULT), errors.AlreadyAttested(round=1, node=own, result=RESULT))


def test_idle__not_allowed__says_why(deployed: Deploy) -> None:
    (chain,) = joined(deployed(), 1)
    zero = RoundNumber(0)

    refused(chain, CloseRound(round=zero), errors.WrongPhase(round=0, actual=Phase.IDLE, needed=Phase.TRAINING))
    refused(
        chain,
        Attest(round=zero, result=RESULT),
        errors.WrongPhase(round=0, actual=Phase.IDLE, needed=Phase.MERGING),
    )


def test_direct_swarm__not_allowed__says_why(deployed: Deploy) -> None:
    chains = training(deployed(DIRECT))
    node, own = chains[0], account_of(chains[0])
    submit = SubmitUpdate(round=ONE, digest=UPDATE, samples=Samples(1))

    refused(node, commitment_call(node, 1, UPDATE), errors.NotSealed())
    refused(node, reveal_call(node, 1, UPDATE), errors.NotSealed())
    refused(node, replace(submit, digest=ZERO_DIGEST), errors.ZeroDigest())
    refused(node, replace(submit, samples=Samples(0)), errors.ZeroSamples())
    node.send(submit)
    refused(node, submit, errors.AlreadyRevealed(round=1, node=own))


# --------------------------------------------------------------------------------------------------------------- reads


def test_look__some_blocks_below_the_tip__shows_the_state_there_and_the_time_now(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 3)
    chains[0].send(OpenRound())

    tip, below, deployment = (chains[0].look(depth=depth) for depth in (0, 1, 10_000))

    assert (tip.swarm.current_round, below.swarm.current_round) == (1, 0)
    assert below.swarm.active_nodes == 3
    assert deployment.swarm.active_nodes == 0
    assert deployment.block_number < below.block_number == tip.block_number - 1
    assert below.now >= tip.now


def test_events__from_and_to_blocks__are_those_of_the_blocks_both_included(deployed: Deploy) -> None:
    chains = joined(deployed(), 4)
    every = chains[0].events()

    some = chains[0].events(from_block=every[1].block_number, to_block=every[2].block_number)

    assert list(some) == list(every[1:3])
    assert [event.block_number for event in every] == sorted(event.block_number for event in every)


def test_events__of_one_round__are_all_of_it_and_nothing_else(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    finish(world, chains, result=1)
    finish(world, chains, result=2)
    every = chains[0].events()

    second = chains[0].events(round_number=RoundNumber(2))

    assert list(second) == [event for event in every if getattr(event, "round", 0) == 2]
    assert len(second) == len(chains[0].events(round_number=ONE)) == 10


def test_events__of_some_kinds__are_all_of_these_and_nothing_else(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 3)
    chains[0].send(RemoveNode(node=signer(2).address))
    finish(world, chains[:2], result=1)
    every = chains[0].events()

    members = chains[0].events(kinds=(NodeRegistered, NodeRemoved))
    opened = chains[0].events(kinds=(NodeRegistered, RoundOpened), round_number=ONE)

    assert list(members) == [event for event in every if isinstance(event, NodeRegistered | NodeRemoved)]
    assert [type(event) for event in members] == [NodeRegistered] * 3 + [NodeRemoved]
    assert [type(event) for event in opened] == [RoundOpened]
    assert list(chains[0].events(kinds=(NodeRemoved,), round_number=ONE)) == []
    assert list(chains[0].events(kinds=())) == []


def test_node_infos__of_several__are_their_records_in_order(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    chains[1].send(Suspend(node=signer(1).address))
    asked = [signer(index).address for index in (7, 1, 0, 1)]

    infos = chains[0].node_infos(asked)

    assert list(infos) == [chains[0].node_info(node) for node in asked]
    assert [info.status for info in infos[:3]] == [NodeStatus.UNREGISTERED, NodeStatus.SUSPENDED, NodeStatus.ACTIVE]
    assert list(chains[0].node_infos([])) == []


def test_receipt__of_a_call__holds_its_events_where_the_chain_has_them(deployed: Deploy) -> None:
    chains = joined(deployed(), 2)

    receipt = chains[0].send(OpenRound())

    assert list(receipt.events) == list(chains[0].events(round_number=ONE))
    assert {(event.block_number, event.transaction) for event in receipt.events} == {
        (receipt.block_number, receipt.transaction)
    }
    assert 21_000 < receipt.gas_used <= 43_000


def test_timestamps__of_events__are_when_their_transactions_were(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    world.wait(50)
    before = Timestamp(world.now)
    receipt = chains[0].send(OpenRound())
    joining, opening = chains[0].timestamps([chains[0].events()[0].block_number, receipt.block_number])

    assert opening == before
    assert joining < before - 50
    assert list(chains[0].timestamps([])) == []


def test_reader__without_account__looks_but_does_not_send(deployed: Deploy) -> None:
    reader = deployed().chain(None)

    assert reader.account is None
    assert reader.salt(ONE) is None
    assert reader.look().node.status is NodeStatus.UNREGISTERED
    with pytest.raises(errors.AccountError):
        reader.send(OpenRound())


def test_settle__signed_before_a_kill__gets_in_once(deployed: Deploy) -> None:
    world = deployed()
    joined(world, 1)
    chain = world.chain(1)
    signed: list[tuple[bytes, int]] = []

    def die(found: bytes, raw: bytes, nonce: int) -> None:
        signed.append((raw, nonce))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chain.send(RegisterNode(label="killed"), on_signed=die)
    assert chain.look().swarm.active_nodes == 1

    raw, nonce = signed[0]
    chain.settle([raw], nonce)
    chain.settle([raw], nonce)

    assert chain.look().swarm.active_nodes == 2
    assert len(chain.events()) == 2


def test_settle__it_was_sent_before_the_kill__changes_nothing(deployed: Deploy) -> None:
    chains = joined(deployed(), 2)
    signed: list[tuple[bytes, int]] = []
    chains[0].send(OpenRound(), on_signed=lambda found, raw, nonce: signed.append((raw, nonce)))

    raw, nonce = signed[0]
    chains[0].settle([raw], nonce)

    assert chains[0].look().swarm.current_round == 1


def test_salt__same_round_again__is_the_same_and_another_rounds_is_not(deployed: Deploy) -> None:
    world = deployed()

    salts = [
        world.chain(1).salt(ONE),
        world.chain(1).salt(ONE),
        world.chain(2).salt(ONE),
        world.chain(1).salt(RoundNumber(2)),
    ]

    assert salts[0] == salts[1]
    assert len(set(salts)) == 3


def test_clock__time_passes__never_lags_behind_the_newest_block(deployed: Deploy) -> None:
    world = deployed()
    chains = joined(world, 2)
    world.wait(50)
    before = Timestamp(world.now)
    chains[0].send(OpenRound())

    view = chains[0].look()

    assert before <= view.now <= before + 30
    assert view.round.phase_started_at == before
