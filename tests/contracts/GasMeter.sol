// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @notice What each call costs: the whole transaction, with its 21,000 and its calldata. Tests that use this need
/// `isolate`: every call is then a transaction of its own, and storage is as cold as on a chain.
/// @dev The most that each call took is compared with the snapshot in git: one unit more or less fails.
abstract contract GasMeter is SwarmTest {
    uint256 internal constant OPEN = 43_000;
    uint256 internal constant CLOSE = 32_000;
    uint256 internal constant COMMIT = 45_500;
    uint256 internal constant REVEAL = 43_500;
    uint256 internal constant SUBMIT = 41_000;
    uint256 internal constant ATTEST = 48_500;
    uint256 internal constant DISSENT = 68_000;
    uint256 internal constant JOIN = 100_000;
    uint256 internal constant JOIN_FIRST = 113_000;
    uint256 internal constant SEALED_ROUND_A_NODE = 130_000;
    uint256 internal constant ANY = 110_000;

    /// @dev What the transactions of the round cost so far.
    uint256 internal spent;

    string private _when;
    string[] private _names;
    mapping(string name => uint256) private _most;

    /// @dev What is measured from here on is written down under this; under nothing, it is only held to its cap.
    function _writeUnder(string memory when) internal {
        _when = when;
    }

    /// @dev The last transaction's.
    function _gas() internal view returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        vm.assertGt(gas, 21_000, "not a transaction: needs isolate");
    }

    function _measure(string memory what, uint256 cap) internal {
        _measure(what, cap, _gas());
    }

    function _measure(string memory what, uint256 cap, uint256 gas) private {
        vm.assertLe(gas, cap, what);
        spent += gas;
        _write(what, gas);
    }

    function _write(string memory what, uint256 gas) internal {
        if (bytes(_when).length == 0) return;
        string memory name = string.concat(_when, "/", what);
        if (_most[name] == 0) _names.push(name);
        if (gas > _most[name]) _most[name] = gas;
    }

    /// @dev Compares all that was written down with the snapshot.
    function _compare() internal {
        for (uint256 i = 0; i < _names.length; ++i) {
            vm.snapshotValue("gas", _names[i], _most[_names[i]]);
        }
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    function _measureOpen() internal {
        _open();
        _measure("openRound", OPEN);
    }

    function _measureSealedRound(uint256 nodes) internal {
        spent = 0;
        _measureSealedUpdates(nodes);
        _measureAgreement();
        vm.assertLe(spent / nodes, SEALED_ROUND_A_NODE, "a sealed round, divided by its nodes");
        _write("all", spent);
    }

    function _measureDirectRound(uint256 nodes) internal {
        spent = 0;
        _measureOpen();
        for (uint256 i = 0; i < nodes; ++i) {
            _submit(_node(i));
            _measure(i == nodes - 1 ? "submitUpdate, last" : "submitUpdate", SUBMIT);
        }
        _measureAgreement();
        _write("all", spent);
    }

    /// @dev Reveals come late in their window, where the stretch is not halved afterwards: that costs more.
    function _measureSealedUpdates(uint256 nodes) internal {
        _measureOpen();
        for (uint256 i = 0; i < nodes; ++i) {
            _commit(_node(i));
            _measure(i == nodes - 1 ? "commitUpdate, last" : "commitUpdate", COMMIT);
        }
        vm.warp(swarm.roundInfo().deadline - 1);
        for (uint256 i = 0; i < nodes; ++i) {
            _reveal(_node(i));
            _measure(i == nodes - 1 ? "revealUpdate, last" : "revealUpdate", REVEAL);
        }
    }

    function _measureAgreement() internal {
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), result);
            uint256 gas = _gas();
            bool isLast = swarm.phase() == ISwarmCoordinator.Phase.Idle;
            _measure(i == 0 ? "attest, first" : isLast ? "attest, last" : "attest", ATTEST, gas);
        }
    }
}
