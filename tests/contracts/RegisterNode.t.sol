// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract RegisterNodeTest is SwarmTest {
    function test_RevertGiven_RegistrationIsNotOpen() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.RegistrationNotOpen.selector));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_AnActiveNodeRegisters() public {
        _openRegistration();
        _add(_node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_ASuspendedNodeRegisters() public {
        _openRegistration();
        _add(_node(0));
        _suspend(registrar, _node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_ARemovedAccountRegisters() public {
        _openRegistration();
        _add(_node(0));
        _remove(_node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.RemovedByRegistrar.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_TheLabelIsTooLong() public {
        _openRegistration();

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.LabelTooLong.selector, 65, 64));
        _as(_node(0));
        swarm.registerNode(string(new bytes(65)));
    }

    function test_RevertWhen_AsManyNodesAsCanBeAreActive() public {
        _openRegistration();
        _fillSwarm();
        _expectNodeLimit();
        _as(_node(9));
        swarm.registerNode("");
    }

    function test_WhenAStrangerRegisters() public {
        _openRegistration();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(_node(0), 1, "mine");
        _as(_node(0));
        swarm.registerNode("mine");

        ISwarmCoordinator.NodeInfo memory info = swarm.nodeInfo(_node(0));
        vm.assertEq(uint256(info.status), uint256(ISwarmCoordinator.NodeStatus.Active));
        vm.assertEq(info.activeFrom, 1);
        vm.assertEq(info.activeUntil, type(uint32).max);
        vm.assertEq(info.absentAt, 3);
        vm.assertFalse(info.isAbsent);
    }

    function test_WhenTheLabelIsAsLongAsCanBe() public {
        _openRegistration();
        _as(_node(0));
        swarm.registerNode(string(new bytes(64)));
        vm.assertTrue(swarm.isActive(_node(0)));
    }
}
