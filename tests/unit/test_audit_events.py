"""The replay of events: equal to the coordinator's model on any walk, and short of an event, not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from swarm_chain.adapters.memory import MemoryChain
from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Block, Fault, TransactionRecord, Verdict, audit
from swarm_chain.audit.endpoints import describe
from swarm_chain.audit.history import History
from swarm_chain.audit.state import check_configuration, check_state
from swarm_chain.errors import ConfigurationError, EndpointsDisagree, NotACoordinator
from swarm_chain.types import (
    AbortReason,
    AddNode,
    Address,
    Announce,
    Attest,
    BlockNumber,
    Digest,
    Event,
    Lift,
    NodeAnnounced,
    NodeInfo,
    NodeSuspended,
    OpenRound,
    RemoveNode,
    ResultAttested,
    Resume,
    RoundAborted,
    RoundClosed,
    RoundInfo,
    Salt,
    Suspend,
    SuspensionReason,
    SwarmInfo,
    UpdateCommitted,
    UpdateRevealed,
)
from tests.chains import CONFIG, MemoryWorld, signer
from tests.histories import Script
from tests.walks import Walk

ARTIFACT = load_artifact()


# --------------------------------------------------------------------------------------------------------------- walks


def test_walk__all_seeds_together__come_by_everything_that_can_happen() -> None:
    seen: set[str] = set()
    for seed in range(20):
        walk = Walk(MemoryWorld, seed, is_sealed=True)
        walk.run(400)
        seen |= {type(event).__name__ for event in root_of(walk).events()}
        seen |= {
            event.reason.name for event in root_of(walk).events() if isinstance(event, NodeSuspended | RoundAborted)
        }

    kinds = {kind.__name__ for kind in Event.__subclasses__()}
    assert seen == kinds | {one.name for one in (*SuspensionReason, *AbortReason)} - {"NONE"}


def root_of(walk: Walk) -> MemoryChain:
    return walk.world.root  # type: ignore[attr-defined,no-any-return]


def replayed(chain: MemoryChain, events: Sequence[Event]) -> History:
    history = History(chain.look().swarm.config, lambda number: chain.blocks[number].timestamp)
    history.replay(list(events))
    return history


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "direct"])
@pytest.mark.parametrize("seed", range(20))
def test_replay__any_walk__finds_nothing_and_ends_in_the_contracts_state(seed: int, is_sealed: bool) -> None:
    walk = Walk(MemoryWorld, seed, is_sealed=is_sealed)
    walk.run(400)
    reader = MemoryHistory(root_of(walk), code=b"")

    history = replayed(root_of(walk), root_of(walk).events())

    assert history.findings == []
    assert list(check_state(reader, reader.block().number, history)) == []


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "direct"])
def test_replay__one_event_of_a_walk_is_missing__is_found_wherever_a_verdict_hangs_on_it(is_sealed: bool) -> None:
    walk = Walk(MemoryWorld, 99, is_sealed=is_sealed)
    walk.run(400)
    reader = MemoryHistory(root_of(walk), code=b"")
    events = root_of(walk).events()

    unnoticed = []
    for event in events:
        history = replayed(root_of(walk), [one for one in events if one is not event])
        if not history.findings and not list(check_state(reader, reader.block().number, history)):
            unnoticed.append(event)

    assert all(_is_idle_talk(event, events) for event in unnoticed)
    assert len(unnoticed) < len(events) / 4


def _is_idle_talk(event: Event, events: Sequence[Event]) -> bool:
    """Whether no verdict, and nothing that can be read on chain any more, follows from an event."""
    if isinstance(event, NodeAnnounced):
        return True
    if isinstance(event, UpdateCommitted | UpdateRevealed):
        counted = [one for one in events if isinstance(one, RoundClosed) and one.round == event.round]
        return not counted
    if isinstance(event, ResultAttested):
        final = [one for one in events if isinstance(one, type(event)) and one.round == event.round]
        winner = [one.result for one in events if getattr(one, "attestations", 0) and one.round == event.round]  # type: ignore[attr-defined]
        return not winner or event.result not in winner or event.node in {one.node for one in final if one is not event}
    # Suspended twice within one round, or suspended and then removed: the second says all that holds.
    return type(event).__name__ in ("NodeSuspended", "NodeResumed")


# -------------------------------------------------------------------------------------------------------------- hiding


class Hiding(MemoryHistory):
    """An endpoint that leaves an event out of its log search; a thorough one out of receipts and headers, too."""

    def __init__(self, chain: MemoryChain, hidden: Event, *, is_thorough: bool) -> None:
        super().__init__(chain, code=ARTIFACT.deployed_bytecode, name="hiding")
        self._hidden, self._is_thorough = hidden, is_thorough

    def events(self, at: BlockNumber) -> Sequence[Event]:
        return [event for event in super().events(at) if event != self._hidden]

    def transactions(self, numbers: Sequence[BlockNumber]) -> Iterator[TransactionRecord]:
        for one in super().transactions(numbers):
            left = tuple(event for event in one.events if event != self._hidden)
            yield replace(one, events=left) if self._is_thorough else one

    def headers(self, first: BlockNumber, last: BlockNumber) -> Iterator[tuple[Block, bool]]:
        left = {event.block_number for event in self.events(last)}
        for block, is_marked in super().headers(first, last):
            yield block, block.number in left if self._is_thorough else is_marked


@pytest.fixture(scope="module")
def script() -> Script:
    """A history with every kind of event, and every way for a round to end."""
    made = Script(MemoryWorld, nodes=4)
    chain, address = made.world.chain, made.address
    chain(1).send(Announce(stores=b"https://anna.example"))
    made.round()
    chain(0).send(Suspend(node=address(4)))
    made.nodes.remove(4)
    made.round()
    chain(0).send(Lift(node=address(4)))
    chain(3).send(Suspend(node=address(3)))
    made.round(nodes=[1, 2, 4])
    chain(3).send(Resume())
    made.submit(nodes=[1, 2, 3, 4])
    chain(1).send(Attest(round=made.number, result=made.genesis))
    made.close_late()
    chain(0).send(RemoveNode(node=address(4)))
    chain(1).send(OpenRound())
    made.close_late()
    chain(0).send(AddNode(node=address(4), label="dora again"))
    updates = made.submit(nodes=[1, 2, 3, 4])
    chain(1).send(Attest(round=made.number, result=made.genesis))
    made.attest(made.put(made.merge().document), [1, 2, 3, 4])
    assert updates
    return made


def chain_of(script: Script) -> MemoryChain:
    return script.world.root  # type: ignore[attr-defined,no-any-return]


def audited(script: Script, *readers: Any, **options: Any) -> AuditReport:
    honest = MemoryHistory(chain_of(script), code=ARTIFACT.deployed_bytecode)
    return audit(list(readers) or [honest], script.store, artifact=ARTIFACT, **options)


def test_audit__every_kind_of_event_and_end__passes(script: Script) -> None:
    report = audited(script)

    assert report.verdict is Verdict.PASS, [one.message for one in report.all_findings]
    assert [one.outcome.value for one in report.rounds] == ["finalized"] * 3 + ["aborted", "aborted", "finalized"]
    assert {type(event).__name__ for event in script.events()} == {kind.__name__ for kind in Event.__subclasses__()}


def test_audit__an_endpoint_hides_an_event__fails_and_names_it(script: Script) -> None:
    for event in script.events():
        report = audited(script, Hiding(chain_of(script), event, is_thorough=False), rounds=[])

        assert report.verdict is Verdict.FAIL, event
        (finding,) = report.all_findings
        assert finding.fault is Fault.HIDDEN_EVENT
        assert describe(event) in finding.message
        assert finding.round == getattr(event, "round", None)
        assert finding.nodes == ((event.node,) if hasattr(event, "node") else ())


def test_audit__an_endpoint_hides_an_event_everywhere__fails_by_the_contracts_own_counters(script: Script) -> None:
    unnoticed = []
    for event in script.events():
        report = audited(script, Hiding(chain_of(script), event, is_thorough=True), rounds=[])
        if report.verdict is Verdict.PASS:
            unnoticed.append(event)

    # None of these changes a counter or a verdict: a second endpoint is what shows that they are missing.
    kinds = [(type(event).__name__, getattr(event, "round", None)) for event in unnoticed]
    assert kinds == [("NodeAnnounced", None), ("ResultAttested", 4)]
    honest = MemoryHistory(chain_of(script), code=ARTIFACT.deployed_bytecode)
    for event in unnoticed:
        report = audited(script, Hiding(chain_of(script), event, is_thorough=True), honest)
        assert [one.fault for one in report.all_findings] == [Fault.ENDPOINTS_DISAGREE]
        assert f"only there is {describe(event)}" in report.all_findings[0].message


class Inventing(MemoryHistory):
    """An endpoint that adds an event to its log search."""

    def events(self, at: BlockNumber) -> Sequence[Event]:
        events = list(super().events(at))
        attested = next(event for event in events if isinstance(event, ResultAttested))
        return [*events, replace(attested, log_index=attested.log_index + 7, node=signer(3).address)]


def test_audit__an_endpoint_invents_an_event__fails(script: Script) -> None:
    report = audited(script, Inventing(chain_of(script), code=ARTIFACT.deployed_bytecode))

    assert Fault.INVENTED_EVENT in [one.fault for one in report.all_findings]
    assert report.verdict is Verdict.FAIL


# ------------------------------------------------------------------------------------------------ endpoints that differ


class Changed(MemoryHistory):
    """An endpoint that answers one question differently."""

    def __init__(self, chain: MemoryChain, question: str, change: Callable[[Any], Any]) -> None:
        super().__init__(chain, code=ARTIFACT.deployed_bytecode, name="other")
        self._question, self._change = question, change

    def _answer(self, question: str, answer: Any) -> Any:
        return self._change(answer) if question == self._question else answer

    @property
    def chain_id(self) -> int:
        return int(self._answer("chain_id", super().chain_id))

    def block(self, number: BlockNumber | None = None) -> Block:
        return self._answer("block", super().block(number))  # type: ignore[no-any-return]

    def code(self, at: BlockNumber) -> bytes:
        return bytes(self._answer("code", super().code(at)))

    def swarm_info(self, at: BlockNumber) -> SwarmInfo:
        return self._answer("swarm_info", super().swarm_info(at))  # type: ignore[no-any-return]

    def round_info(self, at: BlockNumber) -> RoundInfo:
        return self._answer("round_info", super().round_info(at))  # type: ignore[no-any-return]

    def node_info(self, node: Address, at: BlockNumber) -> NodeInfo:
        return self._answer("node_info", super().node_info(node, at))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("question", "change"),
    [
        ("chain_id", lambda one: one + 1),
        ("block", lambda one: replace(one, hash=b"\x01" * 32)),
        ("code", lambda one: one + b"\x00"),
        ("swarm_info", lambda one: replace(one, finalized_rounds=9)),
        ("round_info", lambda one: replace(one, deadline=9)),
    ],
)
def test_audit__a_second_endpoint_says_otherwise__fails(
    script: Script, question: str, change: Callable[[Any], Any]
) -> None:
    honest = MemoryHistory(chain_of(script), code=ARTIFACT.deployed_bytecode)

    report = audited(script, honest, Changed(chain_of(script), question, change))

    assert {one.fault for one in report.all_findings} == {Fault.ENDPOINTS_DISAGREE}
    assert "other and memory disagree" in report.all_findings[0].message


@pytest.mark.parametrize(
    ("question", "change", "where"),
    [
        ("swarm_info", lambda one: replace(one, active_nodes=9), "swarmInfo: active_nodes is 9, and 4 by the events"),
        ("swarm_info", lambda one: replace(one, head=b"\x01" * 32), "swarmInfo: head"),
        ("round_info", lambda one: replace(one, stretch=4), "roundInfo: stretch is 4"),
        ("node_info", lambda one: replace(one, absent_at=99), "nodeInfo: absent_at is 99"),
    ],
)
def test_audit__the_contracts_state_is_not_what_its_events_make__fails(
    script: Script, question: str, change: Callable[[Any], Any], where: str
) -> None:
    report = audited(script, Changed(chain_of(script), question, change))

    assert {one.fault for one in report.all_findings} == {Fault.STATE_MISMATCH}
    assert where in report.all_findings[0].message


def test_audit__the_pinned_block_is_replaced_meanwhile__says_run_it_again(script: Script) -> None:
    hashes = iter([b"\x01" * 32])

    def first_another(block: Block) -> Block:
        return replace(block, hash=next(hashes, block.hash))

    with pytest.raises(EndpointsDisagree, match="was replaced while the audit ran"):
        audited(script, Changed(chain_of(script), "block", first_another), block=len(chain_of(script).blocks) - 1)


def test_audit__no_contract_at_the_address__is_an_error_that_says_so(script: Script) -> None:
    with pytest.raises(NotACoordinator, match="there is no contract at 0xc0c0"):
        audited(script, MemoryHistory(chain_of(script), code=b""))


class Unanswering(MemoryHistory):
    """A contract that is none of ours."""

    def swarm_info(self, at: BlockNumber) -> SwarmInfo:
        raise NotACoordinator("another contract")


def test_audit__another_contract_that_answers_nothing__fails(script: Script) -> None:
    report = audited(script, Unanswering(chain_of(script), code=b"\x60\x80"))

    assert [one.fault for one in report.all_findings] == [Fault.OTHER_CODE]
    assert report.verdict is Verdict.FAIL


# --------------------------------------------------------------------------------------------------- an impossible past


def tampered(script: Script, change: Callable[[Event], Event]) -> list[tuple[int | None, Fault]]:
    """What is found where the events themselves were other ones: a contract that is not ours could record them."""
    chain = chain_of(script)
    history = replayed(chain, [change(event) for event in chain.events()])
    return [(one.round, one.fault) for one in history.findings]


@pytest.mark.parametrize(
    ("kind", "change", "fault"),
    [
        ("RoundOpened", {"base": Digest(b"\x01" * 32)}, Fault.WRONG_BASE),
        ("RoundOpened", {"expected": 5}, Fault.WRONG_COUNT),
        ("RoundOpened", {"quorum": 2}, Fault.WRONG_COUNT),
        ("RoundOpened", {"deadline": 5}, Fault.WRONG_DEADLINE),
        ("RoundOpened", {"round": 9}, Fault.OUT_OF_ORDER),
        ("UpdateCommitted", {"commitment": bytes(32)}, Fault.WRONG_COMMITMENT),
        ("UpdateCommitted", {"node": Address(b"\x01" * 20)}, Fault.NOT_ENTITLED),
        ("RevealingStarted", {"commits": 3}, Fault.WRONG_COUNT),
        ("RevealingStarted", {"deadline": 5}, Fault.WRONG_DEADLINE),
        ("RevealingStarted", {"transaction": b"other"}, Fault.OUT_OF_ORDER),
        ("UpdateRevealed", {"samples": 0}, Fault.WRONG_UPDATE),
        ("UpdateRevealed", {"node": Address(b"\x01" * 20)}, Fault.NOT_ENTITLED),
        ("RoundClosed", {"updates": 3}, Fault.WRONG_COUNT),
        ("ResultAttested", {"node": Address(b"\x01" * 20)}, Fault.NOT_ENTITLED),
        ("RoundFinalized", {"attestations": 2}, Fault.NO_QUORUM),
        ("RoundFinalized", {"result": Digest(b"\x01" * 32)}, Fault.NO_QUORUM),
    ],
)
def test_replay__an_event_of_round_1_says_otherwise__is_found_in_that_round(
    script: Script, kind: str, change: dict[str, Any], fault: Fault
) -> None:
    def in_round_1(event: Event) -> Event:
        if type(event).__name__ == kind and event.round == 1:  # type: ignore[attr-defined]
            return replace(event, **change)
        return event

    assert tampered(script, in_round_1)[0] == (change.get("round", 1), fault)


def test_replay__a_round_aborts_though_enough_came__is_not_justified(script: Script) -> None:
    chain = chain_of(script)
    events = [event for event in chain.events() if type(event).__name__ != "UpdateRevealed" or event.round != 4]  # type: ignore[attr-defined]
    events = [event for event in events if type(event).__name__ not in ("RoundClosed",) or event.round != 4]  # type: ignore[attr-defined]

    faults = {one.fault for one in replayed(chain, events).findings if one.round == 4}

    assert Fault.UNJUSTIFIED_ABORT in faults


def test_replay__a_node_commits_twice__is_found(script: Script) -> None:
    chain = chain_of(script)
    events = list(chain.events())
    place = next(place for place, event in enumerate(events) if isinstance(event, UpdateCommitted))

    history = replayed(chain, [*events[: place + 1], events[place], *events[place + 1 :]])

    assert (1, Fault.REPEATED) in [(one.round, one.fault) for one in history.findings]


@pytest.mark.parametrize(
    "change",
    [{"quorum_bps": 5_000}, {"min_updates": 1}, {"max_window": 10**9}, {"reveal_window": 0}, {"absence_limit": 0}],
)
def test_configuration__one_that_the_constructor_refuses__is_found(change: dict[str, int]) -> None:
    (finding,) = check_configuration(replace(CONFIG, **change))  # type: ignore[arg-type]

    assert finding.fault is Fault.BAD_CONFIGURATION
    assert list(check_configuration(CONFIG)) == []


# ----------------------------------------------------------------------------------------------------------- the scope


def test_audit__an_older_block__knows_nothing_of_what_came_later(script: Script) -> None:
    closed = next(event for event in script.events() if isinstance(event, RoundClosed) and event.round == 2)

    report = audited(script, block=closed.block_number)

    assert [(one.number, one.outcome.value) for one in report.rounds] == [(1, "finalized"), (2, "running")]
    assert report.verdict is Verdict.PASS
    assert report.scope.block_number == closed.block_number


def test_audit__one_round_is_asked_for__only_that_is_reported(script: Script) -> None:
    report = audited(script, rounds=[3])

    assert [(one.number, one.reexecuted) for one in report.rounds] == [(3, True)]
    assert report.verdict is Verdict.PASS


def test_audit__one_round_is_asked_for_and_another_hides_an_event__fails_all_the_same(script: Script) -> None:
    hidden = next(event for event in script.events() if isinstance(event, RoundClosed) and event.round == 2)

    report = audited(script, Hiding(chain_of(script), hidden, is_thorough=True), rounds=[3])

    assert report.verdict is Verdict.FAIL
    assert {one.round for one in report.findings} == {2}


def test_audit__a_round_that_there_is_not__is_an_error_that_says_which_is_the_last(script: Script) -> None:
    with pytest.raises(ConfigurationError, match="there is no round 9; the last is 6"):
        audited(script, rounds=[9])


def test_audit__a_reveal_that_was_not_committed_to__is_found(script: Script) -> None:
    class Lying(MemoryHistory):
        def transactions(self, numbers: Sequence[BlockNumber]) -> Iterator[TransactionRecord]:
            for one in super().transactions(numbers):
                yield replace(one, salt=Salt(bytes(32)) if one.salt else None)

    report = audited(script, Lying(chain_of(script), code=ARTIFACT.deployed_bytecode), rounds=[1])

    assert {one.fault for one in report.all_findings} == {Fault.WRONG_COMMITMENT}


def test_audit__a_chain_too_long_to_ask_every_header__passes_with_a_note_and_still_counts(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_chain.audit.endpoints.HEADER_LIMIT", 10)
    revealed = next(event for event in script.events() if isinstance(event, UpdateRevealed))

    honest = audited(script, rounds=[1])
    hiding = audited(script, Hiding(chain_of(script), revealed, is_thorough=False), rounds=[])

    assert honest.verdict is Verdict.PASS
    assert "blocks were not looked at" in honest.notes[0]
    assert hiding.verdict is Verdict.FAIL
    assert (1, Fault.WRONG_COUNT) in [(one.round, one.fault) for one in hiding.all_findings]
