// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {Ledger} from "./Ledger.sol";
import {Vm} from "./Vm.sol";

/// @notice Eight accounts, a registrar and a stranger that act at random, at any time, alone, together or against the
/// others.
/// @dev Before each call the books say whether it is due; it is accepted if, and only if, it is. After each call its
/// events are booked, and what no call may do is looked for. Nothing here reverts but for a broken rule.
contract SwarmHandler is Ledger {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    uint256 internal constant REGISTRAR_KEY = 0xA11CE;
    address internal constant STRANGER = address(0xBAD);
    uint64 internal constant SAMPLES = 9;
    uint256 public constant RESULTS = 4;

    /// @dev The result that only the coalition attests to: its members are the first accounts.
    uint256 internal constant POISON = 3;
    uint256 public constant COALITION = 3;

    // Where the coordinator keeps its round, its nodes and its results.
    uint256 internal constant ROUND_SLOT = 3;
    uint256 internal constant NODES_SLOT = 4;
    uint256 internal constant RESULTS_SLOT = 5;

    SwarmCoordinator public immutable swarm;
    address internal immutable registrar;

    // How often what was done.
    uint256 public calls;
    mapping(bytes4 call => uint256) public accepted;
    mapping(bytes4 call => uint256) public refusals;
    uint256 public lastSeconds;
    uint256 public outages;
    uint256 public falseOpenings;
    uint256 public minorityAttempts;
    uint256 public majorityWins;
    uint256 public changesWhileRunning;

    mapping(bytes32 slot => address) private _ownerOf;
    uint256 private _created;
    uint256 private _away;
    uint256 private _stage;
    uint40 private _deadline;

    constructor(SwarmCoordinator swarm_, address registrar_) Ledger(swarm_.swarmInfo().config) {
        swarm = swarm_;
        registrar = registrar_;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            _createAccount(i);
        }
        for (uint256 i = 0; i < 5; ++i) {
            _addNode(_accounts[i]);
        }
    }

    modifier counted() {
        ++calls;
        _;
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    /// @dev One node does one thing, mostly when it is due.
    function act(uint256 who, uint256 what, uint256 how) external counted {
        if (what % 5 == 0) _open(_pick(who, _canOpen));
        else if (what % 5 == 1) _commitAnything(_pick(who, _canCommit), how);
        else if (what % 5 == 2) _submit(_pick(who, _canCommit));
        else if (what % 5 == 3) _revealAnything(_pick(who, _hasHidden), how);
        else _attest(_pick(who, _canAttest), how % POISON);
    }

    /// @dev Too early, at the last moment that is too early, at the first that is not, or long after.
    function closeRound(uint256 when) external counted {
        if (when % 8 == 1) _toLastSecond();
        else if (when % 8 == 2) _pastDeadline(0);
        else if (when % 8 == 3) _pastDeadline(when / 8 % 365 days);
        _close(_round.number);
    }

    /// @dev All who are not away do what the phase asks for, for a few phases, mostly not waiting for the others any
    /// longer than they must. Now and then they do not agree on a result, and change their minds.
    function everyone(uint256 which, uint256 phases) external counted {
        which %= 1 << 64;
        uint256 other = phases % 8 == 0 ? which / POISON : which;
        for (uint256 i = 0; i <= phases / 8 % 6; ++i) {
            uint256 stage = _stage;
            vm.warp(block.timestamp + which / POISON % 100);
            _advance(~_away, which + i, other + i * (phases % 3), true);
            if (_stage == stage && phases % 8 > 1) _closeInTime();
        }
    }

    /// @dev Some do what the phase asks for, whether it is due or not, maybe at its last second or a second too late;
    /// not all of them agree, some change sides, and some first try to show what is not theirs.
    function some(uint256 set, uint256 which, uint256 when) external counted {
        if (when % 4 == 0) _toLastSecond();
        else if (when % 16 == 1) _pastDeadline(0);
        for (uint256 i = 0; i < ACCOUNTS && when % 4 > 1; ++i) {
            if (_hasHidden(account(i))) _reveal(account(i), account(i + 1), _round.number);
        }
        _advance(set & ~_away, which, which / POISON, false);
        if (when % 8 > 4) _advance(set & ~_away, which / POISON, which, false);
    }

    /// @dev From now on it takes no part in what everyone does; mostly, it is back.
    function goAway(uint256 who, uint256 how) external counted {
        if (how % 8 == 0) _away |= 1 << (who % ACCOUNTS);
        else _away &= ~(1 << (who % ACCOUNTS));
    }

    function pass(uint256 time) external counted {
        if (time % 4 == 0) vm.warp(block.timestamp + 1);
        else if (time % 4 == 1 && _phaseStartedAt > 0) _warpTo((_phaseStartedAt + _round.deadline) / 2 + time / 4 % 2);
        else vm.warp(block.timestamp + time / 4 % 300);
    }

    /// @dev Calls about another round than the running or last one.
    function misnumber(uint256 who, uint256 which) external counted {
        uint32 round = which % 2 == 0 || _round.number == 0 ? _round.number + 1 : _round.number - 1;
        address node = account(who);
        _call(node, abi.encodeCall(swarm.commitUpdate, (round, bytes32(which | 1))), false);
        _call(node, abi.encodeCall(swarm.submitUpdate, (round, bytes32(which | 1), SAMPLES)), false);
        _call(node, abi.encodeCall(swarm.revealUpdate, (round, bytes32(which | 1), SAMPLES, 0)), false);
        _call(node, abi.encodeCall(swarm.attest, (round, resultOf(round, 0))), false);
        _close(round);
    }

    // -------------------------------------------------------------------------------------------------- membership

    function join(uint256 who, uint256 how) external counted {
        if (how % 4 == 0) _addNode(_pick(who, _canBeAdded));
        else if (how % 4 == 1) _registerWithInvitation(_newcomer(who));
        else if (how % 4 == 2) _registerNode(_newcomer(who));
        else _call(account(who), abi.encodeCall(swarm.addNode, (account(how), "")), false);
    }

    /// @dev Mostly not where few are left, so that long walks see rounds to their end.
    function leave(uint256 who, uint256 how) external counted {
        address node = _pick(who, _isActive);
        if (_round.active < 5 && how / 4 % 4 > 0) _addNode(_pick(who, _canBeAdded));
        else if (how % 4 == 0) _suspend(node, node);
        else if (how % 4 == 1) _suspend(registrar, node);
        else if (how % 4 == 2) _suspend(registrar, _pick(who, _isSuspended));
        else _remove(registrar, node);
    }

    /// @dev By anyone: accepted where the node is absent.
    function suspendAbsent(uint256 by, uint256 who) external counted {
        _suspend(by % 2 == 0 ? STRANGER : account(by / 2), _pick(who, isAbsent));
    }

    function lift(uint256 who, uint256 by) external counted {
        _lift(by % 8 == 0 ? account(by / 8) : registrar, _pick(who, _isInactive));
    }

    function resume(uint256 who) external counted {
        address node = _pick(who, _isInactive);
        _isLifting = false;
        _call(node, abi.encodeCall(swarm.resume, ()), _isSuspended(node));
    }

    /// @dev Announces, or tries what only a registrar may.
    function speak(uint256 who, uint256 whom) external counted {
        address node = account(who);
        if (whom % 2 == 0) _call(node, abi.encodeCall(swarm.announce, ("/dns4/peer")), _isMember(node));
        else _remove(node, account(whom / 2));
    }

    // --------------------------------------------------------------------------------------------------- schemes

    /// @dev A fixed few act as one: they choose the moment, suspend whom they can, and attest to a result of their own.
    function conspire(uint256 when) external counted {
        if (when % 4 == 0) _toLastSecond();
        if (when % 4 == 1) _pastDeadline(0);
        if (when % 4 == 1) _close(_round.number);
        for (uint256 i = COALITION; i < ACCOUNTS; ++i) {
            if (isAbsent(account(i))) _suspend(account(when % COALITION), account(i));
        }
        for (uint256 phases = 0; phases <= when / 4 % 6; ++phases) {
            uint256 stage = _stage;
            for (uint256 i = 0; i < COALITION; ++i) {
                _step(account(i), POISON);
            }
            if (_stage == stage) _closeInTime();
        }
    }

    /// @dev Nobody takes part for as long as you like. Whoever can opens rounds, and a stranger closes them.
    function outage(uint256 time, uint256 rounds) external counted {
        uint256 before = _absentSet();
        uint32 finalized = _round.finalized;
        ++outages;
        for (uint256 i = 0; i <= rounds % 3; ++i) {
            _open(_pick(rounds / 4, _canOpen));
            for (uint256 phases = 0; _round.phase != ISwarmCoordinator.Phase.Idle; ++phases) {
                require(phases < 3, "three deadlines end any round");
                _pastDeadline(time % 365 days);
                _close(_round.number);
            }
        }
        require(_round.finalized == finalized && _absentSet() == before, "an outage made somebody absent");
    }

    // ------------------------------------------------------------------------------------------------------ views

    function resultOf(uint32 round, uint256 which) public pure returns (bytes32) {
        return keccak256(abi.encode(round, which % RESULTS));
    }

    // ------------------------------------------------------------------------------------------------------ steps

    function _advance(uint256 set, uint256 which, uint256 other, bool onlyWhatIsDue) private {
        uint256 stage = _stage;
        for (uint256 i = 0; i < ACCOUNTS && _stage == stage; ++i) {
            address node = account(i);
            if (set & (1 << i) == 0 || (onlyWhatIsDue && !_isDue(node))) continue;
            _step(node, (i % 3 == 0 ? other : which) % POISON);
        }
    }

    /// @dev Whether the phase asks something of it.
    function _isDue(address node) private view returns (bool) {
        ISwarmCoordinator.Phase phase = _round.phase;
        if (phase == ISwarmCoordinator.Phase.Idle) return _canOpen(node);
        if (phase == ISwarmCoordinator.Phase.Training) return _canCommit(node);
        if (phase == ISwarmCoordinator.Phase.Revealing) return _hasHidden(node);
        return _canAttest(node);
    }

    function _step(address node, uint256 which) private {
        ISwarmCoordinator.Phase phase = _round.phase;
        if (phase == ISwarmCoordinator.Phase.Idle) _open(node);
        else if (phase == ISwarmCoordinator.Phase.Training) _commitOrSubmit(node);
        else if (phase == ISwarmCoordinator.Phase.Revealing) _reveal(node, node, _round.number);
        else _attest(node, which);
    }

    function _open(address node) private {
        _call(node, abi.encodeCall(swarm.openRound, ()), _canOpen(node));
    }

    function _closeInTime() private {
        _pastDeadline(0);
        _close(_round.number);
    }

    function _close(uint32 round) private {
        bool isDue = round == _round.number && _round.phase != ISwarmCoordinator.Phase.Idle;
        _call(STRANGER, abi.encodeCall(swarm.closeRound, (round)), isDue && block.timestamp >= _round.deadline);
    }

    function _commitOrSubmit(address node) private {
        if (_config.isSealed) _commit(node, _commitmentOf(_round.number, node, address(swarm)));
        else _submit(node);
    }

    /// @dev Some commit to what they cannot show: a peer's commitment, or one for another round or contract.
    function _commitAnything(address node, uint256 which) private {
        if (which % 8 == 0) _commit(node, _commitmentOf(_round.number, account(which / 8), address(swarm)));
        else if (which % 8 == 1) _commit(node, _commitmentOf(_roundBefore(), node, address(swarm)));
        else if (which % 8 == 2) _commit(node, _commitmentOf(_round.number, node, address(this)));
        else _commit(node, _commitmentOf(_round.number, node, address(swarm)));
    }

    function _commit(address node, bytes32 commitment) private {
        bytes memory data = abi.encodeCall(swarm.commitUpdate, (_round.number, commitment));
        _call(node, data, _config.isSealed && _canCommit(node));
    }

    function _submit(address node) private {
        bytes32 digest = _digestOf(_round.number, node);
        bytes memory data = abi.encodeCall(swarm.submitUpdate, (_round.number, digest, SAMPLES));
        _call(node, data, !_config.isSealed && _canCommit(node));
    }

    function _revealAnything(address node, uint256 whose) private {
        if (whose % 4 == 0) _reveal(node, account(whose / 4), _round.number);
        else if (whose % 4 == 1) _reveal(node, node, _roundBefore());
        else _reveal(node, node, _round.number);
    }

    /// @dev Shows the update of `whose` in `madeFor`: only one's own of this round matches.
    function _reveal(address node, address whose, uint32 madeFor) private {
        (bytes32 digest, bytes32 salt) = (_digestOf(madeFor, whose), _saltOf(madeFor, whose));
        bytes memory shown = abi.encode(block.chainid, address(swarm), _round.number, node, digest, SAMPLES, salt);
        bool matches = _nodes[node].entry == keccak256(shown);
        if (_hasHidden(node) && !matches) ++falseOpenings;
        bytes memory data = abi.encodeCall(swarm.revealUpdate, (_round.number, digest, SAMPLES, salt));
        _call(node, data, _hasHidden(node) && matches);
    }

    function _attest(address node, uint256 which) private {
        bytes32 result = resultOf(_round.number, which);
        bytes32 before = _words[_round.number][node];
        if (which == POISON && _canAttest(node) && !_coalitionHasQuorum()) ++minorityAttempts;
        uint32 finalized = _round.finalized;
        _call(node, abi.encodeCall(swarm.attest, (_round.number, result)), _canAttest(node) && before != result);
        if (which == POISON && _round.finalized > finalized) _judgePoison();
        require(swarm.attestationsFor(before) == agreeing(before), "a result counts who changed its mind");
    }

    function _judgePoison() private {
        require(_coalitionHasQuorum(), "a minority moved the head");
        ++majorityWins;
    }

    function _addNode(address node) private {
        _call(registrar, abi.encodeCall(swarm.addNode, (node, "")), _canBeAdded(node));
    }

    function _registerNode(address node) private {
        bool isDue = _config.openRegistration && _isStranger(node);
        _call(node, abi.encodeCall(swarm.registerNode, ("")), isDue);
    }

    function _registerWithInvitation(address node) private {
        ISwarmCoordinator.Invitation memory invitation =
            ISwarmCoordinator.Invitation({account: node, registrar: registrar, expiry: type(uint64).max});
        bytes32 message = keccak256(abi.encode(swarm.INVITATION_TYPEHASH(), node, registrar, type(uint64).max));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _domain(), message));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(REGISTRAR_KEY, digest);
        bytes memory data =
            abi.encodeCall(swarm.registerWithInvitation, (invitation, abi.encodePacked(r, s, v), "by invitation"));
        _call(node, data, _isStranger(node));
    }

    function _remove(address by, address node) private {
        _call(by, abi.encodeCall(swarm.removeNode, (node)), by == registrar && _isMember(node));
    }

    function _suspend(address by, address node) private {
        bool isDue = _isActive(node) && (by == node || by == registrar || isAbsent(node));
        if (_isSuspended(node)) isDue = by == registrar;
        _call(by, abi.encodeCall(swarm.suspend, (node)), isDue);
    }

    function _lift(address by, address node) private {
        _isLifting = true;
        _call(by, abi.encodeCall(swarm.lift, (node)), by == registrar && _isMember(node) && !_isActive(node));
    }

    // ------------------------------------------------------------------------------------------------- conditions

    function _isOpen(ISwarmCoordinator.Phase phase) private view returns (bool) {
        return _round.phase == phase && block.timestamp < _round.deadline;
    }

    function _canOpen(address node) private view returns (bool) {
        bool isIdle = _round.phase == ISwarmCoordinator.Phase.Idle;
        return isIdle && _isActive(node) && _round.active >= requiredOf(_round.active);
    }

    function _canCommit(address node) private view returns (bool) {
        bool isNew = _nodes[node].committedRound != _round.number;
        return isNew && isExpected(node) && _isOpen(ISwarmCoordinator.Phase.Training);
    }

    /// @dev Whether it committed, has not revealed, and could.
    function _hasHidden(address node) private view returns (bool) {
        Node storage record = _nodes[node];
        bool isHidden = record.committedRound == _round.number && record.revealedRound != _round.number;
        return isHidden && _isOpen(ISwarmCoordinator.Phase.Revealing);
    }

    function _canAttest(address node) private view returns (bool) {
        return _nodes[node].revealedRound == _round.number && _isOpen(ISwarmCoordinator.Phase.Merging);
    }

    function _isActive(address node) private view returns (bool) {
        return _nodes[node].status == ISwarmCoordinator.NodeStatus.Active;
    }

    function _isSuspended(address node) private view returns (bool) {
        return _nodes[node].status == ISwarmCoordinator.NodeStatus.Suspended;
    }

    function _isInactive(address node) private view returns (bool) {
        return _isSuspended(node) || _nodes[node].status == ISwarmCoordinator.NodeStatus.SuspendedByRegistrar;
    }

    function _isMember(address node) private view returns (bool) {
        return _isActive(node) || _isInactive(node);
    }

    function _isStranger(address node) private view returns (bool) {
        return _nodes[node].status == ISwarmCoordinator.NodeStatus.Unregistered;
    }

    /// @dev Removed, and without a part in the running or last round.
    function _isGone(address node) private view returns (bool) {
        return _nodes[node].status == ISwarmCoordinator.NodeStatus.Removed && !isExpected(node);
    }

    function _canBeAdded(address node) private view returns (bool) {
        return !_isMember(node);
    }

    function _coalitionHasQuorum() private view returns (bool) {
        uint256 expected;
        for (uint256 i = 0; i < COALITION; ++i) {
            if (isExpected(account(i))) ++expected;
        }
        return expected >= _quorum;
    }

    function _absentSet() private view returns (uint256 set) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (isAbsent(account(i))) set |= 1 << i;
        }
    }

    // ------------------------------------------------------------------------------------------------------ calls

    /// @dev Accepted if, and only if, it is due.
    function _call(address by, bytes memory data, bool isDue) private {
        vm.recordLogs();
        vm.record();
        vm.prank(by);
        (bool isAccepted,) = address(swarm).call(data);
        vm.stopRecord();
        require(isAccepted == isDue, isDue ? "refused what is due" : "accepted what is not due");
        if (!isAccepted) {
            ++refusals[bytes4(data)];
            return;
        }
        ++accepted[bytes4(data)];
        uint256 absences = suspensions[ISwarmCoordinator.SuspensionReason.Absence];
        if (_phaseStartedAt > 0 && block.timestamp == _round.deadline - 1) ++lastSeconds;
        if (_phaseStartedAt > 0 && by == registrar) ++changesWhileRunning;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            _record(logs[i]);
        }
        bool isForAbsence = suspensions[ISwarmCoordinator.SuspensionReason.Absence] > absences;
        _watchWrites(bytes4(data), by, by == registrar || isForAbsence);
        _watchRound();
    }

    /// @dev A node's record is written by its own calls, a registrar's and a suspension for absence; the results by an
    /// attestation alone.
    function _watchWrites(bytes4 what, address by, bool mayTouchOthers) private {
        (, bytes32[] memory writes) = vm.accesses(address(swarm));
        for (uint256 i = 0; i < writes.length; ++i) {
            address owner = _ownerOf[writes[i]];
            require(mayTouchOthers || owner == address(0) || owner == by, "another's call changed a record");
            bool isResult = uint256(writes[i]) >= RESULTS_SLOT && uint256(writes[i]) < RESULTS_SLOT + 3;
            require(!isResult || what == ISwarmCoordinator.attest.selector, "not an attestation wrote a result");
        }
    }

    /// @dev Rounds and phases go forward, one round at a time, and a phase keeps its deadline.
    function _watchRound() private {
        uint256 word = uint256(vm.load(address(swarm), bytes32(ROUND_SLOT)));
        uint256 stage = uint256(uint32(word)) * 4 + (uint256(uint8(word >> 32)) + 3) % 4;
        uint40 deadline = uint40(word >> 48);
        require(stage >= _stage, "a phase went backwards");
        require(stage > _stage || deadline == _deadline, "a running deadline moved");
        (_stage, _deadline) = (stage, deadline);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    /// @dev Mostly the first account from `seed` on that fits; now and then just any.
    function _pick(uint256 seed, function(address) view returns (bool) fits) private view returns (address) {
        for (uint256 i = 0; i < ACCOUNTS && seed % 8 != 0; ++i) {
            if (fits(account(seed / 8 + i))) return account(seed / 8 + i);
        }
        return account(seed / 8);
    }

    /// @dev An account that never joined, in the place of one that was removed; now and then one that cannot join.
    function _newcomer(uint256 who) private returns (address) {
        for (uint256 i = 0; i < ACCOUNTS && who % 4 > 0; ++i) {
            uint256 index = (who % ACCOUNTS + i) % ACCOUNTS;
            if (_isStranger(account(index))) return account(index);
            if (_isGone(account(index))) return _createAccount(index);
        }
        return account(who);
    }

    function _createAccount(uint256 index) private returns (address node) {
        node = address(uint160(0x1000 + _created++));
        _accounts[index] = node;
        bytes32 slot = keccak256(abi.encode(node, NODES_SLOT));
        _ownerOf[slot] = node;
        _ownerOf[bytes32(uint256(slot) + 1)] = node;
    }

    function _toLastSecond() private {
        if (_phaseStartedAt > 0) _warpTo(_round.deadline - 1);
    }

    function _pastDeadline(uint256 by) private {
        if (_phaseStartedAt > 0) _warpTo(_round.deadline + by);
    }

    /// @dev Forward only: where that time is past, nothing happens.
    function _warpTo(uint256 time) private {
        if (time > block.timestamp) vm.warp(time);
    }

    function _roundBefore() private view returns (uint32) {
        return _round.number > 0 ? _round.number - 1 : 0;
    }

    function _digestOf(uint32 round, address node) private pure returns (bytes32) {
        return keccak256(abi.encode("update", round, node));
    }

    function _saltOf(uint32 round, address node) private pure returns (bytes32) {
        return keccak256(abi.encode("salt", round, node));
    }

    function _commitmentOf(uint32 round, address node, address coordinator) private view returns (bytes32) {
        return keccak256(
            abi.encode(block.chainid, coordinator, round, node, _digestOf(round, node), SAMPLES, _saltOf(round, node))
        );
    }

    function _domain() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("SwarmCoordinator"),
                keccak256("1"),
                block.chainid,
                address(swarm)
            )
        );
    }
}
