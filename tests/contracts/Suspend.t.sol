// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract SuspendTest is SwarmTest {
    address internal absentee = _node(3);

    function test_RevertGiven_TheAccountIsAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _suspend(registrar, STRANGER);
    }

    function test_RevertGiven_TheAccountWasRemoved() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _suspend(registrar, _node(0));
    }

    function test_RevertWhen_APeerSuspendsIt() public {
        _addNodes(3);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotAbsent.selector, _node(1), 3, 0));
        _suspend(_node(0), _node(1));
    }

    function test_WhenItSuspendsItself() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(_node(1), 1, ISwarmCoordinator.SuspensionReason.OwnRequest);
        _suspend(_node(1), _node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.Suspended);
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_WhenARegistrarSuspendsIt() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(_node(1), 1, ISwarmCoordinator.SuspensionReason.Registrar);
        _suspend(registrar, _node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.SuspendedByRegistrar);
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_WhenARegistrarThatIsTheNodeSuspendsItself() public {
        _add(registrar);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(registrar, 1, ISwarmCoordinator.SuspensionReason.OwnRequest);
        _suspend(registrar, registrar);

        _resume(registrar);
        vm.assertTrue(swarm.isActive(registrar));
    }

    function test_RevertWhen_AnyoneSuspendsIt() public {
        _addNodes(4);
        _finalizeRounds(3, 2);
        vm.assertFalse(swarm.nodeInfo(absentee).isAbsent);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotAbsent.selector, absentee, 3, 2));
        _suspend(STRANGER, absentee);
    }

    function test_WhenAStrangerSuspendsIt() public {
        _addNodes(4);
        _finalizeRounds(3, 3);
        vm.assertTrue(swarm.nodeInfo(absentee).isAbsent);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(absentee, 4, ISwarmCoordinator.SuspensionReason.Absence);
        _suspend(STRANGER, absentee);

        _assertStatus(absentee, ISwarmCoordinator.NodeStatus.Suspended);
        vm.assertFalse(swarm.nodeInfo(absentee).isAbsent);
        _open();
        vm.assertEq(swarm.roundInfo().expected, 3);
    }

    function test_WhenARegistrarSuspendsTheAbsentee() public {
        _addNodes(4);
        _finalizeRounds(3, 3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(absentee, 4, ISwarmCoordinator.SuspensionReason.Absence);
        _suspend(registrar, absentee);

        _resume(absentee);
        vm.assertTrue(swarm.isActive(absentee));
    }

    function test_WhenTheAbsenteeSuspendsItself() public {
        _addNodes(4);
        _finalizeRounds(3, 3);
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(absentee, 4, ISwarmCoordinator.SuspensionReason.OwnRequest);
        _suspend(absentee, absentee);
    }

    function test_WhenARegistrarSuspendsItToo() public {
        _addNodes(4);
        _finalizeRounds(3, 3);
        _suspend(STRANGER, absentee);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(absentee, 4, ISwarmCoordinator.SuspensionReason.Registrar);
        _suspend(registrar, absentee);

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.SuspendedByARegistrar.selector, absentee));
        _resume(absentee);
        _lift(absentee);
        vm.assertTrue(swarm.isActive(absentee));
    }

    function test_RevertWhen_ItSuspendsItselfAgain() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(_node(0), _node(0));
    }

    function test_RevertWhen_APeerSuspendsItAsWell() public {
        _addNodes(2);
        _suspend(_node(0), _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(_node(1), _node(0));
    }

    function test_RevertWhen_ARegistrarThatIsTheNodeSuspendsItselfAgain() public {
        _add(registrar);
        _suspend(registrar, registrar);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, registrar));
        _suspend(registrar, registrar);
    }

    function test_WhenARegistrarMakesTheSuspensionItsOwn() public {
        _addNodes(3);
        _suspend(_node(1), _node(1));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(_node(1), 1, ISwarmCoordinator.SuspensionReason.Registrar);
        _suspend(registrar, _node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.SuspendedByRegistrar);
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
        vm.assertEq(swarm.nodeInfo(_node(1)).activeUntil, 1);
    }

    function test_RevertWhen_ARegistrarSuspendsItAgain() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(registrar, _node(0));
    }

    function test_RevertWhen_TheNodeAsksForASuspensionOfItsOwn() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(_node(0), _node(0));
    }
}
