// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

contract QuorumTest is SwarmTest {
    function test_GivenTheDefaultQuorum() public {
        for (uint16 nodes = 2; nodes <= 120; ++nodes) {
            vm.assertEq(_quorumOf(5001, nodes), nodes / 2 + 1);
        }
    }

    function test_GivenAQuorumOfTwoThirds() public {
        uint16[8] memory sizes = [uint16(2), 3, 4, 5, 6, 9, 10, 100];
        uint16[8] memory quorums = [uint16(2), 3, 3, 4, 5, 7, 7, 67];
        for (uint256 i = 0; i < 8; ++i) {
            vm.assertEq(_quorumOf(6667, sizes[i]), quorums[i]);
        }
    }

    function test_GivenAQuorumOfAll() public {
        vm.assertEq(_quorumOf(10_000, 2), 2);
        vm.assertEq(_quorumOf(10_000, 50), 50);
        vm.assertEq(_quorumOf(10_000, 65_535), 65_535);
    }

    /// @dev 5,001 × 5,001 is one more than a whole number of ten-thousands.
    function test_GivenAShareJustAboveAWholeNumberOfNodes() public {
        vm.assertEq(_quorumOf(5001, 5001), 2502);
        vm.assertEq(_quorumOf(5001, 10_000), 5001);
        vm.assertEq(_quorumOf(9999, 9999), 9999);
    }

    /// @dev ceil(expected × bps / 10000), which is more than half and at most all.
    function testFuzz_QuorumIsRoundedUp(uint16 bps, uint16 nodes) public {
        bps = 5001 + bps % 5000;
        vm.assume(nodes >= 2);

        uint256 quorum = _quorumOf(bps, nodes);

        vm.assertTrue(quorum * 10_000 >= uint256(nodes) * bps, "enough");
        vm.assertTrue((quorum - 1) * 10_000 < uint256(nodes) * bps, "no more than that");
        vm.assertTrue(2 * quorum > nodes && quorum <= nodes, "a majority");
    }

    /// @dev Real nodes: one attestation fewer than the quorum changes nothing, the next one moves the head.
    function test_GivenSwarmsOfManySizes() public {
        for (uint256 nodes = 2; nodes <= 12; ++nodes) {
            swarm = new SwarmCoordinator(_sealedConfig());
            _addNodes(nodes);
            _openAndReveal(nodes);
            uint256 quorum = nodes / 2 + 1;
            _attestFirst(quorum - 1, RESULT);
            vm.assertEq(swarm.head(), GENESIS);
            _attest(_node(quorum - 1), RESULT);
            vm.assertEq(swarm.head(), RESULT);
        }
    }

    /// @dev The quorum is counted over those expected, whoever came.
    function test_GivenSomeStayedAway() public {
        _addNodes(7);
        _openAndReveal(4);
        vm.assertEq(swarm.roundInfo().quorum, 4);
        _attestFirst(3, RESULT);
        vm.assertEq(swarm.head(), GENESIS);
        _attest(_node(3), RESULT);
        vm.assertEq(swarm.head(), RESULT);
    }

    function test_GivenMoreUpdatesAreAskedForThanTheQuorum() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.minUpdates = 5;
        swarm = new SwarmCoordinator(config);
        _addNodes(6);
        vm.assertEq(swarm.swarmInfo().requiredUpdates, 5);
        _openAndReveal(5);
        vm.assertEq(swarm.roundInfo().quorum, 4);
        _attestFirst(4, RESULT);
        vm.assertEq(swarm.head(), RESULT);
    }

    function test_GivenTheQuorumIsAboveTheFewestUpdates() public {
        _addNodes(6);
        vm.assertEq(swarm.swarmInfo().requiredUpdates, 4);
    }

    function _quorumOf(uint16 bps, uint16 nodes) private returns (uint16) {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.quorumBps = bps;
        swarm = new SwarmCoordinator(config);
        _add(_node(0));
        _setActiveNodes(nodes);
        _open();
        return swarm.roundInfo().quorum;
    }
}
