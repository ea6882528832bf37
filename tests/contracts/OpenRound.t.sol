// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract OpenRoundTest is SwarmTest {
    function setUp() public override {
        super.setUp();
        _addNodes(4);
    }

    function test_RevertWhen_OpeningWhileTraining() public {
        _open();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningWhileRevealing() public {
        _open();
        _commitFirst(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Revealing, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningWhileMerging() public {
        _openAndReveal(4);
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Merging, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_OpeningAfterADeadlineThatNobodyClosed() public {
        _open();
        _warpToDeadline();
        _expectWrongPhase(1, ISwarmCoordinator.Phase.Training, ISwarmCoordinator.Phase.Idle);
        _open();
    }

    function test_RevertWhen_AStrangerOpens() public {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, STRANGER));
        _as(STRANGER);
        swarm.openRound();
    }

    function test_RevertWhen_ASuspendedNodeOpens() public {
        _suspend(_node(3), _node(3));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, _node(3)));
        _as(_node(3));
        swarm.openRound();
    }

    function test_RevertWhen_ARemovedNodeOpens() public {
        _remove(_node(3));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NotActive.selector, _node(3)));
        _as(_node(3));
        swarm.openRound();
    }

    function test_RevertWhen_ItOpens() public {
        for (uint256 i = 1; i < 4; ++i) {
            _suspend(_node(i), _node(i));
        }
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.TooFewActiveNodes.selector, 1, 2));
        _open();
    }

    function test_RevertWhen_OneOfThemOpens() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = 4;
        swarm = new SwarmCoordinator(config);
        _addNodes(3);
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.TooFewActiveNodes.selector, 3, 4));
        _open();

        _add(_node(3));
        _open();
        vm.assertEq(swarm.roundInfo().expected, 4);
    }

    function test_WhenAnActiveNodeOpens() public {
        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.RoundOpened(1, GENESIS, uint64(START + 600), 4, 3);
        uint32 round = _open();

        vm.assertEq(round, 1);
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.round, 1);
        vm.assertEq(uint256(info.phase), uint256(ISwarmCoordinator.Phase.Training));
        vm.assertEq(info.base, GENESIS);
        vm.assertEq(info.phaseStartedAt, START);
        vm.assertEq(info.deadline, START + 600);
        vm.assertEq(info.expected, 4);
        vm.assertEq(info.quorum, 3);
        vm.assertEq(info.commits, 0);
        vm.assertEq(info.reveals, 0);
        vm.assertEq(info.leading, 0);
        vm.assertEq(info.leadingAttestations, 0);
    }

    function test_WhenAnActiveNodeOpensTheNext() public {
        _openAndAbort();
        vm.assertEq(_open(), 2);
    }
}
