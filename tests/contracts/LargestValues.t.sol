// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev What no test could reach by calls is written where it lies (`SwarmTest`), and read back through a view.
contract LargestValuesTest is SwarmTest {
    uint16 internal constant ALL = type(uint16).max;
    /// @dev The absence limit of these swarms.
    uint32 internal constant LIMIT = 3;

    function test_WhenTheLastOfAllCommits() public {
        _openWithAll();
        _setCommits(ALL - 1);

        _commit(_node(0));

        vm.assertEq(swarm.roundInfo().commits, ALL);
        _assertPhase(ISwarmCoordinator.Phase.Revealing);
    }

    function test_WhenTheLastOfAllReveals() public {
        _openWithAll();
        _setCommits(ALL - 1);
        _commit(_node(0));
        _setReveals(ALL - 1);

        _reveal(_node(0));

        vm.assertEq(swarm.roundInfo().reveals, ALL);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_WhenTheLastOfAllSubmits() public {
        swarm = new SwarmCoordinator(_directConfig());
        _add(_node(0));
        _openWithAll();
        _setCommits(ALL - 1);

        _submit(_node(0));

        vm.assertEq(swarm.roundInfo().commits, ALL);
        vm.assertEq(swarm.roundInfo().reveals, ALL);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_WhenTheLastOfAllAgrees() public {
        _mergeWithAll();
        _attest(_node(0), RESULT);
        _setLeadingAttestations(ALL - 1);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundFinalized(1, RESULT, ALL);
        _attest(_node(1), RESULT);

        vm.assertEq(swarm.head(), RESULT);
    }

    function test_WhenTheLastOfAllDissents() public {
        _mergeWithAll();
        _attest(_node(0), RESULT);
        _setDissent(1, OTHER, ALL - 1);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundFinalized(1, OTHER, ALL);
        _attest(_node(1), OTHER);

        vm.assertEq(swarm.head(), OTHER);
        vm.assertEq(swarm.attestationsFor(OTHER), ALL);
    }

    function test_WhenAsManyUpdatesAsNodesAreAskedFor() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = ALL;
        swarm = new SwarmCoordinator(config);
        _add(_node(0));
        _setActiveNodes(ALL - 1);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.TooFewActiveNodes.selector, ALL - 1, ALL));
        _open();

        _setActiveNodes(ALL);
        _open();
        vm.assertEq(swarm.roundInfo().expected, ALL);
    }

    function test_GivenTheLargestNumberOfSamples() public {
        swarm = new SwarmCoordinator(_directConfig());
        _addNodes(2);
        _open();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(0), RESULT, type(uint64).max);
        _as(_node(0));
        swarm.submitUpdate(1, RESULT, type(uint64).max);
    }

    function test_GivenTheLastRoundNumberInWhichANodeCanBeExpected() public {
        _addNodes(2);
        _skipRounds(type(uint32).max - 2);

        _finalize(2);

        vm.assertEq(swarm.currentRound(), type(uint32).max - 1);
        vm.assertEq(swarm.swarmInfo().finalizedRounds, 1);
        vm.assertEq(swarm.nodeInfo(_node(0)).revealedRound, type(uint32).max - 1);
    }

    function test_WhenTheLastRoundIsOpened() public {
        _addNodes(2);
        _skipRounds(type(uint32).max - 1);

        _open();

        vm.assertFalse(swarm.isExpected(_node(0)));
        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewUpdates);
    }

    function test_RevertWhen_OneMoreIsOpened() public {
        _addNodes(2);
        _skipRounds(type(uint32).max);
        _expectOverflow();
        _open();
    }

    function test_RevertWhen_ANodeJoins() public {
        _skipRounds(type(uint32).max);
        _expectOverflow();
        _add(_node(0));
    }

    function test_RevertWhen_ANodeIsRemoved() public {
        _add(_node(0));
        _skipRounds(type(uint32).max);
        _expectOverflow();
        _remove(_node(0));
    }

    function test_GivenTheMostFinalisedRoundsFromWhichARevealCanCount() public {
        _addNodes(2);
        _setFinalizedRounds(type(uint32).max - 1 - LIMIT);

        _finalize(2);

        vm.assertEq(swarm.swarmInfo().finalizedRounds, type(uint32).max - LIMIT);
        vm.assertEq(swarm.nodeInfo(_node(0)).absentAt, type(uint32).max);
        vm.assertFalse(swarm.nodeInfo(_node(0)).isAbsent);
    }

    function test_RevertGiven_OneFinalisedRoundMoreThanThat() public {
        _addNodes(2);
        _setFinalizedRounds(type(uint32).max - LIMIT);
        _open();
        _commitFirst(2);
        _expectOverflow();
        _reveal(_node(0));

        _warpAndClose();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewReveals);
    }

    function test_GivenTheLongestWindows() public {
        ISwarmCoordinator.Config memory config = _longConfig();
        (config.revealWindow, config.mergeWindow) = (180 days, 180 days);
        config.initialWindow = 180 days - 1;
        swarm = new SwarmCoordinator(config);
        _addNodes(2);

        _openAndAbort();
        vm.assertEq(swarm.roundInfo().trainingWindow, 180 days);
        _openAndReveal(2);
        vm.assertEq(swarm.roundInfo().trainingWindow, 180 days);
        vm.assertEq(swarm.roundInfo().deadline, block.timestamp + 180 days);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 1);
        _openAndAbort();
        vm.assertEq(swarm.roundInfo().trainingWindow, 180 days);
    }

    /// @dev From one second to 180 days are 24 doublings.
    function test_GivenTheLargestStretch() public {
        ISwarmCoordinator.Config memory config = _longConfig();
        (config.revealWindow, config.mergeWindow) = (1, 1);
        swarm = new SwarmCoordinator(config);
        _addNodes(2);
        for (uint256 i = 0; i < 24; ++i) {
            vm.assertEq(swarm.roundInfo().stretch, 1 << i);
            _openAndReveal(2);
            vm.assertEq(swarm.roundInfo().deadline - swarm.roundInfo().phaseStartedAt, 1 << i);
            _warpAndClose();
        }
        _openAndReveal(2);
        vm.assertEq(swarm.roundInfo().deadline - swarm.roundInfo().phaseStartedAt, 180 days);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 1 << 24);
    }

    function test_GivenTheLargestAbsenceLimit() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.absenceLimit = type(uint16).max;
        swarm = new SwarmCoordinator(config);
        _addNodes(2);
        vm.assertEq(swarm.nodeInfo(_node(0)).absentAt, 65_535);

        _setFinalizedRounds(65_534);
        vm.assertFalse(swarm.nodeInfo(_node(0)).isAbsent);
        _setFinalizedRounds(65_535);
        vm.assertTrue(swarm.nodeInfo(_node(0)).isAbsent);
    }

    /// @dev 40 bits of seconds last until the year 36,812.
    function test_GivenTheLastTimestampsThatADeadlineCanHold() public {
        uint256 deadline = type(uint40).max;
        _addNodes(2);
        vm.warp(deadline - 600);
        _open();
        vm.assertEq(swarm.roundInfo().deadline, deadline);
        vm.assertEq(swarm.roundInfo().phaseStartedAt, deadline - 600);

        vm.warp(deadline - 1);
        _commit(_node(0));
        vm.warp(deadline);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, deadline));
        _commit(_node(1));
        _close();
        _assertAborted(ISwarmCoordinator.AbortReason.TooFewUpdates);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    /// @dev The first node is one of 65,535.
    function _openWithAll() private {
        if (!swarm.isActive(_node(0))) _add(_node(0));
        _setActiveNodes(ALL);
        _open();
        vm.assertEq(swarm.roundInfo().expected, ALL);
    }

    /// @dev Two nodes revealed, and 65,535 are expected, all of whom must agree.
    function _mergeWithAll() private {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.quorumBps = 10_000;
        swarm = new SwarmCoordinator(config);
        _addNodes(2);
        _openAndReveal(2);
        _setExpected(ALL);
        vm.assertEq(swarm.roundInfo().quorum, ALL);
    }

    function _longConfig() private view returns (ISwarmCoordinator.Config memory config) {
        config = _sealedConfig();
        config.maxWindow = swarm.WINDOW_LIMIT();
    }

    function _expectOverflow() private {
        _expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
    }
}
