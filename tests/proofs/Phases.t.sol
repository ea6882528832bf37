// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice How a round goes on, from any state; and that it does.
contract PhasesProof is SwarmProof {
    ISwarmCoordinator.Phase private constant IDLE = ISwarmCoordinator.Phase.Idle;
    ISwarmCoordinator.Phase private constant TRAINING = ISwarmCoordinator.Phase.Training;
    ISwarmCoordinator.Phase private constant REVEALING = ISwarmCoordinator.Phase.Revealing;
    ISwarmCoordinator.Phase private constant MERGING = ISwarmCoordinator.Phase.Merging;

    function check_AStrangerEndsTraining() public {
        ISwarmCoordinator.Phase next = _closeLate(TRAINING);
        assert(next == IDLE || next == REVEALING || next == MERGING);
        _assertSoon(next);
    }

    function check_AStrangerEndsRevealing() public {
        ISwarmCoordinator.Phase next = _closeLate(REVEALING);
        assert(next == IDLE || next == MERGING);
        _assertSoon(next);
    }

    function check_AStrangerEndsMerging() public {
        assert(_closeLate(MERGING) == IDLE);
    }

    /// @dev When idle, with enough nodes, any active one opens the next round.
    function check_AnActiveNodeOpensWhenIdle() public {
        _anyStateAndHead();
        _pretendPhase(IDLE);
        (address node, uint32 round) = (_anyAccount("node"), swarm.currentRound());
        vm.assume(swarm.isActive(node) && _active() >= swarm.swarmInfo().requiredUpdates);

        bool isDone = _call(node, abi.encodeCall(swarm.openRound, ()));

        assert(isDone && swarm.phase() == TRAINING && swarm.currentRound() == round + 1 && _expected() == _active());
    }

    /// @dev At or after the deadline of this phase, whatever else is stored, a stranger's call succeeds.
    function _closeLate(ISwarmCoordinator.Phase phase) private returns (ISwarmCoordinator.Phase next) {
        _anyState();
        _pretendPhase(phase);
        uint32 round = swarm.currentRound();
        vm.assume(block.timestamp >= _deadline() && _isStretchFinite());
        bool isDone = _call(_anyAccount("stranger"), abi.encodeCall(swarm.closeRound, (round)));
        assert(isDone && swarm.currentRound() == round);
        return swarm.phase();
    }

    function _assertSoon(ISwarmCoordinator.Phase next) private view {
        if (next == IDLE) return;
        assert(block.timestamp < _deadline() && _deadline() <= block.timestamp + longest);
    }
}
