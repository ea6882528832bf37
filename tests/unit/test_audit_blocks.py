"""What an audit says of bytes that are wrong, or gone: every block that a finalised round links to, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.adapters.composite_store import CompositeStore
from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Fault, Verdict, audit
from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import Excluded, Reason, ResultDocument, UpdateDocument, decode
from swarm_chain.core.unixfs import File, walk
from swarm_chain.errors import BlockNotFound, StoreUnavailable
from swarm_chain.ports import MAX_BLOCK, UpdateStore
from tests.chains import MemoryWorld
from tests.histories import Parameters, Script, task_document

ARTIFACT = load_artifact()
LARGE = {"large": np.arange(265_000, dtype=np.float32), "count": np.array([4], np.int64)}
"""More than one chunk: its file is a node and two leaves."""


class Broken(MemoryStore):
    """A store in which one block is gone, or has a bit flipped."""

    def __init__(self, blocks: Mapping[Cid, bytes], *, flipped: Cid | None = None, gone: Cid | None = None) -> None:
        super().__init__("broken")
        self._blocks = {cid: data for cid, data in blocks.items() if cid != gone}
        if flipped is not None:
            self._blocks[flipped] = blocks[flipped][:-1] + bytes([blocks[flipped][-1] ^ 1])


def blocks_of(store: UpdateStore) -> Mapping[Cid, bytes]:
    return store._blocks  # type: ignore[attr-defined,no-any-return]


def audited(script: Script, store: UpdateStore, **options: Any) -> AuditReport:
    reader = MemoryHistory(script.world.root, code=ARTIFACT.deployed_bytecode)  # type: ignore[attr-defined]
    return audit(reader, store, artifact=ARTIFACT, **options)


def linked(store: UpdateStore, result: Cid) -> Iterator[tuple[str, Cid]]:
    """Every block that a result links to, itself included, back to the genesis; and what it is."""
    yield "result", result
    document = decode(store.get(result))
    assert isinstance(document, ResultDocument)
    yield "task", document.task
    yield from (("weights", cid) for cid, _ in walk(store.get, File(cid=document.weights, size=document.bytes)))
    for entry in document.included:
        yield from _linked_by_update(store, "included", entry.update)
    for left_out in document.excluded:
        yield from _linked_by_update(store, f"excluded {left_out.reason}", left_out.update)
    if document.base is not None:
        yield from linked(store, document.base)


def _linked_by_update(store: UpdateStore, what: str, update: Cid) -> Iterator[tuple[str, Cid]]:
    yield what, update
    document = decode(store.get(update))
    assert isinstance(document, UpdateDocument)
    file = File(cid=document.weights, size=document.bytes)
    yield from ((f"{what}, its weights", cid) for cid, _ in walk(store.get, file))


def with_nan(parameters: Parameters) -> Parameters:
    parameters["large"][7] = np.nan
    return parameters


@pytest.fixture(scope="module")
def script() -> Script:
    """Two rounds of three nodes, with weights of several blocks, and updates that must not count."""
    made = Script(MemoryWorld, nodes=3, task=task_document(start=LARGE, max_bytes=2_000_000), start=LARGE)
    made.round(parameters={3: with_nan})
    made.round(samples_on_chain={3: 7})
    return made


@pytest.fixture(scope="module")
def links(script: Script) -> list[tuple[str, Cid]]:
    return list(dict.fromkeys(linked(script.store, script.result(script.results[-1]).cid())))


def test_links__there_is_one_of_every_kind(links: list[tuple[str, Cid]]) -> None:
    kinds = {what for what, _ in links}

    assert kinds == {
        "result",
        "task",
        "weights",
        "included",
        "included, its weights",
        "excluded non-finite",
        "excluded non-finite, its weights",
        "excluded wrong-samples",
        "excluded wrong-samples, its weights",
    }


def test_audit__nothing_is_broken__passes(script: Script) -> None:
    assert audited(script, script.store).verdict is Verdict.PASS


def test_audit__one_bit_of_any_linked_block_is_flipped__fails_and_says_that_a_store_is_bad(
    script: Script, links: list[tuple[str, Cid]]
) -> None:
    for what, cid in links:
        report = audited(script, Broken(blocks_of(script.store), flipped=cid))

        assert report.verdict is Verdict.FAIL, what
        corrupted = [one for one in report.all_findings if one.fault is Fault.CORRUPTED_BLOCK]
        assert corrupted, what
        assert all("a store is bad" in one.message for one in corrupted)
        assert any(str(cid) in one.message for one in corrupted), what
        assert {one.fault for one in report.all_findings} == {Fault.CORRUPTED_BLOCK}, what


def test_audit__any_block_that_is_needed_is_gone__is_incomplete_and_names_it(
    script: Script, links: list[tuple[str, Cid]]
) -> None:
    for what, cid in links:
        report = audited(script, Broken(blocks_of(script.store), gone=cid))

        if what == "excluded wrong-samples, its weights":
            # Its document alone shows what is wrong: nobody ever has to fetch these.
            assert report.verdict is Verdict.PASS
            continue
        assert report.verdict is Verdict.INCOMPLETE, what
        assert {one.fault for one in report.all_findings} == {Fault.MISSING_BYTES}, what
        assert any(str(cid) in one.message for one in report.all_findings), what


def test_audit__an_update_is_gone__names_its_node_and_leaves_other_rounds_alone(script: Script) -> None:
    first = script.result(script.results[-1])
    gone = first.included[1]

    report = audited(script, Broken(blocks_of(script.store), gone=gone.update))

    assert [one.verdict for one in report.rounds] == [Verdict.PASS, Verdict.INCOMPLETE]
    assert [one.nodes for one in report.all_findings] == [(gone.node,)]
    assert not report.rounds[1].reexecuted


def test_audit__an_update_is_gone_and_another_was_wrongly_excluded__fails(script: Script) -> None:
    made = Script(MemoryWorld, nodes=4)

    def forge(result: Any) -> ResultDocument:
        (left_out,) = result.document.excluded
        return replace(result.document, excluded=(replace(left_out, reason="malformed"),))

    made.round(withheld=[4], forge=forge)
    gone = made.result(made.results[-1]).included[0].update

    report = audited(made, Broken(blocks_of(made.store), gone=gone))

    assert report.verdict is Verdict.FAIL
    assert {one.fault for one in report.all_findings} == {Fault.MISSING_BYTES, Fault.WRONG_EXCLUSION}


def test_audit__an_update_that_the_base_names_is_gone__leaves_the_round_after_it_incomplete_too(
    script: Script,
) -> None:
    gone = script.result(script.results[0]).included[1]

    report = audited(script, Broken(blocks_of(script.store), gone=gone.update))

    assert [(one.verdict, one.reexecuted) for one in report.rounds] == [(Verdict.INCOMPLETE, False)] * 2
    for one in report.rounds:
        assert {(found.fault, found.nodes) for found in one.findings} == {(Fault.MISSING_BYTES, (gone.node,))}
        assert all(str(gone.update) in found.message for found in one.findings)


def test_audit__a_base_lacks_an_update_and_a_good_one_is_excluded__fails_all_the_same() -> None:
    def forge(result: Any) -> ResultDocument:
        *kept, last = result.document.included
        left_out = Excluded(node=last.node, update=last.update, reason=Reason.NON_FINITE)
        return replace(result.document, included=tuple(kept), excluded=(left_out,))

    made = Script(MemoryWorld, nodes=3)
    made.round()
    made.round(forge=forge)
    first = made.result(made.results[0])

    report = audited(made, Broken(blocks_of(made.store), gone=first.included[0].update))

    assert [one.verdict for one in report.rounds] == [Verdict.INCOMPLETE, Verdict.FAIL]
    wrong = [one for one in report.all_findings if one.fault is not Fault.MISSING_BYTES]
    assert [(one.fault, one.nodes) for one in wrong] == [(Fault.WRONG_EXCLUSION, (first.included[2].node,))]


def test_audit__a_base_lacks_an_update_that_it_calls_unavailable__passes() -> None:
    made = Script(MemoryWorld, nodes=4)
    made.round(withheld=[4])
    made.round()
    (left_out,) = made.result(made.results[0]).excluded
    assert left_out.reason is Reason.UNAVAILABLE

    report = audited(made, Broken(blocks_of(made.store), gone=left_out.update))

    assert [one.verdict for one in report.rounds] == [Verdict.PASS] * 2


def test_audit__a_second_store_has_what_the_first_lacks_or_corrupts__passes(
    script: Script, links: list[tuple[str, Cid]]
) -> None:
    blocks = blocks_of(script.store)
    update, weights = (next(cid for what, cid in links if what == kind) for kind in ("included", "weights"))

    store = CompositeStore([Broken(blocks, gone=update), Broken(blocks, flipped=weights), script.store])

    assert audited(script, store).verdict is Verdict.PASS


def test_audit__no_block_can_be_had__is_incomplete_and_not_an_error(script: Script) -> None:
    class Unreachable(MemoryStore):
        def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
            raise StoreUnavailable("the store does not answer; look whether it runs")

    report = audited(script, Unreachable())

    assert report.verdict is Verdict.INCOMPLETE
    assert [one.verdict for one in report.rounds] == [Verdict.INCOMPLETE] * 2


def test_audit__the_base_of_a_round_was_pruned__that_round_can_still_be_executed_after_the_one_before(
    script: Script,
) -> None:
    root = script.result(script.results[0]).weights

    report = audited(script, Broken(blocks_of(script.store), gone=root))

    assert [(one.verdict, one.reexecuted) for one in report.rounds] == [
        (Verdict.INCOMPLETE, True),
        (Verdict.PASS, True),
    ]


def test_audit__only_the_round_on_a_pruned_base_is_asked_for__is_incomplete(script: Script) -> None:
    root = script.result(script.results[0]).weights

    report = audited(script, Broken(blocks_of(script.store), gone=root), rounds=[2])

    assert [(one.verdict, one.reexecuted) for one in report.rounds] == [(Verdict.INCOMPLETE, False)]
    assert "the base's weights cannot be had" in report.all_findings[0].message


def test_audit__an_update_excluded_as_unavailable_is_corrupted_in_the_store__fails() -> None:
    made = Script(MemoryWorld)
    made.round(withheld=[3])
    (left_out,) = made.result(made.results[-1]).excluded

    corrupted = audited(made, Broken(blocks_of(made.store), flipped=left_out.update))
    gone = audited(made, Broken(blocks_of(made.store), gone=left_out.update))

    assert [one.fault for one in corrupted.all_findings] == [Fault.CORRUPTED_BLOCK]
    assert corrupted.all_findings[0].nodes == (left_out.node,)
    assert (gone.verdict, gone.rounds[0].notes) == (Verdict.PASS, ())


def test_audit__any_store__leaves_nothing_behind_and_reads_only(script: Script, tmp_path: Path) -> None:
    class ReadOnly(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self._blocks = dict(blocks_of(script.store))
            self.largest = 0

        def put(self, cid: Cid, data: bytes) -> None:
            raise AssertionError("an audit writes to no store")

        def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
            held = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
            self.largest = max(self.largest, held)
            return super().get(cid, max_bytes=max_bytes)

    store = ReadOnly()
    report = audited(script, store, work_dir=tmp_path)

    assert report.verdict is Verdict.PASS
    assert list(tmp_path.iterdir()) == []
    # The base, a round's three updates and the merge; nothing of the rounds before.
    assert 0 < store.largest <= 5 * 1_060_400


def test_audit__it_fails_in_the_middle__leaves_nothing_behind(script: Script, tmp_path: Path) -> None:
    class Interrupting(MemoryStore):
        def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
            if len(list(tmp_path.rglob("bafy*"))) > 1:
                raise KeyboardInterrupt
            data = blocks_of(script.store).get(cid)
            if data is None:
                raise BlockNotFound(str(cid))
            return data

    with pytest.raises(KeyboardInterrupt):
        audited(script, Interrupting(), work_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []
