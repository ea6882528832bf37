// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmHandler} from "./SwarmHandler.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @notice What holds after any sequence of acts by anyone, compared with books kept from events.
abstract contract InvariantsTest is SwarmTest {
    SwarmHandler internal handler;

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_HeadMovesOnlyByQuorumAndNothingElseGoesWrong() public view {
        vm.assertEq(handler.wrong(), "");
        vm.assertEq(swarm.head(), handler.head());
        vm.assertEq(swarm.swarmInfo().finalizedRounds, handler.finalized());
    }

    function invariant_CountersMatchEvents() public view {
        ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
        vm.assertEq(info.round, handler.opened(), "rounds");
        vm.assertEq(info.commits, handler.commits(), "commits");
        vm.assertEq(info.reveals, handler.reveals(), "reveals");
        vm.assertEq(info.expected, handler.expected(), "expected");
        if (info.round > 0) vm.assertEq(info.base, handler.base(), "base");
        if (info.phase != ISwarmCoordinator.Phase.Idle) vm.assertEq(info.deadline, handler.deadline(), "deadline");
    }

    function invariant_AttestationsAreThoseOfLastWords() public view {
        uint32 round = swarm.currentRound();
        for (uint256 i = 0; i < handler.RESULTS(); ++i) {
            bytes32 result = handler.resultOf(round, i);
            vm.assertEq(swarm.attestationsFor(result), handler.attestationsFor(result), "attestations");
        }
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            address node = handler.account(i);
            vm.assertEq(swarm.nodeInfo(node).attested, handler.attestedBy(round, node), "attested");
        }
    }

    function invariant_ActiveNodesAreThoseThatTheNextRoundExpects() public view {
        uint256 active;
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            ISwarmCoordinator.NodeInfo memory node = swarm.nodeInfo(handler.account(i));
            bool isActive = node.status == ISwarmCoordinator.NodeStatus.Active;
            vm.assertTrue(isActive == (node.activeUntil == type(uint32).max), "active for ever");
            if (isActive) ++active;
        }
        vm.assertEq(swarm.swarmInfo().activeNodes, active);
    }

    /// @dev From every running state, a stranger's `closeRound` at the deadline ends the phase, and so on until idle.
    function invariant_AStrangerCanEndARoundFromEveryState() public {
        uint256 id = vm.snapshotState();
        for (uint256 steps = 0; swarm.phase() != ISwarmCoordinator.Phase.Idle; ++steps) {
            vm.assertLe(steps, 3, "three deadlines end any round");
            ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
            vm.assertLe(info.deadline - info.phaseStartedAt, 4000, "a finite deadline");
            if (block.timestamp < info.deadline) vm.warp(info.deadline);
            vm.prank(STRANGER);
            swarm.closeRound(info.round);
        }
        vm.revertToState(id);
    }

    function _start(ISwarmCoordinator.Config memory config) internal {
        vm.warp(START);
        swarm = new SwarmCoordinator(config);
        handler = new SwarmHandler(swarm, registrar);
        for (uint256 i = 0; i < 5; ++i) {
            _add(handler.account(i));
        }
    }
}

/// forge-config: default.invariant.runs = 12
/// forge-config: default.invariant.depth = 150
contract SealedInvariantsTest is InvariantsTest {
    function setUp() public override {
        _start(_sealedConfig());
    }
}

/// forge-config: default.invariant.runs = 12
/// forge-config: default.invariant.depth = 100
contract DirectInvariantsTest is InvariantsTest {
    function setUp() public override {
        _start(_directConfig());
    }
}
