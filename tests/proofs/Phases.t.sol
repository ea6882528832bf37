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

    /// @dev Whatever anybody calls: a round goes on or ends, and only after its end comes the next number.
    function check_NoPhaseGoesBackwards() public {
        _anyState();
        (ISwarmCoordinator.Phase phase, uint32 round) = (swarm.phase(), swarm.currentRound());

        _anyCall(_anyAccount("caller"));

        (ISwarmCoordinator.Phase phaseNow, uint32 roundNow) = (swarm.phase(), swarm.currentRound());
        bool isNext = phase == IDLE && phaseNow == TRAINING && roundNow == round + 1;
        bool isSame = roundNow == round && phaseNow == phase;
        bool isFurther = roundNow == round && phase != IDLE && (phaseNow == IDLE || phaseNow > phase);
        assert(isNext || isSame || isFurther);
    }

    function check_AStrangerEndsTraining() public {
        (ISwarmCoordinator.RoundInfo memory next, uint256 limit) = _closeLate(TRAINING);
        assert(next.phase == IDLE || next.phase == REVEALING || next.phase == MERGING);
        _assertSoon(next, limit);
    }

    function check_AStrangerEndsRevealing() public {
        (ISwarmCoordinator.RoundInfo memory next, uint256 limit) = _closeLate(REVEALING);
        assert(next.phase == IDLE || next.phase == MERGING);
        _assertSoon(next, limit);
    }

    function check_AStrangerEndsMerging() public {
        (ISwarmCoordinator.RoundInfo memory next,) = _closeLate(MERGING);
        assert(next.phase == IDLE && next.abortReason == ISwarmCoordinator.AbortReason.NoQuorum);
    }

    /// @dev When idle, with enough nodes, any active one opens the next round.
    function check_AnActiveNodeOpensWhenIdle() public {
        _anyState();
        (address node, uint32 round) = (_anyAccount("node"), swarm.currentRound());
        ISwarmCoordinator.SwarmInfo memory info = swarm.swarmInfo();
        vm.assume(swarm.phase() == IDLE && swarm.isActive(node) && info.activeNodes >= info.requiredUpdates);

        bool isDone = _call(node, abi.encodeCall(swarm.openRound, ()));

        assert(isDone && swarm.phase() == TRAINING && swarm.currentRound() == round + 1);
        assert(swarm.roundInfo().expected == info.activeNodes);
    }

    /// @dev What the proofs of one step assume of the stretch, every call keeps.
    function check_TheStretchStaysFinite() public {
        _anyState();
        vm.assume(_isStretchFinite());
        _anyCall(_anyAccount("caller"));
        assert(_isStretchFinite());
    }

    /// @dev At or after the deadline of this phase, whatever else is stored, a stranger's call succeeds.
    function _closeLate(ISwarmCoordinator.Phase phase)
        private
        returns (ISwarmCoordinator.RoundInfo memory next, uint256 limit)
    {
        _anyState();
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assume(info.phase == phase && block.timestamp >= info.deadline && _isStretchFinite());
        bool isDone = _call(_anyAccount("stranger"), abi.encodeCall(swarm.closeRound, (info.round)));
        assert(isDone);
        return (swarm.roundInfo(), swarm.swarmInfo().config.maxWindow);
    }

    function _assertSoon(ISwarmCoordinator.RoundInfo memory next, uint256 limit) private view {
        if (next.phase == IDLE) return;
        assert(block.timestamp < next.deadline && next.deadline <= block.timestamp + limit);
    }

    /// @dev The factor is a power of two in 32 bits; it is zero where it would be larger.
    function _isStretchFinite() private view returns (bool) {
        return swarm.roundInfo().stretch != 0;
    }
}
