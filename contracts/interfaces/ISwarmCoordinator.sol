// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The coordinator of one swarm
/// @notice Organisations train one model together. This contract says who belongs, which round is running and which
/// model the swarm agreed on. It holds digests only: each is the sha2-256 of a canonical DAG-CBOR document on IPFS, so
/// that `cidOf(digest)` is its address there. It never learns what a tensor is.
///
/// @dev Assumptions about the outside world.
/// For correctness:
///  - sha2-256 and keccak256 are collision resistant; a node's key signs only what the node wants.
///  - Fewer than a quorum of the nodes expected in a round collude. A registrar is trusted with who belongs.
/// For liveness:
///  - `block.timestamp` grows with real time, and a transaction is included well within the shortest window.
///  - At least `max(minUpdates, quorum)` of the expected nodes take part in a round.
interface ISwarmCoordinator {
    // ------------------------------------------------------------------------------------------------------- types

    /// @notice What a swarm is doing. A finalised, an aborted and a not yet opened round are all `Idle`.
    enum Phase {
        Idle,
        Training,
        Revealing,
        Merging
    }

    /// @notice Why a round ended without a result.
    enum AbortReason {
        None,
        TooFewUpdates,
        TooFewReveals,
        NoQuorum
    }

    /// @notice Where a node stands. `Suspended` ends by the node's own `resume`, `SuspendedByRegistrar` by `lift`.
    enum NodeStatus {
        Unregistered,
        Active,
        Suspended,
        SuspendedByRegistrar,
        Removed
    }

    /// @notice Why a node was suspended.
    enum SuspensionReason {
        Absence,
        OwnRequest,
        Registrar
    }

    /// @notice What is fixed for the swarm's life. Windows are in seconds.
    /// @param taskDigest The task document all nodes agree on.
    /// @param genesisDigest The result document that is the head before the first round.
    /// @param isSealed True: commit, then reveal. False: submit in one step.
    /// @param quorumBps Share of the expected nodes that must attest to a result, in basis points, above 5000.
    /// @param minUpdates Fewest updates for a round to go on, at least 2.
    /// @param initialWindow First training window, and the least one after a node joined or returned.
    /// @param minWindow Shortest training window.
    /// @param maxWindow Longest window of any phase.
    /// @param revealWindow Revealing window before any stretching.
    /// @param mergeWindow Merging window before any stretching.
    /// @param absenceLimit Finalised rounds without a reveal after which a node counts as absent.
    /// @param openRegistration True: anyone may join. Then whoever makes the most accounts is the quorum.
    /// @param admin Account that names registrars, and the first registrar.
    struct Config {
        bytes32 taskDigest;
        bytes32 genesisDigest;
        bool isSealed;
        uint16 quorumBps;
        uint16 minUpdates;
        uint32 initialWindow;
        uint32 minWindow;
        uint32 maxWindow;
        uint32 revealWindow;
        uint32 mergeWindow;
        uint16 absenceLimit;
        bool openRegistration;
        address admin;
    }

    /// @notice A registrar's signed permission for one account to join (EIP-712, with chain and contract).
    struct Invitation {
        address account;
        address registrar;
        uint64 expiry;
    }

    /// @notice The swarm at a glance.
    /// @param config As deployed.
    /// @param activeNodes Nodes that are expected in the next round.
    /// @param requiredUpdates `max(minUpdates, quorum)` for the next round.
    /// @param currentRound Number of the running or last round.
    /// @param finalizedRounds Rounds finalised since deployment.
    /// @param head Digest of the last finalised result.
    struct SwarmInfo {
        Config config;
        uint16 activeNodes;
        uint16 requiredUpdates;
        uint32 currentRound;
        uint32 finalizedRounds;
        bytes32 head;
    }

    /// @notice The running or last round.
    /// @param round Its number; 0 before the first one.
    /// @param phase What it is doing; `Idle` when it ended.
    /// @param abortReason `None` unless it aborted.
    /// @param base Digest of the result it started from. Once it is finalised, still that one's successor is `head`.
    /// @param phaseStartedAt Timestamp at which the running phase began; 0 when idle.
    /// @param deadline Timestamp before which the phase's acts are accepted, and from which it can be closed; 0 when idle.
    /// @param expected Nodes active when it opened.
    /// @param quorum Equal attestations that finalise it.
    /// @param commits Nodes that committed (in a direct swarm: submitted).
    /// @param reveals Nodes that revealed (in a direct swarm: submitted).
    /// @param leading First result attested in this round; zero when there is none.
    /// @param leadingAttestations How many attest to `leading`.
    /// @param trainingWindow Training window of this round, in seconds.
    /// @param stretch Factor on the revealing and merging windows.
    struct RoundInfo {
        uint32 round;
        Phase phase;
        AbortReason abortReason;
        bytes32 base;
        uint64 phaseStartedAt;
        uint64 deadline;
        uint16 expected;
        uint16 quorum;
        uint16 commits;
        uint16 reveals;
        bytes32 leading;
        uint16 leadingAttestations;
        uint32 trainingWindow;
        uint32 stretch;
    }

    /// @notice One node's record.
    /// @param status Where it stands.
    /// @param activeFrom First round it is expected in.
    /// @param activeUntil First round it is no longer expected in.
    /// @param absentAt Number of finalised rounds from which it counts as absent.
    /// @param committedRound Last round it committed (or submitted) in; 0 for never.
    /// @param revealedRound Last round it revealed (or submitted) in; 0 for never.
    /// @param attestedRound Last round it attested in; 0 for never.
    /// @param attested What it attests to in the running or last round; zero for nothing.
    /// @param isAbsent Whether anyone may suspend it now.
    struct NodeInfo {
        NodeStatus status;
        uint32 activeFrom;
        uint32 activeUntil;
        uint32 absentAt;
        uint32 committedRound;
        uint32 revealedRound;
        uint32 attestedRound;
        bytes32 attested;
        bool isAbsent;
    }

    // ------------------------------------------------------------------------------------------------------ events

    event NodeRegistered(address indexed node, uint32 indexed activeFrom, string label);
    event NodeAnnounced(address indexed node, bytes stores);
    event NodeSuspended(address indexed node, uint32 indexed activeUntil, SuspensionReason reason);
    event NodeResumed(address indexed node, uint32 indexed activeFrom);
    event NodeRemoved(address indexed node, uint32 indexed activeUntil);

    event RoundOpened(uint32 indexed round, bytes32 base, uint64 deadline, uint16 expected, uint16 quorum);
    event UpdateCommitted(uint32 indexed round, address indexed node, bytes32 commitment);
    event RevealingStarted(uint32 indexed round, uint16 commits, uint64 deadline);
    event UpdateRevealed(uint32 indexed round, address indexed node, bytes32 digest, uint64 samples);
    event RoundClosed(uint32 indexed round, uint16 updates, uint64 deadline);
    event ResultAttested(uint32 indexed round, address indexed node, bytes32 result);
    event RoundFinalized(uint32 indexed round, bytes32 result, uint16 attestations);
    event RoundAborted(uint32 indexed round, AbortReason reason);

    // ------------------------------------------------------------------------------------------------------ errors

    // Deployment.
    error ZeroTaskDigest();
    error ZeroGenesisDigest();
    error ZeroAdmin();
    error QuorumOutOfRange(uint16 quorumBps);
    error MinUpdatesTooSmall(uint16 minUpdates);
    error ZeroWindow();
    error WindowsOutOfOrder(uint32 minWindow, uint32 initialWindow, uint32 maxWindow);
    error RevealWindowTooLong(uint32 revealWindow, uint32 maxWindow);
    error MergeWindowTooLong(uint32 mergeWindow, uint32 maxWindow);
    error ZeroAbsenceLimit();

    // Membership.
    error RegistrationNotOpen();
    error AlreadyRegistered(address node);
    error InvitationNotForCaller(address account, address caller);
    error InvitationExpired(uint64 expiry);
    error InvitationNotFromRegistrar(address registrar);
    error InvalidInvitationSignature();
    error RemovedByRegistrar(address node);
    error NodeLimitReached(uint16 limit);
    error ZeroNode();
    error LabelTooLong(uint256 length, uint256 limit);
    error StoresTooLong(uint256 length, uint256 limit);
    error NotRegistered(address account);
    error NotRegistrar(address caller);
    error NotAbsent(address node, uint32 absentAt, uint32 finalizedRounds);
    error AlreadySuspended(address node);
    error NotSuspended(address node);
    error SuspendedByARegistrar(address node);

    // Rounds.
    error NotCurrentRound(uint32 round, uint32 current);
    error WrongPhase(uint32 round, Phase actual, Phase needed);
    error DeadlinePassed(uint32 round, uint64 deadline);
    error DeadlineNotReached(uint32 round, uint64 deadline);
    error NotActive(address caller);
    error TooFewActiveNodes(uint16 active, uint16 required);
    error NotExpected(uint32 round, address caller);
    error NotSealed();
    error NotDirect();
    error ZeroCommitment();
    error ZeroDigest();
    error ZeroSamples();
    error AlreadyCommitted(uint32 round, address node);
    error AlreadyRevealed(uint32 round, address node);
    error NotCommitted(uint32 round, address node);
    error CommitmentMismatch(bytes32 expected, bytes32 actual);
    error NotRevealed(uint32 round, address node);
    error AlreadyAttested(uint32 round, address node, bytes32 result);

    // -------------------------------------------------------------------------------------------------- membership

    /// @notice Joins with a registrar's invitation; active from the next round on.
    /// @param invitation Signed by an EOA, or by an ERC-1271 wallet, that is a registrar now.
    /// @param signature EIP-712 signature over `invitation`.
    /// @param label What people call this node, at most 64 bytes. Public for ever: nothing personal.
    function registerWithInvitation(Invitation calldata invitation, bytes calldata signature, string calldata label)
        external;

    /// @notice Joins without invitation, where registration is open.
    function registerNode(string calldata label) external;

    /// @notice A registrar adds a node, or takes back one that was removed.
    function addNode(address node, string calldata label) external;

    /// @notice A registrar removes a node: from the next round on, and until `addNode`.
    function removeNode(address node) external;

    /// @notice Says where the caller serves its blocks.
    /// @param stores Multiaddrs or gateway URLs separated by new lines, at most 512 bytes.
    function announce(bytes calldata stores) external;

    /// @notice Suspends a node: itself; anyone an absent one; a registrar any other.
    function suspend(address node) external;

    /// @notice A registrar makes a suspended node active again, from the next round on.
    function lift(address node) external;

    /// @notice The caller, suspended for absence or by itself, is active again from the next round on.
    function resume() external;

    // ------------------------------------------------------------------------------------------------------ rounds

    /// @notice Opens the next round on the head.
    /// @return round Its number.
    function openRound() external returns (uint32 round);

    /// @notice Sealed swarms: binds the caller to an update that nobody can read yet.
    /// @param commitment keccak256(abi.encode(chainid, contract, round, node, digest, samples, salt)).
    function commitUpdate(uint32 round, bytes32 commitment) external;

    /// @notice Sealed swarms: shows what was committed.
    function revealUpdate(uint32 round, bytes32 digest, uint64 samples, bytes32 salt) external;

    /// @notice Direct swarms: submits an update in one step.
    function submitUpdate(uint32 round, bytes32 digest, uint64 samples) external;

    /// @notice Ends a phase whose deadline has passed. Anyone may.
    function closeRound(uint32 round) external;

    /// @notice A revealer says which result it computed; may be changed until the round ends.
    function attest(uint32 round, bytes32 resultDigest) external;

    // ------------------------------------------------------------------------------------------------------- views

    function swarmInfo() external view returns (SwarmInfo memory);
    function currentRound() external view returns (uint32);
    function phase() external view returns (Phase);
    function roundInfo() external view returns (RoundInfo memory);
    function nodeInfo(address account) external view returns (NodeInfo memory);

    /// @notice Whether `account` is expected in the next round.
    function isActive(address account) external view returns (bool);

    /// @notice Whether `account` is expected in the running or last round.
    function isExpected(address account) external view returns (bool);

    /// @notice How many acts would move the running phase on before its deadline.
    /// @return phase_ The running phase.
    /// @return missing Commits, reveals, or attestations to the leading result that are missing; 0 when idle.
    /// @return deadline When anyone may close the phase instead; 0 when idle.
    function waitingFor() external view returns (Phase phase_, uint16 missing, uint64 deadline);

    /// @notice How many attest to a result in the running or last round.
    function attestationsFor(bytes32 resultDigest) external view returns (uint16);

    /// @notice Digest of the last finalised result; of the genesis before the first.
    function head() external view returns (bytes32);

    /// @notice The head's IPFS address.
    function headCid() external view returns (string memory);

    /// @notice A digest as CIDv1 (dag-cbor, sha2-256) in lower-case base32.
    function cidOf(bytes32 digest) external pure returns (string memory);

    /// @notice The commitment of `account` in the running or last round; zero when it has none, or revealed.
    function commitmentOf(address account) external view returns (bytes32);
}
