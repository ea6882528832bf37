// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";
import {ISwarmCoordinator} from "../../contracts/interfaces/ISwarmCoordinator.sol";
import {Ledger} from "./Ledger.sol";
import {SwarmHandler} from "./SwarmHandler.sol";
import {SwarmTest} from "./SwarmTest.sol";

/// @notice What holds after any sequence of acts by anyone at any time. One walk asks all of it.
/// @dev What must hold of single calls (which are accepted, what they may write, what events may say) is asked by
/// `SwarmHandler` and `Ledger` at each call.
abstract contract InvariantsTest is SwarmTest {
    // Where the coordinator keeps its round, its nodes, its results, the leading one, and who dissents.
    uint256 private constant ROUND = 3;
    uint256 private constant NODES = 4;
    uint256 private constant RESULTS = 5;
    uint256 private constant LEADING = 7;
    uint256 private constant DISSENT = 8;
    uint256 private constant ACCOUNTS = 8;

    /// @dev What the coordinator shows, at one look, beside what the books say.
    struct Views {
        ISwarmCoordinator.RoundInfo round;
        ISwarmCoordinator.SwarmInfo swarm;
        ISwarmCoordinator.NodeInfo[ACCOUNTS] nodes;
        Ledger.Book book;
    }

    SwarmHandler internal handler;

    function setUp() public override {
        vm.warp(START);
        swarm = new SwarmCoordinator(_config());
        handler = new SwarmHandler(swarm, registrar);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev What it changes is undone by forge, which keeps nothing of an invariant's own calls.
    function invariant_EverythingThatMustHold() public {
        Views memory all = _look();
        _storageIsWhatTheEventsAmountTo(all);
        _headIsTheLastFinalisedResult(all);
        _quorumIsMoreThanHalfOfThoseExpected(all);
        _countersMatchEvents(all);
        _roundsAreNumberedWithoutGaps(all);
        _attestationsAreThoseOfLastWords(all);
        _commitmentsAreThoseOfThisRound(all);
        _earlierRoundsAreNeverReadAsThisOne(all);
        _expectedAreThoseWhoWereActiveWhenItOpened(all);
        _activeNodesAreThoseThatTheNextRoundExpects(all);
        _absentAreThoseWhoMissedFinalisedRounds(all);
        _windowsStayWithinTheirBounds(all);
        _deadlinesAreAWindowAwayFromTheirPhase(all);
        _waitingIsForThoseWhoAreMissing(all);
        _aStrangerCanEndTheRound();
        _anActiveNodeCanOpenTheNext(all);
    }

    function _look() private view returns (Views memory all) {
        all.round = swarm.roundInfo();
        all.swarm = swarm.swarmInfo();
        all.book = handler.book();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            all.nodes[i] = swarm.nodeInfo(all.book.accounts[i]);
        }
    }

    // ---------------------------------------------------------------------------------------------------- storage

    /// @dev Word by word: whoever has the events has everything.
    function _storageIsWhatTheEventsAmountTo(Views memory all) private view {
        bytes32[4] memory words = handler.words();
        bytes32[2][ACCOUNTS] memory nodes = handler.nodeWords();
        require(_load(ROUND) == words[0], "the round's word is not what the events amount to");
        require(_load(RESULTS) == words[1] && _load(RESULTS + 1) == words[2], "the results are other ones");
        require(_load(LEADING) == words[3], "the leading result is not the first of the events");
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            uint256 slot = uint256(keccak256(abi.encode(all.book.accounts[i], NODES)));
            require(_load(slot) == nodes[i][0], "a node's record is not what the events amount to");
            require(_load(slot + 1) == nodes[i][1], "a node's entry is not what the events amount to");
        }
        _dissentIsWhatTheEventsAmountTo(all.round.round);
    }

    function _dissentIsWhatTheEventsAmountTo(uint32 round) private view {
        bytes32 ofRound = keccak256(abi.encode(round, DISSENT));
        for (uint256 i = 0; i < handler.RESULTS(); ++i) {
            bytes32 result = handler.resultOf(round, i);
            uint256 count = uint256(_load(uint256(keccak256(abi.encode(result, ofRound)))));
            require(count == handler.dissentOf(round, result), "dissent is not what the events amount to");
        }
    }

    // ------------------------------------------------------------------------------------------------------ rounds

    function _headIsTheLastFinalisedResult(Views memory all) private view {
        require(swarm.head() == all.book.head && all.swarm.head == all.book.head, "the head is another");
        require(all.round.base == all.book.base, "the base is another");
        require(all.swarm.finalizedRounds == all.book.finalized, "another number of finalised rounds");
    }

    function _quorumIsMoreThanHalfOfThoseExpected(Views memory all) private pure {
        if (all.round.round == 0) return;
        (uint256 quorum, uint256 share) = (all.round.quorum, all.round.expected * uint256(all.swarm.config.quorumBps));
        require(2 * quorum > all.round.expected, "a quorum of half or less");
        require(quorum * 10_000 >= share && (quorum - 1) * 10_000 < share, "a quorum that is not rounded up");
        require(all.round.leadingAttestations <= quorum, "more attest than are needed");
    }

    function _countersMatchEvents(Views memory all) private pure {
        (uint256 committed, uint256 revealed, uint256 attesting) = _counted(all);
        require(all.round.commits == committed, "another number of commitments");
        require(all.round.reveals == revealed, "another number of reveals");
        require(attesting <= revealed && revealed <= committed, "who attests revealed, and who revealed committed");
        require(committed <= all.round.expected, "who committed was expected");
    }

    function _counted(Views memory all) private pure returns (uint256 committed, uint256 revealed, uint256 attesting) {
        for (uint256 i = 0; i < ACCOUNTS && all.round.round > 0; ++i) {
            if (all.nodes[i].committedRound == all.round.round) ++committed;
            if (all.nodes[i].revealedRound == all.round.round) ++revealed;
            if (all.nodes[i].attestedRound == all.round.round) ++attesting;
        }
    }

    function _roundsAreNumberedWithoutGaps(Views memory all) private view {
        uint256 running = all.round.phase == ISwarmCoordinator.Phase.Idle ? 0 : 1;
        require(swarm.currentRound() == all.book.opened && all.round.round == all.book.opened, "another number");
        require(all.book.opened == all.book.finalized + all.book.aborted + running, "more than one is in flight");
    }

    function _attestationsAreThoseOfLastWords(Views memory all) private view {
        for (uint256 i = 0; i < handler.RESULTS(); ++i) {
            bytes32 result = handler.resultOf(all.round.round, i);
            require(swarm.attestationsFor(result) == _agreeing(all, result), "another number of attestations");
        }
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            require(all.nodes[i].attested == all.book.words[i], "attests to another result");
        }
    }

    function _agreeing(Views memory all, bytes32 result) private pure returns (uint256 count) {
        for (uint256 i = 0; i < ACCOUNTS && result != 0; ++i) {
            if (all.book.words[i] == result) ++count;
        }
    }

    function _commitmentsAreThoseOfThisRound(Views memory all) private view {
        uint32 round = all.round.round;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            ISwarmCoordinator.NodeInfo memory node = all.nodes[i];
            bool isHidden = round > 0 && node.committedRound == round && node.revealedRound < round;
            bytes32 commitment = swarm.commitmentOf(all.book.accounts[i]);
            require(commitment == (isHidden ? all.book.entries[i] : bytes32(0)), "another commitment");
        }
    }

    /// @dev A result of the round before counts nothing in this one, and who was silent in this one said nothing.
    function _earlierRoundsAreNeverReadAsThisOne(Views memory all) private view {
        uint32 round = all.round.round;
        for (uint256 i = 0; i < handler.RESULTS() && round > 0; ++i) {
            require(swarm.attestationsFor(handler.resultOf(round - 1, i)) == 0, "an earlier round's result counts");
        }
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            bool isSilent = all.nodes[i].attestedRound < round;
            require(!isSilent || all.nodes[i].attested == 0, "an earlier attestation is read as today's");
        }
    }

    // -------------------------------------------------------------------------------------------------- membership

    /// @dev Whatever became of them since.
    function _expectedAreThoseWhoWereActiveWhenItOpened(Views memory all) private view {
        uint256 expected;
        for (uint256 i = 0; i < ACCOUNTS && all.round.round > 0; ++i) {
            bool isExpected = swarm.isExpected(all.book.accounts[i]);
            require(isExpected == all.book.isExpected[i], "who is expected changed while it ran");
            if (isExpected) ++expected;
        }
        require(all.round.expected == expected, "how many are expected changed while it ran");
    }

    function _activeNodesAreThoseThatTheNextRoundExpects(Views memory all) private view {
        uint256 active;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            bool isActive = all.nodes[i].status == ISwarmCoordinator.NodeStatus.Active;
            require(isActive == (all.nodes[i].activeUntil == type(uint32).max), "active, but not for good");
            require(isActive == swarm.isActive(all.book.accounts[i]), "active, or not");
            if (isActive) ++active;
        }
        require(all.swarm.activeNodes == active, "another number of active nodes");
        require(all.swarm.requiredUpdates == handler.requiredOf(active), "another number of updates is needed");
    }

    function _absentAreThoseWhoMissedFinalisedRounds(Views memory all) private pure {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            require(all.nodes[i].isAbsent == all.book.isAbsent[i], "absent, or not");
        }
    }

    // -------------------------------------------------------------------------------------------------------- time

    function _windowsStayWithinTheirBounds(Views memory all) private pure {
        ISwarmCoordinator.Config memory config = all.swarm.config;
        uint256 shortest = config.revealWindow < config.mergeWindow ? config.revealWindow : config.mergeWindow;
        require(all.round.trainingWindow >= config.minWindow, "too short a window");
        require(all.round.trainingWindow <= config.maxWindow, "too long a window");
        require(all.round.deadline - all.round.phaseStartedAt <= config.maxWindow, "too long a phase");
        require(all.round.stretch == 1 || all.round.stretch / 2 * shortest < config.maxWindow, "stretched for nothing");
    }

    function _deadlinesAreAWindowAwayFromTheirPhase(Views memory all) private pure {
        bool isIdle = all.round.phase == ISwarmCoordinator.Phase.Idle;
        require(all.round.phaseStartedAt == all.book.phaseStartedAt, "a phase that began at another time");
        require(all.round.deadline == (isIdle ? 0 : all.book.round.deadline), "a deadline that moved");
        require(isIdle || all.round.deadline > all.round.phaseStartedAt, "a phase in which nobody could act");
    }

    function _waitingIsForThoseWhoAreMissing(Views memory all) private view {
        (ISwarmCoordinator.Phase phase, uint16 missing, uint64 deadline) = swarm.waitingFor();
        require(phase == all.round.phase && deadline == all.round.deadline, "another phase or deadline");
        uint256 wanted;
        if (phase == ISwarmCoordinator.Phase.Training) wanted = all.round.expected - all.round.commits;
        if (phase == ISwarmCoordinator.Phase.Revealing) wanted = all.round.commits - all.round.reveals;
        if (phase == ISwarmCoordinator.Phase.Merging) wanted = all.round.quorum - _agreeing(all, all.round.leading);
        require(missing == wanted, "another number is missing");
        require(phase == ISwarmCoordinator.Phase.Idle || missing > 0, "a phase that waits for nobody");
    }

    /// @dev From every running state, a stranger's `closeRound` at the deadline ends the phase, and so on until idle.
    function _aStrangerCanEndTheRound() private {
        for (uint256 steps = 0; swarm.phase() != ISwarmCoordinator.Phase.Idle; ++steps) {
            require(steps < 3, "three deadlines end any round");
            ISwarmCoordinator.RoundInfo memory info = swarm.roundInfo();
            if (block.timestamp < info.deadline) vm.warp(info.deadline);
            vm.prank(STRANGER);
            swarm.closeRound(info.round);
        }
    }

    /// @dev And from there, where enough are active, any of them opens the next round.
    function _anActiveNodeCanOpenTheNext(Views memory all) private {
        if (all.swarm.activeNodes < all.swarm.requiredUpdates) return;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if (!swarm.isActive(all.book.accounts[i])) continue;
            vm.prank(all.book.accounts[i]);
            require(swarm.openRound() == all.round.round + 1, "not the next round");
            return;
        }
    }

    // ----------------------------------------------------------------------------------------------------- counts

    /// @dev A walk that did too little of anything proves nothing. Of what this kind of swarm knows, each at least once
    /// in so many of the handler's calls; `counted` are real changes, in the coordinator and the books alike.
    function afterInvariant() public view {
        vm.assertGt(handler.calls(), 0, "a handler that counts nothing");
        _didEveryCall();
        _refusedEveryCall();
        _sawEveryEnd();
        _sawEveryScheme();
        _sawEveryKind();
    }

    function _didEveryCall() private view {
        _once(400, handler.accepted(ISwarmCoordinator.addNode.selector), "added");
        _once(1_500, handler.accepted(ISwarmCoordinator.registerWithInvitation.selector), "joined by invitation");
        _once(300, handler.accepted(ISwarmCoordinator.removeNode.selector), "removed");
        _once(100, handler.accepted(ISwarmCoordinator.announce.selector), "announced");
        _once(100, handler.accepted(ISwarmCoordinator.suspend.selector), "suspended");
        _once(100, handler.accepted(ISwarmCoordinator.lift.selector), "lifted");
        _once(300, handler.accepted(ISwarmCoordinator.resume.selector), "resumed");
        _once(20, handler.accepted(ISwarmCoordinator.openRound.selector), "opened");
        _once(20, handler.accepted(ISwarmCoordinator.closeRound.selector), "closed");
        _once(20, handler.accepted(ISwarmCoordinator.attest.selector), "attested");
    }

    function _refusedEveryCall() private view {
        _once(200, handler.refusals(ISwarmCoordinator.addNode.selector), "adding refused");
        _once(500, handler.refusals(ISwarmCoordinator.registerWithInvitation.selector), "an invitation refused");
        _once(500, handler.refusals(ISwarmCoordinator.registerNode.selector), "registering refused");
        _once(200, handler.refusals(ISwarmCoordinator.removeNode.selector), "removing refused");
        _once(1_500, handler.refusals(ISwarmCoordinator.announce.selector), "announcing refused");
        _once(100, handler.refusals(ISwarmCoordinator.suspend.selector), "suspending refused");
        _once(100, handler.refusals(ISwarmCoordinator.lift.selector), "lifting refused");
        _once(100, handler.refusals(ISwarmCoordinator.resume.selector), "resuming refused");
        _once(50, handler.refusals(ISwarmCoordinator.openRound.selector), "opening refused");
        _once(50, handler.refusals(ISwarmCoordinator.commitUpdate.selector), "committing refused");
        _once(50, handler.refusals(ISwarmCoordinator.revealUpdate.selector), "revealing refused");
        _once(50, handler.refusals(ISwarmCoordinator.submitUpdate.selector), "submitting refused");
        _once(50, handler.refusals(ISwarmCoordinator.closeRound.selector), "closing refused");
        _once(50, handler.refusals(ISwarmCoordinator.attest.selector), "attesting refused");
    }

    function _sawEveryEnd() private view {
        _once(200, handler.events(ISwarmCoordinator.RoundFinalized.selector), "finalised");
        _once(50, handler.aborts(ISwarmCoordinator.AbortReason.TooFewUpdates), "aborted, too few updates");
        _once(400, handler.aborts(ISwarmCoordinator.AbortReason.NoQuorum), "aborted, no quorum");
        _once(3_000, handler.suspensions(ISwarmCoordinator.SuspensionReason.Absence), "suspended, absent");
        _once(200, handler.suspensions(ISwarmCoordinator.SuspensionReason.OwnRequest), "suspended, by itself");
        _once(200, handler.suspensions(ISwarmCoordinator.SuspensionReason.Registrar), "suspended, by a registrar");
        _once(500, handler.dissents(), "dissented");
        _once(1_000, handler.leftTheLeading(), "left the leading result");
        _once(1_000, handler.leftAnother(), "left another result");
    }

    function _sawEveryScheme() private view {
        _once(500, handler.undoneLeavings(), "left and came back in one round");
        _once(200, handler.changesWhileRunning(), "membership changed while a round ran");
        _once(100, handler.lastSeconds(), "acted in the last second");
        _once(50, handler.outages(), "nobody there");
        _once(1_000, handler.minorityAttempts(), "a minority tried to move the head");
        _once(10_000, handler.majorityWins(), "a majority of the same moved it");
    }

    /// @dev As often as `inSoMany` calls say on average; a quarter of that is asked for, because walks differ by luck.
    function _once(uint256 inSoMany, uint256 count, string memory what) internal view {
        vm.assertGe(count, handler.calls() / (4 * inSoMany), what);
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    function _config() internal view virtual returns (ISwarmCoordinator.Config memory);

    /// @dev What only swarms of this kind know.
    function _sawEveryKind() internal view virtual;

    function _load(uint256 slot) private view returns (bytes32) {
        return vm.load(address(swarm), bytes32(slot));
    }
}

abstract contract SealedTest is InvariantsTest {
    function _config() internal view override returns (ISwarmCoordinator.Config memory) {
        return _sealedConfig();
    }

    function _sawEveryKind() internal view override {
        _once(20, handler.accepted(ISwarmCoordinator.commitUpdate.selector), "committed");
        _once(20, handler.accepted(ISwarmCoordinator.revealUpdate.selector), "revealed");
        _once(400, handler.aborts(ISwarmCoordinator.AbortReason.TooFewReveals), "aborted, too few reveals");
        _once(1_000, handler.falseOpenings(), "showed what it had not committed to");
    }
}

abstract contract DirectTest is InvariantsTest {
    function _config() internal view override returns (ISwarmCoordinator.Config memory config) {
        config = _directConfig();
        (config.quorumBps, config.minUpdates, config.absenceLimit) = (6_700, 3, 2);
        config.openRegistration = true;
    }

    function _sawEveryKind() internal view override {
        _once(20, handler.accepted(ISwarmCoordinator.submitUpdate.selector), "submitted");
        _once(2_000, handler.accepted(ISwarmCoordinator.registerNode.selector), "registered");
    }
}

/// forge-config: default.invariant.runs = 1
/// forge-config: default.invariant.depth = 3000
/// forge-config: default.invariant.check-interval = 10
/// forge-config: deep.invariant.runs = 8
/// forge-config: deep.invariant.depth = 20000
contract SealedInvariantsTest is SealedTest {}

/// forge-config: default.invariant.runs = 1
/// forge-config: default.invariant.depth = 3000
/// forge-config: default.invariant.check-interval = 10
/// forge-config: deep.invariant.runs = 8
/// forge-config: deep.invariant.depth = 20000
contract DirectInvariantsTest is DirectTest {}

/// @notice The same, looked at after every call.
/// forge-config: default.invariant.runs = 1
/// forge-config: default.invariant.depth = 400
/// forge-config: default.invariant.check-interval = 1
/// forge-config: deep.invariant.runs = 2
/// forge-config: deep.invariant.depth = 8000
contract SealedInvariantsAtEveryCallTest is SealedTest {}

/// @notice The same, looked at after every call.
/// forge-config: default.invariant.runs = 1
/// forge-config: default.invariant.depth = 400
/// forge-config: default.invariant.check-interval = 1
/// forge-config: deep.invariant.runs = 2
/// forge-config: deep.invariant.depth = 8000
contract DirectInvariantsAtEveryCallTest is DirectTest {}
