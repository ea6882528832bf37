// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract AddNodeTest is SwarmTest {
    function test_RevertWhen_TheCallerIsNoRegistrar() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, STRANGER));
        _as(STRANGER);
        swarm.addNode(_node(0), "");
    }

    function test_RevertWhen_TheNodeIsTheZeroAddress() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroNode.selector));
        _as(registrar);
        swarm.addNode(address(0), "");
    }

    function test_RevertGiven_TheNodeIsActive() public {
        _add(_node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertGiven_TheNodeSuspendedItself() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertGiven_ARegistrarSuspendedTheNode() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertWhen_TheLabelIsTooLong() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.LabelTooLong.selector, 100, 64));
        _as(registrar);
        swarm.addNode(_node(0), string(new bytes(100)));
    }

    function test_RevertGiven_AsManyNodesAsCanBeAreActive() public {
        _fillSwarm();
        _expectNodeLimit();
        _add(_node(9));
    }

    function test_GivenTheNodeIsAStranger() public {
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(_node(0), 1, "added");
        _as(registrar);
        swarm.addNode(_node(0), "added");

        vm.assertTrue(swarm.isActive(_node(0)));
        vm.assertEq(swarm.swarmInfo().activeNodes, 1);
    }

    function test_WhenTheLabelIsAsLongAsCanBe() public {
        _as(registrar);
        swarm.addNode(_node(0), string(new bytes(64)));
        vm.assertTrue(swarm.isActive(_node(0)));
    }

    function test_GivenTheNodeWasRemoved() public {
        _addNodes(3);
        _remove(_node(2));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(_node(2), 2, "back");
        _as(registrar);
        swarm.addNode(_node(2), "back");

        vm.assertTrue(swarm.isActive(_node(2)));
        vm.assertFalse(swarm.isExpected(_node(2)));
    }

    function test_GivenOneNodeFewerThanCanBeIsActive() public {
        _setActiveNodes(type(uint16).max - 1);
        _add(_node(0));
        vm.assertTrue(swarm.isActive(_node(0)));
        vm.assertEq(swarm.swarmInfo().activeNodes, type(uint16).max);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _expectAlreadyRegistered() private {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _add(_node(0));
    }
}
