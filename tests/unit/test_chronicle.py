"""A swarm's story, as told by events and documents: over histories on the in-memory chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.chronicle import Chronicle, Library, Outcome, mean_of, read_chronicle
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import UpdateDocument
from swarm_chain.types import AbortReason, Digest, OpenRound, Suspend
from tests.chains import MemoryWorld
from tests.histories import Script


def told(script: Script) -> Chronicle:
    return read_chronicle(script.world.chain(None))


def says(**metrics: float) -> Callable[[UpdateDocument], UpdateDocument]:
    return lambda document: replace(document, base_metrics=metrics)


def test_read_chronicle__two_rounds__each_starts_where_the_one_before_ended() -> None:
    script = Script(MemoryWorld)
    results = [script.round(), script.round()]
    chronicle = told(script)
    assert [one.outcome for one in chronicle.rounds] == [Outcome.FINALIZED] * 2
    assert [one.base for one in chronicle.rounds] == [script.genesis, results[0]]
    assert chronicle.results == {0: script.genesis, 1: results[0], 2: results[1]}
    assert chronicle.head == results[1]
    assert list(chronicle.labels.values()) == ["anna", "bert", "cleo"]


def test_read_chronicle__before_the_first_round__has_the_genesis_alone() -> None:
    script = Script(MemoryWorld)
    assert told(script).rounds == ()
    assert told(script).results == {0: script.genesis}


def test_read_chronicle__one_stays_away__is_a_member_that_did_nothing() -> None:
    script = Script(MemoryWorld)
    script.round(nodes=[1, 2])
    (round_,) = told(script).rounds
    assert round_.members == {script.address(node) for node in (1, 2, 3)}
    assert round_.committed == set(round_.reveals) == {script.address(node) for node in (1, 2)}


def test_read_chronicle__suspended_between_rounds__is_no_member_of_the_next() -> None:
    script = Script(MemoryWorld)
    script.round()
    script.world.chain(3).send(Suspend(node=script.address(3)))
    script.round(nodes=[1, 2])
    assert [len(one.members) for one in told(script).rounds] == [3, 2]


def test_read_chronicle__aborted_then_running__says_so_and_keeps_the_base() -> None:
    script = Script(MemoryWorld)
    script.world.chain(1).send(OpenRound())
    script.close_late()
    script.submit()
    aborted, running = told(script).rounds
    assert (aborted.outcome, aborted.abort_reason) == (Outcome.ABORTED, AbortReason.TOO_FEW_UPDATES)
    assert (running.outcome, running.result) == (Outcome.RUNNING, None)
    assert told(script).rounds_from(script.genesis) == (aborted, running)


# ------------------------------------------------------------------------------------------------------------ documents


def test_measured__result_of_a_round__comes_from_the_updates_of_the_next() -> None:
    script = Script(MemoryWorld)
    script.round(update={1: says(accuracy=0.1), 2: says(accuracy=0.2), 3: says(accuracy=0.3)})
    script.round(update={1: says(accuracy=0.7), 2: says(accuracy=0.8), 3: says(accuracy=0.9)})
    library = Library(told(script), script.store)
    by_result = [
        [one.metrics["accuracy"] for _, one in sorted(library.measured(digest).items())]
        for digest in told(script).results.values()
    ]
    in_order = sorted((script.address(node), node) for node in (1, 2, 3))
    assert by_result[0] == [{1: 0.1, 2: 0.2, 3: 0.3}[node] for _, node in in_order]
    assert by_result[1] == [{1: 0.7, 2: 0.8, 3: 0.9}[node] for _, node in in_order]
    assert by_result[2] == []  # nobody has trained from the head yet


def test_measured__round_aborted_and_repeated__newest_word_counts() -> None:
    script = Script(MemoryWorld)
    script.submit(update={1: says(accuracy=0.1), 2: says(accuracy=0.2), 3: says(accuracy=0.3)})
    script.close_late()
    script.round(nodes=[1, 2], update={1: says(accuracy=0.5), 2: says(accuracy=0.6)})
    found = Library(told(script), script.store).measured(script.genesis)
    said = {node: (found[script.address(node)].round, found[script.address(node)].metrics) for node in (1, 2, 3)}
    assert said == {1: (2, {"accuracy": 0.5}), 2: (2, {"accuracy": 0.6}), 3: (1, {"accuracy": 0.3})}


@pytest.mark.parametrize("field", ["base", "node", "round", "chain", "contract"])
def test_update__document_about_something_else__is_no_measurement_and_says_why(field: str) -> None:
    script = Script(MemoryWorld)
    elsewhere: dict[str, Any] = {
        "base": document_cid(Digest(b"\x77" * 32)),
        "node": script.address(2),
        "round": 9,
        "chain": 5,
        "contract": b"\x01" * 20,
    }
    script.round(update={1: lambda document: replace(document, **{field: elsewhere[field]})})
    chronicle = told(script)
    library = Library(chronicle, script.store)
    assert library.update(chronicle.rounds[0], script.address(1)).problem == f"its document is about another {field}"
    assert script.address(1) not in library.measured(script.genesis)


def test_library__documents_missing__says_why_and_goes_on() -> None:
    script = Script(MemoryWorld)
    result = script.round(unpublished=[2], withheld=[2])
    chronicle = told(script)
    library = Library(chronicle, script.store)
    assert "does not have" in (library.update(chronicle.rounds[0], script.address(2)).problem or "")
    assert set(library.measured(script.genesis)) == {script.address(1), script.address(3)}
    document = library.result(result).document
    assert document is not None
    assert [entry.node for entry in document.excluded] == [script.address(2)]


@pytest.mark.parametrize("store", [None, MemoryStore()])
def test_library__nothing_can_be_had__every_document_has_a_problem(store: MemoryStore | None) -> None:
    script = Script(MemoryWorld)
    result = script.round()
    library = Library(told(script), store)
    assert library.measured(script.genesis) == {}
    assert library.task().problem
    assert library.result(result).problem


# --------------------------------------------------------------------------------------------------------------- means


def test_mean_of__a_site_without_test_samples__counts_each_site_once() -> None:
    found = mean_of("accuracy", [{"accuracy": 1.0, "test_samples": 30.0}, {"accuracy": 0.0}, {"auroc": 0.5}])
    assert found is not None
    assert (found.value, found.sites, found.is_weighted) == (0.5, 2, False)


def test_mean_of__nobody_has_it__is_none() -> None:
    assert mean_of("accuracy", [{"auroc": 0.5}]) is None


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.fixed_dictionaries({"m": FINITE, "test_samples": FINITE}), min_size=1))
def test_mean_of__whatever_nodes_say__lies_between_the_least_and_the_most(sites: list[dict[str, float]]) -> None:
    found = mean_of("m", sites)
    assert found is not None
    values = [site["m"] for site in sites]
    tolerance = max(map(abs, values)) * 1e-12
    assert min(values) - tolerance <= found.value <= max(values) + tolerance
