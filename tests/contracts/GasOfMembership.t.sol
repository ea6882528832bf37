// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {GasMeter} from "./GasMeter.sol";

/// @notice What it costs to set a swarm up, to join it and to leave it.
/// forge-config: default.isolate = true
contract GasOfMembershipTest is GasMeter {
    string internal constant LONGEST = "the-clinic-of-a-town-with-a-name-that-is-as-long-as-it-may-be-64";
    uint256 internal constant DEPLOY = 4_500_000;

    function setUp() public override {
        super.setUp();
        _writeUnder("membership");
    }

    /// @dev An empty creation is a transaction of 53,000, and shows what measuring adds. The opcode charges two units for
    /// each word of code once more than the transaction does.
    function test_Deploying() public {
        bytes memory code = abi.encodePacked(type(SwarmCoordinator).creationCode, abi.encode(_sealedConfig()));
        uint256 gas = _creation(code) - _creation("") - 2 * ((code.length + 31) / 32) + 53_000;
        vm.assertLe(gas, DEPLOY, "deploy");
        _write("deploy", gas);
        _compare();
    }

    function test_Joining() public {
        _registerInvited(_node(0));
        _measure("registerWithInvitation, first", JOIN_FIRST);
        for (uint256 i = 1; i < 20; ++i) {
            _registerInvited(_node(i));
            _measure("registerWithInvitation", JOIN);
        }
        _as(registrar);
        swarm.addNode(_node(20), LONGEST);
        _measure("addNode", ANY);
        _openRegistration();
        for (uint256 i = 0; i < 2; ++i) {
            _as(_node(i));
            swarm.registerNode(LONGEST);
            _measure(i == 0 ? "registerNode, first" : "registerNode", ANY);
        }
        _compare();
    }

    function test_BeingAMember() public {
        _addNodes(4);
        _as(_node(0));
        swarm.announce(bytes(string.concat(_longText(), _longText(), _longText(), _longText())));
        _measure("announce, 512 bytes", ANY);
        _as(_node(0));
        swarm.announce("https://node-of-the-clinic.example.org:8080");
        _measure("announce, one address", ANY);

        _finalizeRounds(3, 3);
        _suspend(STRANGER, _node(3));
        _measure("suspend, for absence", ANY);
        _suspend(_node(1), _node(1));
        _measure("suspend, on request", ANY);
        _resume(_node(1));
        _measure("resume", ANY);
        _suspend(registrar, _node(1));
        _measure("suspend, by a registrar", ANY);
        _lift(_node(1));
        _measure("lift", ANY);
        _remove(_node(1));
        _measure("removeNode", ANY);
        _compare();
    }

    function _creation(bytes memory code) private returns (uint256 used) {
        address created;
        assembly ("memory-safe") {
            let before := gas()
            created := create(0, add(code, 32), mload(code))
            used := sub(before, gas())
        }
        vm.assertTrue(created != address(0));
    }

    function _longText() private pure returns (string memory) {
        return string.concat(LONGEST, LONGEST);
    }
}
