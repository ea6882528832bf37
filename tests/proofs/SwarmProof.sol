// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";

/// @notice The part of forge's cheat codes that Halmos knows and these proofs use.
interface Vm {
    function assume(bool condition) external pure;
    function prank(address caller) external;
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
}

/// @notice Halmos' own cheat codes: values that stand for all values.
interface Svm {
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);
    function createBytes32(string calldata name) external pure returns (bytes32);
    function createAddress(string calldata name) external pure returns (address);
    function createBool(string calldata name) external pure returns (bool);
    function createCalldata(string calldata contractName) external pure returns (bytes memory);
    function enableSymbolicStorage(address account) external;
    function snapshotStorage(address account) external returns (uint256);
}

/// @notice The code of a deployed contract, settings and all, above storage of its own in which nothing was written.
contract Twin {
    constructor(address original) {
        assembly ("memory-safe") {
            let size := extcodesize(original)
            extcodecopy(original, 0, 0, size)
            return(0, size)
        }
    }
}

/// @notice A coordinator of any settings, deployed as it ships, and calls that stand for all calls.
/// @dev Proofs ask the contract's views and compare answers; none computes what the contract should.
abstract contract SwarmProof {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    Svm internal constant svm = Svm(0xF3993A62377BCd56AE39D773740A5390411E8BC9);

    /// @dev Rounds are numbered in 32 bits and clocks read in 40: a round a second lasts 136 years, the clock 34,000.
    uint256 internal constant LAST_ROUND = type(uint32).max - 2;
    uint256 internal constant CLOCK_BITS = 39;

    /// @dev Where the coordinator keeps roles, the running round, its nodes, and its two last results; and in the word of
    /// the round, and of a node, what most proofs ask for. `StateProof` shows that views say the same; they branch more.
    uint256 private constant ROLES = 0;
    uint256 private constant ROUND = 3;
    uint256 private constant NODES = 4;
    uint256 private constant RESULTS = 5;
    uint256 private constant PHASE_BIT = 32;
    uint256 private constant OUTCOME_BIT = 40;
    uint256 private constant DEADLINE_BIT = 48;
    uint256 private constant WINDOW_BIT = 88;
    uint256 private constant STRETCH_BIT = 112;
    uint256 private constant EXPECTED_BIT = 120;
    uint256 private constant LEADING_BIT = 184;
    uint256 private constant SLOW_BIT = 192;
    uint256 private constant ACTIVE_BIT = 200;
    uint256 private constant NEWCOMER_BIT = 216;
    uint256 private constant FINALIZED_BIT = 224;
    uint256 private constant COMMITTED_BIT = 104;
    uint256 private constant REVEALED_BIT = 136;

    /// @dev Zero in every word that the contract writes: two bits hold a phase or an outcome, one a yes or no, and five
    /// a stretch, which is a power of two in 32 bits.
    uint256 internal constant SPARE = (uint256(0xfc) << PHASE_BIT) | (uint256(0xfc) << OUTCOME_BIT)
        | (uint256(0xe0) << STRETCH_BIT) | (uint256(0xfe) << LEADING_BIT) | (uint256(0xfe) << SLOW_BIT)
        | (uint256(0xfe) << NEWCOMER_BIT);

    SwarmCoordinator internal swarm;
    address internal registrar;
    uint256 internal longest;

    /// @dev Any settings that the constructor accepts.
    function setUp() public virtual {
        ISwarmCoordinator.Config memory config = _anyConfig();
        longest = config.maxWindow;
        swarm = new SwarmCoordinator(config);
    }

    /// @dev From here on this swarm, on a clock that started at any time.
    function _deploy(ISwarmCoordinator.Config memory config) internal {
        registrar = config.admin;
        swarm = new SwarmCoordinator(config);
        vm.warp(svm.createUint(38, "start"));
    }

    function _anyConfig() internal pure returns (ISwarmCoordinator.Config memory) {
        return ISwarmCoordinator.Config({
            taskDigest: svm.createBytes32("taskDigest"),
            genesisDigest: svm.createBytes32("genesisDigest"),
            isSealed: svm.createBool("isSealed"),
            quorumBps: uint16(svm.createUint(16, "quorumBps")),
            minUpdates: uint16(svm.createUint(16, "minUpdates")),
            initialWindow: uint32(svm.createUint(32, "initialWindow")),
            minWindow: uint32(svm.createUint(32, "minWindow")),
            maxWindow: uint32(svm.createUint(32, "maxWindow")),
            revealWindow: uint32(svm.createUint(32, "revealWindow")),
            mergeWindow: uint32(svm.createUint(32, "mergeWindow")),
            absenceLimit: uint16(svm.createUint(16, "absenceLimit")),
            openRegistration: svm.createBool("openRegistration"),
            admin: svm.createAddress("admin")
        });
    }

    /// @dev The same settings but for windows, where what is asked is not about time.
    function _inGivenWindows(ISwarmCoordinator.Config memory config)
        internal
        pure
        returns (ISwarmCoordinator.Config memory)
    {
        (config.initialWindow, config.minWindow, config.maxWindow) = (600, 60, 3_600);
        (config.revealWindow, config.mergeWindow) = (120, 300);
        return config;
    }

    /// @dev From here on the coordinator's code, as it was deployed, stands above storage that holds anything at all,
    /// whether or not calls could have put it there, at any time of the clock. What holds now holds in every state that
    /// the contract can reach, and in more. Bits that are spare are zero, and `EveryCall` shows that they stay so. Two
    /// numbers of nodes are given, because no solver divides by 10,000 what it does not know at all; powers of two, because
    /// Halmos divides by others to see that a product fits. The share of them that is a quorum is still any.
    function _anyState() internal {
        swarm = SwarmCoordinator(address(new Twin(address(swarm))));
        svm.enableSymbolicStorage(address(swarm));
        vm.warp(svm.createUint(CLOCK_BITS, "now"));
        _store(_word() & ~SPARE);
        _write(EXPECTED_BIT, 16, 8);
        _write(ACTIVE_BIT, 16, 4);
        vm.assume(_number() < LAST_ROUND);
    }

    /// @dev The same, where the head is read: Halmos follows no array whose index is unknown, so an odd number of
    /// finalised rounds is one case, an even one another.
    function _anyStateAndHead() internal {
        _anyState();
        _splitByHead();
    }

    function _splitByHead() internal {
        if (svm.createBool("isOdd")) _write(FINALIZED_BIT, 1, 1);
        else _write(FINALIZED_BIT, 1, 0);
    }

    function _pretendExpected(uint16 count) internal {
        _write(EXPECTED_BIT, 16, count);
    }

    function _pretendPhase(ISwarmCoordinator.Phase phase) internal {
        _write(PHASE_BIT, 8, uint256(phase));
    }

    function _number() internal view returns (uint256) {
        return _read(0, 32);
    }

    function _phase() internal view returns (uint256) {
        return _read(PHASE_BIT, 8);
    }

    function _deadline() internal view returns (uint256) {
        return _read(DEADLINE_BIT, 40);
    }

    function _window() internal view returns (uint256) {
        return _read(WINDOW_BIT, 24);
    }

    function _expected() internal view returns (uint256) {
        return _read(EXPECTED_BIT, 16);
    }

    function _active() internal view returns (uint256) {
        return _read(ACTIVE_BIT, 16);
    }

    function _finalized() internal view returns (uint256) {
        return _read(FINALIZED_BIT, 32);
    }

    /// @dev All that the running round is about; what is behind it is about the next.
    function _running() internal view returns (uint256) {
        return _read(0, ACTIVE_BIT);
    }

    /// @dev The one that an even, and the one that an odd number of finalised rounds ended in.
    function _results() internal view returns (bytes32 even, bytes32 odd) {
        return (vm.load(address(swarm), bytes32(RESULTS)), vm.load(address(swarm), bytes32(RESULTS + 1)));
    }

    function _committed(address node) internal view returns (uint256) {
        return (_record(node) >> COMMITTED_BIT) & type(uint32).max;
    }

    function _revealed(address node) internal view returns (uint256) {
        return (_record(node) >> REVEALED_BIT) & type(uint32).max;
    }

    function _record(address node) private view returns (uint256) {
        return uint256(vm.load(address(swarm), keccak256(abi.encode(node, NODES))));
    }

    /// @dev Not zero where this account is a registrar.
    function _registrarRole(address account) internal view returns (bytes32) {
        bytes32 members = keccak256(abi.encode(swarm.REGISTRAR_ROLE(), ROLES));
        return vm.load(address(swarm), keccak256(abi.encode(account, members)));
    }

    /// @dev The running or last round, all of it.
    function _word() internal view returns (uint256) {
        return uint256(vm.load(address(swarm), bytes32(ROUND)));
    }

    function _store(uint256 word) internal {
        vm.store(address(swarm), bytes32(ROUND), bytes32(word));
    }

    function _read(uint256 offset, uint256 bits) private view returns (uint256) {
        return (_word() >> offset) & _mask(bits);
    }

    function _write(uint256 offset, uint256 bits, uint256 value) private {
        _store((_word() & ~(_mask(bits) << offset)) | (value << offset));
    }

    function _mask(uint256 bits) private pure returns (uint256) {
        return (uint256(1) << bits) - 1;
    }

    /// @dev Either, without the branch that `||` takes: Halmos follows each by itself.
    function _or(bool a, bool b) internal pure returns (bool either) {
        assembly ("memory-safe") {
            either := or(a, b)
        }
    }

    /// @dev Both, without the branch that `&&` takes.
    function _and(bool a, bool b) internal pure returns (bool both) {
        assembly ("memory-safe") {
            both := and(a, b)
        }
    }

    function _anyAccount(string memory name) internal pure returns (address) {
        return svm.createAddress(name);
    }

    function _anyRound() internal pure returns (uint32) {
        return uint32(svm.createUint(32, "round"));
    }

    function _anySamples() internal pure returns (uint64) {
        return uint64(svm.createUint(64, "samples"));
    }

    function _node(uint256 index) internal pure returns (address) {
        return address(uint160(0xA0DE + index));
    }

    function _addNodes(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            vm.prank(registrar);
            swarm.addNode(_node(i), "");
        }
    }

    function _open() internal {
        vm.prank(_node(0));
        swarm.openRound();
    }

    /// @dev This call by this account, and whether it was accepted.
    function _call(address caller, bytes memory data) internal returns (bool isDone) {
        vm.prank(caller);
        (isDone,) = address(swarm).call(data);
    }
}
