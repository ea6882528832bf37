// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {GasMeter} from "./GasMeter.sol";

/// @notice A round's calls at three sizes: in a node's first round, its second, after 100 rounds of absence, and in the
/// swarm's two-hundredth.
/// @dev Four nodes walk all these rounds. For more, the number of the last round is written into storage: what a call
/// costs depends on the round only by whether a slot was ever written.
/// forge-config: default.isolate = true
contract GasOfRoundsTest is GasMeter {
    function test_Sealed4() public {
        _registerAll(4);
        _measureSealedLife(4, "sealed/4/");
    }

    function test_Sealed50() public {
        _registerAll(50);
        _measureSealedLife(50, "sealed/50/");
    }

    function test_Sealed500() public {
        _registerAll(500);
        _measureSealedLife(500, "sealed/500/");
    }

    function test_Direct4() public {
        _startDirect(4);
        _measureDirectLife(4, "direct/4/");
    }

    function test_Direct50() public {
        _startDirect(50);
        _measureDirectLife(50, "direct/50/");
    }

    function test_Direct500() public {
        _startDirect(500);
        _measureDirectLife(500, "direct/500/");
    }

    /// @dev Every way in which a deadline ends a phase.
    function test_Closing() public {
        _writeUnder("closing");
        _addNodes(4);
        _open();
        _measureClose("closeRound, training aborts");

        _open();
        _commitFirst(3);
        _measureClose("closeRound, training ends");
        _revealFirst(2);
        _measureClose("closeRound, revealing aborts");

        _open();
        _commitFirst(4);
        _revealFirst(3);
        _measureClose("closeRound, revealing ends");
        _measureClose("closeRound, merging aborts");
        _compare();
    }

    /// @dev Every way to attest to another result than the leading one, and to change one's mind.
    function test_Disagreeing() public {
        _addNodes(8);
        _measureSealedUpdates(8);
        _writeUnder("disagreeing");
        _attest(_node(0), RESULT);
        _attest(_node(1), RESULT);
        _measureDissent("attest, from the leading result to a new one", _node(1), OTHER);
        _measureDissent("attest, from the leading result to another", _node(0), OTHER);
        _measureDissent("attest, to a new result", _node(2), THIRD);
        _measureDissent("attest, from another result to another", _node(1), THIRD);
        _measureDissent("attest, from another result to a new one", _node(1), keccak256("a fourth"));
        _measureDissent("attest, from another result to the leading one", _node(1), RESULT);
        for (uint256 i = 3; i < 6; ++i) {
            _measureDissent("attest, to another result", _node(i), OTHER);
        }
        _measureDissent("attest, to another result, last", _node(6), OTHER);
        vm.assertEq(swarm.head(), OTHER);
        _compare();
    }

    /// @dev After an abort, a quick round halves the stretch with its last attestation.
    function test_Stretched() public {
        _addNodes(4);
        _openAndReveal(4);
        _warpAndClose();
        vm.assertEq(swarm.roundInfo().stretch, 2);
        _writeUnder("stretched");
        _openAndReveal(4);
        _measureAgreement();
        vm.assertEq(swarm.roundInfo().stretch, 1);
        _compare();
    }

    // ------------------------------------------------------------------------------------------------------- lives

    function _measureSealedLife(uint256 nodes, string memory life) private {
        _writeUnder(string.concat(life, "first"));
        _measureSealedRound(nodes);
        _writeUnder(string.concat(life, "second"));
        _measureSealedRound(nodes);
        _stayAway(nodes);
        _writeUnder(string.concat(life, "after absence"));
        _measureSealedRound(nodes);
        _walkTo(nodes, 199);
        _writeUnder(string.concat(life, "two-hundredth"));
        _measureSealedRound(nodes);
        _skipRounds(0xFFFFFE);
        _writeUnder("");
        _measureSealedRound(nodes);
        _measureSealedRound(nodes);
        _compare();
    }

    function _measureDirectLife(uint256 nodes, string memory life) private {
        _writeUnder(string.concat(life, "first"));
        _measureDirectRound(nodes);
        _writeUnder(string.concat(life, "second"));
        _measureDirectRound(nodes);
        _stayAway(nodes);
        _writeUnder(string.concat(life, "after absence"));
        _measureDirectRound(nodes);
        _walkTo(nodes, 199);
        _writeUnder(string.concat(life, "two-hundredth"));
        _measureDirectRound(nodes);
        _skipRounds(0xFFFFFE);
        _writeUnder("");
        _measureDirectRound(nodes);
        _compare();
    }

    function _registerAll(uint256 nodes) private {
        for (uint256 i = 0; i < nodes; ++i) {
            _registerInvited(_node(i));
            _measure("registerWithInvitation", i == 0 ? JOIN_FIRST : JOIN);
        }
    }

    function _startDirect(uint256 nodes) private {
        swarm = new SwarmCoordinator(_directConfig());
        _registerAll(nodes);
    }

    /// @dev The second node misses 100 rounds, from the third to the 102nd.
    function _stayAway(uint256 nodes) private {
        _suspend(_node(1), _node(1));
        if (nodes == 4) {
            while (swarm.currentRound() < 102) {
                _finalizeWithout(1, nodes);
            }
        }
        _skipRounds(102);
        _resume(_node(1));
    }

    function _walkTo(uint256 nodes, uint32 number) private {
        if (nodes == 4) {
            while (swarm.currentRound() < number) {
                _finalizeWithout(nodes, nodes);
            }
        }
        _skipRounds(number);
    }

    /// @dev A finalised round of all nodes but one; of all, where there is no such one.
    function _finalizeWithout(uint256 away, uint256 nodes) private {
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        _open();
        bool isSealed = swarm.swarmInfo().config.isSealed;
        for (uint256 i = 0; i < nodes; ++i) {
            if (i == away) continue;
            if (isSealed) _commit(_node(i));
            else _submit(_node(i));
        }
        for (uint256 i = 0; isSealed && i < nodes; ++i) {
            if (i != away) _reveal(_node(i));
        }
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            if (i != away) _attest(_node(i), result);
        }
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _measureClose(string memory what) private {
        _warpAndClose();
        _measure(what, CLOSE);
    }

    function _measureDissent(string memory what, address node, bytes32 result) private {
        _attest(node, result);
        _measure(what, DISSENT);
    }
}
