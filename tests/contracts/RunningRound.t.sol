// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev A change of membership takes effect at once for the next round, and never for a running one.
contract RunningRoundTest is SwarmTest {
    uint32 internal constant FOREVER = type(uint32).max;
    address internal subject = _node(3);

    function setUp() public override {
        super.setUp();
        _addNodes(4);
        _openAndAbort();
        _open();
    }

    // ----------------------------------------------------------------------------------------- leaving and joining

    function test_WhenARegistrarSuspendsIt() public {
        _suspend(registrar, subject);
        _assertActsToTheEnd();
        _assertNextRoundExpects(3);
    }

    function test_WhenItSuspendsItself() public {
        _suspend(subject, subject);
        _assertActsToTheEnd();
        _assertNextRoundExpects(3);
    }

    function test_WhenARegistrarRemovesIt() public {
        _remove(subject);
        _assertActsToTheEnd();
        _assertNextRoundExpects(3);
    }

    function test_WhenARegistrarRemovesEveryone() public {
        for (uint256 i = 0; i < 4; ++i) {
            _remove(_node(i));
        }
        _commitFirst(4);
        _revealFirst(4);
        _attestFirst(3, RESULT);

        vm.assertEq(swarm.head(), RESULT);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, _node(0)));
        _open();
    }

    function test_WhenARegistrarAddsIt() public {
        _add(_node(4));
        _assertWaitsForTheNext(_node(4));
    }

    function test_WhenItJoinsWithAnInvitation() public {
        _registerInvited(_node(4));
        _assertWaitsForTheNext(_node(4));
    }

    function test_WhenARegistrarLiftsASuspensionOfAnEarlierRound() public {
        _suspend(registrar, subject);
        _warpAndClose();
        _open();
        _lift(subject);
        _assertWaitsForTheNext(subject);
    }

    function test_WhenItResumesFromASuspensionOfAnEarlierRound() public {
        _suspend(subject, subject);
        _warpAndClose();
        _open();
        _resume(subject);
        _assertWaitsForTheNext(subject);
    }

    function test_GivenANodeLeavesWhenIdle() public {
        _warpAndClose();
        _remove(subject);
        vm.assertTrue(swarm.isExpected(subject), "in the last round");
        vm.assertFalse(swarm.isActive(subject), "in the next round");

        _open();
        vm.assertFalse(swarm.isExpected(subject));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotExpected.selector, 3, subject));
        _commit(subject);
    }

    // ------------------------------------------------------------------------------------------------ undone again

    function test_WhenSuspendedAndLifted() public {
        _suspend(registrar, subject);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeResumed(subject, 1);
        _lift(subject);
        _assertUndone();
    }

    function test_WhenSuspendedAndResumed() public {
        _suspend(subject, subject);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeResumed(subject, 1);
        _resume(subject);
        _assertUndone();
    }

    function test_WhenRemovedAndAdded() public {
        _commit(subject);
        _remove(subject);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(subject, 1, "a label");
        _add(subject);
        _assertUndone();
        vm.assertEq(swarm.commitmentOf(subject), _commitment(subject));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyCommitted.selector, 2, subject));
        _commit(subject);
    }

    function test_WhenSuspendedRemovedAndAdded() public {
        _suspend(subject, subject);
        _remove(subject);
        _add(subject);
        _assertUndone();
    }

    function test_WhenSuspendedAndResumedAfterTheRoundEnded() public {
        _suspend(subject, subject);
        _warpAndClose();
        _resume(subject);
        _assertUndone();
        _open();
        vm.assertTrue(swarm.isExpected(subject));
    }

    function test_WhenSuspendedThenAndRemovedAndAddedNow() public {
        _suspend(subject, subject);
        _warpAndClose();
        _open();
        _remove(subject);
        _add(subject);
        vm.assertEq(swarm.nodeInfo(subject).activeFrom, 4);
        vm.assertFalse(swarm.isExpected(subject));
    }

    function test_WhenAddedAndSuspended() public {
        _add(_node(4));
        _suspend(_node(4), _node(4));
        vm.assertEq(swarm.nodeInfo(_node(4)).activeFrom, 3);
        vm.assertEq(swarm.nodeInfo(_node(4)).activeUntil, 3);
        _assertNextRoundExpects(4);
        vm.assertFalse(swarm.isExpected(_node(4)));
    }

    function test_WhenAddedSuspendedAndResumed() public {
        _add(_node(4));
        _suspend(_node(4), _node(4));
        _resume(_node(4));
        vm.assertFalse(swarm.isExpected(_node(4)));
        _assertNextRoundExpects(5);
        vm.assertTrue(swarm.isExpected(_node(4)));
    }

    function test_WhenResumedInALaterRoundAndSuspendedAgain() public {
        _suspend(subject, subject);
        _warpAndClose();
        _open();
        _resume(subject);
        _suspend(subject, subject);
        _assertNextRoundExpects(3);
        vm.assertFalse(swarm.isExpected(subject));
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _assertActsToTheEnd() private {
        vm.assertTrue(swarm.isExpected(subject));
        vm.assertEq(swarm.roundInfo().expected, 4);
        vm.assertEq(swarm.roundInfo().quorum, 3);
        _commitFirst(4);
        _revealFirst(4);
        _attest(subject, RESULT);
        _attestFirst(2, RESULT);
        vm.assertEq(swarm.head(), RESULT);
    }

    function _assertNextRoundExpects(uint16 nodes) private {
        vm.assertEq(swarm.swarmInfo().activeNodes, nodes);
        if (swarm.phase() != ISwarmCoordinator.Phase.Idle) _warpAndClose();
        _open();
        vm.assertEq(swarm.roundInfo().expected, nodes);
    }

    function _assertWaitsForTheNext(address node) private {
        uint32 round = swarm.currentRound();
        uint16 expected = swarm.roundInfo().expected;
        vm.assertTrue(swarm.isActive(node));
        vm.assertFalse(swarm.isExpected(node));
        vm.assertEq(swarm.nodeInfo(node).activeFrom, round + 1);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotExpected.selector, round, node));
        _commit(node);

        _warpAndClose();
        _open();
        vm.assertEq(swarm.roundInfo().expected, expected + 1);
        _commit(node);
        vm.assertEq(swarm.nodeInfo(node).committedRound, round + 1);
    }

    function _assertUndone() private view {
        ISwarmCoordinator.NodeInfo memory info = swarm.nodeInfo(subject);
        vm.assertEq(uint256(info.status), uint256(ISwarmCoordinator.NodeStatus.Active));
        vm.assertEq(info.activeFrom, 1);
        vm.assertEq(info.activeUntil, FOREVER);
        vm.assertTrue(swarm.isExpected(subject));
        vm.assertTrue(swarm.isActive(subject));
        vm.assertEq(swarm.swarmInfo().activeNodes, 4);
    }
}
