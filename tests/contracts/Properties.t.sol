// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @notice What holds of one step for all numbers: windows, deadlines, quorums, packed fields, invitations.
contract PropertiesTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(3);
    }

    // ---------------------------------------------------------------------------------------------------- windows

    /// @dev Twice what the slowest took, as far as the bounds let it be; half as long again where that was in vain.
    function testFuzz_GivenAnyBounds_NextWindowFits(uint32 shortest, uint32 first, uint32 longest, uint32 took) public {
        (shortest, first, longest) = _deployWithin(shortest, first, longest);
        took %= first;
        _open();
        _commit(_node(0));
        vm.warp(block.timestamp + took);
        _commit(_node(1));

        uint256 next = swarm.roundInfo().trainingWindow;
        vm.assertTrue(shortest <= next && next <= longest, "within its bounds");
        vm.assertTrue(next >= 2 * uint256(took) || next == longest, "twice what it took, but for the longest");
        vm.assertTrue(next <= 2 * uint256(took) || next == shortest, "no more than that, but for the shortest");

        _warpAndClose();
        _openAndAbort();
        uint256 later = swarm.roundInfo().trainingWindow;
        vm.assertTrue(later > next || later == longest, "longer, but for the longest");
        vm.assertTrue(later <= longest && 2 * later <= 3 * next + 1, "by no more than half");
    }

    /// @dev Whatever was learned: a round trains for that long, and its deadline is that far away.
    function testFuzz_GivenAnyWindow_DeadlineIsThatFarAway(uint24 window, uint40 start) public {
        _openAndAbort();
        _setWindow(window);
        vm.warp(block.timestamp + start / 2);

        _open();

        vm.assertEq(swarm.roundInfo().deadline, block.timestamp + window);
        vm.assertEq(swarm.roundInfo().phaseStartedAt, block.timestamp);
    }

    /// @dev An abort for want of reveals doubles both windows, each up to the longest, and both of them no further.
    function testFuzz_WhenRevealsAreMissing_WindowsStretch(
        uint16 revealing,
        uint16 merging,
        uint16 longest,
        uint8 times
    ) public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.maxWindow = 600 + uint32(longest);
        config.revealWindow = 1 + uint32(revealing) % config.maxWindow;
        config.mergeWindow = 1 + uint32(merging) % config.maxWindow;
        _deploy(config);
        _setStretch(times % 20);
        uint256 factor = swarm.roundInfo().stretch;
        uint256 smaller = config.revealWindow < config.mergeWindow ? config.revealWindow : config.mergeWindow;

        _open();
        _commitFirst(2);
        uint256 window = swarm.roundInfo().deadline - block.timestamp;
        _warpAndClose();

        vm.assertTrue(window == config.revealWindow * factor || window == config.maxWindow, "stretched");
        vm.assertLe(window, config.maxWindow, "no window is longer than the longest");
        bool isLonger = swarm.roundInfo().stretch == 2 * factor;
        vm.assertTrue(isLonger == (smaller * factor < config.maxWindow), "longer, as long as one of them can be");
        vm.assertTrue(isLonger || swarm.roundInfo().stretch == factor, "doubled, or left");
    }

    // -------------------------------------------------------------------------------------------------- deadlines

    /// @dev At any time, one of them is accepted and the other is not: nobody acts in a phase that can be closed.
    function testFuzz_GivenAnyTime_EitherActingOrClosing(uint40 time) public {
        _open();
        uint256 deadline = swarm.roundInfo().deadline;
        vm.warp(time % 4 == 0 ? deadline - 2 + time / 4 % 4 : START + time % (2 ** 38));
        bytes memory commitUpdate = abi.encodeCall(swarm.commitUpdate, (1, _commitment(_node(0))));

        vm.prank(_node(0));
        (bool acts,) = address(swarm).call(commitUpdate);
        (bool closes,) = address(swarm).call(abi.encodeCall(swarm.closeRound, (1)));

        vm.assertTrue(acts == (block.timestamp < deadline), "acting");
        vm.assertTrue(closes == (block.timestamp >= deadline), "closing");
    }

    function testFuzz_GivenAnyTime_InvitationHoldsUntilItExpires(uint64 expiry, uint40 time) public {
        address guest = _node(9);
        ISwarmCoordinator.Invitation memory invitation =
            ISwarmCoordinator.Invitation({account: guest, registrar: registrar, expiry: expiry});
        bytes32 digest = _invitationDigest(invitation, address(swarm), block.chainid);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(REGISTRAR_KEY, digest);
        vm.warp(time % 4 == 0 && expiry > 0 ? uint256(expiry) - time / 4 % 2 : time);

        vm.prank(guest);
        (bool joins,) = address(swarm)
            .call(abi.encodeCall(swarm.registerWithInvitation, (invitation, abi.encodePacked(r, s, v), "")));

        vm.assertTrue(joins == (block.timestamp < expiry), "joining");
        vm.assertTrue(swarm.isActive(guest) == joins, "a node");
    }

    // ----------------------------------------------------------------------------------------------------- quorum

    /// @dev Of any number expected, the one that completes the quorum moves the head, and none before it.
    function testFuzz_GivenAnyNumberExpected_OnlyTheQuorumMovesTheHead(uint16 expected, uint8 fewer) public {
        _openAndReveal(3);
        _setExpected(expected < 3 ? 3 : expected);
        uint16 quorum = swarm.roundInfo().quorum;
        _attest(_node(0), RESULT);
        uint16 before = quorum - 1 - fewer % 3 % quorum;
        _setLeadingAttestations(before);

        _attest(_node(1), RESULT);

        bool isOver = swarm.phase() == ISwarmCoordinator.Phase.Idle;
        vm.assertTrue(isOver == (before + 1 == quorum), "over with the quorum");
        vm.assertEq(swarm.head(), isOver ? RESULT : GENESIS);
        vm.assertTrue(!isOver || 2 * uint256(before + 1) > swarm.roundInfo().expected, "more than half");
    }

    /// @dev The same for a result that others than the first attester found.
    function testFuzz_GivenAnyNumberExpected_DissentMovesTheHeadLikewise(uint16 expected, uint8 fewer) public {
        _openAndReveal(3);
        _setExpected(expected < 3 ? 3 : expected);
        uint16 quorum = swarm.roundInfo().quorum;
        _attest(_node(0), RESULT);
        uint16 before = quorum - 1 - fewer % 3 % quorum;
        _setDissent(1, OTHER, before);

        _attest(_node(1), OTHER);

        bool isOver = swarm.phase() == ISwarmCoordinator.Phase.Idle;
        vm.assertTrue(isOver == (before + 1 == quorum), "over with the quorum");
        vm.assertEq(swarm.head(), isOver ? OTHER : GENESIS);
        vm.assertEq(swarm.attestationsFor(RESULT), 1, "the leading one counts for itself");
    }

    // ------------------------------------------------------------------------------------------------------ fields

    /// @dev Each of them keeps its value beside any of the others.
    function testFuzz_GivenAnyValues_FieldsOfARoundStayApart(
        uint32 number,
        uint32 finalized,
        uint24 window,
        uint16[5] memory counts
    ) public {
        finalized %= type(uint32).max;
        _skipRounds(number);
        _setFinalizedRounds(finalized);
        _setWindow(window);
        _setActiveNodes(counts[0]);
        _setExpected(counts[1]);
        _setCommits(counts[2]);
        _setReveals(counts[3]);
        _setLeadingAttestations(counts[4]);

        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        ISwarmCoordinator.SwarmInfo memory all = swarm.swarmInfo();
        vm.assertTrue(info.round == number && all.currentRound == number && swarm.currentRound() == number, "number");
        vm.assertTrue(all.finalizedRounds == finalized && info.trainingWindow == window, "finalised, window");
        vm.assertTrue(all.activeNodes == counts[0] && info.expected == counts[1], "active, expected");
        vm.assertTrue(info.commits == counts[2] && info.reveals == counts[3], "commits, reveals");
        vm.assertTrue(info.leadingAttestations == counts[4] && info.stretch == 1, "attestations, stretch");
        _assertPhase(ISwarmCoordinator.Phase.Idle);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    /// @dev A sealed swarm of two with bounds that the constructor accepts, as near as can be to those given.
    function _deployWithin(uint32 shortest, uint32 first, uint32 longest) private returns (uint32, uint32, uint32) {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.maxWindow = 1 + longest % 180 days;
        config.minWindow = 1 + shortest % config.maxWindow;
        config.initialWindow = config.minWindow + first % (config.maxWindow - config.minWindow + 1);
        (config.revealWindow, config.mergeWindow) = (1, 1);
        _deploy(config);
        return (config.minWindow, config.initialWindow, config.maxWindow);
    }

    function _deploy(ISwarmCoordinator.Config memory config) private {
        swarm = new SwarmCoordinator(config);
        _addNodes(2);
    }
}
