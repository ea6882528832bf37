// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice Who may not act, and what nobody can do to another, from any state.
contract MembersProof is SwarmProof {
    function check_OnlyAnExpectedNodeCommits() public {
        _anyState();
        address caller = _anyAccount("caller");
        vm.assume(!swarm.isExpected(caller));
        assert(!_call(caller, _anyCommit()));
    }

    function check_OnlyAnExpectedNodeSubmits() public {
        _anyState();
        address caller = _anyAccount("caller");
        vm.assume(!swarm.isExpected(caller));
        assert(!_call(caller, _anySubmission()));
    }

    function check_OnlyACommitterReveals() public {
        _anyState();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        vm.assume(_or(_committed(caller) != round, round != _number()));
        (bytes32 digest, bytes32 salt) = (svm.createBytes32("digest"), svm.createBytes32("salt"));
        assert(!_call(caller, abi.encodeCall(swarm.revealUpdate, (round, digest, _anySamples(), salt))));
    }

    function check_OnlyARevealerAttests() public {
        _anyStateAndHead();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        vm.assume(_or(_revealed(caller) != round, round != _number()));
        assert(!_call(caller, abi.encodeCall(swarm.attest, (round, svm.createBytes32("result")))));
    }

    function check_NobodyCommitsTwice() public {
        _anyState();
        address caller = _anyAccount("caller");
        vm.assume(_call(caller, _anyCommit()));
        assert(!_call(caller, _anyCommit()));
    }

    function check_NobodySubmitsTwice() public {
        _anyState();
        address caller = _anyAccount("caller");
        vm.assume(_call(caller, _anySubmission()));
        assert(!_call(caller, _anySubmission()));
    }

    /// @dev A round that is closed leaves everybody's absence as it was: an outage suspends nobody. Absent is whose record
    /// says so beside the number of finalised rounds: that number stays, and nothing is written but the round's own word.
    function check_ClosingMakesNobodyAbsent() public {
        _anyState();
        _results();
        _committed(_anyAccount("node"));
        (uint256 word, uint256 finalized) = (_word(), _finalized());
        uint256 before = svm.snapshotStorage(address(swarm));

        vm.assume(_call(_anyAccount("caller"), abi.encodeCall(swarm.closeRound, (_anyRound()))));

        assert(_finalized() == finalized);
        _store(word);
        assert(svm.snapshotStorage(address(swarm)) == before);
    }

    /// @dev Where nodes serve their blocks stands in events only.
    function check_AnnouncingWritesNothing() public {
        _anyState();
        address caller = _anyAccount("caller");
        _committed(caller);
        uint256 before = svm.snapshotStorage(address(swarm));
        vm.assume(_call(caller, abi.encodeCall(swarm.announce, ("/dns4/example.org/tcp/443/https"))));
        assert(svm.snapshotStorage(address(swarm)) == before);
    }

    function _anyCommit() private pure returns (bytes memory) {
        return abi.encodeCall(SwarmCoordinator.commitUpdate, (_anyRound(), svm.createBytes32("commitment")));
    }

    function _anySubmission() private pure returns (bytes memory) {
        return abi.encodeCall(SwarmCoordinator.submitUpdate, (_anyRound(), svm.createBytes32("digest"), _anySamples()));
    }
}
