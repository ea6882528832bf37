// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice What a quorum is, for any number of nodes and any share that settings may ask for.
contract QuorumProof is SwarmProof {
    function check_AQuorumIsMoreThanHalf(uint16 expected) public {
        vm.assume(expected != 0);
        assert(2 * _quorumOf(expected) > expected);
    }

    function check_AQuorumIsNotMoreThanAll(uint16 expected) public {
        assert(_quorumOf(expected) <= expected);
    }

    function _quorumOf(uint16 expected) private returns (uint256) {
        _pretendExpected(expected);
        return swarm.roundInfo().quorum;
    }
}

/// @notice What some of the nodes can do together, whatever they attest to.
contract MinorityProof is SwarmProof {
    function setUp() public override {}

    /// @dev Half of them attest to anything, and change their minds: the head stays.
    function check_HalfOfTheNodesDoNotMoveTheHead() public {
        _submitAll();
        bytes32 head = swarm.head();
        for (uint256 i = 0; i < 3; ++i) {
            _call(_node(i % 2), abi.encodeCall(swarm.attest, (1, svm.createBytes32("result"))));
        }
        assert(swarm.head() == head && swarm.phase() == ISwarmCoordinator.Phase.Merging);
    }

    /// @dev All four agree: it has moved. What the proof above refuses is not what nobody could do.
    function check_AllOfTheNodesMoveTheHead() public {
        _submitAll();
        bytes32 result = svm.createBytes32("result");
        vm.assume(result != 0);
        for (uint256 i = 0; i < 4; ++i) {
            _call(_node(i), abi.encodeCall(swarm.attest, (1, result)));
        }
        assert(swarm.head() == result && swarm.phase() == ISwarmCoordinator.Phase.Idle);
    }

    /// @dev A direct swarm of four, all of whom submitted: it merges.
    function _submitAll() private {
        ISwarmCoordinator.Config memory config = _anyConfig();
        config.isSealed = false;
        config.minUpdates = 2;
        _deploy(_inGivenWindows(config));
        _addNodes(4);
        _open();
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(_node(i));
            swarm.submitUpdate(1, svm.createBytes32("update"), 1);
        }
    }
}
