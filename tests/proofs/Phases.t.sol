// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice How a round goes on, from any state; and that it does.
contract PhasesProof is SwarmProof {
    uint256 private constant IDLE = uint256(ISwarmCoordinator.Phase.Idle);
    uint256 private constant TRAINING = uint256(ISwarmCoordinator.Phase.Training);
    uint256 private constant REVEALING = uint256(ISwarmCoordinator.Phase.Revealing);
    uint256 private constant MERGING = uint256(ISwarmCoordinator.Phase.Merging);

    function check_AStrangerEndsTraining() public {
        uint256 next = _closeLate(ISwarmCoordinator.Phase.Training);
        assert(next == IDLE || next == REVEALING || next == MERGING);
        _assertSoon(next);
    }

    function check_AStrangerEndsRevealing() public {
        uint256 next = _closeLate(ISwarmCoordinator.Phase.Revealing);
        assert(next == IDLE || next == MERGING);
        _assertSoon(next);
    }

    function check_AStrangerEndsMerging() public {
        assert(_closeLate(ISwarmCoordinator.Phase.Merging) == IDLE);
    }

    /// @dev When idle, with enough nodes, any active one opens the next round.
    function check_AnActiveNodeOpensWhenIdle() public {
        _anyStateAndHead();
        _pretendPhase(ISwarmCoordinator.Phase.Idle);
        (address node, uint256 round) = (_anyAccount("node"), _number());
        vm.assume(_and(swarm.isActive(node), _active() >= swarm.swarmInfo().requiredUpdates));

        bool isDone = _call(node, abi.encodeCall(swarm.openRound, ()));

        assert(isDone && _phase() == TRAINING && _number() == round + 1 && _expected() == _active());
    }

    /// @dev At or after the deadline of this phase, whatever else is stored, a stranger's call succeeds.
    function _closeLate(ISwarmCoordinator.Phase phase) private returns (uint256 next) {
        _anyState();
        _pretendPhase(phase);
        _knowThatThreeDividesBack(_window());
        uint256 round = _number();
        vm.assume(block.timestamp >= _deadline());
        bool isDone = _call(_anyAccount("stranger"), abi.encodeCall(swarm.closeRound, (uint32(round))));
        assert(isDone && _number() == round);
        return _phase();
    }

    /// @dev Three times a number of 24 bits, divided by three, is that number: true of all, so nothing is left out. Told, a
    /// solver need not find it, bit by bit, wherever the contract sees that a product fits.
    function _knowThatThreeDividesBack(uint256 number) private pure {
        unchecked {
            vm.assume(3 * number / 3 == number);
        }
    }

    function _assertSoon(uint256 next) private view {
        if (next == IDLE) return;
        assert(block.timestamp < _deadline() && _deadline() <= block.timestamp + longest);
    }
}
