// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ISwarmCoordinator} from "./interfaces/ISwarmCoordinator.sol";

/// @title The coordinator of one swarm
/// @notice See `ISwarmCoordinator`: everything that a caller needs to know is said there.
/// @dev No proxy, no pause, no loop over nodes, nothing that is ever cleaned: a record holds the round it is about, and
/// is read only beside that round. Events come after all changes; the one external call is static.
contract SwarmCoordinator is ISwarmCoordinator, AccessControl, EIP712 {
    // -------------------------------------------------------------------------------------------------- constants

    /// @notice Who decides who belongs. The admin names registrars.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    /// @notice EIP-712 type of an invitation.
    bytes32 public constant INVITATION_TYPEHASH =
        keccak256("Invitation(address account,address registrar,uint64 expiry)");

    /// @notice Most nodes that can be active at once.
    uint16 public constant NODE_LIMIT = type(uint16).max;

    /// @notice Most bytes in a node's label.
    uint256 public constant LABEL_LIMIT = 64;

    /// @notice Most bytes in an announcement.
    uint256 public constant STORES_LIMIT = 512;

    /// @notice Longest `maxWindow` that a swarm can be given, in seconds.
    uint32 public constant WINDOW_LIMIT = 180 days;

    uint256 private constant BPS = 10_000;
    uint32 private constant FOREVER = type(uint32).max;

    /// @dev Written where the first round would otherwise pay for a new slot.
    bytes32 private constant UNUSED = bytes32(uint256(1));

    // ----------------------------------------------------------------------------------------------------- storage

    /// @dev The running or last round, in one slot.
    /// `outcome` is the last ended round's: beside a running one, it says whether that one's base is new.
    /// `window` is the training window: this round's while it trains, then what the next one starts from.
    /// `stretch` is the power of two by which the revealing and merging windows are longer.
    /// `wasSlow` is whether revealing used more than half of its window.
    /// `active` and `hasNewcomer` are about the next round.
    struct Round {
        uint32 number;
        Phase phase;
        AbortReason outcome;
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

    /// @dev One node, in two slots.
    /// `entry` is its commitment until it attests to another result than the leading one, then that result.
    struct Node {
        NodeStatus status;
        uint32 activeFrom;
        uint32 activeUntil;
        uint32 absentAt;
        uint32 committedRound;
        uint32 revealedRound;
        uint32 attestedRound;
        bool isDissenting;
        bytes32 entry;
    }

    bytes32 private immutable _taskDigest;
    bytes32 private immutable _genesisDigest;
    bool private immutable _isSealed;
    uint16 private immutable _quorumBps;
    uint16 private immutable _minUpdates;
    uint32 private immutable _initialWindow;
    uint32 private immutable _minWindow;
    uint32 private immutable _maxWindow;
    uint32 private immutable _revealWindow;
    uint32 private immutable _mergeWindow;
    uint16 private immutable _absenceLimit;
    bool private immutable _openRegistration;
    address private immutable _admin;

    Round private _round;
    mapping(address account => Node) private _nodes;

    /// @dev The head and the result before it: the one that a number of finalised rounds ended in is at its parity.
    bytes32[2] private _results;

    /// @dev First result attested in the round that set `hasLeading`; counted in `_round`.
    bytes32 private _leading;

    /// @dev How many attest to any other result.
    mapping(uint32 round => mapping(bytes32 result => uint16)) private _dissent;

    // -------------------------------------------------------------------------------------------------- deployment

    /// @param config What is fixed for the swarm's life.
    constructor(Config memory config) EIP712("SwarmCoordinator", "1") {
        _requireSensible(config);

        _taskDigest = config.taskDigest;
        _genesisDigest = config.genesisDigest;
        _isSealed = config.isSealed;
        _quorumBps = config.quorumBps;
        _minUpdates = config.minUpdates;
        _initialWindow = config.initialWindow;
        _minWindow = config.minWindow;
        _maxWindow = config.maxWindow;
        _revealWindow = config.revealWindow;
        _mergeWindow = config.mergeWindow;
        _absenceLimit = config.absenceLimit;
        _openRegistration = config.openRegistration;
        _admin = config.admin;
        _round.window = uint24(config.initialWindow);
        _results = [config.genesisDigest, config.genesisDigest];
        _leading = UNUSED;
        _grantRole(DEFAULT_ADMIN_ROLE, config.admin);
        _grantRole(REGISTRAR_ROLE, config.admin);
    }

    function _requireSensible(Config memory config) private pure {
        require(config.taskDigest != 0, ZeroTaskDigest());
        require(config.genesisDigest != 0, ZeroGenesisDigest());
        require(config.admin != address(0), ZeroAdmin());
        require(config.quorumBps > BPS / 2 && config.quorumBps <= BPS, QuorumOutOfRange(config.quorumBps));
        require(config.minUpdates >= 2, MinUpdatesTooSmall(config.minUpdates));
        require(config.minWindow > 0 && config.revealWindow > 0 && config.mergeWindow > 0, ZeroWindow());
        require(
            config.minWindow <= config.initialWindow && config.initialWindow <= config.maxWindow,
            WindowsOutOfOrder(config.minWindow, config.initialWindow, config.maxWindow)
        );
        require(config.maxWindow <= WINDOW_LIMIT, MaxWindowTooLong(config.maxWindow, WINDOW_LIMIT));
        require(config.revealWindow <= config.maxWindow, RevealWindowTooLong(config.revealWindow, config.maxWindow));
        require(config.mergeWindow <= config.maxWindow, MergeWindowTooLong(config.mergeWindow, config.maxWindow));
        require(config.absenceLimit > 0, ZeroAbsenceLimit());
    }

    // -------------------------------------------------------------------------------------------------- membership

    /// @inheritdoc ISwarmCoordinator
    function registerWithInvitation(Invitation calldata invitation, bytes calldata signature, string calldata label)
        external
    {
        require(invitation.account == msg.sender, InvitationNotForCaller(invitation.account, msg.sender));
        _requireStranger(msg.sender);
        _requireInvitation(invitation, signature);

        _join(msg.sender, label);
    }

    /// @inheritdoc ISwarmCoordinator
    function registerNode(string calldata label) external {
        require(_openRegistration, RegistrationNotOpen());
        _requireStranger(msg.sender);

        _join(msg.sender, label);
    }

    /// @inheritdoc ISwarmCoordinator
    function addNode(address node, string calldata label) external {
        _requireRegistrar();
        require(node != address(0), ZeroNode());
        NodeStatus status = _nodes[node].status;
        require(status == NodeStatus.Unregistered || status == NodeStatus.Removed, AlreadyRegistered(node));

        _join(node, label);
    }

    /// @inheritdoc ISwarmCoordinator
    function removeNode(address node) external {
        _requireRegistrar();
        Node storage record = _requireMember(node);

        if (record.status == NodeStatus.Active) _deactivate(record);
        record.status = NodeStatus.Removed;

        emit NodeRemoved(node, record.activeUntil);
    }

    /// @inheritdoc ISwarmCoordinator
    function announce(bytes calldata stores) external {
        _requireMember(msg.sender);
        require(stores.length <= STORES_LIMIT, StoresTooLong(stores.length, STORES_LIMIT));

        emit NodeAnnounced(msg.sender, stores);
    }

    /// @inheritdoc ISwarmCoordinator
    function suspend(address node) external {
        Node storage record = _requireMember(node);
        SuspensionReason reason = _requireSuspendable(node, record);

        if (record.status == NodeStatus.Active) _deactivate(record);
        record.status = reason == SuspensionReason.Registrar ? NodeStatus.SuspendedByRegistrar : NodeStatus.Suspended;

        emit NodeSuspended(node, record.activeUntil, reason);
    }

    /// @inheritdoc ISwarmCoordinator
    function lift(address node) external {
        _requireRegistrar();
        Node storage record = _requireMember(node);
        require(record.status != NodeStatus.Active, NotSuspended(node));

        _activate(record, _absenceLimit);

        emit NodeResumed(node, record.activeFrom);
    }

    /// @inheritdoc ISwarmCoordinator
    function resume() external {
        Node storage record = _requireMember(msg.sender);
        require(record.status != NodeStatus.Active, NotSuspended(msg.sender));
        require(record.status != NodeStatus.SuspendedByRegistrar, SuspendedByARegistrar(msg.sender));

        _activate(record, 1);

        emit NodeResumed(msg.sender, record.activeFrom);
    }

    // ------------------------------------------------------------------------------------------------------ rounds

    /// @inheritdoc ISwarmCoordinator
    function openRound() external returns (uint32 round) {
        Round storage current = _round;
        require(current.phase == Phase.Idle, WrongPhase(current.number, current.phase, Phase.Idle));
        require(isActive(msg.sender), NotActive(msg.sender));
        uint16 expected = current.active;
        uint16 required = _requiredUpdates(expected);
        require(expected >= required, TooFewActiveNodes(expected, required));

        uint256 window = current.window;
        if (current.hasNewcomer) window = _max(window, _initialWindow);
        uint40 deadline = uint40(block.timestamp + window);
        round = current.number + 1;
        current.number = round;
        current.phase = Phase.Training;
        current.deadline = deadline;
        current.window = uint24(window);
        current.expected = expected;
        current.commits = 0;
        current.reveals = 0;
        current.leadingAttestations = 0;
        current.hasLeading = false;
        current.wasSlow = false;
        current.hasNewcomer = false;

        emit RoundOpened(round, head(), deadline, expected, _quorum(expected));
    }

    /// @inheritdoc ISwarmCoordinator
    function commitUpdate(uint32 round, bytes32 commitment) external {
        require(_isSealed, NotSealed());
        _requireOpen(round, Phase.Training);
        Node storage node = _requireExpected(round);
        require(commitment != 0, ZeroCommitment());
        require(node.committedRound != round, AlreadyCommitted(round, msg.sender));

        node.committedRound = round;
        node.entry = commitment;
        uint16 commits = ++_round.commits;

        emit UpdateCommitted(round, msg.sender, commitment);
        if (commits == _round.expected) _endTrainingEarly(round, commits);
    }

    /// @inheritdoc ISwarmCoordinator
    function revealUpdate(uint32 round, bytes32 digest, uint64 samples, bytes32 salt) external {
        require(_isSealed, NotSealed());
        _requireOpen(round, Phase.Revealing);
        Node storage node = _nodes[msg.sender];
        (uint32 committed, uint32 revealed) = (node.committedRound, node.revealedRound);
        require(committed == round, NotCommitted(round, msg.sender));
        require(revealed != round, AlreadyRevealed(round, msg.sender));
        _requireUpdate(digest, samples);
        _requireCommitted(
            node.entry, keccak256(abi.encode(block.chainid, address(this), round, msg.sender, digest, samples, salt))
        );

        uint32 absentAt = _round.finalized + 1 + _absenceLimit;
        node.revealedRound = round;
        node.absentAt = absentAt;
        uint16 reveals = ++_round.reveals;

        emit UpdateRevealed(round, msg.sender, digest, samples);
        if (reveals == _round.commits) _endRevealing(round, reveals);
    }

    /// @inheritdoc ISwarmCoordinator
    function submitUpdate(uint32 round, bytes32 digest, uint64 samples) external {
        require(!_isSealed, NotDirect());
        _requireOpen(round, Phase.Training);
        Node storage node = _requireExpected(round);
        require(node.revealedRound != round, AlreadyRevealed(round, msg.sender));
        _requireUpdate(digest, samples);

        uint32 absentAt = _round.finalized + 1 + _absenceLimit;
        node.committedRound = round;
        node.revealedRound = round;
        node.absentAt = absentAt;
        uint16 updates = _round.commits + 1;
        _round.commits = updates;
        _round.reveals = updates;

        emit UpdateRevealed(round, msg.sender, digest, samples);
        if (updates == _round.expected) _endTrainingEarly(round, updates);
    }

    /// @inheritdoc ISwarmCoordinator
    function closeRound(uint32 round) external {
        (uint32 current, uint40 deadline, Phase running) = (_round.number, _round.deadline, _round.phase);
        require(round == current, NotCurrentRound(round, current));
        require(running != Phase.Idle, WrongPhase(round, running, Phase.Training));
        require(block.timestamp >= deadline, DeadlineNotReached(round, deadline));

        if (running == Phase.Training) _endTrainingLate(round);
        else if (running == Phase.Revealing) _endRevealingLate(round);
        else _abortStretched(round, AbortReason.NoQuorum);
    }

    /// @inheritdoc ISwarmCoordinator
    function attest(uint32 round, bytes32 resultDigest) external {
        _requireOpen(round, Phase.Merging);
        Node storage node = _nodes[msg.sender];
        require(node.revealedRound == round, NotRevealed(round, msg.sender));
        require(resultDigest != 0, ZeroDigest());
        bytes32 before = _attestedBy(node);
        require(before != resultDigest, AlreadyAttested(round, msg.sender, resultDigest));

        if (before != 0) _withdraw(node, round, before);
        uint16 attestations = _count(node, round, resultDigest);

        emit ResultAttested(round, msg.sender, resultDigest);
        if (attestations == _quorum(_round.expected)) _finalize(round, resultDigest, attestations);
    }

    // ------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ISwarmCoordinator
    function swarmInfo() external view returns (SwarmInfo memory) {
        return SwarmInfo({
            config: _config(),
            activeNodes: _round.active,
            requiredUpdates: _requiredUpdates(_round.active),
            currentRound: _round.number,
            finalizedRounds: _round.finalized,
            head: head()
        });
    }

    /// @inheritdoc ISwarmCoordinator
    function currentRound() external view returns (uint32) {
        return _round.number;
    }

    /// @inheritdoc ISwarmCoordinator
    function phase() external view returns (Phase) {
        return _round.phase;
    }

    /// @inheritdoc ISwarmCoordinator
    function roundInfo() external view returns (RoundInfo memory) {
        Round memory current = _round;
        bool isIdle = current.phase == Phase.Idle;
        return RoundInfo({
            round: current.number,
            phase: current.phase,
            abortReason: isIdle ? current.outcome : AbortReason.None,
            base: _base(),
            phaseStartedAt: isIdle ? 0 : uint64(_phaseStartedAt()),
            deadline: isIdle ? 0 : current.deadline,
            expected: current.expected,
            quorum: _quorum(current.expected),
            commits: current.commits,
            reveals: current.reveals,
            leading: current.hasLeading ? _leading : bytes32(0),
            leadingAttestations: current.leadingAttestations,
            trainingWindow: current.window,
            stretch: uint32(1) << current.stretch
        });
    }

    /// @inheritdoc ISwarmCoordinator
    function nodeInfo(address account) external view returns (NodeInfo memory) {
        Node storage node = _nodes[account];
        return NodeInfo({
            status: node.status,
            activeFrom: node.activeFrom,
            activeUntil: node.activeUntil,
            absentAt: node.absentAt,
            committedRound: node.committedRound,
            revealedRound: node.revealedRound,
            attestedRound: node.attestedRound,
            attested: _attestedBy(node),
            isAbsent: _isAbsent(node)
        });
    }

    /// @inheritdoc ISwarmCoordinator
    function isActive(address account) public view returns (bool) {
        return _nodes[account].status == NodeStatus.Active;
    }

    /// @inheritdoc ISwarmCoordinator
    function isExpected(address account) external view returns (bool) {
        return _isExpected(_nodes[account], _round.number);
    }

    /// @inheritdoc ISwarmCoordinator
    function waitingFor() external view returns (Phase phase_, uint16 missing, uint64 deadline) {
        Round memory current = _round;
        phase_ = current.phase;
        if (phase_ == Phase.Idle) return (phase_, 0, 0);
        deadline = current.deadline;
        if (phase_ == Phase.Training) missing = current.expected - current.commits;
        else if (phase_ == Phase.Revealing) missing = current.commits - current.reveals;
        else missing = _quorum(current.expected) - current.leadingAttestations;
    }

    /// @inheritdoc ISwarmCoordinator
    function attestationsFor(bytes32 resultDigest) external view returns (uint16) {
        if (_round.hasLeading && _leading == resultDigest) return _round.leadingAttestations;
        return _dissent[_round.number][resultDigest];
    }

    /// @inheritdoc ISwarmCoordinator
    function head() public view returns (bytes32) {
        return _results[_round.finalized % 2];
    }

    /// @inheritdoc ISwarmCoordinator
    function headCid() external view returns (string memory) {
        return cidOf(head());
    }

    /// @inheritdoc ISwarmCoordinator
    /// @dev 36 bytes, of which the first four say CIDv1, dag-cbor, sha2-256 and 32 bytes, are 57.6 characters of
    /// base32; `b` says that it is base32.
    function cidOf(bytes32 digest) public pure returns (string memory) {
        bytes memory alphabet = "abcdefghijklmnopqrstuvwxyz234567";
        bytes memory binary = abi.encodePacked(hex"01711220", digest);
        bytes memory text = new bytes(59);
        text[0] = "b";
        uint256 length = 1;
        uint256 buffer;
        uint256 bits;
        for (uint256 i = 0; i < binary.length; ++i) {
            buffer = (buffer << 8) | uint8(binary[i]);
            for (bits += 8; bits >= 5; ++length) {
                bits -= 5;
                text[length] = alphabet[(buffer >> bits) & 31];
            }
        }
        text[length] = alphabet[(buffer << (5 - bits)) & 31];
        return string(text);
    }

    /// @inheritdoc ISwarmCoordinator
    function commitmentOf(address account) external view returns (bytes32) {
        Node storage node = _nodes[account];
        uint32 round = _round.number;
        bool isHidden = round > 0 && node.committedRound == round && node.revealedRound != round;
        return isHidden ? node.entry : bytes32(0);
    }

    // ----------------------------------------------------------------------------------------------------- members

    function _requireRegistrar() private view {
        require(hasRole(REGISTRAR_ROLE, msg.sender), NotRegistrar(msg.sender));
    }

    /// @dev An account that may join by itself.
    function _requireStranger(address account) private view {
        NodeStatus status = _nodes[account].status;
        require(status != NodeStatus.Removed, RemovedByRegistrar(account));
        require(status == NodeStatus.Unregistered, AlreadyRegistered(account));
    }

    /// @dev An account that is a node, active or suspended.
    function _requireMember(address account) private view returns (Node storage node) {
        node = _nodes[account];
        require(node.status != NodeStatus.Unregistered && node.status != NodeStatus.Removed, NotRegistered(account));
    }

    function _requireInvitation(Invitation calldata invitation, bytes calldata signature) private view {
        address registrar = invitation.registrar;
        require(block.timestamp < invitation.expiry, InvitationExpired(invitation.expiry));
        require(hasRole(REGISTRAR_ROLE, registrar), InvitationNotFromRegistrar(registrar));
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(INVITATION_TYPEHASH, invitation.account, registrar, invitation.expiry))
        );
        require(SignatureChecker.isValidSignatureNow(registrar, digest, signature), InvalidInvitationSignature());
    }

    /// @dev On which ground the caller may suspend a member.
    function _requireSuspendable(address account, Node storage node) private view returns (SuspensionReason) {
        if (node.status == NodeStatus.Active) {
            if (account == msg.sender) return SuspensionReason.OwnRequest;
            if (_isAbsent(node)) return SuspensionReason.Absence;
            require(hasRole(REGISTRAR_ROLE, msg.sender), NotAbsent(account, node.absentAt, _round.finalized));
            return SuspensionReason.Registrar;
        }
        bool isStricter = node.status == NodeStatus.Suspended && account != msg.sender;
        require(isStricter && hasRole(REGISTRAR_ROLE, msg.sender), AlreadySuspended(account));
        return SuspensionReason.Registrar;
    }

    function _join(address account, string calldata label) private {
        require(bytes(label).length <= LABEL_LIMIT, LabelTooLong(bytes(label).length, LABEL_LIMIT));
        Node storage node = _nodes[account];

        if (node.entry == 0) node.entry = UNUSED;
        _activate(node, _absenceLimit);

        emit NodeRegistered(account, node.activeFrom, label);
    }

    /// @dev Expected from the next round on; who left in this very round never left.
    function _activate(Node storage node, uint32 roundsUntilAbsent) private {
        require(_round.active < NODE_LIMIT, NodeLimitReached(NODE_LIMIT));
        uint32 next = _round.number + 1;

        if (node.activeUntil != next) node.activeFrom = next;
        node.activeUntil = FOREVER;
        node.absentAt = _absentAfter(roundsUntilAbsent);
        node.status = NodeStatus.Active;
        ++_round.active;
        _round.hasNewcomer = true;
    }

    /// @dev Not expected from the next round on. The caller says why, in the status.
    function _deactivate(Node storage node) private {
        node.activeUntil = _round.number + 1;
        --_round.active;
    }

    /// @dev A running round is finalised before the first one that counts.
    function _absentAfter(uint32 rounds) private view returns (uint32) {
        return _round.finalized + rounds + (_round.phase == Phase.Idle ? 0 : 1);
    }

    function _isAbsent(Node storage node) private view returns (bool) {
        return node.status == NodeStatus.Active && _round.finalized >= node.absentAt;
    }

    function _isExpected(Node storage node, uint32 round) private view returns (bool) {
        (uint32 from, uint32 until) = (node.activeFrom, node.activeUntil);
        return from <= round && round < until;
    }

    // ------------------------------------------------------------------------------------------------------ phases

    /// @dev The round runs, is in this phase, and its deadline is ahead.
    function _requireOpen(uint32 round, Phase needed) private view {
        (uint32 current, uint40 deadline, Phase actual) = (_round.number, _round.deadline, _round.phase);
        require(round == current, NotCurrentRound(round, current));
        require(actual == needed, WrongPhase(round, actual, needed));
        require(block.timestamp < deadline, DeadlinePassed(round, deadline));
    }

    function _requireExpected(uint32 round) private view returns (Node storage node) {
        node = _nodes[msg.sender];
        require(_isExpected(node, round), NotExpected(round, msg.sender));
    }

    function _requireUpdate(bytes32 digest, uint64 samples) private pure {
        require(digest != 0, ZeroDigest());
        require(samples > 0, ZeroSamples());
    }

    function _requireCommitted(bytes32 commitment, bytes32 shown) private pure {
        require(commitment == shown, CommitmentMismatch(commitment, shown));
    }

    /// @dev All came: where they all had to train, the slowest says how long that takes.
    function _endTrainingEarly(uint32 round, uint16 updates) private {
        uint256 took = block.timestamp - (_round.deadline - _round.window);
        bool isBaseNew = _round.outcome == AbortReason.None;
        if (isBaseNew) _round.window = _trainingWindow(2 * took);

        _endTraining(round, updates);
    }

    /// @dev The deadline came first: half as long again, rounded up so that even one second grows.
    function _endTrainingLate(uint32 round) private {
        _round.window = _trainingWindow((uint256(_round.window) * 3 + 1) / 2);

        if (_round.commits < _requiredUpdates(_round.expected)) _abort(round, AbortReason.TooFewUpdates);
        else _endTraining(round, _round.commits);
    }

    function _endTraining(uint32 round, uint16 updates) private {
        if (_isSealed) _startRevealing(round, updates);
        else _startMerging(round, updates);
    }

    function _startRevealing(uint32 round, uint16 commits) private {
        uint40 deadline = uint40(block.timestamp + _stretched(_revealWindow));
        _round.phase = Phase.Revealing;
        _round.deadline = deadline;

        emit RevealingStarted(round, commits, deadline);
    }

    /// @dev Who committed are enough; so are they if all of them revealed.
    function _endRevealing(uint32 round, uint16 reveals) private {
        if (_isSlow(_revealWindow)) _round.wasSlow = true;

        _startMerging(round, reveals);
    }

    function _endRevealingLate(uint32 round) private {
        uint16 reveals = _round.reveals;

        if (reveals < _requiredUpdates(_round.expected)) _abortStretched(round, AbortReason.TooFewReveals);
        else _endRevealing(round, reveals);
    }

    function _startMerging(uint32 round, uint16 updates) private {
        uint40 deadline = uint40(block.timestamp + _stretched(_mergeWindow));
        _round.phase = Phase.Merging;
        _round.deadline = deadline;

        emit RoundClosed(round, updates, deadline);
    }

    /// @dev Who came late is given more time, up to the longest window.
    function _abortStretched(uint32 round, AbortReason reason) private {
        bool canStretch = _stretched(_revealWindow) < _maxWindow || _stretched(_mergeWindow) < _maxWindow;
        if (canStretch) ++_round.stretch;

        _abort(round, reason);
    }

    function _abort(uint32 round, AbortReason reason) private {
        _round.phase = Phase.Idle;
        _round.outcome = reason;

        emit RoundAborted(round, reason);
    }

    function _finalize(uint32 round, bytes32 result, uint16 attestations) private {
        uint8 stretch = _round.stretch;
        if (stretch > 0 && !_round.wasSlow && !_isSlow(_mergeWindow)) _round.stretch = stretch - 1;
        uint32 finalized = _round.finalized + 1;
        _round.phase = Phase.Idle;
        _round.outcome = AbortReason.None;
        _round.finalized = finalized;
        _results[finalized % 2] = result;

        emit RoundFinalized(round, result, attestations);
    }

    // ------------------------------------------------------------------------------------------------ attestations

    /// @dev What a node attests to in the running or last round; zero for nothing.
    function _attestedBy(Node storage node) private view returns (bytes32) {
        uint32 round = _round.number;
        if (round == 0 || node.attestedRound != round) return 0;
        return node.isDissenting ? node.entry : _leading;
    }

    function _withdraw(Node storage node, uint32 round, bytes32 result) private {
        if (node.isDissenting) --_dissent[round][result];
        else --_round.leadingAttestations;
    }

    /// @dev How many attest to `result`, this node included. The first result attested in a round leads it to its end.
    function _count(Node storage node, uint32 round, bytes32 result) private returns (uint16) {
        if (!_round.hasLeading) {
            _round.hasLeading = true;
            _leading = result;
        }
        bool agrees = result == _leading;
        node.attestedRound = round;
        node.isDissenting = !agrees;
        if (agrees) return ++_round.leadingAttestations;

        node.entry = result;
        return ++_dissent[round][result];
    }

    // ----------------------------------------------------------------------------------------------------- windows

    /// @dev When the running phase began: its deadline less its window.
    function _phaseStartedAt() private view returns (uint256) {
        return _round.deadline - _phaseWindow();
    }

    function _phaseWindow() private view returns (uint256) {
        Phase running = _round.phase;
        if (running == Phase.Training) return _round.window;
        return _stretched(running == Phase.Revealing ? _revealWindow : _mergeWindow);
    }

    /// @dev Whether the running phase, of this window before stretching, used more than half of it.
    function _isSlow(uint32 window) private view returns (bool) {
        return 2 * block.timestamp + _stretched(window) > 2 * uint256(_round.deadline);
    }

    function _stretched(uint32 window) private view returns (uint256) {
        return _min(uint256(window) << _round.stretch, _maxWindow);
    }

    function _trainingWindow(uint256 wanted) private view returns (uint24) {
        return uint24(_max(_minWindow, _min(wanted, _maxWindow)));
    }

    // ------------------------------------------------------------------------------------------------------- sizes

    /// @dev Rounded up, so that more than half of the basis points are more than half of the nodes.
    function _quorum(uint16 expected) private view returns (uint16) {
        return uint16((uint256(expected) * _quorumBps + BPS - 1) / BPS);
    }

    function _requiredUpdates(uint16 expected) private view returns (uint16) {
        return uint16(_max(_minUpdates, _quorum(expected)));
    }

    /// @dev What the running or last round started from: where it was finalised, the result before the head.
    function _base() private view returns (bytes32) {
        bool wasFinalized = _round.number > 0 && _round.phase == Phase.Idle && _round.outcome == AbortReason.None;
        return wasFinalized ? _results[(_round.finalized + 1) % 2] : head();
    }

    function _config() private view returns (Config memory) {
        return Config({
            taskDigest: _taskDigest,
            genesisDigest: _genesisDigest,
            isSealed: _isSealed,
            quorumBps: _quorumBps,
            minUpdates: _minUpdates,
            initialWindow: _initialWindow,
            minWindow: _minWindow,
            maxWindow: _maxWindow,
            revealWindow: _revealWindow,
            mergeWindow: _mergeWindow,
            absenceLimit: _absenceLimit,
            openRegistration: _openRegistration,
            admin: _admin
        });
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
