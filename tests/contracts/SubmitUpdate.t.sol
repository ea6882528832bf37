// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract SubmitUpdateTest is SwarmTest {
    function setUp() public override {
        vm.warp(START);
        _makeDirect();
    }

    function test_RevertGiven_ASealedSwarm() public {
        swarm = new SwarmCoordinator(_sealedConfig());
        _addNodes(4);
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotDirect.selector));
        _submit(_node(0));
    }

    function test_RevertWhen_NamingAnotherRound() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, 2, 1));
        _as(_node(0));
        swarm.submitUpdate(2, RESULT, SAMPLES);
    }

    function test_RevertGiven_NoRoundHasOpened() public {
        _expectWrongPhase(0, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _submit(_node(0));
    }

    function test_RevertGiven_TheRoundIsMerging() public {
        _open();
        _submitFirst(3);
        _warpAndClose();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Training);
        _submit(_node(3));
    }

    function test_RevertGiven_TheRoundIsOver() public {
        _openAndAbort();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Training);
        _submit(_node(0));
    }

    function test_RevertWhen_TheClockShowsTheDeadline() public {
        _open();
        vm.warp(START + 600);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 600));
        _submit(_node(0));
    }

    function test_WhenTheClockShowsTheSecondBeforeTheDeadline() public {
        _open();
        vm.warp(START + 599);
        _submit(_node(0));
        vm.assertEq(swarm.roundInfo().reveals, 1);
    }

    function test_RevertWhen_AStrangerSubmits() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotExpected.selector, 1, STRANGER));
        _submit(STRANGER);
    }

    function test_RevertWhen_SubmittingTwice() public {
        _open();
        _submit(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRevealed.selector, 1, _node(0)));
        _submit(_node(0));
    }

    function test_RevertWhen_TheDigestIsZero() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroDigest.selector));
        _as(_node(0));
        swarm.submitUpdate(1, 0, SAMPLES);
    }

    function test_RevertWhen_TheSamplesAreZero() public {
        _open();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroSamples.selector));
        _as(_node(0));
        swarm.submitUpdate(1, RESULT, 0);
    }

    function test_WhenAnExpectedNodeSubmits() public {
        _open();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(1), _digest(_node(1)), SAMPLES);
        _submit(_node(1));

        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.commits, 1);
        vm.assertEq(info.reveals, 1);
        ISwarmCoordinator.NodeInfo memory node = swarm.nodeInfo(_node(1));
        vm.assertEq(node.committedRound, 1);
        vm.assertEq(node.revealedRound, 1);
        vm.assertEq(swarm.commitmentOf(_node(1)), 0);
    }

    function test_WhenAnExpectedNodeSubmitsInTime() public {
        _open();
        _submit(_node(0));
        vm.assertEq(swarm.nodeInfo(_node(0)).absentAt, 0 + 1 + 3);
        vm.assertEq(swarm.nodeInfo(_node(1)).absentAt, 0 + 3);
    }

    function test_WhenTheLastExpectedNodeSubmits() public {
        _open();
        vm.warp(START + 70);
        _submitFirst(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(3), _digest(_node(3)), SAMPLES);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundClosed(1, 4, uint64(START + 70 + 400));
        _submit(_node(3));

        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }
}
