// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract ResumeTest is SwarmTest {
    function test_RevertGiven_TheCallerIsAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _resume(STRANGER);
    }

    function test_RevertGiven_TheCallerWasRemoved() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertGiven_TheCallerIsActive() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSuspended.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertGiven_ARegistrarSuspendedTheCaller() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.SuspendedByARegistrar.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertGiven_ARegistrarTookTheCallersOwnSuspensionOver() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.SuspendedByARegistrar.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertGiven_AsManyNodesAsCanBeAreActive() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _fillSwarm();
        _expectNodeLimit();
        _resume(_node(0));
    }

    function test_GivenTheCallerSuspendedItself() public {
        _addNodes(3);
        _suspend(_node(1), _node(1));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeResumed(_node(1), 2);
        _resume(_node(1));

        vm.assertTrue(swarm.isActive(_node(1)));
        vm.assertEq(swarm.nodeInfo(_node(1)).absentAt, 1);
        vm.assertEq(swarm.swarmInfo().activeNodes, 3);
    }
}
