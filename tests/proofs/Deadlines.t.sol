// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice When no act is accepted, from any state and at any time.
contract DeadlinesProof is SwarmProof {
    function check_NoCommitAtOrAfterItsDeadline() public {
        bytes memory data = abi.encodeCall(swarm.commitUpdate, (_anyRound(), svm.createBytes32("commitment")));
        _assertOnlyInTime(data, ISwarmCoordinator.Phase.Training);
    }

    function check_NoSubmissionAtOrAfterItsDeadline() public {
        bytes memory data =
            abi.encodeCall(swarm.submitUpdate, (_anyRound(), svm.createBytes32("digest"), _anySamples()));
        _assertOnlyInTime(data, ISwarmCoordinator.Phase.Training);
    }

    function check_NoRevealAtOrAfterItsDeadline() public {
        (bytes32 digest, bytes32 salt) = (svm.createBytes32("digest"), svm.createBytes32("salt"));
        bytes memory data = abi.encodeCall(swarm.revealUpdate, (_anyRound(), digest, _anySamples(), salt));
        _assertOnlyInTime(data, ISwarmCoordinator.Phase.Revealing);
    }

    function check_NoAttestationAtOrAfterItsDeadline() public {
        bytes memory data = abi.encodeCall(swarm.attest, (_anyRound(), svm.createBytes32("result")));
        _assertOnlyInTime(data, ISwarmCoordinator.Phase.Merging);
    }

    function check_NoClosingBeforeTheDeadline() public {
        _anyState();
        uint32 round = _anyRound();
        bool isIdle = _phase() == uint256(ISwarmCoordinator.Phase.Idle);
        vm.assume(_or(isIdle, _or(round != _number(), block.timestamp < _deadline())));

        assert(!_call(_anyAccount("caller"), abi.encodeCall(swarm.closeRound, (round))));
    }

    /// @dev In another phase or late, whoever calls is refused.
    function _assertOnlyInTime(bytes memory data, ISwarmCoordinator.Phase needed) private {
        _anyStateAndHead();
        vm.assume(_or(_phase() != uint256(needed), block.timestamp >= _deadline()));

        assert(!_call(_anyAccount("caller"), data));
    }
}
