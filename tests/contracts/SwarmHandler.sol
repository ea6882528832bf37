// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {Vm} from "./Vm.sol";

/// @notice Seven accounts and a registrar that act at random, and books of what happened, kept from events alone.
/// @dev No call reverts: what the coordinator refuses is refused inside a `try`.
contract SwarmHandler {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    uint256 public constant ACCOUNTS = 7;
    uint256 public constant RESULTS = 3;
    uint64 internal constant SAMPLES = 9;

    SwarmCoordinator public immutable swarm;
    address internal immutable registrar;

    // The books: of the running or last round, and of the swarm's life.
    uint32 public opened;
    uint32 public finalized;
    uint32 public aborted;
    bytes32 public head;
    bytes32 public base;
    uint16 public expected;
    uint16 public quorum;
    uint64 public deadline;
    uint16 public commits;
    uint16 public reveals;
    uint256 public expectedSet;
    mapping(uint32 round => mapping(address node => bytes32)) public attestedBy;
    mapping(uint32 round => mapping(address node => bool)) public committed;
    mapping(uint32 round => mapping(address node => bool)) public revealed;

    /// @dev The first thing that went wrong, if any.
    string public wrong;

    uint256 private _stage;

    constructor(SwarmCoordinator swarm_, address registrar_) {
        swarm = swarm_;
        registrar = registrar_;
        head = swarm_.head();
    }

    // ------------------------------------------------------------------------------------------------------- acts

    /// @dev Everyone does what the phase asks for, and agrees.
    function everyone(uint256 which) external recorded {
        _advance(type(uint256).max, which, which);
    }

    /// @dev Some do what the phase asks for; the rest of them disagree.
    function some(uint256 set, uint256 which) external recorded {
        _advance(set, which, which / RESULTS);
    }

    /// @dev Anyone tries anything at any time.
    function stray(uint256 who, uint256 what, uint256 which) external recorded {
        address node = account(who);
        if (what % 5 == 0) _open(node);
        else if (what % 5 == 1) _commitOrSubmit(node);
        else if (what % 5 == 2) _reveal(node);
        else if (what % 5 == 3) _attest(node, which);
        else _close();
    }

    function close() external recorded {
        uint64 until = swarm.roundInfo().deadline;
        if (until > block.timestamp) vm.warp(until);
        _close();
    }

    function pass(uint256 time) external recorded {
        vm.warp(block.timestamp + time % 200);
    }

    function join(uint256 who) external recorded {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address node = account(who % ACCOUNTS + i);
            vm.prank(registrar);
            try swarm.addNode(node, "") {} catch {}
            vm.prank(registrar);
            try swarm.lift(node) {} catch {}
        }
    }

    function leave(uint256 by, uint256 who) external recorded {
        address node = account(who);
        if (by % 4 == 0) _suspend(registrar, node);
        else if (by % 4 == 1) _suspend(node, node);
        else if (by % 4 == 2) _suspend(account(by), node);
        else _remove(node);
    }

    function resume(uint256 who) external recorded {
        vm.prank(account(who));
        try swarm.resume() {} catch {}
    }

    // ------------------------------------------------------------------------------------------------------ views

    function account(uint256 index) public pure returns (address) {
        return address(uint160(0x1000 + index % ACCOUNTS));
    }

    function resultOf(uint32 round, uint256 which) public pure returns (bytes32) {
        return keccak256(abi.encode(round, which % RESULTS));
    }

    function attestationsFor(bytes32 result) public view returns (uint16 count) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (attestedBy[opened][account(i)] == result) ++count;
        }
    }

    function expectedNow() public view returns (uint256 set) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (swarm.isExpected(account(i))) set |= 1 << i;
        }
    }

    // ------------------------------------------------------------------------------------------------------ books

    modifier recorded() {
        vm.recordLogs();
        _;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            _record(logs[i]);
        }
        uint256 stage = uint256(swarm.currentRound()) * 4 + (uint256(swarm.phase()) + 3) % 4;
        _check(stage >= _stage, "a phase went backwards");
        _stage = stage;
        _check(swarm.phase() == ISwarmCoordinator.Phase.Idle || expectedNow() == expectedSet, "a running round changed");
    }

    function _record(Vm.Log memory log) private {
        bytes32 what = log.topics[0];
        if (what == ISwarmCoordinator.RoundOpened.selector) _recordOpened(log);
        else if (what == ISwarmCoordinator.UpdateCommitted.selector) _recordCommitted(_node(log));
        else if (what == ISwarmCoordinator.UpdateRevealed.selector) _recordRevealed(_node(log));
        else if (what == ISwarmCoordinator.RevealingStarted.selector) _recordPhase(log, commits);
        else if (what == ISwarmCoordinator.RoundClosed.selector) _recordPhase(log, reveals);
        else if (what == ISwarmCoordinator.ResultAttested.selector) _recordAttested(_node(log), log);
        else if (what == ISwarmCoordinator.RoundFinalized.selector) _recordFinalized(log);
        else if (what == ISwarmCoordinator.RoundAborted.selector) ++aborted;
    }

    function _recordOpened(Vm.Log memory log) private {
        (base, deadline, expected, quorum) = abi.decode(log.data, (bytes32, uint64, uint16, uint16));
        ++opened;
        _check(log.topics[1] == bytes32(uint256(opened)), "rounds have a gap");
        _check(opened == finalized + aborted + 1, "two rounds at once");
        _check(base == head, "a round that is not on the head");
        (commits, reveals) = (0, 0);
        expectedSet = expectedNow();
        _check(_size(expectedSet) == expected, "expected is not the number of those expected");
    }

    function _recordCommitted(address node) private {
        _check(!committed[opened][node], "committed twice");
        committed[opened][node] = true;
        ++commits;
    }

    function _recordRevealed(address node) private {
        bool isSealed = swarm.swarmInfo().config.isSealed;
        _check(!revealed[opened][node], "revealed twice");
        _check(!isSealed || committed[opened][node], "revealed without a commitment");
        revealed[opened][node] = true;
        ++reveals;
        if (!isSealed) ++commits;
    }

    function _recordPhase(Vm.Log memory log, uint16 count) private {
        uint16 said;
        (said, deadline) = abi.decode(log.data, (uint16, uint64));
        _check(said == count, "an event with another count");
        _check(2 * count > expected, "a minority went on");
    }

    function _recordAttested(address node, Vm.Log memory log) private {
        _check(revealed[opened][node], "attested without having revealed");
        attestedBy[opened][node] = abi.decode(log.data, (bytes32));
    }

    function _recordFinalized(Vm.Log memory log) private {
        (bytes32 result, uint16 attestations) = abi.decode(log.data, (bytes32, uint16));
        ++finalized;
        _check(attestationsFor(result) == attestations, "finalised with another count");
        _check(attestations == quorum && 2 * attestations > expected, "finalised without a quorum");
        head = result;
    }

    function _check(bool holds, string memory otherwise) private {
        if (!holds && bytes(wrong).length == 0) wrong = otherwise;
    }

    function _node(Vm.Log memory log) private pure returns (address) {
        return address(uint160(uint256(log.topics[2])));
    }

    function _size(uint256 set) private pure returns (uint256 size) {
        for (; set > 0; set >>= 1) {
            size += set & 1;
        }
    }

    // ----------------------------------------------------------------------------------------------------- attempts

    function _advance(uint256 set, uint256 which, uint256 other) private {
        ISwarmCoordinator.Phase phase = swarm.phase();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (set & (1 << i) == 0) continue;
            if (phase == ISwarmCoordinator.Phase.Idle) _open(account(i));
            else if (phase == ISwarmCoordinator.Phase.Training) _commitOrSubmit(account(i));
            else if (phase == ISwarmCoordinator.Phase.Revealing) _reveal(account(i));
            else _attest(account(i), i % 3 == 0 ? other : which);
        }
    }

    function _open(address node) private {
        vm.prank(node);
        try swarm.openRound() {} catch {}
    }

    function _close() private {
        try swarm.closeRound(opened) {} catch {}
    }

    function _suspend(address by, address node) private {
        vm.prank(by);
        try swarm.suspend(node) {} catch {}
    }

    function _remove(address node) private {
        vm.prank(registrar);
        try swarm.removeNode(node) {} catch {}
    }

    function _commitOrSubmit(address node) private {
        uint32 round = swarm.currentRound();
        bool isSealed = swarm.swarmInfo().config.isSealed;
        vm.prank(node);
        if (isSealed) {
            try swarm.commitUpdate(round, _commitment(round, node)) {} catch {}
        } else {
            try swarm.submitUpdate(round, _digest(round, node), SAMPLES) {} catch {}
        }
    }

    function _reveal(address node) private {
        uint32 round = swarm.currentRound();
        vm.prank(node);
        try swarm.revealUpdate(round, _digest(round, node), SAMPLES, 0) {} catch {}
    }

    function _attest(address node, uint256 which) private {
        uint32 round = swarm.currentRound();
        bytes32 result = resultOf(round, which);
        vm.prank(node);
        try swarm.attest(round, result) {} catch {}
    }

    function _digest(uint32 round, address node) private pure returns (bytes32) {
        return keccak256(abi.encode("update", round, node));
    }

    function _commitment(uint32 round, address node) private view returns (bytes32) {
        return
            keccak256(abi.encode(block.chainid, address(swarm), round, node, _digest(round, node), SAMPLES, bytes32(0)));
    }
}
