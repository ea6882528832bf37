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
    uint256 internal constant LAST_SECOND = 2 ** 39;

    /// @dev Where the running round keeps what most proofs ask for. `StateProof` shows that the views say the same; they
    /// branch more.
    bytes32 private constant ROUND_SLOT = bytes32(uint256(3));
    uint256 private constant PHASE_BIT = 32;
    uint256 private constant DEADLINE_BIT = 48;
    uint256 private constant STRETCH_BIT = 112;
    uint256 private constant EXPECTED_BIT = 120;
    uint256 private constant ACTIVE_BIT = 200;
    uint256 private constant FINALIZED_BIT = 224;

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

    /// @dev From here on the coordinator's code, as it was deployed, stands above storage that holds anything at all,
    /// whether or not calls could have put it there, at any time of the clock. What holds now holds in every state that
    /// the contract can reach, and in more. Two numbers of nodes are given, because no solver divides by 10,000 what it
    /// does not know at all; the share of them that is a quorum is still any.
    function _anyState() internal {
        swarm = SwarmCoordinator(address(new Twin(address(swarm))));
        svm.enableSymbolicStorage(address(swarm));
        vm.warp(svm.createUint(64, "now"));
        _write(EXPECTED_BIT, 16, 5);
        _write(ACTIVE_BIT, 16, 4);
        vm.assume(block.timestamp < LAST_SECOND && swarm.currentRound() < LAST_ROUND);
    }

    /// @dev The same, where the head is read: Halmos follows no array whose index is unknown, so an odd number of
    /// finalised rounds is one case, an even one another.
    function _anyStateAndHead() internal {
        _anyState();
        if (svm.createBool("isOdd")) _write(FINALIZED_BIT, 1, 1);
        else _write(FINALIZED_BIT, 1, 0);
    }

    function _pretendExpected(uint16 count) internal {
        _write(EXPECTED_BIT, 16, count);
    }

    function _pretendPhase(ISwarmCoordinator.Phase phase) internal {
        _write(PHASE_BIT, 8, uint256(phase));
    }

    function _deadline() internal view returns (uint256) {
        return _read(DEADLINE_BIT, 40);
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

    /// @dev The factor is a power of two in 32 bits.
    function _isStretchFinite() internal view returns (bool) {
        return _read(STRETCH_BIT, 8) < 32;
    }

    function _read(uint256 offset, uint256 bits) private view returns (uint256) {
        return (uint256(vm.load(address(swarm), ROUND_SLOT)) >> offset) & ((uint256(1) << bits) - 1);
    }

    function _write(uint256 offset, uint256 bits, uint256 value) private {
        uint256 mask = ((uint256(1) << bits) - 1) << offset;
        uint256 word = uint256(vm.load(address(swarm), ROUND_SLOT));
        vm.store(address(swarm), ROUND_SLOT, bytes32((word & ~mask) | (value << offset)));
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

    /// @dev Any call to the coordinator by this account, with any arguments.
    function _anyCall(address caller) internal returns (bytes4 selector, bool isDone) {
        bytes memory data = svm.createCalldata("SwarmCoordinator");
        selector = bytes4(data);
        vm.prank(caller);
        (isDone,) = address(swarm).call(data);
    }

    /// @dev This call by this account, and whether it was accepted.
    function _call(address caller, bytes memory data) internal returns (bool isDone) {
        vm.prank(caller);
        (isDone,) = address(swarm).call(data);
    }
}
