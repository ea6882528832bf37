// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract DeploymentTest is SwarmTest {
    ISwarmCoordinator.Config internal config;

    function setUp() public override {
        super.setUp();
        config = _sealedConfig();
    }

    function test_GivenAnyValues() public {
        config = ISwarmCoordinator.Config({
            taskDigest: bytes32(uint256(11)),
            genesisDigest: bytes32(uint256(12)),
            isSealed: false,
            quorumBps: 6667,
            minUpdates: 7,
            initialWindow: 500,
            minWindow: 5,
            maxWindow: 5000,
            revealWindow: 50,
            mergeWindow: 60,
            absenceLimit: 9,
            openRegistration: true,
            admin: address(0xAD)
        });
        swarm = new SwarmCoordinator(config);

        ISwarmCoordinator.SwarmInfo memory info = swarm.swarmInfo();

        vm.assertEq(abi.encode(info.config), abi.encode(config));
        vm.assertEq(info.activeNodes, 0);
        vm.assertEq(info.requiredUpdates, 7);
        vm.assertEq(info.currentRound, 0);
        vm.assertEq(info.finalizedRounds, 0);
        vm.assertEq(info.head, bytes32(uint256(12)));
    }

    function test_GivenAnAdmin() public view {
        vm.assertTrue(swarm.hasRole(swarm.DEFAULT_ADMIN_ROLE(), registrar));
        vm.assertTrue(swarm.hasRole(swarm.REGISTRAR_ROLE(), registrar));
    }

    function test_GivenTheShippedSettings() public view {
        vm.assertLe(address(swarm).code.length, 24_575, "runtime bytes");
    }

    function test_WhenEverythingIsTheLeastOrTheMost() public {
        config.quorumBps = 10_000;
        config.minWindow = 1;
        config.initialWindow = 1;
        config.maxWindow = 1;
        config.revealWindow = 1;
        config.mergeWindow = 1;
        config.absenceLimit = 1;
        new SwarmCoordinator(config);

        config.quorumBps = 5001;
        config.minUpdates = type(uint16).max;
        config.minWindow = swarm.WINDOW_LIMIT();
        config.initialWindow = swarm.WINDOW_LIMIT();
        config.maxWindow = swarm.WINDOW_LIMIT();
        config.revealWindow = swarm.WINDOW_LIMIT();
        config.mergeWindow = swarm.WINDOW_LIMIT();
        config.absenceLimit = type(uint16).max;
        new SwarmCoordinator(config);
    }

    function test_RevertWhen_TheTaskDigestIsZero() public {
        config.taskDigest = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroTaskDigest.selector));
    }

    function test_RevertWhen_TheGenesisDigestIsZero() public {
        config.genesisDigest = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroGenesisDigest.selector));
    }

    function test_RevertWhen_TheAdminIsZero() public {
        config.admin = address(0);
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroAdmin.selector));
    }

    function test_RevertWhen_TheQuorumIsHalf() public {
        config.quorumBps = 5000;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.QuorumOutOfRange.selector, 5000));
    }

    function test_RevertWhen_TheQuorumIsMoreThanAll() public {
        config.quorumBps = 10_001;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.QuorumOutOfRange.selector, 10_001));
    }

    function test_RevertWhen_OneUpdateIsEnough() public {
        config.minUpdates = 1;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.MinUpdatesTooSmall.selector, 1));
    }

    function test_RevertWhen_TheShortestWindowIsZero() public {
        config.minWindow = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroWindow.selector));
    }

    function test_RevertWhen_TheRevealingWindowIsZero() public {
        config.revealWindow = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroWindow.selector));
    }

    function test_RevertWhen_TheMergingWindowIsZero() public {
        config.mergeWindow = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroWindow.selector));
    }

    function test_RevertWhen_TheInitialWindowIsBelowTheShortest() public {
        config.initialWindow = 9;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.WindowsOutOfOrder.selector, 10, 9, 4000));
    }

    function test_RevertWhen_TheInitialWindowIsAboveTheLongest() public {
        config.initialWindow = 4001;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.WindowsOutOfOrder.selector, 10, 4001, 4000));
    }

    function test_RevertWhen_TheLongestWindowIsAboveTheLimit() public {
        config.maxWindow = 180 days + 1;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.MaxWindowTooLong.selector, 180 days + 1, 180 days));
    }

    function test_RevertWhen_TheRevealingWindowIsAboveTheLongest() public {
        config.revealWindow = 4001;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.RevealWindowTooLong.selector, 4001, 4000));
    }

    function test_RevertWhen_TheMergingWindowIsAboveTheLongest() public {
        config.mergeWindow = 4001;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.MergeWindowTooLong.selector, 4001, 4000));
    }

    function test_RevertWhen_TheAbsenceLimitIsZero() public {
        config.absenceLimit = 0;
        _expectRefusal(abi.encodeWithSelector(ISwarmCoordinator.ZeroAbsenceLimit.selector));
    }

    function _expectRefusal(bytes memory reason) private {
        vm.expectRevert(reason);
        new SwarmCoordinator(config);
    }
}
