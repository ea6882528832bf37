"""What a node does next, situation by situation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarm_chain.core.rounds import (
    Adopt,
    Candidate,
    Merge,
    Publish,
    Send,
    Situation,
    Stage,
    StagedUpdate,
    Train,
    Wait,
    choose_result,
    decide,
    spread_of,
)
from swarm_chain.types import (
    ZERO_DIGEST,
    AbortReason,
    Address,
    BlockNumber,
    ChainView,
    CloseRound,
    Commitment,
    CommitUpdate,
    Digest,
    NodeInfo,
    NodeStatus,
    OpenRound,
    Phase,
    Resume,
    RevealUpdate,
    RoundInfo,
    RoundNumber,
    Salt,
    Samples,
    Seconds,
    SubmitUpdate,
    Suspend,
    SwarmConfig,
    SwarmInfo,
    Timestamp,
)

ME, PEER = Address(b"\x01" * 20), Address(b"\x02" * 20)
HEAD, OLD_HEAD = Digest(b"\xaa" * 32), Digest(b"\xbb" * 32)
ROUND = RoundNumber(7)
DEADLINE = Timestamp(1_000)

STAGED = StagedUpdate(
    round=ROUND,
    base=HEAD,
    digest=Digest(b"\xcc" * 32),
    samples=Samples(5),
    salt=Salt(b"\xdd" * 32),
    commitment=Commitment(b"\xee" * 32),
    is_published=False,
)


def view(phase: Phase, *, now: int = 900, is_sealed: bool = True, active: int = 4, **node: Any) -> ChainView:
    config = SwarmConfig(
        task_digest=HEAD,
        genesis_digest=HEAD,
        is_sealed=is_sealed,
        quorum_bps=5001,
        min_updates=2,
        initial_window=Seconds(100),
        min_window=Seconds(10),
        max_window=Seconds(1000),
        reveal_window=Seconds(50),
        merge_window=Seconds(90),
        absence_limit=3,
        open_registration=False,
        admin=ME,
    )
    info = RoundInfo(
        round=ROUND,
        phase=phase,
        abort_reason=AbortReason.NONE,
        base=HEAD,
        phase_started_at=Timestamp(800),
        deadline=Timestamp(0) if phase == Phase.IDLE else DEADLINE,
        expected=4,
        quorum=3,
        commits=0,
        reveals=0,
        leading=ZERO_DIGEST,
        leading_attestations=0,
        training_window=Seconds(100),
        stretch=1,
    )
    record = NodeInfo(
        status=NodeStatus.ACTIVE,
        active_from=RoundNumber(1),
        active_until=RoundNumber(2**32 - 1),
        absent_at=9,
        committed_round=RoundNumber(0),
        revealed_round=RoundNumber(0),
        attested_round=RoundNumber(0),
        attested=ZERO_DIGEST,
        is_absent=False,
    )
    return ChainView(
        block_number=BlockNumber(1),
        block_hash=bytes(32),
        now=Timestamp(now),
        swarm=SwarmInfo(
            config=config,
            active_nodes=active,
            required_updates=3,
            current_round=ROUND,
            finalized_rounds=6,
            head=HEAD,
        ),
        round=info,
        node=replace(record, **node),
        commitment=Commitment(bytes(32)),
    )


def own(**changes: Any) -> Situation:
    ready = Situation(
        account=ME,
        adopted=HEAD,
        trained_on=HEAD,
        staged=STAGED,
        is_willing=True,
        is_deep=True,
        sits_out=None,
        waited=60.0,
        absent=(),
        spread=4.0,
    )
    return replace(ready, **changes)


# ----------------------------------------------------------------------------------------------------------------- idle


def test_idle__head_not_adopted__adopts_it() -> None:
    assert decide(view(Phase.IDLE), own(adopted=OLD_HEAD)) == Adopt(result=HEAD)


def test_idle__ready__opens_once_its_turn_has_come() -> None:
    turn = spread_of(ME, ROUND, 4.0)
    assert isinstance(decide(view(Phase.IDLE), own(waited=turn * 0.9)), Wait)
    assert decide(view(Phase.IDLE), own(waited=turn)) == Send(call=OpenRound())


def test_idle__too_few_active__waits() -> None:
    action = decide(view(Phase.IDLE, active=2), own())
    assert isinstance(action, Wait)
    assert "2 of 3" in action.why


def test_idle__a_peer_is_absent__suspends_it_before_opening() -> None:
    assert decide(view(Phase.IDLE), own(absent=(PEER,))) == Send(call=Suspend(node=PEER))


def test_idle__suspended_for_absence_and_ready__resumes() -> None:
    assert decide(view(Phase.IDLE, status=NodeStatus.SUSPENDED), own()) == Send(call=Resume())


def test_idle__suspended_and_not_ready__waits() -> None:
    assert isinstance(decide(view(Phase.IDLE, status=NodeStatus.SUSPENDED), own(is_willing=False)), Wait)


def test_idle__active_and_not_ready__suspends_itself() -> None:
    assert decide(view(Phase.IDLE), own(is_willing=False)) == Send(call=Suspend(node=ME))


@pytest.mark.parametrize("status", [NodeStatus.UNREGISTERED, NodeStatus.SUSPENDED_BY_REGISTRAR, NodeStatus.REMOVED])
def test_idle__only_a_registrar_can_help__waits_and_says_so(status: NodeStatus) -> None:
    action = decide(view(Phase.IDLE, status=status), own())
    assert isinstance(action, Wait)
    assert "registrar" in action.why


# ------------------------------------------------------------------------------------------------------------- training


def test_training__step_by_step__ends_in_a_commit() -> None:
    training = view(Phase.TRAINING)
    assert decide(training, own(adopted=OLD_HEAD)) == Adopt(result=HEAD)
    assert decide(training, own(trained_on=OLD_HEAD)) == Train(round=ROUND, base=HEAD)
    assert decide(training, own(staged=None)) == Stage(round=ROUND)
    assert decide(training, own()) == Send(call=CommitUpdate(round=ROUND, commitment=STAGED.commitment))


def test_training__trained_before_an_abort__stages_again_without_training() -> None:
    earlier = replace(STAGED, round=RoundNumber(6))
    assert decide(view(Phase.TRAINING), own(staged=earlier)) == Stage(round=ROUND)


def test_training__direct_swarm__publishes_before_it_submits() -> None:
    direct = view(Phase.TRAINING, is_sealed=False)
    assert decide(direct, own()) == Publish(round=ROUND)
    published = own(staged=replace(STAGED, is_published=True))
    assert decide(direct, published) == Send(
        call=SubmitUpdate(round=ROUND, digest=STAGED.digest, samples=STAGED.samples)
    )


def test_training__committed__waits_until_the_deadline() -> None:
    action = decide(view(Phase.TRAINING, committed_round=ROUND), own())
    assert isinstance(action, Wait)
    assert action.until == DEADLINE


def test_training__joined_too_late_for_this_round__waits() -> None:
    assert isinstance(decide(view(Phase.TRAINING, active_from=RoundNumber(8)), own()), Wait)


def test_training__suspended__resumes_for_the_next_round() -> None:
    outside = view(Phase.TRAINING, status=NodeStatus.SUSPENDED, active_until=RoundNumber(6))
    assert decide(outside, own()) == Send(call=Resume())


def test_training__suspended_without_the_head__gets_it_before_it_resumes() -> None:
    outside = view(Phase.TRAINING, status=NodeStatus.SUSPENDED, active_until=RoundNumber(6))
    assert decide(outside, own(adopted=None)) == Adopt(result=HEAD)


def test_training__sits_out__does_not_train() -> None:
    assert isinstance(decide(view(Phase.TRAINING), own(sits_out=ROUND, trained_on=None)), Wait)


@pytest.mark.parametrize("phase", [Phase.TRAINING, Phase.REVEALING, Phase.MERGING])
def test_any_phase__deadline_reached__closes_once_its_turn_has_come(phase: Phase) -> None:
    assert isinstance(decide(view(phase, now=DEADLINE), own(waited=0.0)), Wait)
    assert decide(view(phase, now=DEADLINE), own()) == Send(call=CloseRound(round=ROUND))


@pytest.mark.parametrize("phase", [Phase.TRAINING, Phase.REVEALING, Phase.MERGING])
def test_any_phase__one_second_before_the_deadline__does_not_close(phase: Phase) -> None:
    assert decide(view(phase, now=DEADLINE - 1), own()) != Send(call=CloseRound(round=ROUND))


# --------------------------------------------------------------------------------------------------- revealing, merging


def test_revealing__not_deep_enough__keeps_the_update_to_itself() -> None:
    revealing = view(Phase.REVEALING, committed_round=ROUND)
    assert isinstance(decide(revealing, own(is_deep=False)), Wait)


def test_revealing__committed__publishes_then_reveals() -> None:
    revealing = view(Phase.REVEALING, committed_round=ROUND)
    assert decide(revealing, own()) == Publish(round=ROUND)
    published = own(staged=replace(STAGED, is_published=True))
    assert decide(revealing, published) == Send(
        call=RevealUpdate(round=ROUND, digest=STAGED.digest, samples=STAGED.samples, salt=STAGED.salt)
    )


def test_revealing__commitment_is_not_ours__shows_nothing() -> None:
    revealing = view(Phase.REVEALING, committed_round=ROUND)
    assert isinstance(decide(revealing, own(sits_out=ROUND)), Wait)
    assert isinstance(decide(revealing, own(staged=None)), Wait)


def test_revealing__did_not_commit__waits() -> None:
    assert isinstance(decide(view(Phase.REVEALING), own()), Wait)


def test_merging__revealed__merges() -> None:
    assert decide(view(Phase.MERGING, revealed_round=ROUND), own()) == Merge(round=ROUND)


def test_merging__did_not_reveal__waits() -> None:
    assert isinstance(decide(view(Phase.MERGING), own()), Wait)


# ----------------------------------------------------------------------------------------------------------- converging


def candidate(name: int, included: int, attestations: int = 1) -> Candidate:
    return Candidate(result=Digest(bytes([name]) * 32), included=included, attestations=attestations)


def choose(elapsed: float, **given: Any) -> Digest | None:
    defaults: dict[str, Any] = {"mine": None, "is_complete": False, "attested": None, "candidates": ()}
    return choose_result(elapsed=elapsed, **{**defaults, **given})


def test_converging__everything_fetched__attests_at_once() -> None:
    mine = candidate(1, 4)
    assert choose(0.0, mine=mine, is_complete=True) == mine.result


def test_converging__something_missing__waits_for_a_third_of_the_window() -> None:
    mine = candidate(1, 3)
    assert choose(0.33, mine=mine) is None
    assert choose(0.34, mine=mine) == mine.result


def test_converging__attested__moves_only_to_strictly_more_updates() -> None:
    mine, equal, larger = candidate(1, 3), candidate(2, 3, 3), candidate(3, 4)
    assert choose(0.5, attested=mine, candidates=[mine, equal]) is None
    assert choose(0.5, attested=mine, candidates=[mine, equal, larger]) == larger.result


def test_converging__attested__does_not_move_to_what_nobody_attests() -> None:
    assert choose(0.5, attested=candidate(1, 3), candidates=[candidate(3, 4, 0)]) is None


def test_converging__last_third__moves_to_the_plurality() -> None:
    mine, plurality = candidate(1, 4), candidate(2, 3, 2)
    assert choose(0.67, attested=mine, candidates=[mine, plurality]) == plurality.result


def test_converging__plurality_tied__fewer_included_then_lower_digest() -> None:
    fewer, more, lower = candidate(9, 3, 2), candidate(1, 4, 2), candidate(5, 3, 2)
    assert choose(0.7, candidates=[more, fewer]) == fewer.result
    assert choose(0.7, candidates=[more, fewer, lower]) == lower.result


def test_converging__attests_to_the_plurality_already__stays() -> None:
    mine = candidate(1, 4, 2)
    assert choose(0.9, attested=mine, candidates=[mine, candidate(2, 4)]) is None


def test_spread__nodes_and_rounds__differ_and_stay_within() -> None:
    spreads = {spread_of(Address(bytes([node]) * 20), number, 4.0) for node in range(10) for number in range(10)}
    assert len(spreads) == 100
    assert min(spreads) >= 0.0
    assert max(spreads) < 4.0
