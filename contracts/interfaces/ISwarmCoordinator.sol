// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The coordinator of one swarm
/// @notice Organisations train one model together. This contract says who belongs, which round is running and which
/// model the swarm agreed on. It holds digests only: each is the sha2-256 of a canonical DAG-CBOR document on IPFS, so
/// that `cidOf(digest)` is its address there. It never learns what a tensor is.
///
/// What it assumes about the outside world stands at the end.
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

    /// @notice What is fixed for the swarm's life. Windows are in seconds, at least one and at most 180 days.
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
    /// @param account Who may join with it.
    /// @param registrar Who signed it.
    /// @param expiry First timestamp at which it is no longer accepted.
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
    /// @param abortReason `None` while it runs and when it was finalised.
    /// @param base Digest of the result it started from, also once it ended: `head` is then its successor, or the base
    /// itself where the round aborted. The head before the first round.
    /// @param phaseStartedAt Timestamp at which the running phase began; 0 when idle.
    /// @param deadline Timestamp before which the phase's acts are accepted, and from which it can be closed; 0 if idle.
    /// @param expected Nodes active when it opened.
    /// @param quorum Equal attestations that finalise it.
    /// @param commits Nodes that committed (in a direct swarm: submitted).
    /// @param reveals Nodes that revealed (in a direct swarm: submitted).
    /// @param leading First result attested in this round; zero when there is none.
    /// @param leadingAttestations How many attest to `leading`; 0 once all of them changed their mind.
    /// @param trainingWindow Training window in seconds: this round's while it trains, afterwards the next round's
    /// before it is raised to `initialWindow` for a newcomer.
    /// @param stretch Factor on the revealing and merging windows, neither of which it takes above `maxWindow`: this
    /// round's while it runs, afterwards the next round's.
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

    /// @notice A node joined, by itself or by a registrar, or was taken back after it had been removed.
    /// @param node Its account.
    /// @param activeFrom First round it is expected in; an earlier one than the next where adding undid a removal of
    /// the same round.
    /// @param label What people call it. Chosen by whoever registered it: not unique, not verified.
    event NodeRegistered(address indexed node, uint32 indexed activeFrom, string label);

    /// @notice A node said where it serves its blocks; the latest announcement counts.
    /// @param node Its account.
    /// @param stores Multiaddrs or gateway URLs, separated by new lines. Written by a stranger.
    event NodeAnnounced(address indexed node, bytes stores);

    /// @notice A node was suspended, or a registrar made an existing suspension its own.
    /// @param node Its account.
    /// @param activeUntil First round it is no longer expected in.
    /// @param reason Whether it was absent, asked for it, or a registrar did it.
    event NodeSuspended(address indexed node, uint32 indexed activeUntil, SuspensionReason reason);

    /// @notice A suspension ended, by the node's `resume` or a registrar's `lift`.
    /// @param node Its account.
    /// @param activeFrom First round it is expected in; an earlier one than the next where this undid a suspension of
    /// the same round.
    event NodeResumed(address indexed node, uint32 indexed activeFrom);

    /// @notice A registrar removed a node.
    /// @param node Its account.
    /// @param activeUntil First round it is no longer expected in.
    event NodeRemoved(address indexed node, uint32 indexed activeUntil);

    /// @notice A round opened and trains.
    /// @param round Its number, one above the last one's.
    /// @param base Digest of the result it starts from: the head.
    /// @param deadline Timestamp before which updates are accepted.
    /// @param expected Nodes that are expected in it.
    /// @param quorum Equal attestations that finalise it.
    event RoundOpened(uint32 indexed round, bytes32 base, uint64 deadline, uint16 expected, uint16 quorum);

    /// @notice A node of a sealed swarm committed to an update.
    /// @param round The running round.
    /// @param node Its account.
    /// @param commitment What `revealUpdate` will be checked against.
    event UpdateCommitted(uint32 indexed round, address indexed node, bytes32 commitment);

    /// @notice Committing ended, with enough commitments: those who committed reveal now.
    /// @param round The running round.
    /// @param commits How many committed.
    /// @param deadline Timestamp before which reveals are accepted.
    event RevealingStarted(uint32 indexed round, uint16 commits, uint64 deadline);

    /// @notice A node showed the update it had committed to; in a direct swarm, it submitted one.
    /// @param round The running round.
    /// @param node Its account.
    /// @param digest Digest of the update's document.
    /// @param samples Training examples behind it, on the node's word.
    event UpdateRevealed(uint32 indexed round, address indexed node, bytes32 digest, uint64 samples);

    /// @notice The updates of a round are complete, and enough: fetch, merge and attest now.
    /// @param round The running round.
    /// @param updates How many were revealed or submitted.
    /// @param deadline Timestamp before which attestations are accepted.
    event RoundClosed(uint32 indexed round, uint16 updates, uint64 deadline);

    /// @notice A revealer attested to a result, or changed what it attests to.
    /// @param round The running round.
    /// @param node Its account.
    /// @param result Digest of the result's document; replaces what the node attested to before in this round.
    event ResultAttested(uint32 indexed round, address indexed node, bytes32 result);

    /// @notice A quorum attested to the same result: it is the head now, and the round is over.
    /// @param round The round that ended.
    /// @param result The new head.
    /// @param attestations How many attested to it: the round's quorum.
    event RoundFinalized(uint32 indexed round, bytes32 result, uint16 attestations);

    /// @notice A round ended without a result; the head stays what it was.
    /// @param round The round that ended.
    /// @param reason What it lacked at a deadline.
    event RoundAborted(uint32 indexed round, AbortReason reason);

    // ------------------------------------------------------------------------------------------------------ errors

    // Deployment.

    /// @notice A swarm needs a task document.
    error ZeroTaskDigest();

    /// @notice A swarm needs a result document to start from.
    error ZeroGenesisDigest();

    /// @notice Without an admin nobody could ever be invited or removed.
    error ZeroAdmin();

    /// @notice The quorum must be more than half of the nodes and at most all: above 5000 and at most 10000.
    /// @param quorumBps What was given, in basis points.
    error QuorumOutOfRange(uint16 quorumBps);

    /// @notice Merging needs at least two updates.
    /// @param minUpdates What was given.
    error MinUpdatesTooSmall(uint16 minUpdates);

    /// @notice The shortest training window, the revealing or the merging window is zero: nobody could act in it.
    error ZeroWindow();

    /// @notice The windows for training must satisfy `minWindow <= initialWindow <= maxWindow`.
    /// @param minWindow What was given, in seconds.
    /// @param initialWindow What was given, in seconds.
    /// @param maxWindow What was given, in seconds.
    error WindowsOutOfOrder(uint32 minWindow, uint32 initialWindow, uint32 maxWindow);

    /// @notice A window this long could hold a swarm up for good.
    /// @param maxWindow What was given, in seconds.
    /// @param limit The most that is accepted, in seconds.
    error MaxWindowTooLong(uint32 maxWindow, uint32 limit);

    /// @notice The revealing window is longer than the longest window of any phase.
    /// @param revealWindow What was given, in seconds.
    /// @param maxWindow What was given, in seconds.
    error RevealWindowTooLong(uint32 revealWindow, uint32 maxWindow);

    /// @notice The merging window is longer than the longest window of any phase.
    /// @param mergeWindow What was given, in seconds.
    /// @param maxWindow What was given, in seconds.
    error MergeWindowTooLong(uint32 mergeWindow, uint32 maxWindow);

    /// @notice With a limit of no rounds every node would be absent at once.
    error ZeroAbsenceLimit();

    // Membership.

    /// @notice Joining takes an invitation here: `registerNode` works only where `openRegistration` was chosen.
    error RegistrationNotOpen();

    /// @notice The account is a node already, active or suspended. An invitation that was used ends here.
    /// @param node The account.
    error AlreadyRegistered(address node);

    /// @notice An invitation is for one account, which must use it itself.
    /// @param account Whom it is for.
    /// @param caller Who tried.
    error InvitationNotForCaller(address account, address caller);

    /// @notice The invitation is too old; ask for a new one.
    /// @param expiry First timestamp at which it is no longer accepted.
    error InvitationExpired(uint64 expiry);

    /// @notice Whoever the invitation names as its signer is not a registrar, or no longer one.
    /// @param registrar The account it names.
    error InvitationNotFromRegistrar(address registrar);

    /// @notice The signature is not the named registrar's over exactly this invitation, on this chain and contract.
    error InvalidInvitationSignature();

    /// @notice A registrar removed this account: only `addNode` brings it back.
    /// @param node The account.
    error RemovedByRegistrar(address node);

    /// @notice There is no room for one more active node.
    /// @param limit The most nodes that can be active at once.
    error NodeLimitReached(uint16 limit);

    /// @notice The zero address cannot be a node.
    error ZeroNode();

    /// @notice The label is too long.
    /// @param length Its bytes.
    /// @param limit The most that is accepted.
    error LabelTooLong(uint256 length, uint256 limit);

    /// @notice The announcement is too long.
    /// @param length Its bytes.
    /// @param limit The most that is accepted.
    error StoresTooLong(uint256 length, uint256 limit);

    /// @notice The account is no node: it never joined, or was removed.
    /// @param account The account.
    error NotRegistered(address account);

    /// @notice Only a registrar may do this.
    /// @param caller Who tried.
    error NotRegistrar(address caller);

    /// @notice The node is not absent, so only itself and registrars may suspend it.
    /// @param node Its account.
    /// @param absentAt Number of finalised rounds from which it is absent.
    /// @param finalizedRounds Their number now.
    error NotAbsent(address node, uint32 absentAt, uint32 finalizedRounds);

    /// @notice The node is suspended already, and the caller cannot make it stricter.
    /// @param node Its account.
    error AlreadySuspended(address node);

    /// @notice There is no suspension to end: the node is active.
    /// @param node Its account.
    error NotSuspended(address node);

    /// @notice A registrar suspended the caller: only a registrar's `lift` ends that.
    /// @param node The caller.
    error SuspendedByARegistrar(address node);

    // Rounds.

    /// @notice The call names another round than the running or last one.
    /// @param round What it names.
    /// @param current Number of the running or last round.
    error NotCurrentRound(uint32 round, uint32 current);

    /// @notice The round is not in the phase for this call.
    /// @param round Number of the running or last round.
    /// @param actual Its phase.
    /// @param needed The phase this call needs. `closeRound` needs any but `Idle`, and names the first of them.
    error WrongPhase(uint32 round, Phase actual, Phase needed);

    /// @notice The phase no longer accepts this: it waits to be closed.
    /// @param round The running round.
    /// @param deadline First timestamp that is too late.
    error DeadlinePassed(uint32 round, uint64 deadline);

    /// @notice The phase cannot be closed yet: look again later.
    /// @param round The running round.
    /// @param deadline First timestamp that is late enough.
    error DeadlineNotReached(uint32 round, uint64 deadline);

    /// @notice Only an active node opens a round.
    /// @param caller Who tried.
    error NotActive(address caller);

    /// @notice A round with so few nodes could not end in a result.
    /// @param active Nodes that would be expected.
    /// @param required `max(minUpdates, quorum)` of so many.
    error TooFewActiveNodes(uint16 active, uint16 required);

    /// @notice The caller is no node, or not one that this round expects: it was suspended or removed before the round
    /// opened, or joined or returned after.
    /// @param round The running round.
    /// @param caller Who tried.
    error NotExpected(uint32 round, address caller);

    /// @notice This swarm is direct: use `submitUpdate`.
    error NotSealed();

    /// @notice This swarm is sealed: use `commitUpdate`, then `revealUpdate`.
    error NotDirect();

    /// @notice A commitment of zero binds to nothing.
    error ZeroCommitment();

    /// @notice A digest of zero is no document's.
    error ZeroDigest();

    /// @notice An update has at least one sample behind it.
    error ZeroSamples();

    /// @notice A node commits once a round. `commitmentOf` says to what.
    /// @param round The running round.
    /// @param node The caller.
    error AlreadyCommitted(uint32 round, address node);

    /// @notice A node reveals, or in a direct swarm submits, once a round.
    /// @param round The running round.
    /// @param node The caller.
    error AlreadyRevealed(uint32 round, address node);

    /// @notice Only who committed in this round reveals in it.
    /// @param round The running round.
    /// @param node The caller.
    error NotCommitted(uint32 round, address node);

    /// @notice What is shown is not what was committed.
    /// @param expected The commitment.
    /// @param actual The commitment of what is shown, by this caller, in this round, on this chain and contract.
    error CommitmentMismatch(bytes32 expected, bytes32 actual);

    /// @notice Only who revealed in this round, or in a direct swarm submitted, attests in it.
    /// @param round The running round.
    /// @param node The caller.
    error NotRevealed(uint32 round, address node);

    /// @notice The caller attests to this result already.
    /// @param round The running round.
    /// @param node The caller.
    /// @param result The result.
    error AlreadyAttested(uint32 round, address node, bytes32 result);

    // -------------------------------------------------------------------------------------------------- membership

    /// @notice Joins with a registrar's invitation; active from the next round on.
    /// @param invitation Signed by an EOA, or by an ERC-1271 wallet, that is a registrar now.
    /// @param signature EIP-712 signature over `invitation`, under this contract's domain (`eip712Domain`).
    /// @param label What people call this node, at most 64 bytes. Public for ever: nothing personal.
    function registerWithInvitation(Invitation calldata invitation, bytes calldata signature, string calldata label)
        external;

    /// @notice Joins without invitation, where registration is open; active from the next round on.
    /// @param label What people call this node, at most 64 bytes. Public for ever: nothing personal.
    function registerNode(string calldata label) external;

    /// @notice A registrar adds a node, or takes back one that was removed; active from the next round on. In the round
    /// in which it was removed, this undoes the removal.
    /// @param node Its account.
    /// @param label What people call it, at most 64 bytes. Public for ever: nothing personal.
    function addNode(address node, string calldata label) external;

    /// @notice A registrar removes a node: from the next round on, and until `addNode`.
    /// @param node Its account.
    function removeNode(address node) external;

    /// @notice Says where the caller, a node, serves its blocks.
    /// @param stores Multiaddrs or gateway URLs separated by new lines, at most 512 bytes. Kept in an event only.
    function announce(bytes calldata stores) external;

    /// @notice Suspends an active node from the next round on: itself; anyone an absent one; a registrar any other. The
    /// first two end by the node's own `resume`. A registrar that suspends another node that is already suspended makes
    /// that suspension its own, to end by `lift` only.
    /// @param node Its account.
    function suspend(address node) external;

    /// @notice A registrar makes a suspended node active again, from the next round on. In the round in which it was
    /// suspended, this undoes the suspension.
    /// @param node Its account.
    function lift(address node) external;

    /// @notice The caller, suspended for absence or by itself, is active again from the next round on. In the round in
    /// which it was suspended, this undoes the suspension. It is absent again unless it reveals in the next round that
    /// it is expected in and that is finalised.
    function resume() external;

    // ------------------------------------------------------------------------------------------------------ rounds

    /// @notice An active node opens the next round on the head, when idle and with enough active nodes.
    /// @return round Its number.
    function openRound() external returns (uint32 round);

    /// @notice Sealed swarms: binds the caller, expected in this round, to an update that nobody can read yet.
    /// @param round The running round.
    /// @param commitment keccak256(abi.encode(chainid, contract, round, node, digest, samples, salt)).
    function commitUpdate(uint32 round, bytes32 commitment) external;

    /// @notice Sealed swarms: shows what the caller committed to.
    /// @param round The running round.
    /// @param digest Digest of the update's document.
    /// @param samples Training examples behind it, at least 1.
    /// @param salt What kept the commitment from being guessed.
    function revealUpdate(uint32 round, bytes32 digest, uint64 samples, bytes32 salt) external;

    /// @notice Direct swarms: the caller, expected in this round, submits an update in one step.
    /// @param round The running round.
    /// @param digest Digest of the update's document.
    /// @param samples Training examples behind it, at least 1.
    function submitUpdate(uint32 round, bytes32 digest, uint64 samples) external;

    /// @notice Ends a phase whose deadline has passed. Anyone may.
    /// @param round The running round.
    function closeRound(uint32 round) external;

    /// @notice A revealer says which result it computed; may be changed until the round ends.
    /// @param round The running round.
    /// @param resultDigest Digest of the result's document.
    function attest(uint32 round, bytes32 resultDigest) external;

    // ------------------------------------------------------------------------------------------------------- views

    /// @notice The swarm at a glance: its configuration, its members' number and its head.
    function swarmInfo() external view returns (SwarmInfo memory);

    /// @notice Number of the running or last round; 0 before the first.
    function currentRound() external view returns (uint32);

    /// @notice What the swarm is doing.
    function phase() external view returns (Phase);

    /// @notice The running or last round; older ones are in events.
    function roundInfo() external view returns (RoundInfo memory);

    /// @notice One node's record; all zero for an account that never joined.
    /// @param account The node's account.
    function nodeInfo(address account) external view returns (NodeInfo memory);

    /// @notice Whether `account` is expected in the next round.
    /// @param account Any account.
    function isActive(address account) external view returns (bool);

    /// @notice Whether `account` is expected in the running or last round.
    /// @param account Any account.
    function isExpected(address account) external view returns (bool);

    /// @notice How many acts would move the running phase on before its deadline.
    /// @return phase_ The running phase.
    /// @return missing Commits, reveals, or attestations to the leading result that are missing; 0 when idle.
    /// @return deadline When anyone may close the phase instead; 0 when idle.
    function waitingFor() external view returns (Phase phase_, uint16 missing, uint64 deadline);

    /// @notice How many attest to a result in the running or last round.
    /// @param resultDigest Digest of the result's document.
    function attestationsFor(bytes32 resultDigest) external view returns (uint16);

    /// @notice Digest of the last finalised result; of the genesis before the first.
    function head() external view returns (bytes32);

    /// @notice The head's IPFS address.
    function headCid() external view returns (string memory);

    /// @notice A digest as CIDv1 (dag-cbor, sha2-256) in lower-case base32.
    /// @param digest The sha2-256 of any DAG-CBOR document.
    function cidOf(bytes32 digest) external pure returns (string memory);

    /// @notice The commitment of `account` in the running or last round; zero when it has none, or revealed.
    /// @param account Any account.
    function commitmentOf(address account) external view returns (bytes32);

    // ------------------------------------------------------------------------- assumptions about the outside world

    // For correctness: without them the head can be what no quorum of independent nodes found.
    //
    //  1. The chain runs the code as the EVM is specified, blocks as deep as the agents' confirmations ask for stay, and
    //     no other chain has the same id.
    //  2. sha2-256 and keccak256 are collision resistant; signatures of accounts and of ERC-1271 wallets cannot be
    //     forged, and a node's key signs only what the node wants.
    //  3. In each round, fewer than a quorum of the nodes expected in it collude; the others attest only to what they
    //     merged themselves. So the admin and the registrars let independent nodes in and keep them; where registration
    //     is open, nobody makes a quorum of accounts.
    //  4. Nobody keeps honest nodes' transactions out of blocks for `absenceLimit` finalised rounds. Whoever can, makes
    //     them absent, has them suspended, and so chooses who is left, a minority at a time.
    //  5. Salts stay secret until the update is revealed. Otherwise an update that can be guessed can be recognised
    //     before; even then it cannot be revealed from another account.
    //
    // For liveness only: without them rounds abort or wait, and the head stays what it was.
    //
    //  6. `block.timestamp` grows with real time, and a transaction is included well within the shortest window.
    //  7. At least `max(minUpdates, quorum)` of the nodes expected in a round take part, a quorum of them can read the
    //     same updates somewhere, and merging these gives the same bytes everywhere.
    //  8. Some active node has the gas to open a round, and somebody to close its phases; blocks have room for them.
    //  9. A registrar can still sign, where nodes that resume and stay away again must be kept from being expected.
    //
    // Not assumed: that clocks are exact, that all see the chain at the same time, that a document is there or well
    // formed, that a number of samples is true, or that whoever calls is a node.
}
