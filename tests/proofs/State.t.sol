// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice What the other proofs read out of storage is what the views say.
contract StateProof is SwarmProof {
    function check_FieldsLieWhereProofsReadThem() public {
        _anyStateAndHead();
        ISwarmCoordinator.SwarmInfo memory info = swarm.swarmInfo();
        assert(info.activeNodes == _active() && _active() == 4);
        assert(info.finalizedRounds == _finalized() && info.config.maxWindow == longest);
    }

    function check_FieldsOfARunningRoundLieWhereProofsReadThem() public {
        _anyStateAndHead();
        _pretendPhase(ISwarmCoordinator.Phase.Merging);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        assert(info.phase == ISwarmCoordinator.Phase.Merging && info.deadline == _deadline());
        assert(info.expected == _expected() && _expected() == 5);
        assert((info.stretch != 0) == _isStretchFinite());
    }
}
