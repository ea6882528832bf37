// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EveryCall} from "./EveryCall.sol";

/// @notice What moves the head, from any state. `AnyCallProof` shows that no other call does; `MembersProof` and
/// `DeadlinesProof`, that only a revealer of the merging round attests, and in time.
contract HeadProof is EveryCall {
    /// @dev The head moves to what was attested, one round further, and by the quorum-th. What every other call keeps, an
    /// attestation keeps too.
    function check_TheHeadMovesOnlyByAQuorum() public {
        _anyStateAndHead();
        bytes32 result = svm.createBytes32("result");

        (Seen memory before, Seen memory now_) = _callAndAssertKept(abi.encodeCall(swarm.attest, (_anyRound(), result)));

        if (_isHeadKept(before, now_)) return;
        assert(swarm.head() == result && now_.finalized == before.finalized + 1);
        assert(swarm.attestationsFor(result) == swarm.roundInfo().quorum);
    }

    /// @dev Nobody attests to zero; so, by the proof above, it is never the head.
    function check_TheHeadIsNeverZero() public {
        _anyStateAndHead();
        assert(!_call(_anyAccount("caller"), abi.encodeCall(swarm.attest, (_anyRound(), bytes32(0)))));
    }
}
