// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract LiftTest is SwarmTest {
    function test_RevertWhen_TheCallerIsNoRegistrar() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, _node(0)));
        _as(_node(0));
        swarm.lift(_node(0));
    }

    function test_RevertGiven_TheAccountIsAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _lift(STRANGER);
    }

    function test_RevertGiven_TheAccountWasRemoved() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _lift(_node(0));
    }

    function test_RevertGiven_TheNodeIsActive() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSuspended.selector, _node(0)));
        _lift(_node(0));
    }

    function test_RevertGiven_AsManyNodesAsCanBeAreActive() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _fillSwarm();
        _expectNodeLimit();
        _lift(_node(0));
    }

    function test_GivenARegistrarSuspendedTheNode() public {
        _addNodes(3);
        _suspend(registrar, _node(1));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeResumed(_node(1), 2);
        _lift(_node(1));

        vm.assertTrue(swarm.isActive(_node(1)));
        vm.assertEq(swarm.nodeInfo(_node(1)).absentAt, 3);
        vm.assertEq(swarm.swarmInfo().activeNodes, 3);
    }

    function test_GivenTheNodeSuspendedItself() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _lift(_node(0));
        vm.assertTrue(swarm.isActive(_node(0)));
    }
}
