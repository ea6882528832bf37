"""Results that a swarm agreed on, read beside their chain: what they are, how they score, the line they stand in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import ResultDocument, UpdateDocument
from swarm_chain.errors import BlockNotFound, InvalidAnswer, NoSuchMetric, NoSuchResult, ResultMismatch
from swarm_chain.models.best import rank
from swarm_chain.models.line import Elsewhere, Entry, line_of
from swarm_chain.models.reading import SwarmReading
from swarm_chain.models.scores import Scores, Source, scores_of
from swarm_chain.types import Address, Digest, Event, OpenRound, RoundFinalized
from tests.chains import MemoryWorld
from tests.histories import Made, Script


def read(script: Script) -> SwarmReading:
    return SwarmReading(script.world.chain(None), script.store)


def says(**metrics: float) -> Callable[[UpdateDocument], UpdateDocument]:
    return lambda document: replace(document, base_metrics=metrics)


def all_say(**metrics: float) -> dict[int, Callable[[UpdateDocument], UpdateDocument]]:
    return {node: says(**metrics) for node in (1, 2, 3)}


def abort(script: Script) -> None:
    script.world.chain(1).send(OpenRound())
    script.close_late()


def forget(script: Script, *digests: Digest) -> None:
    """Loses documents from the store."""
    assert isinstance(script.store, MemoryStore)
    for digest in digests:
        del script.store._blocks[document_cid(digest)]


# -------------------------------------------------------------------------------------------------------------- reading


def test_agreed__each_round__is_what_the_chain_says_it_ended_in() -> None:
    script = Script(MemoryWorld)
    results = [script.genesis, script.round(), script.round()]
    reading = read(script)
    assert [reading.agreed(number).digest for number in (0, 1, 2)] == results
    assert reading.agreed().digest == results[2]
    assert reading.agreed().task == script.task
    assert reading.head == 2


def test_agreed__depth__is_the_head_of_that_block() -> None:
    script = Script(MemoryWorld)
    first = script.round()
    blocks = script.world.chain(None).look().block_number
    script.round()
    depth = script.world.chain(None).look().block_number - blocks
    assert SwarmReading(script.world.chain(None), script.store, depth=depth).agreed().digest == first


def test_agreed__no_such_round__says_which_is_the_last() -> None:
    script = Script(MemoryWorld)
    with pytest.raises(NoSuchResult, match="there is no round 1: none was opened yet; 0 is there"):
        read(script).agreed(1)
    script.round()
    with pytest.raises(NoSuchResult, match="there is no round 9: the last is 1"):
        read(script).agreed(9)


def test_agreed__round_that_was_aborted__says_why_and_what_to_ask_for() -> None:
    script = Script(MemoryWorld)
    script.round()
    abort(script)
    with pytest.raises(NoSuchResult, match=r"round 2 was aborted \(too few updates\).*before it is that of round 1"):
        read(script).agreed(2)


def test_agreed__round_that_runs__has_no_result_yet() -> None:
    script = Script(MemoryWorld)
    script.submit()
    with pytest.raises(NoSuchResult, match=r"round 1 still runs.*before it there is the genesis, 0"):
        read(script).agreed(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("chain", 5), ("contract", Address(b"\x01" * 20)), ("round", 7), ("task", document_cid(Digest(b"\x07" * 32)))],
)
def test_agreed__document_about_something_else__raises_result_mismatch(field: str, value: object) -> None:
    script = Script(MemoryWorld)
    script.round(forge=lambda made: replace(made.document, **{field: value}))  # type: ignore[arg-type]
    with pytest.raises(ResultMismatch, match=f"about another {field} than the chain says"):
        read(script).agreed()


def test_agreed__document_with_another_base__raises_result_mismatch() -> None:
    script = Script(MemoryWorld)
    first = script.round()
    script.round(forge=lambda made: replace(made.document, base=document_cid(script.genesis)))
    assert read(script).agreed(1).digest == first
    with pytest.raises(ResultMismatch, match="about another base"):
        read(script).agreed(2)


def test_agreed__document_in_no_store__raises_block_not_found() -> None:
    script = Script(MemoryWorld)
    forget(script, script.round())
    with pytest.raises(BlockNotFound):
        read(script).agreed()


@pytest.mark.parametrize("hidden", [-1, 0])
def test_reading__endpoint_hides_a_result__raises_invalid_answer(hidden: int) -> None:
    script = Script(MemoryWorld)
    script.round()
    script.round()
    with pytest.raises(InvalidAnswer):
        SwarmReading(_Hiding(script.world.chain(None), hidden), script.store)  # type: ignore[arg-type]


class _Hiding:
    """A chain whose endpoint leaves one finalised round's end out of its logs."""

    def __init__(self, chain: Any, place: int) -> None:
        self._chain, self._place = chain, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def events(self, **options: Any) -> Sequence[Event]:
        found = list(self._chain.events(**options))
        ends = [event for event in found if isinstance(event, RoundFinalized)]
        return [event for event in found if event is not ends[self._place]]


# --------------------------------------------------------------------------------------------------------------- scores


def scored(script: Script, result: Digest) -> Scores:
    reading = read(script)
    return scores_of(result, reading.chronicle, reading.library)


def by_node(script: Script, scores: Scores, name: str = "accuracy") -> dict[int, float]:
    names = {script.address(node): node for node in script.nodes}
    return {names[node]: metrics[name] for node, metrics in scores.metrics.items()}


def test_scores_of__merged_updates__are_what_they_say_of_their_base() -> None:
    script = Script(MemoryWorld)
    first = script.round(update=all_say(accuracy=0.1))
    script.round(update={node: says(accuracy=node / 10) for node in (1, 2, 3)})
    found = scored(script, first)
    assert by_node(script, found) == {1: 0.1, 2: 0.2, 3: 0.3}
    assert found.source is Source.MERGED
    assert by_node(script, scored(script, script.genesis)) == {1: 0.1, 2: 0.1, 3: 0.1}


def test_scores_of__one_was_left_out_of_the_merge__its_word_does_not_count() -> None:
    script = Script(MemoryWorld)
    script.round(withheld=[3], update={**all_say(accuracy=0.5), 3: says(accuracy=1.0)})
    assert by_node(script, scored(script, script.genesis)) == {1: 0.5, 2: 0.5}


def test_scores_of__nothing_was_merged__is_what_the_others_say() -> None:
    script = Script(MemoryWorld)
    script.round(
        update=all_say(accuracy=0.5), forge=lambda made: replace(made.document, included=(), excluded=_all_out(made))
    )
    found = scored(script, script.genesis)
    assert (found.source, by_node(script, found)) == (Source.LEFT_OUT, {1: 0.5, 2: 0.5, 3: 0.5})


def _all_out(made: Made) -> Any:
    from swarm_chain.core.documents import Excluded, Reason

    return tuple(Excluded(node=one.node, update=one.update, reason=Reason.REJECTED) for one in made.document.included)


def test_scores_of__next_round_was_aborted__is_what_its_newest_updates_say_until_one_is_merged() -> None:
    script = Script(MemoryWorld)
    for share in (0.3, 0.4):
        script.submit(update=all_say(accuracy=share))
        script.close_late()
    found = scored(script, script.genesis)
    assert (found.source, by_node(script, found)) == (Source.ABORTED, {1: 0.4, 2: 0.4, 3: 0.4})
    script.round(nodes=[1, 2], update=all_say(accuracy=0.6))
    found = scored(script, script.genesis)
    assert (found.source, by_node(script, found)) == (Source.MERGED, {1: 0.6, 2: 0.6})


def test_scores_of__round_that_runs__is_what_is_revealed_so_far() -> None:
    script = Script(MemoryWorld)
    first = script.round()
    script.submit(update=all_say(accuracy=0.7))
    found = scored(script, first)
    assert (found.source, by_node(script, found)) == (Source.RUNNING, {1: 0.7, 2: 0.7, 3: 0.7})


def test_scores_of__update_in_no_store__names_the_node() -> None:
    script = Script(MemoryWorld)
    result = script.round(update=all_say(accuracy=0.5))
    lost = next(one for one in script.result(result).included if one.node == script.address(2))
    forget(script, lost.update.digest)
    found = scored(script, script.genesis)
    assert by_node(script, found) == {1: 0.5, 3: 0.5}
    assert list(found.unreadable) == [script.address(2)]


def test_test_samples__all_say_so__is_their_sum_and_else_unknown() -> None:
    script = Script(MemoryWorld)
    metrics = {node: says(accuracy=0.5, test_samples=10.0 * node) for node in (1, 2, 3)}
    script.round(update=metrics)
    assert scored(script, script.genesis).test_samples("accuracy") == 60
    other = Script(MemoryWorld)
    other.round(update={**metrics, 3: says(accuracy=0.5)})
    assert scored(other, other.genesis).test_samples("accuracy") is None


@pytest.mark.parametrize("size", [1e308, -1.0, 0.0, 0.5])
def test_test_samples__a_number_that_counts_nothing__is_unknown(size: float) -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.5, test_samples=size))
    found = scored(script, script.genesis)
    assert found.test_samples("accuracy") is None
    assert found.mean("accuracy") is not None


# ----------------------------------------------------------------------------------------------------------------- best


def test_rank__several_rounds__best_by_each_metric_and_which_way_it_is_better() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.2, loss=3.0))
    script.round(update=all_say(accuracy=0.9, loss=2.0))
    script.round(update=all_say(accuracy=0.8, loss=1.0))
    ranking = rank(read(script))
    assert [(one.metric, one.is_lower_better, one.round) for one in ranking.best] == [
        ("accuracy", False, 1),
        ("loss", True, 2),
    ]
    assert ranking.main == "accuracy"
    assert not ranking.is_head_scored


def test_rank__sites_of_different_size__count_by_their_test_examples() -> None:
    script = Script(MemoryWorld)
    large_and_small = {1: 98.0, 2: 1.0, 3: 1.0}
    script.round(update={n: says(accuracy=0.5, test_samples=size) for n, size in large_and_small.items()})
    script.round(
        update={n: says(accuracy=0.6 if n == 1 else 0.0, test_samples=size) for n, size in large_and_small.items()}
    )
    found = rank(read(script)).of("accuracy")
    assert found is not None
    assert (found.round, found.mean.value, found.test_samples) == (1, pytest.approx(0.588), 100)
    assert found.mean.is_weighted


def test_rank__equals__earliest_is_best() -> None:
    script = Script(MemoryWorld)
    for _ in range(3):
        script.round(update=all_say(accuracy=0.5))
    assert [one.round for one in rank(read(script)).best] == [0]


def test_rank__by_a_metric_of_a_group__ranks_by_it_alone() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(**{"accuracy": 0.2, "female.recall": 0.9}))
    script.round(update=all_say(**{"accuracy": 0.9, "female.recall": 0.1}))
    ranking = rank(read(script), "female.recall")
    assert [(one.metric, one.round) for one in ranking.best] == [("female.recall", 0)]
    assert ranking.main == "female.recall"


def test_rank__metric_that_nobody_measured__names_those_there_are() -> None:
    script = Script(MemoryWorld)
    with pytest.raises(NoSuchMetric, match="nobody measured f1: no result is scored yet"):
        rank(read(script), "f1")
    script.round(update=all_say(accuracy=0.2, loss=1.0))
    with pytest.raises(NoSuchMetric, match=r"nobody measured f1; choose one of accuracy, loss$"):
        rank(read(script), "f1")


def test_rank__nothing_scored__has_no_best() -> None:
    script = Script(MemoryWorld)
    ranking = rank(read(script))
    assert (ranking.best, ranking.main, ranking.is_head_scored) == ((), None, False)


# ----------------------------------------------------------------------------------------------------------------- line


def test_line_of__rounds_one_of_them_aborted__newest_first_down_to_the_genesis() -> None:
    script = Script(MemoryWorld)
    first = script.round(update=all_say(accuracy=0.2))
    abort(script)
    third = script.round(withheld=[3], update=all_say(accuracy=0.3))
    entries = list(line_of(read(script)))
    assert [(entry.round, entry.digest) for entry in entries] == [(3, third), (1, first), (0, script.genesis)]
    assert [[one.number for one in entry.aborted] for entry in entries] == [[], [2], []]
    assert all(entry.is_on_chain for entry in entries)
    assert [entry.attestations for entry in entries] == [2, 2, None]
    assert [one.reason.value for one in entries[0].document.excluded] == ["unavailable"]  # type: ignore[union-attr]
    assert [by_node(script, entry.scores) for entry in entries] == [{}, {1: 0.3, 2: 0.3}, {1: 0.2, 2: 0.2, 3: 0.2}]


def test_line_of__times__are_those_of_the_blocks_that_finalised() -> None:
    script = Script(MemoryWorld)
    script.round()
    at = script.world.now - 1
    assert [entry.finalized_at for entry in line_of(read(script))] == [at, None]


def test_line_of__start__goes_back_from_there() -> None:
    script = Script(MemoryWorld)
    results = [script.round() for _ in range(3)]
    assert [entry.round for entry in line_of(read(script), start=results[1])] == [2, 1, 0]


def test_line_of__documents_missing__goes_on_by_the_chain_and_says_so() -> None:
    script = Script(MemoryWorld)
    results = [script.round() for _ in range(3)]
    forget(script, results[1])
    entries = list(line_of(read(script)))
    assert [entry.round for entry in entries] == [3, 2, 1, 0]
    assert [bool(entry.problem) for entry in entries] == [False, True, False, False]
    assert entries[1].document is None


def test_line_of__forged_document__raises_result_mismatch() -> None:
    script = Script(MemoryWorld)
    script.round(forge=lambda made: replace(made.document, round=5))  # type: ignore[arg-type]
    script.round(forge=lambda made: made.document)
    with pytest.raises(ResultMismatch, match="the result of round 1 is about another round"):
        list(line_of(read(script)))


class Successors:
    """A swarm of two rounds, and one that starts from its second result, with one round of its own."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.earlier = Script(lambda config: MemoryWorld(config, coordinator=Address(b"\xe0" * 20)), store=self.store)
        self.results = [self.earlier.genesis, self.earlier.round(update=all_say(accuracy=0.1)), self.earlier.round()]
        self.later = self.successor(self.results[2])
        self.first = self.later.round()

    def successor(self, base: Digest) -> Script:
        start = self.earlier.parameters_of(base)
        return Script(MemoryWorld, store=self.store, start=start, base=base)

    def elsewhere(self) -> Elsewhere:
        def find(chain_id: int, contract: Address) -> SwarmReading | None:
            return read(self.earlier) if contract == self.earlier.world.chain(None).coordinator else None

        return find

    @property
    def in_line(self) -> list[Digest]:
        return [self.first, self.later.genesis, *reversed(self.results)]


def rounds(entries: Sequence[Entry]) -> list[tuple[int | None, bool]]:
    return [(entry.round, entry.is_on_chain) for entry in entries]


def test_line_of__successor__goes_on_in_the_earlier_swarm_beside_its_chain() -> None:
    swarms = Successors()
    entries = list(line_of(read(swarms.later), swarms.elsewhere()))
    assert [entry.digest for entry in entries] == swarms.in_line
    assert rounds(entries) == [(1, True), (0, True), (2, True), (1, True), (0, True)]
    assert entries[2].swarm == (31337, Address(b"\xe0" * 20))
    assert by_node(swarms.earlier, entries[4].scores) == {1: 0.1, 2: 0.1, 3: 0.1}


def test_line_of__earlier_swarms_chain_cannot_be_asked__goes_on_by_documents_and_says_so() -> None:
    swarms = Successors()
    entries = list(line_of(read(swarms.later)))
    assert [entry.digest for entry in entries] == swarms.in_line
    assert rounds(entries) == [(1, True), (0, True), (2, False), (1, False), (0, False)]
    assert by_node(swarms.earlier, entries[4].scores) == {1: 0.1, 2: 0.1, 3: 0.1}
    assert entries[4].swarm == (31337, Address(b"\xe0" * 20))


def test_line_of__earlier_swarm_has_another_result_there__is_doubtful() -> None:
    swarms = Successors()
    forged = replace(swarms.earlier.result(swarms.results[2]), included=())
    swarms.earlier.put(forged)
    later = swarms.successor(forged.digest())
    entries = list(line_of(read(later), swarms.elsewhere()))
    assert rounds(entries)[:2] == [(0, True), (2, False)]
    assert "has no such result" in (entries[1].problem or "")


def test_line_of__earlier_result_in_no_store__ends_there() -> None:
    swarms = Successors()
    forget(swarms.later, swarms.results[2])
    entries = list(line_of(read(swarms.later), swarms.elsewhere()))
    assert rounds(entries) == [(1, True), (0, True), (None, False)]
    assert "does not have" in (entries[2].problem or "")


def test_line_of__earlier_documents_out_of_order__raises_result_mismatch() -> None:
    swarms = Successors()
    ahead: ResultDocument = replace(
        swarms.earlier.result(swarms.results[1]),
        base=document_cid(swarms.results[2]),
        round=1,  # type: ignore[arg-type]
    )
    swarms.earlier.put(ahead)
    later = swarms.successor(ahead.digest())
    with pytest.raises(ResultMismatch, match="which is none of its swarm's earlier ones"):
        list(line_of(read(later)))
