// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract AttestTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(5);
        _openAndReveal(5);
    }

    function test_RevertWhen_NamingAnotherRound() public {
        for (uint32 round = 0; round <= 2; round += 2) {
            _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotCurrentRound.selector, round, 1));
            _as(_node(0));
            swarm.attest(round, RESULT);
        }
    }

    function test_RevertGiven_TheRoundIsOver() public {
        _attestFirst(3, RESULT);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Idle, ISwarmCoordinator.Phase.Merging);
        _attest(_node(3), RESULT);
    }

    function test_RevertGiven_TheRoundIsTrainingOrRevealing() public {
        _attestFirst(3, RESULT);
        _open();
        _expectWrongPhase(2, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Merging);
        _attest(_node(0), RESULT);
        _commitFirst(5);
        _expectWrongPhase(2, ISwarmCoordinator.Phase.Revealing, ISwarmCoordinator.Phase.Merging);
        _attest(_node(0), RESULT);
    }

    function test_RevertWhen_TheClockShowsTheDeadline() public {
        vm.warp(START + 400);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.DeadlinePassed.selector, 1, START + 400));
        _attest(_node(0), RESULT);
    }

    function test_WhenTheClockShowsTheSecondBeforeTheDeadline() public {
        vm.warp(START + 399);
        _attest(_node(0), RESULT);
        vm.assertEq(swarm.attestationsFor(RESULT), 1);
    }

    function test_RevertWhen_AStrangerAttests() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRevealed.selector, 1, STRANGER));
        _attest(STRANGER, RESULT);
    }

    function test_RevertWhen_ANodeThatOnlyCommittedAttests() public {
        _attestFirst(3, RESULT);
        _open();
        _commitFirst(5);
        _revealFirst(4);
        _warpAndClose();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRevealed.selector, 2, _node(4)));
        _attest(_node(4), RESULT);
    }

    function test_RevertWhen_TheDigestIsZero() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroDigest.selector));
        _attest(_node(0), 0);
    }

    function test_RevertWhen_AttestingTheSameTwice() public {
        _attest(_node(0), RESULT);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyAttested.selector, 1, _node(0), RESULT));
        _attest(_node(0), RESULT);

        _attest(_node(1), OTHER);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyAttested.selector, 1, _node(1), OTHER));
        _attest(_node(1), OTHER);
    }

    function test_WhenTheFirstRevealerAttests() public {
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.ResultAttested(1, _node(1), RESULT);
        _attest(_node(1), RESULT);

        ISwarmCoordinator.NodeInfo memory node = swarm.nodeInfo(_node(1));
        vm.assertEq(node.attestedRound, 1);
        vm.assertEq(node.attested, RESULT);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.leading, RESULT);
        vm.assertEq(info.leadingAttestations, 1);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_WhenAQuorumAttestsToTheLeadingResult() public {
        _attestFirst(2, RESULT);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.ResultAttested(1, _node(2), RESULT);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundFinalized(1, RESULT, 3);
        _attest(_node(2), RESULT);

        vm.assertEq(swarm.head(), RESULT);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(uint256(info.phase), uint256(ISwarmCoordinator.Phase.Idle));
        vm.assertEq(uint256(info.abortReason), uint256(ISwarmCoordinator.AbortReason.None));
        vm.assertEq(info.base, GENESIS);
        vm.assertEq(info.deadline, 0);
        vm.assertEq(info.phaseStartedAt, 0);
        vm.assertEq(info.leadingAttestations, 3);
        vm.assertEq(swarm.swarmInfo().finalizedRounds, 1);
        vm.assertEq(swarm.attestationsFor(RESULT), 3);
    }

    function test_WhenAQuorumAttestsToAnotherResult() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        _attest(_node(2), OTHER);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundFinalized(1, OTHER, 3);
        _attest(_node(3), OTHER);

        vm.assertEq(swarm.head(), OTHER);
        vm.assertEq(swarm.roundInfo().leading, RESULT);
        vm.assertEq(swarm.roundInfo().leadingAttestations, 1);
        vm.assertEq(swarm.attestationsFor(OTHER), 3);
    }

    function test_WhenAttestationsAreSplit() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), RESULT);
        _attest(_node(2), OTHER);
        _attest(_node(3), OTHER);
        _attest(_node(4), THIRD);

        vm.assertEq(swarm.attestationsFor(RESULT), 2);
        vm.assertEq(swarm.attestationsFor(OTHER), 2);
        vm.assertEq(swarm.attestationsFor(THIRD), 1);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_WhenANodeChangesFromTheLeadingResultToAnother() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), RESULT);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.ResultAttested(1, _node(1), OTHER);
        _attest(_node(1), OTHER);

        vm.assertEq(swarm.attestationsFor(RESULT), 1);
        vm.assertEq(swarm.attestationsFor(OTHER), 1);
        vm.assertEq(swarm.nodeInfo(_node(0)).attested, RESULT);
        vm.assertEq(swarm.nodeInfo(_node(1)).attested, OTHER);
    }

    function test_WhenANodeChangesFromAnotherResultToTheLeadingOne() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        _attest(_node(1), RESULT);

        vm.assertEq(swarm.attestationsFor(RESULT), 2);
        vm.assertEq(swarm.attestationsFor(OTHER), 0);
        vm.assertEq(swarm.nodeInfo(_node(1)).attested, RESULT);
    }

    function test_WhenANodeChangesBetweenOtherResults() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        _attest(_node(1), THIRD);

        vm.assertEq(swarm.attestationsFor(OTHER), 0);
        vm.assertEq(swarm.attestationsFor(THIRD), 1);
        vm.assertEq(swarm.nodeInfo(_node(1)).attested, THIRD);
    }

    function test_WhenEveryoneAbandonsTheLeadingResult() public {
        _attest(_node(0), RESULT);
        _attest(_node(0), OTHER);
        vm.assertEq(swarm.roundInfo().leading, RESULT);
        vm.assertEq(swarm.roundInfo().leadingAttestations, 0);

        _attest(_node(1), OTHER);
        _attest(_node(2), RESULT);
        vm.assertEq(swarm.attestationsFor(RESULT), 1);
        vm.assertEq(swarm.attestationsFor(OTHER), 2);

        _attest(_node(3), OTHER);
        vm.assertEq(swarm.head(), OTHER);
    }

    function test_WhenANodeChangesBackAndForth() public {
        _attest(_node(0), RESULT);
        for (uint256 i = 0; i < 5; ++i) {
            _attest(_node(1), OTHER);
            _attest(_node(1), RESULT);
        }
        vm.assertEq(swarm.attestationsFor(RESULT), 2);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    /// @dev Nothing of round 1 is read as round 2's: not the leading result, not a dissenter's entry, not a count.
    function test_GivenTheNextRound() public {
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        _attest(_node(2), OTHER);
        _warpAndClose();
        vm.assertEq(swarm.attestationsFor(OTHER), 2);

        _open();
        vm.assertEq(swarm.roundInfo().leading, 0);
        _commitFirst(5);
        vm.assertEq(swarm.nodeInfo(_node(1)).attested, 0);
        vm.assertEq(swarm.commitmentOf(_node(1)), _commitment(_node(1)));
        _revealFirst(5);
        vm.assertEq(swarm.attestationsFor(RESULT), 0);
        vm.assertEq(swarm.attestationsFor(OTHER), 0);
        vm.assertEq(swarm.nodeInfo(_node(0)).attested, 0);

        _attest(_node(3), OTHER);
        vm.assertEq(swarm.attestationsFor(OTHER), 1);
        vm.assertEq(swarm.roundInfo().leading, OTHER);
        _attest(_node(1), OTHER);
        _attest(_node(0), RESULT);
        vm.assertEq(swarm.attestationsFor(OTHER), 2);
        vm.assertEq(swarm.attestationsFor(RESULT), 1);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
    }

    function test_RevertGiven_TheDirectRoundIsTraining() public {
        _makeDirect();
        _open();
        _submit(_node(0));
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Merging);
        _attest(_node(0), RESULT);
    }

    function test_RevertWhen_ANodeThatDidNotSubmitAttests() public {
        _makeDirect();
        _open();
        _submitFirst(3);
        _warpAndClose();
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRevealed.selector, 1, _node(3)));
        _attest(_node(3), RESULT);
    }

    function test_WhenAQuorumOfSubmittersAgrees() public {
        _makeDirect();
        _open();
        _submitFirst(4);
        _attestFirst(2, RESULT);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundFinalized(1, RESULT, 3);
        _attest(_node(2), RESULT);

        vm.assertEq(swarm.head(), RESULT);
    }

    /// @dev Whatever five nodes attest to, in whatever order, the counts are those of their last words.
    function testFuzz_CountsAreThoseOfTheLastWords(uint8[8] memory words) public {
        bytes32[3] memory results = [RESULT, OTHER, THIRD];
        bytes32[5] memory last;
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 who = words[i] % 5;
            bytes32 result = results[(words[i] / 5) % 3];
            if (last[who] == result) continue;
            last[who] = result;
            _attest(_node(who), result);
            uint256 most = _assertCounts(results, last);
            bool isOver = swarm.phase() == ISwarmCoordinator.Phase.Idle;
            vm.assertTrue(isOver == (most == 3), "ends when three agree, and not before");
            if (isOver) break;
        }
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _assertCounts(bytes32[3] memory results, bytes32[5] memory last) private view returns (uint256 most) {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 count;
            for (uint256 who = 0; who < 5; ++who) {
                if (last[who] == results[i]) ++count;
            }
            vm.assertEq(swarm.attestationsFor(results[i]), count);
            if (count > most) most = count;
        }
        for (uint256 who = 0; who < 5; ++who) {
            vm.assertEq(swarm.nodeInfo(_node(who)).attested, last[who]);
        }
    }
}
