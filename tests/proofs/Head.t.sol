// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice What moves the head, from any state.
contract HeadProof is SwarmProof {
    /// @dev The head moves to what was attested, by a revealer of the merging round, in time, and as the quorum-th.
    function check_TheHeadMovesOnlyByAQuorum() public {
        _anyStateAndHead();
        (address caller, uint32 round, bytes32 result) = _anyAttestation();
        (uint32 current, ISwarmCoordinator.Phase phase) = (swarm.currentRound(), swarm.phase());
        (bytes32 head, uint256 finalized) = _head();

        bool isDone = _call(caller, abi.encodeCall(swarm.attest, (round, result)));

        (bytes32 headNow, uint256 finalizedNow) = _head();
        if (headNow == head && finalizedNow == finalized) return;
        assert(isDone && round == current && phase == ISwarmCoordinator.Phase.Merging);
        assert(headNow == result && finalizedNow == finalized + 1);
        assert(swarm.attestationsFor(result) == swarm.roundInfo().quorum);
        assert(swarm.nodeInfo(caller).revealedRound == round);
    }

    /// @dev Zero is never attested to, and so never the head.
    function check_TheHeadIsNeverZero() public {
        _anyStateAndHead();
        (address caller, uint32 round, bytes32 result) = _anyAttestation();
        (bytes32 head,) = _head();
        vm.assume(head != 0);

        _call(caller, abi.encodeCall(swarm.attest, (round, result)));

        assert(swarm.head() != 0);
    }

    function _head() private view returns (bytes32 head, uint256 finalized) {
        return (swarm.head(), _finalized());
    }

    function _anyAttestation() private pure returns (address caller, uint32 round, bytes32 result) {
        return (_anyAccount("caller"), _anyRound(), svm.createBytes32("result"));
    }
}
