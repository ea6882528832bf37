// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice What every call keeps, whoever makes it. Following every call is what takes the time, so all questions are
/// asked at the end of the same paths; a call that is refused changes nothing, and is followed no further.
abstract contract EveryCall is SwarmProof {
    uint256 private constant IDLE = uint256(ISwarmCoordinator.Phase.Idle);
    uint256 private constant TRAINING = uint256(ISwarmCoordinator.Phase.Training);

    struct Seen {
        uint256 word;
        uint256 number;
        uint256 phase;
        uint256 deadline;
        uint256 expected;
        uint256 running;
        uint256 finalized;
        bytes32 even;
        bytes32 odd;
        bytes32 role;
    }

    /// @dev This call, by anybody. All in one assertion: each asks the solver twice at the end of every path.
    function _callAndAssertKept(bytes memory data) internal returns (Seen memory before, Seen memory now_) {
        (address caller, address other) = (_anyAccount("caller"), _anyAccount("other"));
        vm.assume(caller != other);
        before = _see(other);
        bool isByAdmin = swarm.hasRole(swarm.getRoleAdmin(swarm.REGISTRAR_ROLE()), caller);
        if (!_call(caller, data)) return (before, before);
        now_ = _see(other);
        bool areSpareZero = now_.word & SPARE == 0;
        bool isRoleKept = _or(isByAdmin, now_.role == before.role);
        bool isInOrder = _and(_isRunningDeadlineKept(before, now_), _goesNoPhaseBackwards(before, now_));
        assert(_and(isInOrder, _and(areSpareZero, isRoleKept)));
    }

    /// @dev Neither result is written, and which of them is the head stays.
    function _isHeadKept(Seen memory before, Seen memory now_) internal pure returns (bool) {
        bool areSame = _and(now_.even == before.even, now_.odd == before.odd);
        return _and(areSame, now_.finalized == before.finalized);
    }

    /// @dev Whatever becomes of members: a round that runs is as it was.
    function _isRoundKept(Seen memory before, Seen memory now_) internal pure returns (bool) {
        return _or(before.phase == IDLE, now_.running == before.running);
    }

    /// @dev While a phase runs, neither its deadline nor the number expected changes.
    function _isRunningDeadlineKept(Seen memory before, Seen memory now_) private pure returns (bool) {
        bool isOver = _or(before.phase == IDLE, now_.phase != before.phase);
        bool isSame = _and(now_.deadline == before.deadline, now_.expected == before.expected);
        return _or(isOver, _and(isSame, now_.number == before.number));
    }

    /// @dev A round goes on or ends, and only after its end comes the next number.
    function _goesNoPhaseBackwards(Seen memory before, Seen memory now_) private pure returns (bool) {
        bool goesOn = _and(before.phase != IDLE, _or(now_.phase == IDLE, now_.phase > before.phase));
        bool isSame = _and(now_.number == before.number, _or(now_.phase == before.phase, goesOn));
        bool isNext = _and(now_.number == before.number + 1, _and(before.phase == IDLE, now_.phase == TRAINING));
        return _or(isSame, isNext);
    }

    function _see(address other) private view returns (Seen memory seen) {
        seen.word = _word();
        (seen.number, seen.phase, seen.deadline) = (_number(), _phase(), _deadline());
        (seen.expected, seen.running, seen.finalized) = (_expected(), _running(), _finalized());
        (seen.even, seen.odd) = _results();
        seen.role = _registrarRole(other);
    }
}
