// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @notice What each call may cost: the whole transaction, with its 21,000 and its calldata. Every call is a
/// transaction of its own here (`isolate`), so that storage is as cold as on a chain.
/// forge-config: default.isolate = true
contract GasTest is SwarmTest {
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

    event Measured(string call, uint256 most, uint256 cap);

    /// @dev What the transactions of the round cost so far.
    uint256 internal spent;
    mapping(string call => uint256) internal most;

    function test_Given4Nodes_DirectSwarmStaysBelowItsCaps() public {
        _directSwarm(4);
    }

    function test_Given50Nodes_DirectSwarmStaysBelowItsCaps() public {
        _directSwarm(50);
    }

    function test_Given4Nodes_SealedSwarmStaysBelowItsCaps() public {
        _sealedSwarm(4);
    }

    function test_Given50Nodes_SealedSwarmStaysBelowItsCaps() public {
        _sealedSwarm(50);
    }

    /// @dev The same calls at 4 and 50 nodes, in a first round and in one after two hundred.
    function test_GivenOtherSizesAndRounds_CallsCostTheSame() public {
        uint256[4] memory few = _costs(4);
        _skipRounds(200);
        uint256[4] memory later = _roundCosts(4);
        super.setUp();
        uint256[4] memory many = _costs(50);
        for (uint256 i = 0; i < few.length; ++i) {
            _assertClose(few[i], many[i]);
            _assertClose(few[i], later[i]);
        }
    }

    // ----------------------------------------------------------------------------------------------------- swarms

    function _sealedSwarm(uint256 nodes) private {
        _registerAll(nodes);
        for (uint256 round = 1; round <= 3; ++round) {
            _measureSealedRound(nodes);
        }
        _measureClosing(nodes);
        _measureStretchedRound(nodes);
        _measureDissent(nodes);
        _skipRounds(0xFFFFFE);
        _measureSealedRound(nodes);
        _measureSealedRound(nodes);
        _report();
    }

    function _directSwarm(uint256 nodes) private {
        swarm = new SwarmCoordinator(_directConfig());
        _registerAll(nodes);
        for (uint256 round = 1; round <= 3; ++round) {
            _measureDirectRound(nodes);
        }
        _skipRounds(0xFFFFFE);
        _measureDirectRound(nodes);
        _report();
    }

    function _registerAll(uint256 nodes) private {
        for (uint256 i = 0; i < nodes; ++i) {
            _registerInvited(_node(i));
            _measure("registerWithInvitation", i == 0 ? JOIN_FIRST : JOIN);
        }
    }

    function _measureSealedRound(uint256 nodes) private {
        spent = 0;
        _measureUpdates(nodes);
        _measureAgreement("attest, agreeing");
        vm.assertLe(spent / nodes, SEALED_ROUND_A_NODE, "a sealed round, divided by its nodes");
        most["a sealed round, divided by its nodes"] = spent / nodes;
    }

    function _measureDirectRound(uint256 nodes) private {
        _open();
        _measure("openRound", OPEN);
        for (uint256 i = 0; i < nodes; ++i) {
            _submit(_node(i));
            _measure("submitUpdate", SUBMIT);
        }
        _measureAgreement("attest, agreeing");
    }

    function _measureUpdates(uint256 nodes) private {
        _open();
        _measure("openRound", OPEN);
        for (uint256 i = 0; i < nodes; ++i) {
            _commit(_node(i));
            _measure("commitUpdate", COMMIT);
        }
        vm.warp(swarm.roundInfo().deadline - 1);
        for (uint256 i = 0; i < nodes; ++i) {
            _reveal(_node(i));
            _measure("revealUpdate", REVEAL);
        }
    }

    function _measureAgreement(string memory call) private {
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), result);
            _measure(call, ATTEST);
        }
    }

    /// @dev Every way in which a deadline ends a phase.
    function _measureClosing(uint256 nodes) private {
        uint256 enough = nodes / 2 + 1;
        _open();
        _measureClose();

        _open();
        _commitFirst(enough);
        _measureClose();
        _revealFirst(enough - 1);
        _measureClose();

        _open();
        _commitFirst(nodes);
        _revealFirst(enough);
        _measureClose();
        _measureClose();
    }

    function _measureClose() private {
        _warpAndClose();
        _measure("closeRound", CLOSE);
    }

    /// @dev After an abort, a quick round halves the stretch with its last attestation.
    function _measureStretchedRound(uint256 nodes) private {
        vm.assertGt(swarm.roundInfo().stretch, 1, "stretched");
        uint32 before = swarm.roundInfo().stretch;
        _open();
        _commitFirst(nodes);
        _revealFirst(nodes);
        _measureAgreement("attest, agreeing");
        vm.assertEq(swarm.roundInfo().stretch, before / 2);
    }

    function _measureDissent(uint256 nodes) private {
        _measureUpdates(nodes);
        _attest(_node(0), RESULT);
        _attest(_node(1), RESULT);
        _attest(_node(1), OTHER);
        _measure("attest, dissenting or changed", DISSENT);
        _attest(_node(0), OTHER);
        _measure("attest, dissenting or changed", DISSENT);
        _attest(_node(2), THIRD);
        _measure("attest, dissenting or changed", DISSENT);
        _attest(_node(1), THIRD);
        _measure("attest, dissenting or changed", DISSENT);
        _attest(_node(1), keccak256("a fourth"));
        _measure("attest, dissenting or changed", DISSENT);
        _attest(_node(1), RESULT);
        _measure("attest, dissenting or changed", DISSENT);
        for (uint256 i = 1; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), OTHER);
            _measure("attest, dissenting or changed", DISSENT);
        }
        vm.assertEq(swarm.head(), OTHER);
    }

    function _costs(uint256 nodes) private returns (uint256[4] memory) {
        _addNodes(nodes);
        return _roundCosts(nodes);
    }

    /// @dev Of the second of each, which neither starts nor ends a phase; and of opening.
    function _roundCosts(uint256 nodes) private returns (uint256[4] memory costs) {
        _open();
        costs[0] = vm.lastCallGas().gasTotalUsed;
        for (uint256 i = 0; i < nodes; ++i) {
            _commit(_node(i));
            if (i == 1) costs[1] = vm.lastCallGas().gasTotalUsed;
        }
        for (uint256 i = 0; i < nodes; ++i) {
            _reveal(_node(i));
            if (i == 1) costs[2] = vm.lastCallGas().gasTotalUsed;
        }
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), RESULT);
            if (i == 1) costs[3] = vm.lastCallGas().gasTotalUsed;
        }
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _measure(string memory call, uint256 cap) private {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertGt(gas, 21_000, "not a transaction: needs isolate");
        vm.assertLe(gas, cap, call);
        spent += gas;
        if (gas > most[call]) most[call] = gas;
    }

    /// @dev But for the zero bytes in calldata, which cost 4 instead of 16.
    function _assertClose(uint256 a, uint256 b) private pure {
        vm.assertGt(a, 21_000, "not a transaction: needs isolate");
        vm.assertLe(a > b ? a - b : b - a, 8 * 12, "another cost");
    }

    /// @dev For whoever runs this with -vvvv.
    function _report() private {
        emit Measured("registerWithInvitation", most["registerWithInvitation"], JOIN);
        emit Measured("openRound", most["openRound"], OPEN);
        emit Measured("commitUpdate", most["commitUpdate"], COMMIT);
        emit Measured("revealUpdate", most["revealUpdate"], REVEAL);
        emit Measured("submitUpdate", most["submitUpdate"], SUBMIT);
        emit Measured("attest, agreeing", most["attest, agreeing"], ATTEST);
        emit Measured("attest, dissenting or changed", most["attest, dissenting or changed"], DISSENT);
        emit Measured("closeRound", most["closeRound"], CLOSE);
        emit Measured(
            "a sealed round, divided by its nodes", most["a sealed round, divided by its nodes"], SEALED_ROUND_A_NODE
        );
    }
}
