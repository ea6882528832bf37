// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice Who may act, and what anybody can do to another, from any state.
contract MembersProof is SwarmProof {
    function check_OnlyAnExpectedNodeCommits() public {
        _anyState();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        bool isExpected = swarm.isExpected(caller);
        bool isDone = _call(caller, abi.encodeCall(swarm.commitUpdate, (round, svm.createBytes32("commitment"))));
        assert(!isDone || isExpected);
    }

    function check_OnlyAnExpectedNodeSubmits() public {
        _anyState();
        (address caller, bytes memory data) = (_anyAccount("caller"), _anySubmission());
        bool isExpected = swarm.isExpected(caller);
        assert(!_call(caller, data) || isExpected);
    }

    function check_OnlyACommitterReveals() public {
        _anyState();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        uint32 committed = swarm.nodeInfo(caller).committedRound;
        (bytes32 digest, bytes32 salt) = (svm.createBytes32("digest"), svm.createBytes32("salt"));
        bool isDone = _call(caller, abi.encodeCall(swarm.revealUpdate, (round, digest, _anySamples(), salt)));
        assert(!isDone || (committed == round && round == swarm.currentRound()));
    }

    function check_OnlyARevealerAttests() public {
        _anyStateAndHead();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        uint32 revealed = swarm.nodeInfo(caller).revealedRound;
        bool isDone = _call(caller, abi.encodeCall(swarm.attest, (round, svm.createBytes32("result"))));
        assert(!isDone || (revealed == round && round == swarm.currentRound()));
    }

    function check_NobodyCommitsTwice() public {
        _anyState();
        (address caller, uint32 round) = (_anyAccount("caller"), _anyRound());
        vm.assume(_call(caller, abi.encodeCall(swarm.commitUpdate, (round, svm.createBytes32("commitment")))));
        assert(!_call(caller, abi.encodeCall(swarm.commitUpdate, (round, svm.createBytes32("commitment")))));
    }

    function check_NobodySubmitsTwice() public {
        _anyState();
        address caller = _anyAccount("caller");
        vm.assume(_call(caller, _anySubmission()));
        assert(!_call(caller, _anySubmission()));
    }

    /// @dev A round that is closed leaves everybody's absence as it was: an outage suspends nobody.
    function check_ClosingMakesNobodyAbsent() public {
        _anyState();
        (address caller, address node) = (_anyAccount("caller"), _anyAccount("node"));
        bool isAbsent = swarm.nodeInfo(node).isAbsent;
        _call(caller, abi.encodeCall(swarm.closeRound, (_anyRound())));
        assert(swarm.nodeInfo(node).isAbsent == isAbsent);
    }

    /// @dev Where nodes serve their blocks stands in events only.
    function check_AnnouncingWritesNothing() public {
        _anyState();
        address caller = _anyAccount("caller");
        swarm.nodeInfo(caller);
        uint256 before = svm.snapshotStorage(address(swarm));
        vm.assume(_call(caller, abi.encodeCall(swarm.announce, ("/dns4/example.org/tcp/443/https"))));
        assert(svm.snapshotStorage(address(swarm)) == before);
    }

    function _anySubmission() private pure returns (bytes memory) {
        return abi.encodeCall(SwarmCoordinator.submitUpdate, (_anyRound(), svm.createBytes32("digest"), _anySamples()));
    }

}
