// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @dev A wallet that approves what its owner marked.
contract Wallet is IERC1271 {
    mapping(bytes32 digest => mapping(bytes32 signature => bool)) private _isApproved;

    function approve(bytes32 digest, bytes calldata signature) external {
        _isApproved[digest][keccak256(signature)] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return _isApproved[digest][keccak256(signature)] ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

contract RegisterWithInvitationTest is SwarmTest {
    uint64 internal constant EXPIRY = uint64(START + 1 days);
    address internal guest = _node(0);

    function test_RevertWhen_TheInvitationIsForSomeoneElse() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.InvitationNotForCaller.selector, guest, STRANGER));
        _as(STRANGER);
        swarm.registerWithInvitation(invitation, signature, "");
    }

    function test_RevertWhen_ItUsesItsInvitationAgain() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        _join(invitation, signature, "");

        _expectRefusal(
            invitation, signature, abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, guest)
        );
    }

    function test_RevertWhen_ItUsesAnotherInvitation() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        _add(guest);
        _suspend(registrar, guest);

        _expectRefusal(
            invitation,
            _signature(invitation, address(swarm), block.chainid),
            abi.encodeWithSelector(ISwarmCoordinator.AlreadyRegistered.selector, guest)
        );
    }

    function test_RevertWhen_ItUsesItsInvitationAfterTheRemoval() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        _join(invitation, signature, "");
        _remove(guest);

        _expectRefusal(
            invitation, signature, abi.encodeWithSelector(ISwarmCoordinator.RemovedByRegistrar.selector, guest)
        );
    }

    function test_RevertWhen_TheClockShowsTheExpiry() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        vm.warp(EXPIRY);

        _expectRefusal(
            invitation,
            _signature(invitation, address(swarm), block.chainid),
            abi.encodeWithSelector(ISwarmCoordinator.InvitationExpired.selector, EXPIRY)
        );
    }

    function test_WhenTheClockShowsTheSecondBeforeTheExpiry() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        vm.warp(EXPIRY - 1);

        _join(invitation, _signature(invitation, address(swarm), block.chainid), "");

        vm.assertTrue(swarm.isActive(guest));
    }

    function test_RevertWhen_TheSignerIsNoRegistrar() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        invitation.registrar = vm.addr(0xBEEF);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(0xBEEF, _invitationDigest(invitation, address(swarm), block.chainid));

        _expectRefusal(
            invitation,
            abi.encodePacked(r, s, v),
            abi.encodeWithSelector(ISwarmCoordinator.InvitationNotFromRegistrar.selector, vm.addr(0xBEEF))
        );
    }

    function test_RevertWhen_TheSignerIsNoLongerARegistrar() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        bytes32 role = swarm.REGISTRAR_ROLE();
        _as(registrar);
        swarm.revokeRole(role, registrar);

        _expectRefusal(
            invitation,
            signature,
            abi.encodeWithSelector(ISwarmCoordinator.InvitationNotFromRegistrar.selector, registrar)
        );
    }

    function test_RevertWhen_TheSignatureIsSomeoneElses() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(0xBEEF, _invitationDigest(invitation, address(swarm), block.chainid));
        _expectInvalid(invitation, abi.encodePacked(r, s, v));
    }

    function test_RevertWhen_TheSignatureIsNoSignature() public {
        _expectInvalid(_invitation(), "");
        _expectInvalid(_invitation(), new bytes(65));
        _expectInvalid(_invitation(), new bytes(64));
    }

    function test_RevertWhen_TheSignatureIsForAnotherExpiry() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        invitation.expiry = EXPIRY + 1;
        _expectInvalid(invitation, signature);
    }

    function test_RevertWhen_TheSignatureIsForAnotherAccount() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        invitation.account = _node(1);
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        invitation.account = guest;
        _expectInvalid(invitation, signature);
    }

    function test_RevertWhen_TheSignatureIsForAnotherContract() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        _expectInvalid(invitation, _signature(invitation, address(0xC0), block.chainid));
    }

    function test_RevertWhen_TheSignatureIsForAnotherChain() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        _expectInvalid(invitation, _signature(invitation, address(swarm), block.chainid + 1));
    }

    function test_RevertWhen_TheChainForkedSinceTheInvitation() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        vm.chainId(block.chainid + 1);
        _expectInvalid(invitation, signature);
    }

    function test_RevertWhen_TheRegistrarsWalletDoesNotApprove() public {
        (Wallet wallet, ISwarmCoordinator.Invitation memory invitation) = _walletInvitation();
        wallet.approve(_invitationDigest(invitation, address(swarm), block.chainid), "approved");
        _expectInvalid(invitation, "not approved");
    }

    function test_RevertWhen_TheRegistrarIsAContractThatSignsNothing() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        invitation.registrar = address(this);
        bytes32 role = swarm.REGISTRAR_ROLE();
        _as(registrar);
        swarm.grantRole(role, address(this));
        _expectInvalid(invitation, "anything");
    }

    function test_RevertWhen_TheLabelIsTooLong() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);

        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.LabelTooLong.selector, 65, 64));
        _join(invitation, signature, string(new bytes(65)));
    }

    function test_RevertWhen_AsManyNodesAsCanBeAreActive() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        _fillSwarm();

        _expectNodeLimit();
        _join(invitation, signature, "");
    }

    function test_WhenAnEOASigned() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();

        vm.expectEmit(address(swarm));
        emit ISwarmCoordinator.NodeRegistered(guest, 1, "clinic");
        _join(invitation, _signature(invitation, address(swarm), block.chainid), "clinic");

        vm.assertTrue(swarm.isActive(guest));
        vm.assertEq(swarm.swarmInfo().activeNodes, 1);
    }

    function test_WhenAWalletApproves() public {
        (Wallet wallet, ISwarmCoordinator.Invitation memory invitation) = _walletInvitation();
        wallet.approve(_invitationDigest(invitation, address(swarm), block.chainid), "approved");

        _join(invitation, "approved", "");

        vm.assertTrue(swarm.isActive(guest));
    }

    function test_WhenRegistrationIsOpen() public {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.openRegistration = true;
        swarm = new SwarmCoordinator(config);
        ISwarmCoordinator.Invitation memory invitation = _invitation();

        _join(invitation, _signature(invitation, address(swarm), block.chainid), "");

        vm.assertTrue(swarm.isActive(guest));
    }

    function test_WhenTheLabelIsAsLongAsCanBeAndTheExpiryAsLate() public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        invitation.expiry = type(uint64).max;

        _join(invitation, _signature(invitation, address(swarm), block.chainid), string(new bytes(64)));

        vm.assertTrue(swarm.isActive(guest));
    }

    /// @dev Whatever bit of a signature is flipped, it is nobody's.
    function testFuzz_RevertWhen_SignatureIsForged(uint256 bit) public {
        ISwarmCoordinator.Invitation memory invitation = _invitation();
        bytes memory signature = _signature(invitation, address(swarm), block.chainid);
        bit %= 65 * 8;
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _expectInvalid(invitation, signature);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _invitation() private view returns (ISwarmCoordinator.Invitation memory) {
        return ISwarmCoordinator.Invitation({account: guest, registrar: registrar, expiry: EXPIRY});
    }

    function _walletInvitation() private returns (Wallet wallet, ISwarmCoordinator.Invitation memory invitation) {
        wallet = new Wallet();
        bytes32 role = swarm.REGISTRAR_ROLE();
        _as(registrar);
        swarm.grantRole(role, address(wallet));
        invitation = _invitation();
        invitation.registrar = address(wallet);
    }

    function _signature(ISwarmCoordinator.Invitation memory invitation, address verifier, uint256 chainId)
        private
        pure
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(REGISTRAR_KEY, _invitationDigest(invitation, verifier, chainId));
        return abi.encodePacked(r, s, v);
    }

    function _join(ISwarmCoordinator.Invitation memory invitation, bytes memory signature, string memory label)
        private
    {
        _as(guest);
        swarm.registerWithInvitation(invitation, signature, label);
    }

    function _expectInvalid(ISwarmCoordinator.Invitation memory invitation, bytes memory signature) private {
        _expectRefusal(
            invitation, signature, abi.encodeWithSelector(ISwarmCoordinator.InvalidInvitationSignature.selector)
        );
    }

    function _expectRefusal(ISwarmCoordinator.Invitation memory invitation, bytes memory signature, bytes memory reason)
        private
    {
        _expectRevert(reason);
        _join(invitation, signature, "");
        vm.assertEq(swarm.swarmInfo().activeNodes, swarm.isActive(guest) ? 1 : 0);
    }
}
