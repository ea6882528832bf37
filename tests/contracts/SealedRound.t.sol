// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract SealedRoundTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    // -------------------------------------------------------------------------------------------------- openRound

    function test_GivenIdle_OpensARoundOnTheHead() public {
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundOpened(1, GENESIS, uint64(START + 600), 4, 3);
        uint32 round = _open();

        vm.assertEq(round, 1);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.round, 1);
        vm.assertEq(uint256(info.phase), uint256(ISwarmCoordinator.Phase.Training));
        vm.assertEq(info.base, GENESIS);
        vm.assertEq(info.phaseStartedAt, START);
        vm.assertEq(info.deadline, START + 600);
        vm.assertEq(info.expected, 4);
        vm.assertEq(info.quorum, 3);
        vm.assertEq(info.commits, 0);
        vm.assertEq(info.reveals, 0);
        vm.assertEq(info.leading, 0);
        vm.assertEq(info.leadingAttestations, 0);
    }

    function test_GivenAbortedRound_OpensTheNext() public {
        _openAndAbort();
        vm.assertEq(_open(), 2);
    }

    function test_RevertWhen_OpeningWhileTraining() public {
        _open();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningWhileRevealing() public {
        _open();
        _commitFirst(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Revealing, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningWhileMerging() public {
        _openAndReveal(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningAfterADeadlineThatNobodyClosed() public {
        _open();
        _warpToDeadline();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_StrangerOpens() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, STRANGER));
        _as(STRANGER);
        swarm.openRound();
    }

    function test_RevertWhen_SuspendedNodeOpens() public {
        _suspend(_node(3), _node(3));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, _node(3)));
        _as(_node(3));
        swarm.openRound();
    }

    function test_RevertWhen_RemovedNodeOpens() public {
        _remove(_node(3));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, _node(3)));
        _as(_node(3));
        swarm.openRound();
    }

    function test_RevertWhen_OpeningWithOneActiveNode() public {
        for (uint256 i = 1; i < 4; ++i) {
            _suspend(_node(i), _node(i));
        }
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.TooFewActiveNodes.selector, 1, 2));
        _open();
    }

    function test_RevertWhen_OpeningWithFewerThanMinUpdates() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = 4;
        swarm = new SwarmCoordinator(config);
        _addNodes(3);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.TooFewActiveNodes.selector, 3, 4));
        _open();

        _add(_node(3));
        _open();
        vm.assertEq(swarm.roundInfo().expected, 4);
    }

    // ----------------------------------------------------------------------------------------------- commitUpdate

    function test_GivenTraining_ExpectedNodeCommits() public {
        _open();
        bytes32 commitment = _commitment(_node(1));

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateCommitted(1, _node(1), commitment);
        _commit(_node(1));

        vm.assertEq(swarm.commitmentOf(_node(1)), commitment);
        vm.assertEq(swarm.nodeInfo(_node(1)).committedRound, 1);
        vm.assertEq(swarm.roundInfo().commits, 1);
        _assertPhase(ISwarmCoordinator.Phase.Training);
    }

    function test_GivenLastCommit_RevealingStarts() public {
        _open();
        vm.warp(START + 50);
        _commitFirst(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateCommitted(1, _node(3), _commitment(_node(3)));
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RevealingStarted(1, 4, uint64(START + 50 + 300));
        _commit(_node(3));

        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(uint256(info.phase), uint256(ISwarmCoordinator.Phase.Revealing));
        vm.assertEq(info.phaseStartedAt, START + 50);
        vm.assertEq(info.deadline, START + 350);
    }

    function test_GivenLastSecondOfTraining_Commits() public {
        _open();
        vm.warp(START + 599);
        _commit(_node(0));
        vm.assertEq(swarm.roundInfo().commits, 1);
    }

    function test_RevertWhen_CommittingAtTheDeadline() public {
        _open();
        vm.warp(START + 600);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 600));
        _commit(_node(0));
    }

    function test_RevertWhen_CommittingToAnotherRound() public {
        _openAndAbort();
        _open();
        for (uint32 round = 1; round <= 3; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 2));
            _as(_node(0));
            swarm.commitUpdate(round, RESULT);
        }
    }

    function test_RevertWhen_CommittingBeforeTheFirstRound() public {
        _expectWrongPhase(0, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _commit(_node(0));
    }

    function test_RevertWhen_CommittingWhenIdle() public {
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _commit(_node(0));
    }

    function test_RevertWhen_CommittingWhileRevealing() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Revealing, ISwarmCoordinator.Phase.Training);
        _commit(_node(3));
    }

    function test_RevertWhen_CommittingWhileMerging() public {
        _openAndReveal(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Training);
        _commit(_node(3));
    }

    function test_RevertWhen_StrangerCommits() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotExpected.selector, 1, STRANGER));
        _commit(STRANGER);
    }

    function test_RevertWhen_CommitmentIsZero() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroCommitment.selector));
        _as(_node(0));
        swarm.commitUpdate(1, 0);
    }

    function test_RevertWhen_CommittingTwice() public {
        _open();
        _commit(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyCommitted.selector, 1, _node(0)));
        _as(_node(0));
        swarm.commitUpdate(1, RESULT);
    }

    function test_RevertWhen_SealedSwarmIsSubmittedTo() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotDirect.selector));
        _submit(_node(0));
    }

    // ----------------------------------------------------------------------------------------------- revealUpdate

    function test_GivenRevealing_CommitterReveals() public {
        _open();
        _commitFirst(4);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(2), _digest(_node(2)), SAMPLES);
        _reveal(_node(2));

        vm.assertEq(swarm.nodeInfo(_node(2)).revealedRound, 1);
        vm.assertEq(swarm.commitmentOf(_node(2)), 0);
        vm.assertEq(swarm.commitmentOf(_node(1)), _commitment(_node(1)));
        vm.assertEq(swarm.roundInfo().reveals, 1);
        _assertPhase(ISwarmCoordinator.Phase.Revealing);
    }

    function test_GivenLastReveal_MergingStarts() public {
        _open();
        _commitFirst(4);
        vm.warp(START + 20);
        _revealFirst(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(3), _digest(_node(3)), SAMPLES);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundClosed(1, 4, uint64(START + 20 + 400));
        _reveal(_node(3));

        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(uint256(info.phase), uint256(ISwarmCoordinator.Phase.Merging));
        vm.assertEq(info.phaseStartedAt, START + 20);
        vm.assertEq(info.deadline, START + 420);
    }

    function test_GivenSomeStayedAway_LastCommittersRevealStartsMerging() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _revealFirst(3);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_GivenLastSecondOfRevealing_Reveals() public {
        _open();
        _commitFirst(4);
        vm.warp(START + 299);
        _reveal(_node(0));
        vm.assertEq(swarm.roundInfo().reveals, 1);
    }

    function test_RevertWhen_RevealingAtTheDeadline() public {
        _open();
        _commitFirst(4);
        vm.warp(START + 300);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 300));
        _reveal(_node(0));
    }

    function test_RevertWhen_RevealingInAnotherRound() public {
        _open();
        _commitFirst(4);
        for (uint32 round = 0; round <= 2; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 1));
            _as(_node(0));
            swarm.revealUpdate(round, RESULT, SAMPLES, 0);
        }
    }

    function test_RevertWhen_RevealingWhileTraining() public {
        _open();
        _commitFirst(1);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(0));
    }

    function test_RevertWhen_RevealingWhileMerging() public {
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpAndClose();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(3));
    }

    function test_RevertWhen_RevealingWhenIdle() public {
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(0));
    }

    function test_RevertWhen_RevealingWithoutCommitment() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCommitted.selector, 1, _node(3)));
        _reveal(_node(3));
    }

    function test_RevertWhen_StrangerReveals() public {
        _open();
        _commitFirst(4);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCommitted.selector, 1, STRANGER));
        _reveal(STRANGER);
    }

    function test_RevertWhen_RevealingTwice() public {
        _open();
        _commitFirst(4);
        _reveal(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRevealed.selector, 1, _node(0)));
        _reveal(_node(0));
    }

    function test_RevertWhen_RevealedDigestIsZero() public {
        _open();
        _commitFirst(4);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroDigest.selector));
        _as(_node(0));
        swarm.revealUpdate(1, 0, SAMPLES, 0);
    }

    function test_RevertWhen_RevealedSamplesAreZero() public {
        _open();
        _commitFirst(4);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroSamples.selector));
        _as(_node(0));
        swarm.revealUpdate(1, RESULT, 0, 0);
    }

    function test_RevertWhen_DirectCallsReachASealedSwarm() public {
        swarm = new SwarmCoordinator(_directConfig());
        _addNodes(4);
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSealed.selector));
        _commit(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSealed.selector));
        _reveal(_node(0));
    }

    // ------------------------------------------------------------------------------------------------- closeRound

    function test_GivenEnoughCommits_ClosingStartsRevealing() public {
        _open();
        _commitFirst(3);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RevealingStarted(1, 3, uint64(START + 600 + 300));
        _close();

        vm.assertEq(swarm.roundInfo().phaseStartedAt, START + 600);
    }

    function test_GivenTooFewCommits_ClosingAborts() public {
        _open();
        _commitFirst(2);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.TooFewUpdates);
        _close();

        _assertAborted(ISwarmCoordinator.AbortReason.TooFewUpdates);
        vm.assertEq(swarm.head(), GENESIS);
    }

    function test_GivenEnoughReveals_ClosingStartsMerging() public {
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundClosed(1, 3, uint64(START + 300 + 400));
        _close();
    }

    function test_GivenTooFewReveals_ClosingAborts() public {
        _open();
        _commitFirst(4);
        _revealFirst(2);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.TooFewReveals);
        _close();

        _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);
    }

    function test_GivenNoQuorum_ClosingAborts() public {
        _openAndReveal(4);
        _attestFirst(2, RESULT);
        _attest(_node(2), OTHER);
        _attest(_node(3), OTHER);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.NoQuorum);
        _close();

        _assertAborted(ISwarmCoordinator.AbortReason.NoQuorum);
        vm.assertEq(swarm.head(), GENESIS);
    }

    function test_GivenMinUpdatesAboveQuorum_FewerAbort() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = 4;
        swarm = new SwarmCoordinator(config);
        _addNodes(5);
        _open();
        _commitFirst(3);
        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewUpdates);

        _open();
        _commitFirst(4);
        _warpAndClose();
        _revealFirst(3);
        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);
    }

    function test_RevertWhen_ClosingTrainingOneSecondEarly() public {
        _open();
        _expectTooEarlyThenClose();
    }

    function test_RevertWhen_ClosingRevealingOneSecondEarly() public {
        _open();
        _commitFirst(4);
        _expectTooEarlyThenClose();
    }

    function test_RevertWhen_ClosingMergingOneSecondEarly() public {
        _openAndReveal(4);
        _expectTooEarlyThenClose();
    }

    function test_RevertWhen_ClosingAnotherRound() public {
        _open();
        _warpToDeadline();
        for (uint32 round = 0; round <= 2; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 1));
            _as(STRANGER);
            swarm.closeRound(round);
        }
    }

    function test_RevertWhen_ClosingWhenIdle() public {
        _expectWrongPhase(0, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _as(STRANGER);
        swarm.closeRound(0);
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _as(STRANGER);
        swarm.closeRound(1);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _expectTooEarlyThenClose() private {
        uint64 deadline = swarm.roundInfo().deadline;
        vm.warp(deadline - 1);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlineNotReached.selector, 1, deadline));
        _close();

        ISwarmCoordinator.Phase before = swarm.phase();
        vm.warp(deadline);
        _close();
        vm.assertTrue(swarm.phase() != before);
    }
}
