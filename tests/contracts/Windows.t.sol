// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev Training windows here: 10 at least, 600 first and for newcomers, 4000 at most. Revealing 300, merging 400.
contract WindowsTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    // -------------------------------------------------------------------------------------------------- training

    function test_GivenTheFirstRound() public {
        _open();
        vm.assertEq(swarm.roundInfo().trainingWindow, 600);
        vm.assertEq(swarm.roundInfo().deadline, START + 600);
    }

    function test_WhenTheSlowestTookSomeTime() public {
        _finalizeTaking(100);
        vm.assertEq(_nextWindow(), 200);
        _finalizeTaking(70);
        vm.assertEq(_nextWindow(), 140);
    }

    function test_WhenTheSlowestCameAtTheLastSecond() public {
        _finalizeTaking(599);
        vm.assertEq(_nextWindow(), 1198);
    }

    function test_WhenAllCameAtOnce() public {
        _finalizeTaking(0);
        vm.assertEq(_nextWindow(), 10);
        _finalizeTaking(5);
        vm.assertEq(_nextWindow(), 10);
        _finalizeTaking(6);
        vm.assertEq(_nextWindow(), 12);
    }

    function test_WhenTwiceTheSlowestIsAboveTheLongestWindow() public {
        _finalizeTaking(599);
        _finalizeTaking(1197);
        vm.assertEq(_nextWindow(), 2394);
        _finalizeTaking(2393);
        vm.assertEq(_nextWindow(), 4000);
    }

    function test_WhenEnoughCommitted() public {
        _openAndReveal(3);
        vm.assertEq(swarm.roundInfo().trainingWindow, 900);
    }

    function test_WhenTooFewCommitted() public {
        _openAndAbort();
        vm.assertEq(_nextWindow(), 900);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 1350);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 2025);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 3038);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 4000);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 4000);
    }

    function test_WhenTheWindowWasOneSecond() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        (config.minWindow, config.initialWindow) = (1, 1);
        swarm = new SwarmCoordinator(config);
        _addNodes(2);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 2);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 3);
        _openAndAbort();
        vm.assertEq(_nextWindow(), 5);
    }

    /// @dev Re-submitting is quick, and says nothing about how long training takes.
    function test_WhenAllCommitAtOnce() public {
        _finalizeTaking(100);
        _openAndReveal(4);
        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.NoQuorum);
        uint32 before = _nextWindow();

        _open();
        _commitFirst(4);

        vm.assertEq(before, 10);
        vm.assertEq(_nextWindow(), 10);
    }

    function test_WhenAllCommitSlowly() public {
        _openAndAbort();
        _open();
        vm.warp(block.timestamp + 899);
        _commitFirst(4);
        vm.assertEq(_nextWindow(), 900);
    }

    function test_WhenTheBaseIsNewAgain() public {
        _openAndAbort();
        _finalizeTaking(899);
        vm.assertEq(_nextWindow(), 900);
        _finalizeTaking(100);
        vm.assertEq(_nextWindow(), 200);
    }

    function test_GivenARunningWindow() public {
        _open();
        vm.warp(START + 300);
        _commitFirst(3);
        _suspend(registrar, _node(3));
        _add(_node(4));
        vm.assertEq(swarm.roundInfo().deadline, START + 600);
    }

    // ------------------------------------------------------------------------------------------------- newcomers

    function test_WhenItJoined() public {
        _finalizeTaking(100);
        _registerInvited(_node(4));
        _assertInitialWindowOnceThenLearned(5);
    }

    function test_WhenItWasAdded() public {
        _finalizeTaking(100);
        _add(_node(4));
        _assertInitialWindowOnceThenLearned(5);
    }

    function test_WhenItWasLifted() public {
        _suspend(registrar, _node(3));
        _finalizeWith(3, 100);
        _lift(_node(3));
        _assertInitialWindowOnceThenLearned(4);
    }

    function test_WhenItResumed() public {
        _suspend(_node(3), _node(3));
        _finalizeWith(3, 100);
        _resume(_node(3));
        _assertInitialWindowOnceThenLearned(4);
    }

    function test_WhenItJoinedWhileARoundRuns() public {
        _finalizeTaking(100);
        _open();
        _add(_node(4));
        _commitFirst(4);
        _revealFirst(4);
        _attestFirst(3, THIRD);
        _assertInitialWindowOnceThenLearned(5);
    }

    function test_WhenTheWindowIsLongerAlready() public {
        _finalizeTaking(599);
        _add(_node(4));
        _open();
        vm.assertEq(swarm.roundInfo().trainingWindow, 1198);
    }

    function test_GivenANodeWasSuspendedOrRemoved() public {
        _finalizeTaking(100);
        _suspend(_node(3), _node(3));
        _remove(_node(2));
        _open();
        vm.assertEq(swarm.roundInfo().trainingWindow, 200);
    }

    // ------------------------------------------------------------------------------------ revealing and merging

    function test_WhenRevealingHadTooFew() public {
        uint16[6] memory reveal = [300, 600, 1200, 2400, 4000, 4000];
        uint8[6] memory stretch = [1, 2, 4, 8, 16, 16];
        for (uint256 i = 0; i < 6; ++i) {
            vm.assertEq(swarm.roundInfo().stretch, stretch[i]);
            _open();
            _commitFirst(4);
            _assertWindow(reveal[i]);
            _warpAndClose();
            _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);
        }
    }

    function test_WhenMergingHadNoQuorum() public {
        uint16[6] memory merge = [400, 800, 1600, 3200, 4000, 4000];
        for (uint256 i = 0; i < 6; ++i) {
            _openAndReveal(4);
            _assertWindow(merge[i]);
            _warpAndClose();
            _assertAborted(ISwarmCoordinator.AbortReason.NoQuorum);
        }
        vm.assertEq(swarm.roundInfo().stretch, 16);
    }

    function test_WhenTrainingHadTooFew() public {
        _openAndAbort();
        vm.assertEq(swarm.roundInfo().stretch, 1);
    }

    function test_WhenOneWindowIsTheLongestAlready() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        (config.revealWindow, config.mergeWindow) = (1000, 4000);
        swarm = new SwarmCoordinator(config);
        _addNodes(4);
        uint8[4] memory stretch = [1, 2, 4, 4];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(swarm.roundInfo().stretch, stretch[i]);
            _openAndReveal(4);
            _assertWindow(4000);
            _warpAndClose();
        }
    }

    function test_WhenOneWindowIsASecondBelowTheLongest() public {
        _assertStretchesWithin(999, 1000);
        _assertStretchesWithin(1000, 999);
    }

    function test_WhenBothWindowsAreTheLongestAlready() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        (config.revealWindow, config.mergeWindow) = (4000, 4000);
        swarm = new SwarmCoordinator(config);
        _addNodes(4);
        _openAndReveal(4);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 1);
    }

    function test_WhenRoundsEndQuickly() public {
        _stretchToFour();
        _finalizeWithin(600, 800);
        vm.assertEq(swarm.roundInfo().stretch, 2);
        _finalizeWithin(300, 400);
        vm.assertEq(swarm.roundInfo().stretch, 1);
        _finalizeWithin(0, 0);
        vm.assertEq(swarm.roundInfo().stretch, 1);
    }

    function test_WhenRevealingUsedMoreThanHalfOfItsWindow() public {
        _stretchToFour();
        _finalizeWithin(601, 0);
        vm.assertEq(swarm.roundInfo().stretch, 4);
        _finalizeWithin(600, 0);
        vm.assertEq(swarm.roundInfo().stretch, 2);
    }

    function test_WhenMergingUsedMoreThanHalfOfItsWindow() public {
        _stretchToFour();
        _finalizeWithin(0, 801);
        vm.assertEq(swarm.roundInfo().stretch, 4);
        _finalizeWithin(0, 800);
        vm.assertEq(swarm.roundInfo().stretch, 2);
    }

    /// @dev 501 of 1,001 seconds are more than half.
    function test_WhenHalfOfAWindowIsNoWholeSecond() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.maxWindow = 1001;
        swarm = new SwarmCoordinator(config);
        _addNodes(4);
        _stretchToFour();
        _finalizeWithin(501, 0);
        vm.assertEq(swarm.roundInfo().stretch, 4);
        _finalizeWithin(500, 0);
        vm.assertEq(swarm.roundInfo().stretch, 2);
    }

    function test_WhenRevealingEndedAtItsDeadline() public {
        _stretchToFour();
        _open();
        _commitFirst(4);
        _revealFirst(3);
        _warpAndClose();
        _attestFirst(3, THIRD);
        vm.assertEq(swarm.swarmInfo().finalizedRounds, 1);
        vm.assertEq(swarm.roundInfo().stretch, 4);
    }

    function test_WhenARoundRuns() public {
        _stretchToFour();
        _open();
        _commitFirst(4);
        _assertWindow(1200);
        vm.warp(block.timestamp + 5);
        uint256 startedAt = swarm.roundInfo().phaseStartedAt;
        vm.assertEq(startedAt, block.timestamp - 5);
        _revealFirst(4);
        _assertWindow(1600);
    }

    function test_GivenADirectSwarm() public {
        swarm = new SwarmCoordinator(_directConfig());
        _addNodes(4);
        _open();
        _submitFirst(4);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 2);

        _open();
        _submitFirst(4);
        _assertWindow(800);
        vm.warp(block.timestamp + 400);
        _attestFirst(3, THIRD);
        vm.assertEq(swarm.roundInfo().stretch, 1);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _finalizeTaking(uint256 time) private {
        _finalizeWith(4, time);
    }

    /// @dev A finalised round in which all trained, and the last took this long.
    function _finalizeWith(uint256 nodes, uint256 time) private {
        _open();
        _commitFirst(nodes - 1);
        vm.warp(block.timestamp + time);
        _commit(_node(nodes - 1));
        _revealFirst(nodes);
        _attestAll();
    }

    /// @dev A finalised round in which revealing and merging took this long.
    function _finalizeWithin(uint256 revealing, uint256 merging) private {
        _open();
        _commitFirst(4);
        vm.warp(block.timestamp + revealing);
        _revealFirst(4);
        vm.warp(block.timestamp + merging);
        _attestAll();
    }

    function _attestAll() private {
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), result);
        }
    }

    function _stretchToFour() private {
        for (uint256 i = 0; i < 2; ++i) {
            _openAndReveal(4);
            _warpAndClose();
        }
        vm.assertEq(swarm.roundInfo().stretch, 4);
    }

    /// @dev Merging had no quorum, in a swarm whose longest window is 1,000 seconds.
    function _assertStretchesWithin(uint32 revealing, uint32 merging) private {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        (config.revealWindow, config.mergeWindow, config.maxWindow) = (revealing, merging, 1000);
        swarm = new SwarmCoordinator(config);
        _addNodes(4);
        _openAndReveal(4);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 2);
    }

    function _nextWindow() private view returns (uint32) {
        return swarm.roundInfo().trainingWindow;
    }

    function _assertWindow(uint256 window) private view {
        vm.assertEq(swarm.roundInfo().deadline - swarm.roundInfo().phaseStartedAt, window);
    }

    function _assertInitialWindowOnceThenLearned(uint256 nodes) private {
        _open();
        vm.assertEq(swarm.roundInfo().trainingWindow, 600, "the newcomer's first round");
        vm.warp(block.timestamp + 40);
        _commitFirst(nodes);
        _revealFirst(nodes);
        _attestAll();
        _open();
        vm.assertEq(swarm.roundInfo().trainingWindow, 80, "the one after it");
    }
}
