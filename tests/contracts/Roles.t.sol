// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract RolesTest is SwarmTest {
    bytes32 internal role;

    function setUp() public override {
        super.setUp();
        role = swarm.REGISTRAR_ROLE();
    }

    function test_RevertWhen_ARegistrarWhoIsNotTheAdminNamesARegistrar() public {
        _as(registrar);
        swarm.grantRole(role, STRANGER);

        _expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, bytes32(0))
        );
        _as(STRANGER);
        swarm.grantRole(role, _node(0));
    }

    function test_WhenTheAdminNamesARegistrar() public {
        _appoint(STRANGER);
        vm.assertTrue(swarm.hasRole(role, STRANGER));
        _as(STRANGER);
        swarm.addNode(_node(0), "");
        vm.assertTrue(swarm.isActive(_node(0)));
    }

    function test_RevertWhen_ARegistrarWhoIsNotTheAdminDismissesARegistrar() public {
        _appoint(STRANGER);
        _expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, STRANGER, bytes32(0))
        );
        _as(STRANGER);
        swarm.revokeRole(role, registrar);
    }

    function test_WhenTheAdminDismissesARegistrar() public {
        _as(registrar);
        swarm.grantRole(role, STRANGER);
        _as(STRANGER);
        swarm.addNode(_node(0), "");
        vm.assertTrue(swarm.isActive(_node(0)));

        _as(registrar);
        swarm.revokeRole(role, STRANGER);

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, STRANGER));
        _as(STRANGER);
        swarm.addNode(_node(1), "");
    }

    function test_RevertWhen_SomeoneElseConfirms() public {
        _expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlBadConfirmation.selector));
        _as(STRANGER);
        swarm.renounceRole(role, registrar);
    }

    function test_WhenARegistrarConfirms() public {
        _as(registrar);
        swarm.renounceRole(role, registrar);

        vm.assertFalse(swarm.hasRole(role, registrar));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, registrar));
        _add(_node(0));
    }

    function test_GivenNobodyElseWasNamed() public view {
        vm.assertTrue(swarm.hasRole(role, registrar));
        vm.assertTrue(swarm.hasRole(0, registrar));
        vm.assertFalse(swarm.hasRole(role, STRANGER));
        vm.assertFalse(swarm.hasRole(role, address(this)));
        vm.assertFalse(swarm.hasRole(0, address(swarm)));
    }

    function test_GivenAnyRole() public view {
        vm.assertEq(swarm.getRoleAdmin(role), 0);
        vm.assertEq(swarm.getRoleAdmin(0), 0);
        vm.assertEq(swarm.getRoleAdmin(RESULT), 0);
    }

    function test_GivenRoles() public view {
        vm.assertTrue(swarm.supportsInterface(type(IAccessControl).interfaceId));
        vm.assertTrue(swarm.supportsInterface(0x01ffc9a7));
        vm.assertFalse(swarm.supportsInterface(0xffffffff));
    }

    function test_GivenDeployed() public view {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) = swarm.eip712Domain();
        vm.assertEq(name, "SwarmCoordinator");
        vm.assertEq(version, "1");
        vm.assertEq(chainId, block.chainid);
        vm.assertEq(verifier, address(swarm));
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _appoint(address account) private {
        _as(registrar);
        swarm.grantRole(role, account);
    }
}

contract ConstantsTest is SwarmTest {
    function test_GivenTheTwoRoles() public view {
        vm.assertEq(swarm.DEFAULT_ADMIN_ROLE(), 0);
        vm.assertEq(swarm.REGISTRAR_ROLE(), keccak256("REGISTRAR_ROLE"));
    }

    function test_GivenTheTypehash() public view {
        vm.assertEq(
            swarm.INVITATION_TYPEHASH(), keccak256("Invitation(address account,address registrar,uint64 expiry)")
        );
    }

    function test_GivenTheLimits() public view {
        vm.assertEq(swarm.NODE_LIMIT(), 65_535);
        vm.assertEq(swarm.LABEL_LIMIT(), 64);
        vm.assertEq(swarm.STORES_LIMIT(), 512);
        vm.assertEq(swarm.WINDOW_LIMIT(), 180 days);
    }
}
