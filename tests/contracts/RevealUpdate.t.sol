// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract RevealUpdateTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    function test_RevertGiven_ADirectSwarm() public {
        _makeDirect();
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSealed.selector));
        _reveal(_node(0));
    }

    function test_RevertWhen_NamingAnotherRound() public {
        _open();
        _commitFirst(4);
        for (uint32 round = 0; round <= 2; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 1));
            _as(_node(0));
            swarm.revealUpdate(round, RESULT, SAMPLES, 0);
        }
    }

    function test_RevertGiven_TheRoundIsTraining() public {
        _open();
        _commitFirst(1);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(0));
    }

    function test_RevertGiven_TheRoundIsMerging() public {
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpAndClose();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(3));
    }

    function test_RevertGiven_TheRoundIsOver() public {
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Revealing);
        _reveal(_node(0));
    }

    function test_RevertWhen_TheClockShowsTheDeadline() public {
        _open();
        _commitFirst(4);
        vm.warp(START + 300);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 300));
        _reveal(_node(0));
    }

    function test_WhenTheClockShowsTheSecondBeforeTheDeadline() public {
        _open();
        _commitFirst(4);
        vm.warp(START + 299);
        _reveal(_node(0));
        vm.assertEq(swarm.roundInfo().reveals, 1);
    }

    function test_RevertWhen_ANodeWithoutACommitmentReveals() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCommitted.selector, 1, _node(3)));
        _reveal(_node(3));
    }

    function test_RevertWhen_AStrangerReveals() public {
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

    function test_RevertWhen_TheDigestIsZero() public {
        _open();
        _commitFirst(4);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroDigest.selector));
        _as(_node(0));
        swarm.revealUpdate(1, 0, SAMPLES, 0);
    }

    function test_RevertWhen_TheSamplesAreZero() public {
        _open();
        _commitFirst(4);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroSamples.selector));
        _as(_node(0));
        swarm.revealUpdate(1, RESULT, 0, 0);
    }

    function test_RevertWhen_TheDigestIsNotTheCommittedOne() public {
        _open();
        _commitFirst(4);
        _expectMismatch(RESULT, SAMPLES, _salt(_node(0)));
    }

    function test_RevertWhen_TheSamplesAreOneMoreThanCommitted() public {
        _open();
        _commitFirst(4);
        _expectMismatch(_digest(_node(0)), SAMPLES + 1, _salt(_node(0)));
    }

    function test_RevertWhen_TheSaltIsNotTheCommittedOne() public {
        _open();
        _commitFirst(4);
        _expectMismatch(_digest(_node(0)), SAMPLES, _salt(_node(1)));
    }

    function test_WhenACommitterReveals() public {
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

    function test_WhenTheLastCommitterReveals() public {
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

    function test_WhenTheLastCommitterRevealsAndSomeNeverCommitted() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _revealFirst(3);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _expectMismatch(bytes32 digest, uint64 samples, bytes32 salt) private {
        bytes32 shown = keccak256(abi.encode(block.chainid, address(swarm), uint32(1), _node(0), digest, samples, salt));
        _expectRevert(
            abi.encodeWithSelector(ISwarmCoordinator.CommitmentMismatch.selector, _commitment(_node(0)), shown)
        );
        _as(_node(0));
        swarm.revealUpdate(1, digest, samples, salt);
    }
}
