// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract CloseRoundTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    function test_RevertWhen_NamingAnotherRound() public {
        _open();
        _warpToDeadline();
        for (uint32 round = 0; round <= 2; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 1));
            _as(STRANGER);
            swarm.closeRound(round);
        }
    }

    function test_RevertGiven_TheSwarmIsIdle() public {
        _expectWrongPhase(0, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _as(STRANGER);
        swarm.closeRound(0);
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _as(STRANGER);
        swarm.closeRound(1);
    }

    function test_RevertWhen_TheClockShowsTheSecondBeforeTheEndOfTraining() public {
        _open();
        _expectTooEarlyThenClose();
    }

    function test_GivenEnoughCommitted() public {
        _open();
        _commitFirst(3);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RevealingStarted(1, 3, uint64(START + 600 + 300));
        _close();

        vm.assertEq(swarm.roundInfo().phaseStartedAt, START + 600);
    }

    function test_GivenTooFewCommitted() public {
        _open();
        _commitFirst(2);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.TooFewUpdates);
        _close();

        _assertAborted(ISwarmCoordinator.AbortReason.TooFewUpdates);
        vm.assertEq(swarm.head(), GENESIS);
    }

    function test_RevertWhen_TheClockShowsTheSecondBeforeTheEndOfRevealing() public {
        _open();
        _commitFirst(4);
        _expectTooEarlyThenClose();
    }

    function test_GivenEnoughRevealed() public {
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundClosed(1, 3, uint64(START + 300 + 400));
        _close();
    }

    function test_GivenTooFewRevealed() public {
        _open();
        _commitFirst(4);
        _revealFirst(2);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.TooFewReveals);
        _close();

        _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);
    }

    function test_RevertWhen_TheClockShowsTheSecondBeforeTheEndOfMerging() public {
        _openAndReveal(4);
        _expectTooEarlyThenClose();
    }

    function test_GivenNoQuorumAgreed() public {
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

    function test_GivenMoreUpdatesAreAskedForThanTheQuorum() public {
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

    function test_RevertWhen_TheClockShowsTheSecondBeforeTheEndOfSubmitting() public {
        _makeDirect();
        _open();
        _expectTooEarlyThenClose();
    }

    function test_GivenEnoughSubmitted() public {
        _makeDirect();
        _open();
        _submitFirst(3);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundClosed(1, 3, uint64(START + 600 + 400));
        _close();
    }

    function test_GivenTooFewSubmitted() public {
        _makeDirect();
        _open();
        _submitFirst(2);
        _warpToDeadline();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundAborted(1, ISwarmCoordinator.AbortReason.TooFewUpdates);
        _close();
    }

    function test_RevertWhen_TheClockShowsTheSecondBeforeTheEndOfTheDirectRound() public {
        _makeDirect();
        _open();
        _submitFirst(4);
        _expectTooEarlyThenClose();
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
