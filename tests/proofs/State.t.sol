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
        assert(info.currentRound == _number() && uint256(swarm.phase()) == _phase());
        (bytes32 even, bytes32 odd) = _results();
        assert(info.head == (_finalized() % 2 == 0 ? even : odd));
    }

    function check_FieldsOfARunningRoundLieWhereProofsReadThem() public {
        _anyStateAndHead();
        _pretendPhase(ISwarmCoordinator.Phase.Merging);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        assert(info.phase == ISwarmCoordinator.Phase.Merging && info.deadline == _deadline());
        assert(info.expected == _expected() && _expected() == 8);
        assert(info.stretch != 0);
    }

    function check_FieldsOfANodeLieWhereProofsReadThem() public {
        _anyState();
        address node = _anyAccount("node");
        ISwarmCoordinator.NodeInfo memory info = swarm.nodeInfo(node);
        assert(info.committedRound == _committed(node) && info.revealedRound == _revealed(node));
    }

    function check_RolesLieWhereProofsReadThem() public {
        _anyState();
        address account = _anyAccount("account");
        vm.assume(uint256(_registrarRole(account)) < 2);
        assert(swarm.hasRole(swarm.REGISTRAR_ROLE(), account) == (_registrarRole(account) != 0));
    }
}
