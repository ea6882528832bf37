// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev A commitment binds one node, in one round, on one contract and chain, to one update.
contract CommitmentsTest is SwarmTest {
    bytes32 internal constant DIGEST = keccak256("an update");
    bytes32 internal constant SALT = keccak256("a salt");

    function setUp() public override {
        super.setUp();
        _addNodes(2);
        _open();
    }

    function test_GivenANodesOwnCommitment() public {
        _commitBoth(_make(block.chainid, address(swarm), 1, _node(0)));
        _as(_node(0));
        swarm.revealUpdate(1, DIGEST, SAMPLES, SALT);
        vm.assertEq(swarm.roundInfo().reveals, 1);
    }

    function test_RevertGiven_AnotherNodesCommitment() public {
        _commitBoth(_make(block.chainid, address(swarm), 1, _node(0)));
        _expectMismatch(_node(1), 1);
    }

    function test_RevertGiven_ACommitmentForAnotherRound() public {
        _commitBoth(_make(block.chainid, address(swarm), 2, _node(0)));
        _expectMismatch(_node(0), 1);
    }

    function test_RevertGiven_ACommitmentOfAnEarlierRound() public {
        bytes32 commitment = _make(block.chainid, address(swarm), 1, _node(0));
        _commitBoth(commitment);
        _warpAndClose();
        _open();
        _commitBoth(commitment);
        _expectMismatch(_node(0), 2);
    }

    function test_RevertGiven_ACommitmentForAnotherContract() public {
        _commitBoth(_make(block.chainid, address(0xC0), 1, _node(0)));
        _expectMismatch(_node(0), 1);
    }

    function test_RevertGiven_ACommitmentForAnotherChain() public {
        _commitBoth(_make(block.chainid + 1, address(swarm), 1, _node(0)));
        _expectMismatch(_node(0), 1);
    }

    function test_RevertGiven_TheChainForkedSinceTheCommitment() public {
        _commitBoth(_make(block.chainid, address(swarm), 1, _node(0)));
        vm.chainId(block.chainid + 1);
        _expectMismatch(_node(0), 1);
    }

    /// @dev Anything but what was committed is refused, naming both commitments.
    function testFuzz_RevertWhen_ShownIsNotWhatWasCommitted(bytes32 digest, uint64 samples, bytes32 salt) public {
        vm.assume(digest != 0 && samples != 0);
        vm.assume(digest != DIGEST || samples != SAMPLES || salt != SALT);
        bytes32 commitment = _make(block.chainid, address(swarm), 1, _node(0));
        _commitBoth(commitment);

        bytes32 shown = keccak256(abi.encode(block.chainid, address(swarm), uint32(1), _node(0), digest, samples, salt));
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.CommitmentMismatch.selector, commitment, shown));
        _as(_node(0));
        swarm.revealUpdate(1, digest, samples, salt);
    }

    function testFuzz_GivenAnyUpdate_RevealsWhatItCommitted(bytes32 digest, uint64 samples, bytes32 salt) public {
        vm.assume(digest != 0 && samples != 0);
        _commitBoth(keccak256(abi.encode(block.chainid, address(swarm), uint32(1), _node(1), digest, samples, salt)));

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.UpdateRevealed(1, _node(1), digest, samples);
        _as(_node(1));
        swarm.revealUpdate(1, digest, samples, salt);
    }

    function _make(uint256 chainId, address coordinator, uint32 round, address node) private pure returns (bytes32) {
        return keccak256(abi.encode(chainId, coordinator, round, node, DIGEST, SAMPLES, SALT));
    }

    function _commitBoth(bytes32 commitment) private {
        uint32 round = swarm.currentRound();
        for (uint256 i = 0; i < 2; ++i) {
            _as(_node(i));
            swarm.commitUpdate(round, commitment);
        }
    }

    function _expectMismatch(address node, uint32 round) private {
        _expectRevert(
            abi.encodeWithSelector(
                ISwarmCoordinator.CommitmentMismatch.selector,
                swarm.commitmentOf(node),
                _make(block.chainid, address(swarm), round, node)
            )
        );
        _as(node);
        swarm.revealUpdate(round, DIGEST, SAMPLES, SALT);
    }
}
