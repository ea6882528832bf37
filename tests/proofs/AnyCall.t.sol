// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice What no call by anybody does, from any state: one proof, because following every call is what takes the time.
contract AnyCallProof is SwarmProof {
    struct Seen {
        uint256 running;
        uint256 deadline;
        uint256 expected;
        uint256 finalized;
        uint32 round;
        ISwarmCoordinator.Phase phase;
        bytes32 head;
        bool isStretchFinite;
        bool isRegistrar;
        bool isByAdmin;
    }

    function check_WhateverAnybodyCalls() public {
        _anyStateAndHead();
        (address caller, address other) = (_anyAccount("caller"), _anyAccount("other"));
        vm.assume(caller != other);
        Seen memory before = _see(caller, other);

        (bytes4 selector,) = _anyCall(caller);

        Seen memory now_ = _see(caller, other);
        _assertOnlyAnAttestationMovesTheHead(selector, before, now_);
        _assertARunningDeadlineNeverMoves(before, now_);
        _assertNoPhaseGoesBackwards(before, now_);
        _assertMembershipChangesNoRunningRound(selector, before, now_);
        _assertTheStretchStaysFinite(before, now_);
        _assertOnlyAnAdminMakesRegistrars(before, now_);
    }

    function _assertOnlyAnAttestationMovesTheHead(bytes4 selector, Seen memory before, Seen memory now_) private pure {
        bool isSame = now_.head == before.head && now_.finalized == before.finalized;
        assert(isSame || selector == SwarmCoordinator.attest.selector);
    }

    /// @dev While a phase runs, neither its deadline nor the number expected changes.
    function _assertARunningDeadlineNeverMoves(Seen memory before, Seen memory now_) private pure {
        if (before.phase == ISwarmCoordinator.Phase.Idle || now_.phase != before.phase) return;
        assert(now_.round == before.round && now_.deadline == before.deadline && now_.expected == before.expected);
    }

    /// @dev A round goes on or ends, and only after its end comes the next number.
    function _assertNoPhaseGoesBackwards(Seen memory before, Seen memory now_) private pure {
        ISwarmCoordinator.Phase idle = ISwarmCoordinator.Phase.Idle;
        if (now_.round != before.round) {
            assert(before.phase == idle && now_.phase == ISwarmCoordinator.Phase.Training);
            assert(now_.round == before.round + 1);
        } else if (now_.phase != before.phase) {
            assert(before.phase != idle && (now_.phase == idle || now_.phase > before.phase));
        }
    }

    /// @dev Whatever a registrar does with members: the running round is as it was.
    function _assertMembershipChangesNoRunningRound(bytes4 selector, Seen memory before, Seen memory now_)
        private
        pure
    {
        if (before.phase == ISwarmCoordinator.Phase.Idle || _isOfRounds(selector)) return;
        assert(now_.running == before.running);
    }

    /// @dev What the proofs of one step assume of the stretch, every call keeps.
    function _assertTheStretchStaysFinite(Seen memory before, Seen memory now_) private pure {
        assert(now_.isStretchFinite || !before.isStretchFinite);
    }

    /// @dev By a call of somebody else than an admin nobody else becomes a registrar, or ceases to be one.
    function _assertOnlyAnAdminMakesRegistrars(Seen memory before, Seen memory now_) private pure {
        assert(before.isByAdmin || now_.isRegistrar == before.isRegistrar);
    }

    function _see(address caller, address other) private view returns (Seen memory) {
        bytes32 role = swarm.REGISTRAR_ROLE();
        return Seen({
            running: _running(),
            deadline: _deadline(),
            expected: _expected(),
            finalized: _finalized(),
            round: swarm.currentRound(),
            phase: swarm.phase(),
            head: swarm.head(),
            isStretchFinite: _isStretchFinite(),
            isRegistrar: swarm.hasRole(role, other),
            isByAdmin: swarm.hasRole(swarm.getRoleAdmin(role), caller)
        });
    }

    function _isOfRounds(bytes4 selector) private pure returns (bool) {
        return selector == SwarmCoordinator.commitUpdate.selector || selector == SwarmCoordinator.revealUpdate.selector
            || selector == SwarmCoordinator.submitUpdate.selector || selector == SwarmCoordinator.closeRound.selector
            || selector == SwarmCoordinator.attest.selector;
    }
}
