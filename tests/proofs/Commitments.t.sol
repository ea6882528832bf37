// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmProof} from "./SwarmProof.sol";

/// @notice A commitment that opened once opens nothing else. Any 32 bytes are committed, and any update shown: where the
/// contract accepted one, no other node, round, chain, contract or update can be shown for the same bytes.
contract CommitmentsProof is SwarmProof {
    error Accepted(bool isDone);

    bytes32 internal commitment;
    bytes32 internal digest;
    bytes32 internal salt;
    uint64 internal samples;

    function setUp() public override {}

    function check_ACommitmentOpensForItsNodeOnly() public {
        _commitTheSame();
        _assumeOpened();
        assert(!_reveal(swarm, _node(1), svm.createBytes32("digest"), _anySamples(), svm.createBytes32("salt")));
    }

    function check_ACommitmentOpensForOneUpdateOnly() public {
        _commitTheSame();
        vm.assume(_wouldReveal());
        (bytes32 other, uint64 number, bytes32 grain) =
            (svm.createBytes32("digest"), _anySamples(), svm.createBytes32("salt"));
        vm.assume(other != digest || number != samples || grain != salt);
        assert(!_reveal(swarm, _node(0), other, number, grain));
    }

    function check_ACommitmentOpensInItsRoundOnly() public {
        _commitTheSame();
        _assumeOpened();
        _abortAndOpen();
        _commitBoth(swarm);
        assert(!_reveal(swarm, _node(0), svm.createBytes32("digest"), _anySamples(), svm.createBytes32("salt")));
    }

    function check_ACommitmentOpensOnItsChainOnly() public {
        _commitTheSame();
        vm.assume(_wouldReveal());
        uint256 chain = svm.createUint(64, "chain");
        vm.assume(chain != block.chainid);
        vm.chainId(chain);
        assert(!_reveal(swarm, _node(0), svm.createBytes32("digest"), _anySamples(), svm.createBytes32("salt")));
    }

    function check_ACommitmentOpensAtItsContractOnly() public {
        _commitTheSame();
        _assumeOpened();
        SwarmCoordinator first = swarm;
        _deploy(_sealedConfig());
        assert(swarm != first);
        _addNodes(2);
        _open();
        _commitBoth(swarm);
        assert(!_reveal(swarm, _node(0), svm.createBytes32("digest"), _anySamples(), svm.createBytes32("salt")));
    }

    function _sealedConfig() private pure returns (ISwarmCoordinator.Config memory config) {
        config = _inGivenWindows(_anyConfig());
        config.isSealed = true;
        config.minUpdates = 2;
    }

    /// @dev A sealed swarm of two, both of whom committed to the same bytes.
    function _commitTheSame() private {
        _deploy(_sealedConfig());
        _addNodes(2);
        _open();
        commitment = svm.createBytes32("commitment");
        (digest, salt, samples) = (svm.createBytes32("digest"), svm.createBytes32("salt"), _anySamples());
        vm.assume(commitment != 0);
        _commitBoth(swarm);
    }

    /// @dev Reveals, says whether that was accepted, and undoes it.
    function tryReveal() external {
        revert Accepted(_reveal(swarm, _node(0), digest, samples, salt));
    }

    function _wouldReveal() private returns (bool) {
        try this.tryReveal() {
            return false;
        } catch (bytes memory answer) {
            return answer[answer.length - 1] == 0x01;
        }
    }

    function _assumeOpened() private {
        vm.assume(_reveal(swarm, _node(0), digest, samples, salt));
    }

    function _reveal(SwarmCoordinator target, address node, bytes32 shown, uint64 number, bytes32 grain)
        private
        returns (bool isDone)
    {
        bytes memory data = abi.encodeCall(target.revealUpdate, (target.currentRound(), shown, number, grain));
        vm.prank(node);
        (isDone,) = address(target).call(data);
    }

    function _commitBoth(SwarmCoordinator target) private {
        uint32 round = target.currentRound();
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(_node(i));
            target.commitUpdate(round, commitment);
        }
    }

    /// @dev Nobody else reveals or attests: two deadlines pass, and the next round opens.
    function _abortAndOpen() private {
        vm.warp(swarm.roundInfo().deadline);
        swarm.closeRound(1);
        _open();
    }
}
