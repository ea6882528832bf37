// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {Vm} from "./Vm.sol";

/// @notice What the events of a swarm amount to: its whole storage, who was expected, and how often what happened.
/// @dev A second coordinator that decides nothing. It hears what was logged, at what time and, where the event does not
/// say, by which call. What the events must not say (a result without a quorum, a gap in the rounds) ends the test.
abstract contract Ledger {
    uint256 public constant ACCOUNTS = 8;
    uint32 private constant FOREVER = type(uint32).max;
    bytes32 private constant UNUSED = bytes32(uint256(1));

    /// @dev Laid out as the coordinator's own, so that whole words can be compared.
    struct Round {
        uint32 number;
        ISwarmCoordinator.Phase phase;
        ISwarmCoordinator.AbortReason outcome;
        uint40 deadline;
        uint24 window;
        uint8 stretch;
        uint16 expected;
        uint16 commits;
        uint16 reveals;
        uint16 leadingAttestations;
        bool hasLeading;
        bool wasSlow;
        uint16 active;
        bool hasNewcomer;
        uint32 finalized;
    }

    /// @dev Laid out as the coordinator's own.
    struct Node {
        ISwarmCoordinator.NodeStatus status;
        uint32 activeFrom;
        uint32 activeUntil;
        uint32 absentAt;
        uint32 committedRound;
        uint32 revealedRound;
        uint32 attestedRound;
        bool isDissenting;
        bytes32 entry;
    }

    /// @dev When a node was last heard of, in finalised rounds, and how many of them it may miss from there.
    struct Sign {
        uint32 at;
        uint32 mayMiss;
    }

    /// @dev What the books say, at one look; words are the last ones in the running or last round.
    struct Book {
        Round round;
        bytes32 head;
        bytes32 base;
        uint256 phaseStartedAt;
        uint256 opened;
        uint256 finalized;
        uint256 aborted;
        address[ACCOUNTS] accounts;
        bytes32[ACCOUNTS] entries;
        bool[ACCOUNTS] isExpected;
        bool[ACCOUNTS] isAbsent;
        bytes32[ACCOUNTS] words;
    }

    ISwarmCoordinator.Config internal _config;
    Round internal _round;
    mapping(address account => Node) internal _nodes;
    bytes32[2] internal _results;
    bytes32 internal _leading;
    mapping(uint32 round => mapping(bytes32 result => uint16)) internal _dissent;

    /// @dev Whom the books are about.
    address[ACCOUNTS] internal _accounts;
    uint16 internal _quorum;
    bytes32 internal _base;
    uint256 internal _phaseStartedAt;
    mapping(address account => uint32 round) internal _expectedIn;
    mapping(address account => Sign) internal _signs;
    mapping(uint32 round => mapping(address account => bytes32)) internal _words;

    /// @dev What `NodeResumed` does not say: whether it was a registrar's call.
    bool internal _isLifting;

    // How often what happened.
    mapping(bytes32 what => uint256) public events;
    mapping(ISwarmCoordinator.AbortReason reason => uint256) public aborts;
    mapping(ISwarmCoordinator.SuspensionReason reason => uint256) public suspensions;
    uint256 public dissents;
    uint256 public leftTheLeading;
    uint256 public leftAnother;
    uint256 public undoneLeavings;

    constructor(ISwarmCoordinator.Config memory config) {
        _config = config;
        _round.window = uint24(config.initialWindow);
        _results = [config.genesisDigest, config.genesisDigest];
        _leading = UNUSED;
        _base = config.genesisDigest;
    }

    // ------------------------------------------------------------------------------------------------------- books

    /// @dev The words that the coordinator's storage must hold: of the round, the results and the leading one.
    function words() external view returns (bytes32[4] memory all) {
        bytes32 round;
        assembly ("memory-safe") {
            round := sload(_round.slot)
        }
        return [round, _results[0], _results[1], _leading];
    }

    /// @dev The two words of each account.
    function nodeWords() external view returns (bytes32[2][ACCOUNTS] memory all) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            Node storage node = _nodes[_accounts[i]];
            (bytes32 first, bytes32 second) = (0, 0);
            assembly ("memory-safe") {
                first := sload(node.slot)
                second := sload(add(node.slot, 1))
            }
            all[i] = [first, second];
        }
    }

    function dissentOf(uint32 round, bytes32 result) external view returns (uint16) {
        return _dissent[round][result];
    }

    function book() external view returns (Book memory all) {
        all.round = _round;
        all.head = head();
        all.base = _base;
        all.phaseStartedAt = _phaseStartedAt;
        all.opened = events[ISwarmCoordinator.RoundOpened.selector];
        all.finalized = events[ISwarmCoordinator.RoundFinalized.selector];
        all.aborted = events[ISwarmCoordinator.RoundAborted.selector];
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address node = _accounts[i];
            all.accounts[i] = node;
            all.entries[i] = _nodes[node].entry;
            all.isExpected[i] = isExpected(node);
            all.isAbsent[i] = isAbsent(node);
            all.words[i] = _words[_round.number][node];
        }
    }

    function head() public view returns (bytes32) {
        return _results[_round.finalized % 2];
    }

    function account(uint256 index) public view returns (address) {
        return _accounts[index % ACCOUNTS];
    }

    function isExpected(address node) public view returns (bool) {
        return _round.number > 0 && _expectedIn[node] == _round.number;
    }

    function isAbsent(address node) public view returns (bool) {
        Node storage record = _nodes[node];
        return record.status == ISwarmCoordinator.NodeStatus.Active && _round.finalized >= record.absentAt;
    }

    /// @dev How many have this as their last word in the running or last round.
    function agreeing(bytes32 result) public view returns (uint16 count) {
        for (uint256 i = 0; i < ACCOUNTS && result != 0; ++i) {
            if (_words[_round.number][_accounts[i]] == result) ++count;
        }
    }

    /// @dev The fewest of `nodes` that are the swarm's share of them.
    function quorumOf(uint256 nodes) public view returns (uint256 fewest) {
        while (fewest * 10_000 < nodes * _config.quorumBps) ++fewest;
    }

    function requiredOf(uint256 nodes) public view returns (uint256) {
        return _larger(quorumOf(nodes), _config.minUpdates);
    }

    // ------------------------------------------------------------------------------------------------------- events

    function _record(Vm.Log memory log) internal {
        bytes32 what = log.topics[0];
        ++events[what];
        if (what == ISwarmCoordinator.UpdateCommitted.selector) _recordCommitted(log);
        else if (what == ISwarmCoordinator.UpdateRevealed.selector) _recordRevealed(log);
        else if (what == ISwarmCoordinator.ResultAttested.selector) _recordAttested(log);
        else if (what == ISwarmCoordinator.RoundOpened.selector) _recordOpened(log);
        else if (what == ISwarmCoordinator.RevealingStarted.selector) _recordRevealing(log);
        else if (what == ISwarmCoordinator.RoundClosed.selector) _recordMerging(log);
        else if (what == ISwarmCoordinator.RoundFinalized.selector) _recordFinalized(log);
        else if (what == ISwarmCoordinator.RoundAborted.selector) _recordAborted(log);
        else if (what == ISwarmCoordinator.NodeRegistered.selector) _recordRegistered(log);
        else if (what == ISwarmCoordinator.NodeSuspended.selector) _recordSuspended(log);
        else if (what == ISwarmCoordinator.NodeResumed.selector) _recordResumed(log);
        else if (what == ISwarmCoordinator.NodeRemoved.selector) _recordRemoved(log);
        else require(what == ISwarmCoordinator.NodeAnnounced.selector, "an event that nobody declared");
    }

    // ------------------------------------------------------------------------------------------------------- rounds

    function _recordOpened(Vm.Log memory log) private {
        (bytes32 base_, uint64 deadline, uint16 expected, uint16 quorum_) =
            abi.decode(log.data, (bytes32, uint64, uint16, uint16));
        require(_round.phase == ISwarmCoordinator.Phase.Idle, "two rounds are in flight");
        require(_roundOf(log) == _round.number + 1, "the numbers of rounds have a gap");
        require(base_ == head(), "a round does not start from the head");
        require(quorum_ == quorumOf(expected) && 2 * quorum_ > expected, "a quorum is not more than half, rounded up");

        _round.number = _roundOf(log);
        if (_round.hasNewcomer) _round.window = uint24(_larger(_round.window, _config.initialWindow));
        _round.expected = expected;
        (_round.commits, _round.reveals, _round.leadingAttestations) = (0, 0, 0);
        (_round.hasLeading, _round.wasSlow, _round.hasNewcomer) = (false, false, false);
        (_base, _quorum) = (base_, quorum_);
        _startPhase(ISwarmCoordinator.Phase.Training, deadline, _round.window);
        require(_noteExpected() == expected, "expected are not the nodes that are active when the round opens");
    }

    function _noteExpected() private returns (uint16 count) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (_nodes[_accounts[i]].status != ISwarmCoordinator.NodeStatus.Active) continue;
            _expectedIn[_accounts[i]] = _round.number;
            ++count;
        }
    }

    function _recordCommitted(Vm.Log memory log) private {
        address node = _nodeOf(log);
        require(_nodes[node].committedRound != _round.number, "a node committed twice");
        require(isExpected(node), "somebody who is not expected committed");

        _nodes[node].committedRound = _round.number;
        _nodes[node].entry = abi.decode(log.data, (bytes32));
        ++_round.commits;
    }

    function _recordRevealed(Vm.Log memory log) private {
        address node = _nodeOf(log);
        require(_nodes[node].revealedRound != _round.number, "a node revealed twice");
        if (!_config.isSealed) {
            require(isExpected(node), "somebody who is not expected submitted");
            _nodes[node].committedRound = _round.number;
            ++_round.commits;
        }
        require(_nodes[node].committedRound == _round.number, "a node revealed that had not committed");

        _nodes[node].revealedRound = _round.number;
        _nodes[node].absentAt = _round.finalized + 1 + _config.absenceLimit;
        _signs[node] = Sign({at: _round.finalized, mayMiss: _config.absenceLimit});
        ++_round.reveals;
    }

    function _recordRevealing(Vm.Log memory log) private {
        (uint16 commits, uint64 deadline) = abi.decode(log.data, (uint16, uint64));
        require(_round.phase == ISwarmCoordinator.Phase.Training && _config.isSealed, "revealing follows training");
        require(commits == _round.commits, "another number of commitments than were made");
        require(commits >= requiredOf(_round.expected), "a minority went on to reveal");

        _adaptWindow();
        _startPhase(ISwarmCoordinator.Phase.Revealing, deadline, _stretched(_config.revealWindow));
    }

    function _recordMerging(Vm.Log memory log) private {
        (uint16 updates, uint64 deadline) = abi.decode(log.data, (uint16, uint64));
        bool wasTraining = _round.phase == ISwarmCoordinator.Phase.Training;
        require(wasTraining != _config.isSealed, "merging follows revealing, or training where nothing is sealed");
        require(updates == _round.reveals, "another number of updates than were revealed");
        require(updates >= requiredOf(_round.expected), "a minority went on to merge");

        if (wasTraining) _adaptWindow();
        else if (_usedMoreThanHalf()) _round.wasSlow = true;
        _startPhase(ISwarmCoordinator.Phase.Merging, deadline, _stretched(_config.mergeWindow));
    }

    function _recordAttested(Vm.Log memory log) private {
        address account_ = _nodeOf(log);
        Node storage node = _nodes[account_];
        bytes32 result = abi.decode(log.data, (bytes32));
        bytes32 before = _words[_round.number][account_];
        require(_round.phase == ISwarmCoordinator.Phase.Merging, "attested outside of merging");
        require(node.revealedRound == _round.number, "a node attested that had not revealed");
        require(before != result, "a node attested to the same twice");

        if (before != 0) _forget(node, before);
        if (!_round.hasLeading) (_round.hasLeading, _leading) = (true, result);
        if (result == _leading) ++_round.leadingAttestations;
        else _recordDissent(node, result);
        node.attestedRound = _round.number;
        node.isDissenting = result != _leading;
        _words[_round.number][account_] = result;
    }

    function _forget(Node storage node, bytes32 before) private {
        if (node.isDissenting) (++leftAnother, --_dissent[_round.number][before]);
        else (++leftTheLeading, --_round.leadingAttestations);
    }

    function _recordDissent(Node storage node, bytes32 result) private {
        ++dissents;
        node.entry = result;
        ++_dissent[_round.number][result];
    }

    function _recordFinalized(Vm.Log memory log) private {
        (bytes32 result, uint16 attestations) = abi.decode(log.data, (bytes32, uint16));
        require(_round.phase == ISwarmCoordinator.Phase.Merging, "finalised outside of merging");
        require(_attestersOf(result) == attestations, "finalised with another count than of those who attest to it");
        require(attestations == _quorum && 2 * attestations > _round.expected, "finalised without a quorum");

        if (_round.stretch > 0 && !_round.wasSlow && !_usedMoreThanHalf()) --_round.stretch;
        ++_round.finalized;
        _results[_round.finalized % 2] = result;
        _end(ISwarmCoordinator.AbortReason.None);
    }

    /// @dev Distinct nodes that this round expected, that revealed in it and whose last word this is.
    function _attestersOf(bytes32 result) private view returns (uint256 count) {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address node = _accounts[i];
            bool revealed = isExpected(node) && _nodes[node].revealedRound == _round.number;
            if (revealed && _words[_round.number][node] == result) ++count;
        }
    }

    function _recordAborted(Vm.Log memory log) private {
        ISwarmCoordinator.AbortReason reason = abi.decode(log.data, (ISwarmCoordinator.AbortReason));
        require(block.timestamp >= _round.deadline, "aborted before its deadline");
        require(uint256(reason) == uint256(_round.phase), "aborted for another reason than its phase has");
        ++aborts[reason];

        if (reason == ISwarmCoordinator.AbortReason.TooFewUpdates) {
            _adaptWindow();
        } else if (_smaller(_stretched(_config.revealWindow), _stretched(_config.mergeWindow)) < _config.maxWindow) {
            ++_round.stretch;
        }
        _end(reason);
    }

    function _stretched(uint256 window) private view returns (uint256) {
        return _smaller(window * 2 ** _round.stretch, _config.maxWindow);
    }

    function _end(ISwarmCoordinator.AbortReason outcome) private {
        _round.phase = ISwarmCoordinator.Phase.Idle;
        _round.outcome = outcome;
        _phaseStartedAt = 0;
    }

    function _startPhase(ISwarmCoordinator.Phase phase, uint64 deadline, uint256 window) private {
        require(deadline == block.timestamp + window, "a deadline that is not a window away");
        _round.phase = phase;
        _round.deadline = uint40(deadline);
        _phaseStartedAt = block.timestamp;
    }

    /// @dev Twice what the slowest took, where all came and the base was new; half as long again at the deadline.
    function _adaptWindow() private {
        uint256 wanted = _round.window;
        if (block.timestamp >= _round.deadline) wanted += (wanted + 1) / 2;
        else if (_round.outcome == ISwarmCoordinator.AbortReason.None) wanted = 2 * (block.timestamp - _phaseStartedAt);
        _round.window = uint24(_smaller(_larger(wanted, _config.minWindow), _config.maxWindow));
    }

    function _usedMoreThanHalf() private view returns (bool) {
        return 2 * (block.timestamp - _phaseStartedAt) > _round.deadline - _phaseStartedAt;
    }

    // -------------------------------------------------------------------------------------------------- membership

    function _recordRegistered(Vm.Log memory log) private {
        Node storage node = _nodes[address(uint160(uint256(log.topics[1])))];
        if (node.entry == 0) node.entry = UNUSED;
        _recordActive(log, _config.absenceLimit);
    }

    function _recordResumed(Vm.Log memory log) private {
        _recordActive(log, _isLifting ? _config.absenceLimit : 1);
    }

    function _recordActive(Vm.Log memory log, uint32 mayMiss) private {
        address account_ = address(uint160(uint256(log.topics[1])));
        Node storage node = _nodes[account_];
        uint32 from = uint32(uint256(log.topics[2]));
        require(node.status != ISwarmCoordinator.NodeStatus.Active, "an active node was activated");
        require(from == _round.number + 1 || from <= node.activeUntil, "expected from another round than the next one");
        if (node.activeUntil == _round.number + 1) ++undoneLeavings;

        node.status = ISwarmCoordinator.NodeStatus.Active;
        node.activeFrom = from;
        node.activeUntil = FOREVER;
        bool isRunning = _round.phase != ISwarmCoordinator.Phase.Idle;
        node.absentAt = _round.finalized + mayMiss + (isRunning ? 1 : 0);
        _signs[account_] = Sign({at: _round.finalized, mayMiss: mayMiss});
        ++_round.active;
        _round.hasNewcomer = true;
    }

    function _recordSuspended(Vm.Log memory log) private {
        address account_ = address(uint160(uint256(log.topics[1])));
        ISwarmCoordinator.SuspensionReason reason = abi.decode(log.data, (ISwarmCoordinator.SuspensionReason));
        if (reason == ISwarmCoordinator.SuspensionReason.Absence) _requireMissed(_signs[account_]);
        ++suspensions[reason];

        _recordInactive(log);
        bool isStrict = reason == ISwarmCoordinator.SuspensionReason.Registrar;
        _nodes[account_].status =
            isStrict ? ISwarmCoordinator.NodeStatus.SuspendedByRegistrar : ISwarmCoordinator.NodeStatus.Suspended;
    }

    function _requireMissed(Sign memory sign) private view {
        require(_round.finalized >= sign.at + sign.mayMiss, "suspended for fewer finalised rounds than it may miss");
    }

    function _recordRemoved(Vm.Log memory log) private {
        _recordInactive(log);
        _nodes[address(uint160(uint256(log.topics[1])))].status = ISwarmCoordinator.NodeStatus.Removed;
    }

    function _recordInactive(Vm.Log memory log) private {
        Node storage node = _nodes[address(uint160(uint256(log.topics[1])))];
        bool wasActive = node.status == ISwarmCoordinator.NodeStatus.Active;
        uint32 until = uint32(uint256(log.topics[2]));
        require(until == (wasActive ? _round.number + 1 : node.activeUntil), "expected until another round");
        if (wasActive) --_round.active;
        node.activeUntil = until;
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _roundOf(Vm.Log memory log) private pure returns (uint32) {
        return uint32(uint256(log.topics[1]));
    }

    /// @dev Of an event of the running round.
    function _nodeOf(Vm.Log memory log) private view returns (address) {
        require(_roundOf(log) == _round.number, "an event of another round");
        return address(uint160(uint256(log.topics[2])));
    }

    function _smaller(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _larger(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
