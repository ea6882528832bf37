// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract RemoveNodeTest is SwarmTest {
    function test_RevertWhen_TheCallerIsNoRegistrar() public {
        _addNodes(2);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, _node(1)));
        _as(_node(1));
        swarm.removeNode(_node(0));
    }

    function test_RevertGiven_TheAccountIsAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _remove(STRANGER);
    }

    function test_RevertGiven_TheAccountWasRemoved() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _remove(_node(0));
    }

    function test_GivenTheNodeIsActive() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRemoved(_node(1), 1);
        _remove(_node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.Removed);
        vm.assertFalse(swarm.isActive(_node(1)));
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_GivenTheNodeIsSuspended() public {
        _addNodes(3);
        _suspend(_node(1), _node(1));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRemoved(_node(1), 1);
        _remove(_node(1));

        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }
}
