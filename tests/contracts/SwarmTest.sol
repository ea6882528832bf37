// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {Vm} from "./Vm.sol";

/// @notice A swarm to test, and the steps of its life as one-liners.
abstract contract SwarmTest {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant REGISTRAR_KEY = 0xA11CE;
    bytes32 internal constant TASK = keccak256("task");
    bytes32 internal constant GENESIS = keccak256("genesis");
    bytes32 internal constant RESULT = keccak256("result");
    bytes32 internal constant OTHER = keccak256("another result");
    bytes32 internal constant THIRD = keccak256("a third result");
    uint64 internal constant SAMPLES = 0x0102030405060708;
    address internal constant STRANGER = address(0xBAD);
    string private constant LAYOUT = "the contract's storage is laid out otherwise";

    SwarmCoordinator internal swarm;
    address internal registrar = vm.addr(REGISTRAR_KEY);
    bytes private _expectedReason;

    function setUp() public virtual {
        vm.warp(START);
        swarm = new SwarmCoordinator(_sealedConfig());
    }

    // --------------------------------------------------------------------------------------------- configuration

    function _sealedConfig() internal view returns (ISwarmCoordinator.Config memory) {
        return ISwarmCoordinator.Config({
            taskDigest: TASK,
            genesisDigest: GENESIS,
            isSealed: true,
            quorumBps: 5001,
            minUpdates: 2,
            initialWindow: 600,
            minWindow: 10,
            maxWindow: 4_000,
            revealWindow: 300,
            mergeWindow: 400,
            absenceLimit: 3,
            openRegistration: false,
            admin: registrar
        });
    }

    function _directConfig() internal view returns (ISwarmCoordinator.Config memory config) {
        config = _sealedConfig();
        config.isSealed = false;
    }

    /// @dev From here on the swarm is a direct one of four nodes.
    function _makeDirect() internal {
        swarm = new SwarmCoordinator(_directConfig());
        _addNodes(4);
    }

    /// @dev From here on the swarm is one that anyone may join.
    function _openRegistration() internal {
        ISwarmCoordinator.Config memory config = _sealedConfig();
        config.openRegistration = true;
        swarm = new SwarmCoordinator(config);
    }

    // ---------------------------------------------------------------------------------------------------- members

    function _node(uint256 index) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("node", index)))));
    }

    function _add(address node) internal {
        _as(registrar);
        swarm.addNode(node, "a label");
    }

    function _addNodes(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _add(_node(i));
        }
    }

    function _remove(address node) internal {
        _as(registrar);
        swarm.removeNode(node);
    }

    function _suspend(address caller, address node) internal {
        _as(caller);
        swarm.suspend(node);
    }

    function _resume(address node) internal {
        _as(node);
        swarm.resume();
    }

    function _lift(address node) internal {
        _as(registrar);
        swarm.lift(node);
    }

    function _status(address node) internal view returns (ISwarmCoordinator.NodeStatus) {
        return swarm.nodeInfo(node).status;
    }

    /// @dev Joins with an invitation, under the longest label.
    function _registerInvited(address node) internal {
        ISwarmCoordinator.Invitation memory invitation =
            ISwarmCoordinator.Invitation({account: node, registrar: registrar, expiry: uint64(START + 365 days)});
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(REGISTRAR_KEY, _invitationDigest(invitation, address(swarm), block.chainid));
        _as(node);
        swarm.registerWithInvitation(
            invitation, abi.encodePacked(r, s, v), "the-clinic-of-a-town-with-a-name-that-is-as-long-as-it-may-be-64"
        );
    }

    /// @dev EIP-712, written out by hand, as another program would.
    function _invitationDigest(ISwarmCoordinator.Invitation memory invitation, address verifier, uint256 chainId)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("SwarmCoordinator"),
                keccak256("1"),
                chainId,
                verifier
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Invitation(address account,address registrar,uint64 expiry)"),
                invitation.account,
                invitation.registrar,
                invitation.expiry
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }

    // ---------------------------------------------------------------------------------------------------- storage

    // Where the contract keeps what no test could reach by calls. Each writer reads its value back through a view, so
    // that another layout is a failing test and not a test of nothing.
    uint256 private constant ROUND_SLOT = 3;
    uint256 private constant DISSENT_SLOT = 8;

    /// @dev Pretends to so many active nodes.
    function _setActiveNodes(uint16 count) internal {
        _writeIntoRound(200, 16, count);
        vm.assertEq(swarm.swarmInfo().activeNodes, count, LAYOUT);
    }

    /// @dev Pretends that the last round had this number.
    function _skipRounds(uint32 number) internal {
        _writeIntoRound(0, 32, number);
        vm.assertEq(swarm.currentRound(), number, LAYOUT);
    }

    /// @dev Pretends to so many finalised rounds. The head is where their parity says: only tests that do not read it.
    function _setFinalizedRounds(uint32 count) internal {
        _writeIntoRound(224, 32, count);
        vm.assertEq(swarm.swarmInfo().finalizedRounds, count, LAYOUT);
    }

    /// @dev Pretends to have learned this training window.
    function _setWindow(uint24 window) internal {
        _writeIntoRound(88, 24, window);
        vm.assertEq(swarm.roundInfo().trainingWindow, window, LAYOUT);
    }

    /// @dev Pretends that revealing and merging were stretched so often.
    function _setStretch(uint8 times) internal {
        _writeIntoRound(112, 8, times);
        vm.assertEq(swarm.roundInfo().stretch, uint256(1) << times, LAYOUT);
    }

    function _setExpected(uint16 count) internal {
        _writeIntoRound(120, 16, count);
        vm.assertEq(swarm.roundInfo().expected, count, LAYOUT);
    }

    function _setCommits(uint16 count) internal {
        _writeIntoRound(136, 16, count);
        vm.assertEq(swarm.roundInfo().commits, count, LAYOUT);
    }

    function _setReveals(uint16 count) internal {
        _writeIntoRound(152, 16, count);
        vm.assertEq(swarm.roundInfo().reveals, count, LAYOUT);
    }

    function _setLeadingAttestations(uint16 count) internal {
        _writeIntoRound(168, 16, count);
        vm.assertEq(swarm.roundInfo().leadingAttestations, count, LAYOUT);
    }

    /// @dev Pretends that so many attest to a result other than the leading one.
    function _setDissent(uint32 round, bytes32 result, uint16 count) internal {
        bytes32 ofRound = keccak256(abi.encode(round, DISSENT_SLOT));
        vm.store(address(swarm), keccak256(abi.encode(result, ofRound)), bytes32(uint256(count)));
        vm.assertEq(swarm.attestationsFor(result), count, LAYOUT);
    }

    function _fillSwarm() internal {
        _setActiveNodes(type(uint16).max);
    }

    function _writeIntoRound(uint256 offset, uint256 bits, uint256 value) private {
        bytes32 slot = bytes32(ROUND_SLOT);
        uint256 mask = (1 << bits) - 1;
        uint256 word = uint256(vm.load(address(swarm), slot)) & ~(mask << offset);
        vm.store(address(swarm), slot, bytes32(word | (value << offset)));
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    function _open() internal returns (uint32) {
        _as(_node(0));
        return swarm.openRound();
    }

    function _digest(address node) internal view returns (bytes32) {
        return keccak256(abi.encode("update", node, swarm.currentRound()));
    }

    function _salt(address node) internal view returns (bytes32) {
        return keccak256(abi.encode("salt", node, swarm.currentRound()));
    }

    function _commitment(address node) internal view returns (bytes32) {
        return keccak256(
            abi.encode(block.chainid, address(swarm), swarm.currentRound(), node, _digest(node), SAMPLES, _salt(node))
        );
    }

    function _commit(address node) internal {
        (uint32 round, bytes32 commitment) = (swarm.currentRound(), _commitment(node));
        _as(node);
        swarm.commitUpdate(round, commitment);
    }

    function _reveal(address node) internal {
        (uint32 round, bytes32 digest, bytes32 salt) = (swarm.currentRound(), _digest(node), _salt(node));
        _as(node);
        swarm.revealUpdate(round, digest, SAMPLES, salt);
    }

    function _submit(address node) internal {
        (uint32 round, bytes32 digest) = (swarm.currentRound(), _digest(node));
        _as(node);
        swarm.submitUpdate(round, digest, SAMPLES);
    }

    function _attest(address node, bytes32 result) internal {
        uint32 round = swarm.currentRound();
        _as(node);
        swarm.attest(round, result);
    }

    function _close() internal {
        uint32 round = swarm.currentRound();
        _as(STRANGER);
        swarm.closeRound(round);
    }

    function _commitFirst(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _commit(_node(i));
        }
    }

    function _revealFirst(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _reveal(_node(i));
        }
    }

    function _submitFirst(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _submit(_node(i));
        }
    }

    function _attestFirst(uint256 count, bytes32 result) internal {
        for (uint256 i = 0; i < count; ++i) {
            _attest(_node(i), result);
        }
    }

    /// @dev From idle to merging, by the first `count` nodes; those who stay away are waited for.
    function _openAndReveal(uint256 count) internal {
        _open();
        _commitFirst(count);
        if (swarm.phase() == ISwarmCoordinator.Phase.Training) _warpAndClose();
        _revealFirst(count);
    }

    /// @dev One finalised round by the first `count` nodes of a sealed swarm.
    function _finalize(uint256 count) internal {
        _openAndReveal(count);
        bytes32 result = keccak256(abi.encode("result", swarm.currentRound()));
        for (uint256 i = 0; swarm.phase() == ISwarmCoordinator.Phase.Merging; ++i) {
            _attest(_node(i), result);
        }
    }

    function _finalizeRounds(uint256 nodes, uint256 rounds) internal {
        for (uint256 i = 0; i < rounds; ++i) {
            _finalize(nodes);
        }
    }

    function _warpToDeadline() internal {
        vm.warp(swarm.roundInfo().deadline);
    }

    function _warpAndClose() internal {
        _warpToDeadline();
        _close();
    }

    /// @dev A round that nobody acted in.
    function _openAndAbort() internal {
        _open();
        _warpAndClose();
    }

    // ------------------------------------------------------------------------------------------------- assertions

    function _assertPhase(ISwarmCoordinator.Phase expected) internal view {
        vm.assertEq(uint256(swarm.phase()), uint256(expected), "phase");
    }

    function _assertStatus(address node, ISwarmCoordinator.NodeStatus expected) internal view {
        vm.assertEq(uint256(_status(node)), uint256(expected), "status");
    }

    function _assertAborted(ISwarmCoordinator.AbortReason reason) internal view {
        _assertPhase(ISwarmCoordinator.Phase.Idle);
        vm.assertEq(uint256(swarm.roundInfo().abortReason), uint256(reason), "abort reason");
    }

    /// @dev The next act must revert with exactly this error and these arguments.
    function _expectRevert(bytes memory reason) internal {
        _expectedReason = reason;
    }

    /// @dev Makes the next call this account's; looking things up before it does not use an expectation up.
    function _as(address caller) internal {
        if (_expectedReason.length > 0) vm.expectRevert(_expectedReason);
        delete _expectedReason;
        vm.prank(caller);
    }

    function _expectWrongPhase(uint32 round, ISwarmCoordinator.Phase actual, ISwarmCoordinator.Phase needed) internal {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.WrongPhase.selector, round, actual, needed));
    }

    function _expectNodeLimit() internal {
        _expectRevert(abi.encodeWithSelector(ISwarmCoordinator.NodeLimitReached.selector, type(uint16).max));
    }
}
