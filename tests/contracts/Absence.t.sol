// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev A node is absent here after three finalised rounds without a reveal.
contract AbsenceTest is SwarmTest {
    address internal absentee = _node(3);

    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    // --------------------------------------------------------------------------------------------------- absentAt

    function test_GivenANodeJoinedWhenIdle() public {
        _finalizeRounds(3, 1);
        _registerInvited(_node(4));
        vm.assertEq(swarm.nodeInfo(_node(4)).absentAt, 1 + 3);
    }

    function test_GivenANodeWasAddedWhileARoundRuns() public {
        _finalizeRounds(3, 1);
        _open();
        _add(_node(4));
        vm.assertEq(swarm.nodeInfo(_node(4)).absentAt, 1 + 1 + 3);
    }

    function test_GivenANodeRevealed() public {
        _open();
        _commitFirst(4);
        _reveal(_node(0));
        vm.assertEq(swarm.nodeInfo(_node(0)).absentAt, 0 + 1 + 3);
        vm.assertEq(swarm.nodeInfo(_node(1)).absentAt, 0 + 3);
    }

    function test_GivenANodeWasLifted() public {
        _finalizeRounds(3, 1);
        _suspend(registrar, absentee);
        _lift(absentee);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 1 + 3);

        _suspend(registrar, absentee);
        _open();
        _lift(absentee);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 1 + 1 + 3);
    }

    function test_GivenANodeResumed() public {
        _finalizeRounds(3, 1);
        _suspend(absentee, absentee);
        _resume(absentee);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 1 + 1);

        _suspend(absentee, absentee);
        _open();
        _resume(absentee);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 1 + 1 + 1);
    }

    // -------------------------------------------------------------------------------------------------- suspending

    function test_GivenAbortedRounds() public {
        for (uint256 i = 0; i < 5; ++i) {
            _openAndAbort();
        }
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertFalse(swarm.nodeInfo(_node(i)).isAbsent);
        }
    }

    function test_GivenARevealInARoundThatAborts() public {
        _finalizeRounds(3, 2);
        _open();
        _commitFirst(4);
        _reveal(absentee);
        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);

        _finalizeRounds(3, 1);
        vm.assertFalse(swarm.nodeInfo(absentee).isAbsent);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 2 + 1 + 3);
    }

    function test_GivenACommitmentThatWasNeverRevealed() public {
        _finalizeRounds(3, 2);
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpAndClose();
        _attestFirst(3, RESULT);
        vm.assertTrue(swarm.nodeInfo(absentee).isAbsent);
    }

    function test_GivenANodeResumedAndStayedAway() public {
        _finalizeRounds(3, 3);
        _suspend(STRANGER, absentee);
        _finalizeRounds(3, 1);
        _resume(absentee);
        _finalizeRounds(3, 1);

        vm.assertTrue(swarm.nodeInfo(absentee).isAbsent);
        _suspend(STRANGER, absentee);
        vm.assertFalse(swarm.isActive(absentee));
    }

    function test_GivenANodeResumedAndCameBack() public {
        _finalizeRounds(3, 3);
        _suspend(STRANGER, absentee);
        _resume(absentee);
        _finalize(4);
        vm.assertEq(swarm.nodeInfo(absentee).absentAt, 4 + 3);
    }

    function test_GivenOneDeadMachine() public {
        uint256 deadlines;
        for (uint256 i = 0; i < 10; ++i) {
            if (swarm.nodeInfo(absentee).isAbsent) _suspend(_node(0), absentee);
            _open();
            _commitFirst(3);
            if (swarm.phase() == ISwarmCoordinator.Phase.Training) {
                _warpAndClose();
                ++deadlines;
            }
            _revealFirst(3);
            _attestUntilIdle();
        }
        vm.assertEq(deadlines, 3);
        vm.assertEq(swarm.swarmInfo().finalizedRounds, 10);
    }

    /// @dev Seven nodes shrink to two, each step agreed by a quorum of the one before; then no further.
    function test_GivenAtLeastTwoUpdates() public {
        for (uint256 i = 4; i < 7; ++i) {
            _add(_node(i));
        }
        for (uint256 present = 6; present >= 1; --present) {
            for (uint256 i = 0; i < 4; ++i) {
                _tryRound(present);
            }
            _suspendEveryAbsentee(7);
        }

        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
        vm.assertTrue(swarm.isActive(_node(0)) && swarm.isActive(_node(1)));
    }

    function test_GivenAtLeastThreeUpdates() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = 3;
        config.absenceLimit = 1;
        swarm = new SwarmCoordinator(config);
        _addNodes(5);
        for (uint256 present = 4; present >= 1; --present) {
            for (uint256 i = 0; i < 3; ++i) {
                _tryRound(present);
            }
            _suspendEveryAbsentee(5);
        }
        vm.assertEq(swarm.swarmInfo().activeNodes, 3);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    /// @dev A round in which only the first `present` nodes act, however it ends.
    function _tryRound(uint256 present) private {
        _open();
        _commitFirst(present);
        if (swarm.phase() == ISwarmCoordinator.Phase.Training) _warpAndClose();
        if (swarm.phase() == ISwarmCoordinator.Phase.Idle) return;
        _revealFirst(present);
        _attestUntilIdle();
    }

    function _attestUntilIdle() private {
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), result);
        }
    }

    function _suspendEveryAbsentee(uint256 nodes) private {
        for (uint256 i = 0; i < nodes; ++i) {
            if (swarm.nodeInfo(_node(i)).isAbsent) _suspend(STRANGER, _node(i));
        }
    }
}
