// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {EveryCall} from "./EveryCall.sol";

/// @notice What no call by anybody does, from any state. With the one of `HeadProof` these two proofs are about every call
/// that there is: those of a round, and all that are left.
contract AnyCallProof is EveryCall {
    function check_WhateverAnybodyCallsInARound() public {
        _anyState();
        bytes memory data = svm.createCalldata("SwarmCoordinator");
        bytes4 selector = bytes4(data);
        vm.assume(selector != SwarmCoordinator.attest.selector && _isOfRounds(selector));
        if (selector == SwarmCoordinator.openRound.selector) _splitByHead();

        (Seen memory before, Seen memory now_) = _callAndAssertKept(data);

        assert(_isHeadKept(before, now_));
    }

    /// @dev A registrar's calls among them: the running round keeps whom it expects.
    function check_WhateverElseAnybodyCalls() public {
        _anyState();
        bytes memory data = svm.createCalldata("SwarmCoordinator");
        vm.assume(!_isOfRounds(bytes4(data)));

        (Seen memory before, Seen memory now_) = _callAndAssertKept(data);

        assert(_and(_isHeadKept(before, now_), _isRoundKept(before, now_)));
    }

    /// @dev Where it begins, what every call keeps.
    function check_SpareBitsAreZeroAtFirst() public view {
        assert(_word() & SPARE == 0);
    }

    function _isOfRounds(bytes4 selector) private pure returns (bool) {
        return selector == SwarmCoordinator.openRound.selector || selector == SwarmCoordinator.commitUpdate.selector
            || selector == SwarmCoordinator.revealUpdate.selector || selector == SwarmCoordinator.submitUpdate.selector
            || selector == SwarmCoordinator.closeRound.selector || selector == SwarmCoordinator.attest.selector;
    }
}
