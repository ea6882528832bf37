// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract ViewsTest is SwarmTest {
    function test_GivenNothingHappened() public view {
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

    function test_GivenASwarmWithAHistory() public {
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

    function test_GivenAFinalisedRound() public {
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

    function test_GivenAnAbortedRound() public {
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

    function test_GivenARunningRoundAfterAnAbortedOne() public {
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

    function test_GivenARound() public {
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

    function test_GivenARoundThatEnded() public {
        _addNodes(4);
        _open();
        _commitFirst(1);
        bytes32 commitment = _commitment(_node(0));
        _warpAndClose();
        vm.assertEq(swarm.commitmentOf(_node(0)), commitment);

        _open();
        vm.assertEq(swarm.commitmentOf(_node(0)), 0);
    }

    function test_GivenADissenter() public {
        _addNodes(4);
        _openAndReveal(4);
        _attest(_node(0), RESULT);
        _attest(_node(1), OTHER);
        vm.assertEq(swarm.commitmentOf(_node(1)), 0);
    }

    // ------------------------------------------------------------------------------------------------------- CIDs

    /// @dev The digest of the empty map's DAG-CBOR (0xa0), and the ends of the range; the strings are other programs'.
    function test_GivenADigest() public view {
        vm.assertEq(
            swarm.cidOf(0xc19a797fa1fd590cd2e5b42d1cf5f246e29b91684e2f87404b81dc345c7a56a0),
            "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
        );
        vm.assertEq(swarm.cidOf(0), "bafyreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        vm.assertEq(
            swarm.cidOf(bytes32(type(uint256).max)), "bafyreih777777777777777777777777777777777777777777777777774"
        );
    }

    function test_GivenAHead() public {
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

    function test_GivenRoundsThatWereFinalisedAndAborted() public {
        _addNodes(2);
        _finalize(2);
        vm.assertEq(swarm.currentRound(), 1);
        _openAndAbort();
        vm.assertEq(swarm.currentRound(), 2);
        _open();
        vm.assertEq(swarm.currentRound(), 3);
    }

    function test_GivenAWholeRound() public {
        _addNodes(2);
        _open();
        _assertPhase(ISwarmCoordinator.Phase.Training);
        _commitFirst(2);
        _assertPhase(ISwarmCoordinator.Phase.Revealing);
        _revealFirst(2);
        _assertPhase(ISwarmCoordinator.Phase.Merging);
        _attestFirst(2, RESULT);
        _assertPhase(ISwarmCoordinator.Phase.Idle);
    }

    function test_GivenAnAccountThatNeverJoined() public view {
        ISwarmCoordinator.NodeInfo memory blank;
        vm.assertEq(abi.encode(swarm.nodeInfo(STRANGER)), abi.encode(blank));
    }

    function test_GivenANodeThatActed() public {
        _addNodes(3);
        _finalize(3);
        _openAndReveal(3);
        _attest(_node(1), RESULT);
        _warpAndClose();
        _open();
        _commit(_node(1));

        ISwarmCoordinator.NodeInfo memory expected = ISwarmCoordinator.NodeInfo({
            status: ISwarmCoordinator.NodeStatus.Active,
            activeFrom: 1,
            activeUntil: type(uint32).max,
            absentAt: 1 + 1 + 3,
            committedRound: 3,
            revealedRound: 2,
            attestedRound: 2,
            attested: 0,
            isAbsent: false
        });
        vm.assertEq(abi.encode(swarm.nodeInfo(_node(1))), abi.encode(expected));
    }

    function test_GivenNodesOfEachStatus() public {
        _addNodes(4);
        _suspend(_node(1), _node(1));
        _suspend(registrar, _node(2));
        _remove(_node(3));

        vm.assertTrue(swarm.isActive(_node(0)));
        for (uint256 i = 1; i < 5; ++i) {
            vm.assertFalse(swarm.isActive(_node(i)));
        }
    }

    function test_GivenANodeThatJoinedWhileARoundRuns() public {
        _addNodes(2);
        vm.assertFalse(swarm.isExpected(_node(0)), "before the first round");
        _open();
        _add(_node(2));
        vm.assertTrue(swarm.isExpected(_node(0)));
        vm.assertFalse(swarm.isExpected(_node(2)));
        _warpAndClose();
        _open();
        vm.assertTrue(swarm.isExpected(_node(2)));
    }

    function test_GivenNothingWasAttested() public {
        vm.assertEq(swarm.attestationsFor(0), 0);
        vm.assertEq(swarm.attestationsFor(GENESIS), 0);
        _addNodes(2);
        _openAndReveal(2);
        vm.assertEq(swarm.attestationsFor(0), 0);
        vm.assertEq(swarm.attestationsFor(RESULT), 0);
    }

    function test_GivenALeadingResultAndAnother() public {
        _addNodes(5);
        _openAndReveal(5);
        _attestFirst(2, RESULT);
        _attest(_node(2), OTHER);
        vm.assertEq(swarm.attestationsFor(RESULT), 2);
        vm.assertEq(swarm.attestationsFor(OTHER), 1);
        vm.assertEq(swarm.attestationsFor(THIRD), 0);
    }

    function test_GivenFinalisedRoundsAndAnAbortedOne() public {
        _addNodes(2);
        vm.assertEq(swarm.head(), GENESIS);
        for (uint256 i = 0; i < 3; ++i) {
            _openAndReveal(2);
            _attestFirst(2, keccak256(abi.encode(i)));
            vm.assertEq(swarm.head(), keccak256(abi.encode(i)));
        }
        _openAndAbort();
        vm.assertEq(swarm.head(), keccak256(abi.encode(2)));
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _assertWaitingFor(ISwarmCoordinator.Phase phase, uint16 missing, uint256 deadline) private view {
        (ISwarmCoordinator.Phase actualPhase, uint16 actualMissing, uint64 actualDeadline) = swarm.waitingFor();
        vm.assertEq(uint256(actualPhase), uint256(phase));
        vm.assertEq(actualMissing, missing);
        vm.assertEq(actualDeadline, deadline);
    }
}
