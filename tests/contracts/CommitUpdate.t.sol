// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract CommitUpdateTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    function test_RevertGiven_ADirectSwarm() public {
        _makeDirect();
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSealed.selector));
        _commit(_node(0));
    }

    function test_RevertWhen_NamingAnotherRound() public {
        _openAndAbort();
        _open();
        for (uint32 round = 1; round <= 3; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 2));
            _as(_node(0));
            swarm.commitUpdate(round, RESULT);
        }
    }

    function test_RevertGiven_NoRoundHasOpened() public {
        _expectWrongPhase(0, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _commit(_node(0));
    }

    function test_RevertGiven_TheRoundIsOver() public {
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _commit(_node(0));
    }

    function test_RevertGiven_TheRoundIsRevealing() public {
        _open();
        _commitFirst(3);
        _warpAndClose();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Revealing, ISwarmCoordinator.Phase.Training);
        _commit(_node(3));
    }

    function test_RevertGiven_TheRoundIsMerging() public {
        _openAndReveal(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Training);
        _commit(_node(3));
    }

    function test_RevertWhen_TheClockShowsTheDeadline() public {
        _open();
        vm.warp(START + 600);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 600));
        _commit(_node(0));
    }

    function test_WhenTheClockShowsTheSecondBeforeTheDeadline() public {
        _open();
        vm.warp(START + 599);
        _commit(_node(0));
        vm.assertEq(swarm.roundInfo().commits, 1);
    }

    function test_RevertWhen_AStrangerCommits() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotExpected.selector, 1, STRANGER));
        _commit(STRANGER);
    }

    function test_RevertWhen_TheCommitmentIsZero() public {
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

    function test_WhenAnExpectedNodeCommits() public {
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

    function test_WhenTheLastExpectedNodeCommits() public {
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
}
