// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract ViewsTest is SwarmTest {
    function test_GivenNothingHappened_EverythingIsAtRest() public view {
        vm.assertEq(swarm.currentRound(), 0);
        _assertPhase(ISwarmCoordinator.Phase.Idle);
        vm.assertEq(swarm.head(), GENESIS);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.base, GENESIS);
        vm.assertEq(info.trainingWindow, 600);
        vm.assertEq(info.stretch, 1);
        ISwarmCoordinator.NodeInfo memory blank;
        vm.assertEq(abi.encode(swarm.nodeInfo(STRANGER)), abi.encode(blank));
        vm.assertFalse(swarm.isActive(STRANGER));
        vm.assertFalse(swarm.isExpected(STRANGER));
        vm.assertEq(swarm.commitmentOf(STRANGER), 0);
        vm.assertEq(swarm.attestationsFor(GENESIS), 0);
        vm.assertEq(swarm.attestationsFor(0), 0);
        _assertWaitingFor(ISwarmCoordinator.Phase.Idle, 0, 0);
    }

    function test_GivenSwarm_SwarmInfoCountsIt() public {
        _addNodes(5);
        _finalize(5);
        bytes32 head = swarm.head();
        _open();
        _suspend(_node(4), _node(4));

        ISwarmCoordinator.SwarmInfo memory info = swarm.swarmInfo();

        vm.assertEq(info.activeNodes, 4);
        vm.assertEq(info.requiredUpdates, 3);
        vm.assertEq(info.currentRound, 2);
        vm.assertEq(info.finalizedRounds, 1);
        vm.assertEq(info.head, head);
    }

    // ------------------------------------------------------------------------------------------------------- base

    function test_GivenFinalizedRound_BaseIsWhatItStartedFrom() public {
        _addNodes(2);
        bytes32 before = GENESIS;
        for (uint256 i = 0; i < 4; ++i) {
            _open();
            vm.assertEq(swarm.roundInfo().base, before, "while training");
            _commitFirst(2);
            vm.assertEq(swarm.roundInfo().base, before, "while revealing");
            _revealFirst(2);
            vm.assertEq(swarm.roundInfo().base, before, "while merging");
            bytes32 result = keccak256(abi.encode(i));
            _attestFirst(2, result);
            vm.assertEq(swarm.roundInfo().base, before, "when finalised");
            vm.assertEq(swarm.head(), result);
            before = result;
        }
    }

    function test_GivenAbortedRound_BaseIsCarriedForward() public {
        _addNodes(2);
        _finalize(2);
        bytes32 base = swarm.head();
        for (uint256 i = 0; i < 3; ++i) {
            _openAndAbort();
            vm.assertEq(swarm.roundInfo().base, base);
            vm.assertEq(swarm.head(), base);
        }
        _open();
        vm.assertEq(swarm.roundInfo().base, base);
    }

    function test_GivenAbortedRoundBefore_ARunningOneHasNoAbortReason() public {
        _addNodes(2);
        _openAndAbort();
        vm.assertEq(uint256(swarm.roundInfo().abortReason), uint256(ISwarmCoordinator.AbortReason.TooFewUpdates));
        _open();
        vm.assertEq(uint256(swarm.roundInfo().abortReason), uint256(ISwarmCoordinator.AbortReason.None));
        _commitFirst(2);
        _revealFirst(2);
        _attestFirst(2, RESULT);
        vm.assertEq(uint256(swarm.roundInfo().abortReason), uint256(ISwarmCoordinator.AbortReason.None));
    }

    // ------------------------------------------------------------------------------------------------- waitingFor

    function test_GivenRound_WaitingForCountsDown() public {
        _addNodes(4);
        _open();
        _commitFirst(1);
        _assertWaitingFor(ISwarmCoordinator.Phase.Training, 3, START + 600);
        _commit(_node(1));
        _commit(_node(2));
        _warpAndClose();
        _revealFirst(1);
        _assertWaitingFor(ISwarmCoordinator.Phase.Revealing, 2, START + 900);
        _reveal(_node(1));
        _reveal(_node(2));
        _assertWaitingFor(ISwarmCoordinator.Phase.Merging, 3, START + 1000);
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        _assertWaitingFor(ISwarmCoordinator.Phase.Merging, 2, START + 1000);
        _attest(_node(1), RESULT);
        _attest(_node(2), RESULT);
        _assertWaitingFor(ISwarmCoordinator.Phase.Idle, 0, 0);
    }

    // ------------------------------------------------------------------------------------------------ commitmentOf

    function test_GivenEndedRound_CommitmentIsStillThatOfTheLast() public {
        _addNodes(4);
        _open();
        _commitFirst(1);
        bytes32 commitment = _commitment(_node(0));
        _warpAndClose();
        vm.assertEq(swarm.commitmentOf(_node(0)), commitment);

        _open();
        vm.assertEq(swarm.commitmentOf(_node(0)), 0);
    }

    function test_GivenDissenter_ItsEntryIsNoCommitment() public {
        _addNodes(4);
        _openAndReveal(4);
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        vm.assertEq(swarm.commitmentOf(_node(1)), 0);
    }

    // ------------------------------------------------------------------------------------------------------- CIDs

    /// @dev The digest of the empty map's DAG-CBOR (0xa0), and the ends of the range; the strings are other programs'.
    function test_GivenDigest_CidIsTheUsualString() public view {
        vm.assertEq(
            swarm.cidOf(0xc19a797fa1fd590cd2e5b42d1cf5f246e29b91684e2f87404b81dc345c7a56a0),
            "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
        );
        vm.assertEq(swarm.cidOf(0), "bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        vm.assertEq(
            swarm.cidOf(bytes32(type(uint256).max)), "bafyreih777777777777777777777777777777777777777777777777774"
        );
    }

    function test_GivenHead_HeadCidIsItsCid() public {
        vm.assertEq(swarm.headCid(), swarm.cidOf(GENESIS));
        _addNodes(2);
        _finalize(2);
        vm.assertEq(swarm.headCid(), swarm.cidOf(swarm.head()));
    }

    /// @dev Decoded again, a CID is the four bytes that say what it is, and the digest.
    function testFuzz_GivenAnyDigest_CidDecodesToIt(bytes32 digest) public view {
        bytes memory text = bytes(swarm.cidOf(digest));
        vm.assertEq(text.length, 59);
        vm.assertTrue(text[0] == "b");
        bytes memory binary = new bytes(36);
        uint256 buffer;
        uint256 bits;
        uint256 at;
        for (uint256 i = 1; i < 59; ++i) {
            uint8 letter = uint8(text[i]);
            buffer = ((buffer << 5) | (letter >= 97 ? letter - 97 : letter - 24)) & 0xFFFF;
            bits += 5;
            if (bits < 8) continue;
            bits -= 8;
            binary[at++] = bytes1(uint8(buffer >> bits));
        }
        vm.assertEq(binary, abi.encodePacked(hex"01711220", digest));
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _assertWaitingFor(ISwarmCoordinator.Phase phase, uint16 missing, uint256 deadline) private view {
        (ISwarmCoordinator.Phase actualPhase, uint16 actualMissing, uint64 actualDeadline) = swarm.waitingFor();
        vm.assertEq(uint256(actualPhase), uint256(phase));
        vm.assertEq(actualMissing, missing);
        vm.assertEq(actualDeadline, deadline);
    }
}
