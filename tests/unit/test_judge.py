"""Judging: each reason by itself, their order, and a result that every observer finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.core import dagcbor, unixfs, weights
from swarm_chain.core.cids import Cid, Codec, cid_of, document_cid
from swarm_chain.core.documents import (
    MAX_DOCUMENT,
    Excluded,
    Included,
    MergeSettings,
    Reason,
    ResultDocument,
    RuleChoice,
    ShippedSource,
    TaskDocument,
    UpdateDocument,
    UpdateSettings,
    genesis,
)
from swarm_chain.core.judge import (
    MAX_DETAIL,
    Base,
    BuiltResult,
    Reveal,
    RoundFacts,
    build_result,
    judge_document,
    judge_updates,
)
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import CHUNK, File
from swarm_chain.errors import BlockNotFound, CidMismatch, CorruptedBlock, MergeError, StoreUnavailable, TooLarge
from swarm_chain.types import Address, Digest, RoundNumber, Samples

CONTRACT = Address(b"\xc0" * 20)
CHAIN = 31337
ROUND = RoundNumber(3)


def address(number: int) -> Address:
    return Address(bytes([number]) * 20)


def tensors(seed: float) -> dict[str, Any]:
    return {"w": np.full((2, 3), seed, np.float32), "steps": np.array(int(seed), np.int64)}


class Swarm:
    """One round of a small swarm whose blocks are in a dictionary."""

    def __init__(self, folder: Path, *, rule: str = "weighted_mean", max_bytes: int = 3 * CHUNK, **merge: Any) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self.folder = folder
        self.task = TaskDocument(
            name="small",
            source=ShippedSource(name="small", version="1"),
            model=weights.model_digest(weights.specs_of(tensors(0))),
            training={},
            merge=MergeSettings(rule=rule, **merge),
            update=UpdateSettings(max_bytes=max_bytes),
        )
        file = self.file(weights.encode(tensors(0)))
        self.base = genesis(self.task, weights=file.cid, size=file.size)
        self.reveals: list[Reveal] = []

    def get(self, cid: Cid, *, max_bytes: int = 1 << 30) -> bytes:
        if cid not in self.blocks:
            raise BlockNotFound(f"{cid} is not here")
        if len(self.blocks[cid]) > max_bytes:
            raise TooLarge(f"{cid} is too large")
        return self.blocks[cid]

    def file(self, data: bytes) -> File:
        return unixfs.import_bytes(data, self.blocks.__setitem__)

    def document(self, number: int, data: bytes, **changes: Any) -> UpdateDocument:
        file = self.file(data)
        honest = UpdateDocument(
            chain=CHAIN,
            contract=CONTRACT,
            round=ROUND,
            node=address(number),
            base=self.base.cid(),
            weights=file.cid,
            bytes=file.size,
            samples=Samples(10),
            base_metrics={},
            local_metrics={},
        )
        return dataclasses.replace(honest, **changes)

    def reveal(self, number: int, data: bytes, *, order: int | None = None, samples: int = 10) -> Digest:
        digest = cid_of(data, Codec.DAG_CBOR).digest
        self.blocks[document_cid(digest)] = data
        self.reveals.append(
            Reveal(
                node=address(number),
                digest=digest,
                samples=Samples(samples),
                order=len(self.reveals) if order is None else order,
            )
        )
        return digest

    def submit(self, number: int, data: bytes | None = None, *, order: int | None = None, **changes: Any) -> Digest:
        data = weights.encode(tensors(number)) if data is None else data
        return self.reveal(number, self.document(number, data, **changes).encode(), order=order)

    @property
    def facts(self) -> RoundFacts:
        return RoundFacts(
            chain=CHAIN, contract=CONTRACT, round=ROUND, base=self.base.digest(), reveals=tuple(self.reveals)
        )

    def spool(self, name: str = "spool") -> Spool:
        return Spool(self.folder / name, self.get)

    def build(self, *, withheld: Iterable[Address] = (), spool: Spool | None = None, name: str = "out") -> BuiltResult:
        spool = spool or self.spool()
        return build_result(
            task=self.task,
            base=Base(
                document=self.base,
                weights=self.spool("base").weights(File(cid=self.base.weights, size=self.base.bytes)),
            ),
            facts=self.facts,
            library=spool,
            out=self.folder / name,
            withheld=set(withheld),
        )

    def reasons(self, **options: Any) -> dict[int, str]:
        return {entry.node[0]: entry.reason.value for entry in self.build(**options).document.excluded}


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    swarm = Swarm(tmp_path)
    swarm.submit(1)
    swarm.submit(9)
    return swarm


# --------------------------------------------------------------------------------------------------------------- result


def test_build_result__honest_updates__includes_them_by_address(swarm: Swarm) -> None:
    swarm.submit(5, order=-1)
    built = swarm.build()
    document = built.document
    assert [entry.node for entry in document.included] == [address(1), address(5), address(9)]
    assert [entry.weight for entry in document.included] == [10, 10, 10]
    assert [entry.update for entry in document.included] == [
        document_cid(reveal.digest) for reveal in sorted(swarm.reveals, key=lambda reveal: reveal.node)
    ]
    assert document.excluded == ()
    assert (document.chain, document.contract, document.round) == (CHAIN, CONTRACT, ROUND)
    assert (document.base, document.task, document.state) == (swarm.base.cid(), swarm.task.cid(), None)
    assert document.rule == RuleChoice(name="weighted_mean")
    merged = weights.load(built.weights)
    assert merged["w"].tolist() == [[5.0] * 3] * 2
    assert merged["steps"] == 5
    assert unixfs.import_file(built.weights) == File(cid=document.weights, size=document.bytes)
    assert ResultDocument.decode(document.encode()) == document


def test_build_result__reveals_in_any_order__gives_the_same_document(swarm: Swarm) -> None:
    swarm.submit(5)
    expected = swarm.build().document
    swarm.reveals.reverse()
    assert swarm.build(name="again", spool=swarm.spool("other")).document == expected


def test_build_result__shares_are_capped__weighs_as_the_task_says(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, max_share_bps=4000)
    for number, samples in ((1, 1000), (2, 10), (3, 10), (4, 10)):
        update = swarm.document(number, weights.encode(tensors(number)), samples=Samples(samples))
        swarm.reveal(number, update.encode(), samples=samples)
    assert [entry.weight for entry in swarm.build().document.included] == [20, 10, 10, 10]


def test_build_result__nothing_revealed__carries_the_base_forward(tmp_path: Path) -> None:
    built = Swarm(tmp_path).build()
    assert (built.document.included, built.document.excluded) == ((), ())
    assert not (tmp_path / "out").exists()


def test_build_result__fewer_than_the_rule_needs__carries_the_base_forward_and_rejects(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, rule="trimmed_mean", parameters={"f": 1})
    swarm.base = dataclasses.replace(swarm.base, state=cid_of(b"state", Codec.RAW))
    swarm.submit(1)
    swarm.submit(2)
    swarm.submit(3, round=RoundNumber(2))
    built = swarm.build()
    assert {entry.node[0]: entry.reason for entry in built.document.excluded} == {
        1: Reason.REJECTED,
        2: Reason.REJECTED,
        3: Reason.WRONG_ROUND,
    }
    assert built.document.included == ()
    assert (built.document.weights, built.document.bytes) == (swarm.base.weights, swarm.base.bytes)
    assert built.document.state == swarm.base.state
    assert built.weights.read_bytes() == weights.encode(tensors(0))
    assert not (tmp_path / "out").exists()


def test_build_result__exactly_what_the_rule_needs__merges(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, rule="trimmed_mean", parameters={"f": 1})
    for number in (1, 2, 6):
        swarm.submit(number)
    built = swarm.build()
    assert [entry.weight for entry in built.document.included] == [1, 1, 1]
    assert weights.load(built.weights)["w"][0, 0] == 2


def test_build_result__a_base_that_is_not_the_rounds__raises_merge_error(swarm: Swarm) -> None:
    facts = dataclasses.replace(swarm.facts, base=Digest(bytes(32)))
    path = swarm.spool().weights(File(cid=swarm.base.weights, size=swarm.base.bytes))
    with pytest.raises(MergeError, match="pass its base"):
        build_result(
            task=swarm.task,
            base=Base(document=swarm.base, weights=path),
            facts=facts,
            library=swarm.spool(),
            out=swarm.folder / "out",
        )


def test_build_result__a_base_of_another_model__raises_merge_error(swarm: Swarm) -> None:
    swarm.task = dataclasses.replace(swarm.task, model=Digest(bytes(32)))
    with pytest.raises(MergeError, match="not the task's model"):
        swarm.build()


def test_build_result__a_rule_that_is_not_installed__raises_merge_error(swarm: Swarm) -> None:
    swarm.task = dataclasses.replace(swarm.task, merge=MergeSettings(rule="no_such_rule"))
    with pytest.raises(MergeError, match="no_such_rule"):
        swarm.build()


# -------------------------------------------------------------------------------------------------------------- reasons

GOOD = weights.encode(tensors(5))
_Submit = Callable[[Swarm], object]


def _raw(change: Callable[[dict[str, Any]], object]) -> _Submit:
    def submit(swarm: Swarm) -> None:
        value: Any = dagcbor.decode(swarm.document(5, GOOD).encode())
        change(value)
        swarm.reveal(5, dagcbor.encode(value))

    return submit


def _deleting(*what: str, data: bytes = GOOD) -> _Submit:
    def submit(swarm: Swarm) -> None:
        digest = swarm.submit(5, data)
        root = unixfs.import_bytes(data).cid
        leaf = cid_of(data[-(len(data) % CHUNK) :], Codec.RAW)
        for name in what:
            del swarm.blocks[{"document": document_cid(digest), "root": root, "leaf": leaf}[name]]

    return submit


BIG = weights.encode({"w": np.zeros(CHUNK // 4, np.float32)})
NAN = weights.encode({**tensors(5), "w": np.full((2, 3), np.nan, np.float32)})
CASES: dict[str, tuple[str, _Submit]] = {
    "document missing": ("unavailable", _deleting("document")),
    "document of more than a block": ("unavailable", lambda swarm: swarm.reveal(5, bytes(1 << 20) + b"x")),
    "document is nonsense": ("malformed", lambda swarm: swarm.reveal(5, b"\xff")),
    "document is a task": ("malformed", lambda swarm: swarm.reveal(5, swarm.task.encode())),
    "document with a key more": ("malformed", _raw(lambda value: value.update(extra=1))),
    "document with a key less": ("malformed", _raw(lambda value: value.pop("samples"))),
    "document not canonical": (
        "malformed",
        lambda swarm: swarm.reveal(5, swarm.document(5, GOOD).encode().replace(b"\x0a", b"\x18\x0a", 1)),
    ),
    "another chain": ("wrong-swarm", lambda swarm: swarm.submit(5, chain=1)),
    "another contract": ("wrong-swarm", lambda swarm: swarm.submit(5, contract=address(7))),
    "another round": ("wrong-round", lambda swarm: swarm.submit(5, round=RoundNumber(2))),
    "another node": ("wrong-node", lambda swarm: swarm.submit(5, node=address(1))),
    "another base": ("wrong-base", lambda swarm: swarm.submit(5, base=cid_of(b"", Codec.DAG_CBOR))),
    "more samples than on chain": ("wrong-samples", lambda swarm: swarm.submit(5, samples=Samples(11))),
    "no samples": ("wrong-samples", lambda swarm: swarm.submit(5, samples=Samples(0))),
    "more bytes declared than allowed": ("too-large", lambda swarm: swarm.submit(5, bytes=3 * CHUNK + 1)),
    "weights missing": ("unavailable", _deleting("root")),
    "one chunk of weights missing": ("unavailable", _deleting("leaf", data=BIG)),
    "more bytes than declared": ("malformed", lambda swarm: swarm.submit(5, bytes=len(GOOD) - 1)),
    "fewer bytes than declared": ("malformed", lambda swarm: swarm.submit(5, bytes=len(GOOD) + 1)),
    "a file of no bytes": ("malformed", lambda swarm: swarm.submit(5, b"")),
    "weights that are a pickle": ("malformed", lambda swarm: swarm.submit(5, b"\x80\x04\x95")),
    "weights with metadata": (
        "malformed",
        lambda swarm: swarm.submit(5, (32).to_bytes(8, "little") + b'{"__metadata__":{"a":"b"}}'.ljust(32)),
    ),
    "another shape, and numbers that are none": (
        "shape-mismatch",
        lambda swarm: swarm.submit(5, weights.encode({"w": np.full(3, np.nan, np.float32)})),
    ),
    "a tensor of another shape": (
        "shape-mismatch",
        lambda swarm: swarm.submit(5, weights.encode({**tensors(5), "w": np.zeros((3, 2), np.float32)})),
    ),
    "a tensor of another dtype": (
        "shape-mismatch",
        lambda swarm: swarm.submit(5, weights.encode({**tensors(5), "w": np.zeros((2, 3), np.float16)})),
    ),
    "a tensor more": (
        "shape-mismatch",
        lambda swarm: swarm.submit(5, weights.encode({**tensors(5), "x": np.zeros(1)})),
    ),
    "no tensors": ("shape-mismatch", lambda swarm: swarm.submit(5, weights.encode({}))),
    "a number that is none": ("non-finite", lambda swarm: swarm.submit(5, NAN)),
    "a copy of an earlier update": ("duplicate", lambda swarm: swarm.submit(5, weights.encode(tensors(1)))),
}


@pytest.mark.parametrize(("reason", "submit"), CASES.values(), ids=CASES)
def test_build_result__one_update_is_wrong__is_excluded_for_its_reason(
    swarm: Swarm, reason: str, submit: _Submit
) -> None:
    submit(swarm)
    built = swarm.build()
    assert built.document.excluded == (
        Excluded(node=address(5), update=document_cid(swarm.reveals[-1].digest), reason=Reason(reason)),
    )
    assert [entry.node for entry in built.document.included] == [address(1), address(9)]
    judged = next(one for one in built.judgements if one.reveal.node == address(5))
    assert (judged.reason, bool(judged.detail)) == (reason, True)
    assert built.unavailable == ((address(5),) if reason == "unavailable" else ())


def test_cases__cover_every_reason_but_rejected() -> None:
    assert {reason for reason, _ in CASES.values()} == set(Reason) - {Reason.REJECTED}


def test_build_result__several_reasons_at_once__the_first_in_the_protocols_order_counts(swarm: Swarm) -> None:
    """Puts right one thing after another in an update where all of them are wrong."""
    wrong: dict[str, Any] = {
        "chain": 1,
        "round": RoundNumber(1),
        "node": address(7),
        "base": cid_of(b"", Codec.DAG_CBOR),
        "samples": Samples(1),
        "bytes": 1 << 40,
    }
    found = []
    for key in [*wrong, None]:
        update = dataclasses.replace(swarm.document(5, NAN), **wrong)
        swarm.reveal(5, update.encode())
        root = swarm.blocks.pop(update.weights)
        found.append(swarm.reasons()[5])
        swarm.blocks[update.weights] = root
        swarm.reveals.pop()
        wrong.pop(key or "", None)
    assert found == [
        "wrong-swarm",
        "wrong-round",
        "wrong-node",
        "wrong-base",
        "wrong-samples",
        "too-large",
        "unavailable",
    ]


def test_build_result__too_large__is_said_before_any_weights_are_fetched(swarm: Swarm) -> None:
    update = swarm.document(5, GOOD, bytes=3 * CHUNK + 1)
    swarm.reveal(5, update.encode())
    asked = []
    get = swarm.get

    def watched(cid: Cid, *, max_bytes: int = 1 << 30) -> bytes:
        asked.append(cid)
        return get(cid, max_bytes=max_bytes)

    assert swarm.reasons(spool=Spool(swarm.folder / "watched", watched)) == {5: "too-large"}
    assert update.weights not in asked


@pytest.mark.parametrize("error", [CorruptedBlock, StoreUnavailable, TooLarge])
def test_build_result__a_store_fails__counts_as_unavailable(swarm: Swarm, error: type[Exception]) -> None:
    swarm.submit(5)
    get = swarm.get

    def failing(cid: Cid, *, max_bytes: int = 1 << 30) -> bytes:
        if cid == document_cid(swarm.reveals[-1].digest):
            raise error("broken")
        return get(cid, max_bytes=max_bytes)

    assert swarm.reasons(spool=Spool(swarm.folder / "failing", failing)) == {5: "unavailable"}


def test_build_result__a_file_known_by_its_true_size__is_not_taken_for_one_of_another(swarm: Swarm) -> None:
    data = weights.encode(tensors(1))
    swarm.submit(5, data, bytes=len(data) + 1)
    spool = swarm.spool("known")
    spool.weights(unixfs.import_bytes(data))
    assert swarm.reasons(spool=spool) == {5: "malformed"}
    assert swarm.reasons(spool=swarm.spool("fresh")) == {5: "malformed"}


def test_build_result__an_update_that_makes_a_long_story__has_a_short_detail(swarm: Swarm) -> None:
    swarm.submit(5, weights.encode({f"{number}{'x' * 1000}": np.zeros(1) for number in range(100)}))
    (judged,) = (one for one in swarm.build().judgements if one.reason)
    assert judged.reason is Reason.SHAPE_MISMATCH
    assert len(judged.detail) == MAX_DETAIL
    assert judged.detail.startswith("tensors are not the task's: '0xxx")
    assert judged.detail.endswith("…")


def test_judge_document__bytes_of_another_digest__raises_cid_mismatch(swarm: Swarm) -> None:
    with pytest.raises(CidMismatch):
        judge_document(b"other", swarm.reveals[0], swarm.facts, swarm.task)


# ------------------------------------------------------------------------------------------------------------- withheld


def test_build_result__withheld_although_here__is_excluded_as_unavailable(swarm: Swarm) -> None:
    swarm.submit(5)
    everything = swarm.build().document
    built = swarm.build(withheld=[address(5)])
    assert built.unavailable == (address(5),)
    assert [entry.node for entry in built.document.included] == [address(1), address(9)]
    missing = next(cid for cid in swarm.blocks if cid == document_cid(swarm.reveals[-1].digest))
    del swarm.blocks[missing]
    assert swarm.build(spool=swarm.spool("late")).document == built.document
    assert everything != built.document


def test_build_result__withheld_update_is_copied__the_copy_counts(swarm: Swarm) -> None:
    swarm.submit(5, weights.encode(tensors(1)))
    assert swarm.reasons() == {5: "duplicate"}
    assert swarm.reasons(withheld=[address(1)]) == {1: "unavailable"}


# ----------------------------------------------------------------------------------------------------------- duplicates


def test_duplicate__who_committed_first__is_the_original(swarm: Swarm) -> None:
    swarm.submit(5, weights.encode(tensors(9)), order=-5)
    assert swarm.reasons() == {9: "duplicate"}


def test_duplicate__of_three_equal__only_the_first_counts(swarm: Swarm) -> None:
    swarm.submit(4, weights.encode(tensors(1)))
    swarm.submit(5, weights.encode(tensors(1)))
    assert swarm.reasons() == {4: "duplicate", 5: "duplicate"}


def test_duplicate__of_an_update_that_an_earlier_reason_excludes__counts(swarm: Swarm) -> None:
    swarm.submit(4, GOOD, samples=Samples(99))
    swarm.submit(5, GOOD)
    assert swarm.reasons() == {4: "wrong-samples"}


def test_duplicate__equal_numbers_of_non_finite_copies__are_non_finite(swarm: Swarm) -> None:
    swarm.submit(4, NAN)
    swarm.submit(5, NAN)
    assert swarm.reasons() == {4: "non-finite", 5: "non-finite"}


def _earlier(swarm: Swarm, *, included: dict[int, bytes], excluded: dict[int, tuple[bytes, Reason]]) -> None:
    """Makes the base a result that names these updates."""
    links = {
        number: swarm.document(number, data, round=RoundNumber(2))
        for number, data in {**included, **{number: data for number, (data, _) in excluded.items()}}.items()
    }
    for update in links.values():
        swarm.blocks[update.cid()] = update.encode()
    swarm.base = dataclasses.replace(
        swarm.base,
        chain=CHAIN,
        contract=CONTRACT,
        round=RoundNumber(2),
        base=swarm.base.cid(),
        included=tuple(
            Included(node=address(number), update=links[number].cid(), weight=1) for number in sorted(included)
        ),
        excluded=tuple(
            Excluded(node=address(number), update=links[number].cid(), reason=excluded[number][1])
            for number in sorted(excluded)
        ),
    )


@pytest.mark.parametrize("reason", [Reason.DUPLICATE, Reason.REJECTED, None])
def test_duplicate__of_another_nodes_update_that_the_base_names__is_excluded(
    tmp_path: Path, reason: Reason | None
) -> None:
    swarm = Swarm(tmp_path)
    old = weights.encode(tensors(1))
    if reason:
        _earlier(swarm, included={}, excluded={1: (old, reason)})
    else:
        _earlier(swarm, included={1: old}, excluded={})
    swarm.submit(5, old)
    swarm.submit(6)
    assert swarm.reasons() == {5: "duplicate"}


def test_duplicate__of_ones_own_update_that_the_base_names__counts(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    old = weights.encode(tensors(1))
    _earlier(swarm, included={1: old}, excluded={})
    swarm.submit(1, old)
    assert swarm.reasons() == {}


@pytest.mark.parametrize("reason", [Reason.NON_FINITE, Reason.UNAVAILABLE, Reason.WRONG_SAMPLES])
def test_duplicate__of_what_the_base_excluded_for_an_earlier_reason__counts(tmp_path: Path, reason: Reason) -> None:
    swarm = Swarm(tmp_path)
    old = weights.encode(tensors(1))
    _earlier(swarm, included={}, excluded={1: (old, reason)})
    swarm.submit(5, old)
    assert swarm.reasons() == {}


@pytest.mark.parametrize("reason", [Reason.DUPLICATE, Reason.REJECTED, None])
def test_duplicate__a_document_that_the_base_names_is_gone__is_no_result_but_a_store_error(
    tmp_path: Path, reason: Reason | None
) -> None:
    swarm = Swarm(tmp_path)
    old = weights.encode(tensors(1))
    if reason:
        _earlier(swarm, included={}, excluded={1: (old, reason)})
    else:
        _earlier(swarm, included={1: old}, excluded={})
    (entry,) = (*swarm.base.included, *swarm.base.excluded)
    block = swarm.blocks.pop(entry.update)
    swarm.submit(5, old)
    with pytest.raises(BlockNotFound, match=str(entry.update)):
        swarm.build()
    swarm.blocks[entry.update] = block
    assert swarm.reasons() == {5: "duplicate"}


@pytest.mark.parametrize("block", [b"\xa0", bytes(MAX_DOCUMENT + 1)], ids=["no update", "too large"])
def test_duplicate__the_base_names_what_is_no_update__nothing_is_compared_with_it(tmp_path: Path, block: bytes) -> None:
    swarm = Swarm(tmp_path)
    _earlier(swarm, included={1: weights.encode(tensors(1))}, excluded={})
    link = cid_of(block, Codec.DAG_CBOR)
    swarm.blocks[link] = block
    swarm.base = dataclasses.replace(swarm.base, included=(Included(node=address(1), update=link, weight=1),))
    swarm.submit(5, weights.encode(tensors(1)))
    assert swarm.reasons() == {}


def test_duplicate__a_document_that_the_base_excluded_for_an_earlier_reason_is_gone__does_not_matter(
    tmp_path: Path,
) -> None:
    swarm = Swarm(tmp_path)
    old = weights.encode(tensors(1))
    _earlier(swarm, included={}, excluded={1: (old, Reason.UNAVAILABLE)})
    del swarm.blocks[swarm.base.excluded[0].update]
    swarm.submit(5, old)
    assert swarm.reasons() == {}


# ---------------------------------------------------------------------------------------------------------------- spool


def test_judge_updates__ordered_by_address__before_the_rule(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, rule="trimmed_mean", parameters={"f": 4})
    swarm.submit(7)
    swarm.submit(2)
    base = Base(document=swarm.base, weights=swarm.spool().weights(File(cid=swarm.base.weights, size=swarm.base.bytes)))
    judged = judge_updates(task=swarm.task, base=base, facts=swarm.facts, library=swarm.spool())
    assert [(one.reveal.node, one.reason) for one in judged] == [(address(2), None), (address(7), None)]


def test_spool__a_file_damaged_on_disk__is_fetched_again(swarm: Swarm) -> None:
    file = unixfs.import_bytes(weights.encode(tensors(1)))
    path = swarm.spool().weights(file)
    path.write_bytes(b"damaged")
    assert swarm.spool().weights(file).read_bytes() == weights.encode(tensors(1))


def test_spool__blocks_that_come_later__are_asked_for_again(swarm: Swarm) -> None:
    swarm.submit(5)
    digest = swarm.reveals[-1].digest
    block = swarm.blocks.pop(document_cid(digest))
    spool = swarm.spool()
    with pytest.raises(BlockNotFound):
        spool.document(digest)
    swarm.blocks[document_cid(digest)] = block
    assert spool.document(digest) == block


def test_spool__adopt_and_keep_only__holds_what_was_named(swarm: Swarm) -> None:
    spool = swarm.spool()
    one, other = (unixfs.import_bytes(weights.encode(tensors(number))) for number in (1, 9))
    spool.weights(one)
    made = swarm.folder / "made"
    made.write_bytes(weights.encode(tensors(9)))
    assert spool.adopt(made, other) == spool.path(other.cid)
    spool.keep_only({other.cid})
    assert [path.name for path in (swarm.folder / "spool").iterdir()] == [str(other.cid)]
