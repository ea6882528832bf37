// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract MembershipTest is SwarmTest {
    uint32 internal constant FOREVER = type(uint32).max;

    // ----------------------------------------------------------------------------------------------- registerNode

    function test_GivenOpenRegistration_AnyoneRegisters() public {
        _openRegistration();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(_node(0), 1, "mine");
        _as(_node(0));
        swarm.registerNode("mine");

        ISwarmCoordinator.NodeInfo memory info = swarm.nodeInfo(_node(0));
        vm.assertEq(uint256(info.status), uint256(ISwarmCoordinator.NodeStatus.Active));
        vm.assertEq(info.activeFrom, 1);
        vm.assertEq(info.activeUntil, FOREVER);
        vm.assertEq(info.absentAt, 3);
        vm.assertFalse(info.isAbsent);
    }

    function test_RevertWhen_RegistrationIsNotOpen() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.RegistrationNotOpen.selector));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_RegisteringTwice() public {
        _openRegistration();
        _add(_node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_RegisteringAgainToEndASuspension() public {
        _openRegistration();
        _add(_node(0));
        _suspend(registrar, _node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_RegisteringAfterRemoval() public {
        _openRegistration();
        _add(_node(0));
        _remove(_node(0));

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.RemovedByRegistrar.selector, _node(0)));
        _as(_node(0));
        swarm.registerNode("");
    }

    function test_RevertWhen_RegisteringWithALongLabel() public {
        _openRegistration();

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.LabelTooLong.selector, 65, 64));
        _as(_node(0));
        swarm.registerNode(string(new bytes(65)));
    }

    // ---------------------------------------------------------------------------------------------------- addNode

    function test_GivenRegistrar_AddsANode() public {
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(_node(0), 1, "added");
        _as(registrar);
        swarm.addNode(_node(0), "added");

        vm.assertTrue(swarm.isActive(_node(0)));
        vm.assertEq(swarm.swarmInfo().activeNodes, 1);
    }

    function test_GivenLongestLabel_AddsANode() public {
        _as(registrar);
        swarm.addNode(_node(0), string(new bytes(64)));
        vm.assertTrue(swarm.isActive(_node(0)));
    }

    function test_GivenRemovedNode_AddingTakesItBack() public {
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

    function test_RevertWhen_AdderIsNoRegistrar() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, STRANGER));
        _as(STRANGER);
        swarm.addNode(_node(0), "");
    }

    function test_RevertWhen_AddingTheZeroAddress() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.ZeroNode.selector));
        _as(registrar);
        swarm.addNode(address(0), "");
    }

    function test_RevertWhen_AddingAnActiveNode() public {
        _add(_node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertWhen_AddingASuspendedNode() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertWhen_AddingANodeThatARegistrarSuspended() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectAlreadyRegistered();
    }

    function test_RevertWhen_AddingWithALongLabel() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.LabelTooLong.selector, 100, 64));
        _as(registrar);
        swarm.addNode(_node(0), string(new bytes(100)));
    }

    // ------------------------------------------------------------------------------------------------- removeNode

    function test_GivenRegistrar_RemovesANode() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRemoved(_node(1), 1);
        _remove(_node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.Removed);
        vm.assertFalse(swarm.isActive(_node(1)));
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_GivenSuspendedNode_RemovingCountsItOnce() public {
        _addNodes(3);
        _suspend(_node(1), _node(1));
        _openAndAbort();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRemoved(_node(1), 1);
        _remove(_node(1));

        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_RevertWhen_RemoverIsNoRegistrar() public {
        _addNodes(2);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, _node(1)));
        _as(_node(1));
        swarm.removeNode(_node(0));
    }

    function test_RevertWhen_RemovingAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _remove(STRANGER);
    }

    function test_RevertWhen_RemovingTwice() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _remove(_node(0));
    }

    // --------------------------------------------------------------------------------------------------- announce

    function test_GivenNode_AnnouncesItsStores() public {
        _add(_node(0));
        bytes memory stores = new bytes(512);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeAnnounced(_node(0), stores);
        _as(_node(0));
        swarm.announce(stores);
    }

    function test_GivenSuspendedNode_AnnouncesItsStores() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeAnnounced(_node(0), "/dns4/a.example/tcp/443");
        _as(_node(0));
        swarm.announce("/dns4/a.example/tcp/443");
    }

    function test_RevertWhen_StrangerAnnounces() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _as(STRANGER);
        swarm.announce("here");
    }

    function test_RevertWhen_RemovedNodeAnnounces() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _as(_node(0));
        swarm.announce("here");
    }

    function test_RevertWhen_AnnouncementIsTooLong() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.StoresTooLong.selector, 513, 512));
        _as(_node(0));
        swarm.announce(new bytes(513));
    }

    // ---------------------------------------------------------------------------------------------------- suspend

    function test_GivenNodeItself_SuspendsOnRequest() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(_node(1), 1, ISwarmCoordinator.SuspensionReason.OwnRequest);
        _suspend(_node(1), _node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.Suspended);
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_GivenRegistrar_SuspendsAPresentNode() public {
        _addNodes(3);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(_node(1), 1, ISwarmCoordinator.SuspensionReason.Registrar);
        _suspend(registrar, _node(1));

        _assertStatus(_node(1), ISwarmCoordinator.NodeStatus.SuspendedByRegistrar);
        vm.assertEq(swarm.swarmInfo().activeNodes, 2);
    }

    function test_GivenRegistrarThatIsANode_SuspendsItselfOnRequest() public {
        _add(registrar);

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeSuspended(registrar, 1, ISwarmCoordinator.SuspensionReason.OwnRequest);
        _suspend(registrar, registrar);

        _resume(registrar);
        vm.assertTrue(swarm.isActive(registrar));
    }

    function test_GivenOwnSuspension_RegistrarMakesItItsOwn() public {
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

    function test_RevertWhen_SuspendingAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _suspend(registrar, STRANGER);
    }

    function test_RevertWhen_SuspendingARemovedNode() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _suspend(registrar, _node(0));
    }

    function test_RevertWhen_PeerSuspendsAPresentNode() public {
        _addNodes(3);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotAbsent.selector, _node(1), 3, 0));
        _suspend(_node(0), _node(1));
    }

    function test_RevertWhen_SuspendingItselfTwice() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(_node(0), _node(0));
    }

    function test_RevertWhen_PeerSuspendsASuspendedNode() public {
        _addNodes(2);
        _suspend(_node(0), _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(_node(1), _node(0));
    }

    function test_RevertWhen_RegistrarSuspendsTwice() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, _node(0)));
        _suspend(registrar, _node(0));
    }

    function test_RevertWhen_RegistrarThatIsANodeMakesItsOwnRequestStricter() public {
        _add(registrar);
        _suspend(registrar, registrar);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadySuspended.selector, registrar));
        _suspend(registrar, registrar);
    }

    // ----------------------------------------------------------------------------------------------- lift, resume

    function test_GivenSuspendedByRegistrar_RegistrarLifts() public {
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

    function test_GivenOwnSuspension_RegistrarLifts() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _lift(_node(0));
        vm.assertTrue(swarm.isActive(_node(0)));
    }

    function test_GivenOwnSuspension_NodeResumes() public {
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

    function test_RevertWhen_LifterIsNoRegistrar() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistrar.selector, _node(0)));
        _as(_node(0));
        swarm.lift(_node(0));
    }

    function test_RevertWhen_LiftingAStranger() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _lift(STRANGER);
    }

    function test_RevertWhen_LiftingARemovedNode() public {
        _add(_node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _lift(_node(0));
    }

    function test_RevertWhen_LiftingAnActiveNode() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSuspended.selector, _node(0)));
        _lift(_node(0));
    }

    function test_RevertWhen_StrangerResumes() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, STRANGER));
        _resume(STRANGER);
    }

    function test_RevertWhen_RemovedNodeResumes() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _remove(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotRegistered.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertWhen_ActiveNodeResumes() public {
        _add(_node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotSuspended.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertWhen_NodeResumesFromARegistrarsSuspension() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.SuspendedByARegistrar.selector, _node(0)));
        _resume(_node(0));
    }

    function test_RevertWhen_NodeResumesFromItsOwnSuspensionThatARegistrarTookOver() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _suspend(registrar, _node(0));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.SuspendedByARegistrar.selector, _node(0)));
        _resume(_node(0));
    }

    // ------------------------------------------------------------------------------------------------------ limit

    function test_RevertWhen_AddingOneMoreThanTheLimit() public {
        _fillSwarm();
        _expectNodeLimit();
        _add(_node(9));
    }

    function test_RevertWhen_RegisteringOneMoreThanTheLimit() public {
        _openRegistration();
        _fillSwarm();
        _expectNodeLimit();
        _as(_node(9));
        swarm.registerNode("");
    }

    function test_RevertWhen_LiftingOneMoreThanTheLimit() public {
        _add(_node(0));
        _suspend(registrar, _node(0));
        _fillSwarm();
        _expectNodeLimit();
        _lift(_node(0));
    }

    function test_RevertWhen_ResumingOneMoreThanTheLimit() public {
        _add(_node(0));
        _suspend(_node(0), _node(0));
        _fillSwarm();
        _expectNodeLimit();
        _resume(_node(0));
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _openRegistration() private {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.openRegistration = true;
        swarm = new SwarmCoordinator(config);
    }

    function _fillSwarm() private {
        _setActiveNodes(type(uint16).max);
    }

    function _expectNodeLimit() private {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NodeLimitReached.selector, type(uint16).max));
    }

    function _expectAlreadyRegistered() private {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, _node(0)));
        _add(_node(0));
    }
}
