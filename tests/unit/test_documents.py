"""Documents: equal ones have equal bytes, and hostile bytes are no document."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dag_cbor
import multiformats
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_chain.core import dagcbor, documents
from swarm_chain.core.cids import Cid, Codec, cid_of
from swarm_chain.core.documents import (
    MAX_DOCUMENT,
    MAX_REVEALED,
    MAX_RULE_PARAMETERS,
    Document,
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
    decode,
    explain_difference,
    genesis,
    read,
)
from swarm_chain.errors import BlockNotFound, CidMismatch, MalformedDocument
from swarm_chain.types import Address, Digest, RoundNumber, Samples

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/documents.json").read_text())

# The same documents as tests/vectors/documents.mjs writes in JavaScript.

TASK = TaskDocument(
    name="digits",
    source=ShippedSource(name="digits", version="1"),
    model=Digest(b"\x11" * 32),
    training={
        "learning_rate": 0.05,
        "epochs": 5,
        "optimiser": "sgd",
        "nesterov": False,
        "momentum": -0.9,
        "hidden": 128,
    },
    merge=MergeSettings(rule="weighted_mean"),
    update=UpdateSettings(max_bytes=4194304),
)
LINKED_TASK = dataclasses.replace(
    TASK,
    name=" ~",
    training={"name": "Größen 数字 \U0001fae8"},
    source=cid_of(b"source", Codec.RAW),
    merge=MergeSettings(
        rule="trimmed_mean",
        parameters={"f": 1},
        source=cid_of(b"rule", Codec.RAW),
        max_samples=1,
        max_share_bps=3333,
    ),
)
GENESIS = genesis(TASK, weights=cid_of(b"weights", Codec.DAG_PB), size=1048577)
UPDATE = UpdateDocument(
    chain=31337,
    contract=Address(b"\xc0" * 20),
    round=RoundNumber(7),
    node=Address(b"\x0a" * 20),
    base=GENESIS.cid(),
    weights=cid_of(b"small weights", Codec.RAW),
    bytes=1000,
    samples=Samples(60),
    base_metrics={"accuracy": 0.5, "loss": 1.25},
    local_metrics={"accuracy": 0.875, "loss": 1e-300},
)
RESULT = dataclasses.replace(
    GENESIS,
    chain=9007199254740993,
    contract=Address(b"\xc0" * 20),
    round=RoundNumber(4294967295),
    base=GENESIS.cid(),
    weights=cid_of(b"merged", Codec.DAG_PB),
    bytes=2097152,
    state=cid_of(b"state", Codec.RAW),
    included=(
        Included(node=Address(b"\x0a" * 20), update=UPDATE.cid(), weight=60),
        Included(node=Address(b"\xff" * 20), update=cid_of(b"x", Codec.DAG_CBOR), weight=2**64 - 1),
    ),
    excluded=(
        Excluded(node=Address(b"\x00" * 20), update=cid_of(b"y", Codec.DAG_CBOR), reason=Reason.WRONG_SAMPLES),
        Excluded(node=Address(b"\x0b" * 20), update=cid_of(b"z", Codec.DAG_CBOR), reason=Reason.UNAVAILABLE),
    ),
    rule=RuleChoice(name="trimmed_mean", parameters={"f": 1}),
)
ALL: dict[str, Document] = {
    "task": TASK,
    "linkedTask": LINKED_TASK,
    "genesis": GENESIS,
    "update": UPDATE,
    "result": RESULT,
}


@pytest.mark.parametrize("name", ALL)
def test_encode__documents_that_another_program_wrote__gives_its_bytes_and_cid(name: str) -> None:
    expected = VECTORS["documents"][name]
    assert ALL[name].encode().hex() == expected["hex"]
    assert str(ALL[name].cid()) == expected["cid"]
    assert ALL[name].digest() == hashlib.sha256(bytes.fromhex(expected["hex"])).digest()


@pytest.mark.parametrize("name", ALL)
def test_decode__bytes_that_another_program_wrote__gives_the_document(name: str) -> None:
    assert decode(bytes.fromhex(VECTORS["documents"][name]["hex"])) == ALL[name]


def test_decode__documents_of_another_type__raises_malformed() -> None:
    with pytest.raises(MalformedDocument, match="swarm-chain/task/1"):
        UpdateDocument.decode(TASK.encode())


def test_genesis__weights_of_an_earlier_swarm__links_to_its_result() -> None:
    assert genesis(TASK, weights=GENESIS.weights, size=1, base=RESULT.cid()).base == RESULT.cid()


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_decode__bytes_that_another_program_wrote_and_no_document_is__raises_malformed(name: str) -> None:
    with pytest.raises(MalformedDocument):
        decode(bytes.fromhex(VECTORS["refused"][name]))


_Change = Callable[[dict[str, Any]], object]


def _set(*path: str | int, to: Any) -> _Change:
    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


def _drop(key: str) -> _Change:
    return lambda value: value.pop(key)


LINK = cid_of(b"a document", Codec.DAG_CBOR)
FILE = cid_of(b"a file", Codec.RAW)
WRONG: dict[str, tuple[str, _Change]] = {
    "another version": ("task", _set("type", to="swarm-chain/task/2")),
    "type is a number": ("task", _set("type", to=1)),
    "no type": ("task", _drop("type")),
    "a key missing": ("task", _drop("importer")),
    "a key more": ("task", _set("extra", to=None)),
    "a nested key missing": ("task", lambda value: value["merge"].pop("source")),
    "a nested key more": ("task", _set("update", "compression", to="none")),
    "an empty name": ("task", _set("name", to="")),
    "a long name": ("task", _set("name", to="x" * 257)),
    "a name that moves the cursor": ("task", _set("name", to="a\x1b[2J")),
    "name is bytes": ("task", _set("name", to=b"digits")),
    "source is text": ("task", _set("source", to="digits")),
    "source links to a document": ("task", _set("source", to=LINK)),
    "a short model digest": ("task", _set("model", to=bytes(31))),
    "a list as hyper-parameter": ("task", _set("training", "layers", to=[1, 2])),
    "bytes as hyper-parameter": ("task", _set("training", "key", to=b"")),
    "null as hyper-parameter": ("task", _set("training", "key", to=None)),
    "a link as hyper-parameter": ("task", _set("training", "key", to=FILE)),
    "a map as hyper-parameter": ("task", _set("training", "key", to={})),
    "training is a list": ("task", _set("training", to=[])),
    "too many hyper-parameters": ("task", _set("training", to={f"p{i}": i for i in range(1025)})),
    "no samples at most": ("task", _set("merge", "max_samples", to=0)),
    "no share at most": ("task", _set("merge", "max_share_bps", to=0)),
    "more than the whole": ("task", _set("merge", "max_share_bps", to=10_001)),
    "a rule's source is a document": ("task", _set("merge", "source", to=LINK)),
    "another encoding": ("task", _set("update", "encoding", to="pickle")),
    "another importer": ("task", _set("importer", to="unixfs-v0-2015")),
    "max_bytes is true": ("task", _set("update", "max_bytes", to=True)),
    "a chain below zero": ("update", _set("chain", to=-1)),
    "chain is null": ("update", _set("chain", to=None)),
    "chain is a float": ("update", _set("chain", to=1.0)),
    "a contract as text": ("update", _set("contract", to="0x" + "c0" * 20)),
    "a node of 21 bytes": ("update", _set("node", to=bytes(21))),
    "base links to a file": ("update", _set("base", to=FILE)),
    "base is text": ("update", _set("base", to=str(LINK))),
    "weights link to a document": ("update", _set("weights", to=LINK)),
    "a metric as integer": ("update", _set("local_metrics", "accuracy", to=1)),
    "a metric as boolean": ("update", _set("local_metrics", "accuracy", to=True)),
    "a metric without name": ("update", _set("base_metrics", "", to=1.0)),
    "metrics are null": ("update", _set("base_metrics", to=None)),
    "a genesis of a chain": ("genesis", _set("chain", to=1)),
    "a genesis of a contract": ("genesis", _set("contract", to=bytes(20))),
    "a genesis that includes": ("genesis", _set("included", to=[{"node": bytes(20), "update": LINK, "weight": 1}])),
    "no chain after genesis": ("result", _set("chain", to=None)),
    "no contract after genesis": ("result", _set("contract", to=None)),
    "no base after genesis": ("result", _set("base", to=None)),
    "nodes out of order": ("result", lambda value: value["included"].reverse()),
    "excluded out of order": ("result", lambda value: value["excluded"].reverse()),
    "a node twice": ("result", lambda value: value["included"].append(value["included"][-1])),
    "a node in both lists": ("result", _set("excluded", 1, "node", to=b"\x0a" * 20)),
    "a weight of zero": ("result", _set("included", 0, "weight", to=0)),
    "a weight as float": ("result", _set("included", 0, "weight", to=60.0)),
    "a reason that is none": ("result", _set("excluded", 0, "reason", to="disliked")),
    "a reason by its Python name": ("result", _set("excluded", 0, "reason", to="WRONG_NODE")),
    "no reason": ("result", _set("excluded", 0, "reason", to=None)),
    "an update that is a file": ("result", _set("included", 0, "update", to=FILE)),
    "an entry that is no map": ("result", _set("included", 0, to=[])),
    "an entry with more": ("result", _set("included", 0, "extra", to=1)),
    "included is a map": ("result", _set("included", to={})),
    "task is a digest": ("result", _set("task", to=bytes(32))),
    "state is a document": ("result", _set("state", to=LINK)),
    "rule is text": ("result", _set("rule", to="mean")),
}


@pytest.mark.parametrize(("name", "change"), WRONG.values(), ids=WRONG)
def test_decode__one_field_wrong__raises_malformed(name: str, change: _Change) -> None:
    value: Any = dagcbor.decode(ALL[name].encode())
    change(value)
    data = dagcbor.encode(value)
    with pytest.raises(MalformedDocument):
        type(ALL[name]).decode(data)


# Ranges are written down here a second time, from the reference: a mistake in one shows.
TEXT_CANNOT_HOLD = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x61C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
]


def _takes(**changes: Any) -> bool:
    try:
        dataclasses.replace(TASK, **changes).encode()
    except MalformedDocument:
        return False
    return True


def test_encode__every_code_point_in_a_text__only_the_listed_ones_are_refused() -> None:
    known = set(TEXT_CANNOT_HOLD) | set(range(0xD800, 0xE000))
    allowed = "".join(chr(point) for point in range(0x110000) if point not in known)
    blocks = {f"block {start}": allowed[start : start + 4096] for start in range(0, len(allowed), 4096)}
    # In parts, since a document is at most 1 MiB.
    for start in range(0, len(blocks), 50):
        assert _takes(training=dict(list(blocks.items())[start : start + 50]))
    assert [point for point in sorted(known) if _takes(training={"text": f"a{chr(point)}"})] == []


def test_decode__keys_of_a_megabyte__are_shown_by_their_start() -> None:
    value: Any = dagcbor.decode(UPDATE.encode())
    with pytest.raises(MalformedDocument, match="xxx") as raised:
        UpdateDocument.decode(dagcbor.encode({**value, "x" * 1_000_000: 1}))
    assert len(str(raised.value)) < 300


def test_encode__every_character_in_a_name__only_printable_ascii_is_taken() -> None:
    points = [*range(0x400), 0x2028, 0xD800, 0xFF21, 0x1FAE8]
    assert [point for point in points if _takes(name=f"a{chr(point)}")] == list(range(0x20, 0x7F))
    assert [point for point in points if _takes(training={f"a{chr(point)}": 1})] == list(range(0x20, 0x7F))
    assert not _takes(name="a\n")


@pytest.mark.parametrize(
    "document",
    [
        dataclasses.replace(TASK, training={"rate": math.nan}),
        dataclasses.replace(TASK, training={"rate": math.inf}),
        dataclasses.replace(UPDATE, samples=Samples(1 << 64)),
        dataclasses.replace(UPDATE, node=Address(b"short")),
        dataclasses.replace(UPDATE, local_metrics={"accuracy": 1}),
        dataclasses.replace(UPDATE, local_metrics={"lone \ud800": 1.0}),
        dataclasses.replace(RESULT, included=RESULT.included[::-1]),
        dataclasses.replace(TASK, training={f"key {i}": "x" * 4000 for i in range(300)}),
    ],
)
def test_encode__a_document_nobody_could_decode__raises_malformed(document: Document) -> None:
    with pytest.raises(MalformedDocument):
        document.encode()


def test_decode__more_than_one_block__raises_before_parsing() -> None:
    with pytest.raises(MalformedDocument, match=str(MAX_DOCUMENT)):
        TaskDocument.decode(bytes(MAX_DOCUMENT + 1))
    with pytest.raises(MalformedDocument):
        decode(bytes(MAX_DOCUMENT + 1))


# The largest there can be: numbers of 64 bits, the longest reason, as many bytes of parameters as a task may have.
LARGEST_PARAMETERS = {"p": "x" * 1000, **{f"p{number}": "x" * 4096 for number in range(15)}}
LARGEST_PARAMETERS["p"] += "x" * (MAX_RULE_PARAMETERS - len(dagcbor.encode(LARGEST_PARAMETERS)))
LARGEST = dataclasses.replace(
    RESULT,
    chain=2**64 - 1,
    round=RoundNumber(2**64 - 1),
    bytes=2**64 - 1,
    included=(),
    excluded=(),
    rule=RuleChoice(name="x" * 256, parameters=LARGEST_PARAMETERS),
)
NODES = [Address(number.to_bytes(20, "big")) for number in range(MAX_REVEALED)]


def test_encode__the_largest_result_of_as_many_as_may_reveal__fits() -> None:
    task = dataclasses.replace(TASK, merge=MergeSettings(rule="x" * 256, parameters=LARGEST_PARAMETERS))
    assert TaskDocument.decode(task.encode()) == task
    longest = max(Reason, key=len)
    for lists in (
        {"included": tuple(Included(node=node, update=LINK, weight=2**64 - 1) for node in NODES)},
        {"excluded": tuple(Excluded(node=node, update=LINK, reason=longest) for node in NODES)},
    ):
        many = dataclasses.replace(LARGEST, **lists)
        data = many.encode()
        assert len(data) <= MAX_DOCUMENT
        assert ResultDocument.decode(data) == many


def test_encode__a_task_whose_results_would_be_larger__raises_malformed() -> None:
    more = {**LARGEST_PARAMETERS, "p": LARGEST_PARAMETERS["p"] + "x"}
    with pytest.raises(MalformedDocument, match=str(MAX_RULE_PARAMETERS)):
        dataclasses.replace(TASK, merge=MergeSettings(rule="mean", parameters=more)).encode()


# -------------------------------------------------------------------------------------------------------------- reading


def test_read__a_digest__gives_the_document() -> None:
    asked = []

    def get(cid: Cid, *, max_bytes: int) -> bytes:
        asked.append((cid, max_bytes))
        return TASK.encode()

    assert read(get, TASK.digest(), TaskDocument) == TASK
    assert asked == [(TASK.cid(), MAX_DOCUMENT)]


def test_read__bytes_were_changed__raises_cid_mismatch() -> None:
    with pytest.raises(CidMismatch):
        read(lambda cid, max_bytes: TASK.encode(), LINKED_TASK.digest(), TaskDocument)


def test_read__block_missing__raises_what_the_store_does() -> None:
    def get(cid: Cid, *, max_bytes: int) -> bytes:
        raise BlockNotFound(str(cid))

    with pytest.raises(BlockNotFound):
        read(get, TASK.cid(), TaskDocument)


# ----------------------------------------------------------------------------------------------------------- difference


def test_explain_difference__equal_documents__says_nothing() -> None:
    assert explain_difference(TASK, TASK) == []


def test_explain_difference__two_tasks__names_every_field() -> None:
    other = dataclasses.replace(TASK, training={**TASK.training, "epochs": 6, "hidden": 128.0}, model=Digest(bytes(32)))
    assert explain_difference(TASK, other) == [
        f"model: 0x{'11' * 32} here, 0x{'00' * 32} there",
        "training.epochs: 5 here, 6 there",
        "training.hidden: 128 here, 128.0 there",
    ]


def test_explain_difference__source_shipped_or_linked__shows_both() -> None:
    lines = explain_difference(TASK, dataclasses.replace(TASK, source=FILE))
    assert f"source: (nothing) here, {FILE} there" in lines
    assert "source.name: 'digits' here, (nothing) there" in lines


def test_explain_difference__a_result_that_leaves_a_node_out__names_it() -> None:
    forged = dataclasses.replace(
        RESULT,
        included=RESULT.included[:1],
        excluded=(
            *RESULT.excluded,
            Excluded(node=RESULT.included[1].node, update=RESULT.included[1].update, reason=Reason.NON_FINITE),
        ),
    )
    lines = explain_difference(RESULT, forged)
    assert f"excluded[0x{'ff' * 20}].reason: (nothing) here, 'non-finite' there" in lines
    assert f"included[0x{'ff' * 20}].weight: {2**64 - 1} here, (nothing) there" in lines


def test_reasons__in_the_protocols_words() -> None:
    assert " ".join(Reason) == (
        "unavailable malformed wrong-swarm wrong-round wrong-node wrong-base wrong-samples too-large "
        "shape-mismatch non-finite duplicate rejected"
    )


# ------------------------------------------------------------------------------------------------------------- dag-cbor

_LINKS = st.builds(Cid, st.sampled_from(Codec), st.binary(min_size=32, max_size=32).map(Digest))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.binary(max_size=300)
    | _LINKS
)
VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def _foreign(value: Any) -> Any:
    """The same value for the other library, which has its own class of links."""
    if isinstance(value, Cid):
        return multiformats.CID("base32", 1, int(value.codec), b"\x12\x20" + value.digest)
    if isinstance(value, list):
        return [_foreign(item) for item in value]
    if isinstance(value, dict):
        return {key: _foreign(item) for key, item in value.items()}
    return value


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_dagcbor__any_value__is_written_and_read_as_by_another_library(value: Any) -> None:
    data = dagcbor.encode(value)
    assert data == dag_cbor.encode(_foreign(value))
    assert dagcbor.encode(dagcbor.decode(data)) == data
    assert _foreign(dagcbor.decode(data)) == dag_cbor.decode(data)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.data())
def test_dagcbor__damaged_bytes__are_refused_or_another_canonical_value(value: Any, data: st.DataObject) -> None:
    damaged = bytearray(dagcbor.encode(value))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    _is_canonical_or_refused(bytes(damaged))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_dagcbor__any_bytes__are_refused_or_canonical(data: bytes) -> None:
    _is_canonical_or_refused(data)


def _is_canonical_or_refused(data: bytes) -> None:
    try:
        value = dagcbor.decode(data)
    except MalformedDocument:
        return
    assert dagcbor.encode(value) == data


def test_dagcbor__values_that_javascript_wrote__are_the_same() -> None:
    integers = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, 2**64 - 1]
    values: dict[str, Any] = {
        "integers": [value for number in integers for value in (number, -1 - number)],
        "floats": [0.5, -1.5, 1e-300, 1.1, 1.7976931348623157e-10, 5e-324],
        "keys": {"b": 1, "a": 2, "aa": 3, "": 4, "é": 5, "z": 6, "ab": 7},
        "texts": ["", "ü", "水", "\U00010151", '"\\'],
        "bytes": [b"", b"\x02" * 23, b"\x03" * 24, b"\x04" * 255, b"\x05" * 256],
        "simple": [True, False, None],
        "nested": {"list": [[[[]]], {}], "map": {"map": {"map": {}}}},
    }
    assert {name: dagcbor.encode(value).hex() for name, value in values.items()} == VECTORS["values"]
    assert {name: dagcbor.decode(bytes.fromhex(text)) for name, text in VECTORS["values"].items()} == values


NOT_CANONICAL = {
    "nothing": "",
    "two values": "0000",
    "integer too long": "1817",
    "integer of two bytes too long": "1900ff",
    "integer of four bytes too long": "1a0000ffff",
    "integer of eight bytes too long": "1b00000000ffffffff",
    "length too long": "580101",
    "indefinite list": "9fff",
    "indefinite map": "bfff",
    "indefinite text": "7f6161ff",
    "reserved length": "1c",
    "half float": "f93c00",
    "single float": "fa3f800000",
    "NaN": "fb7ff8000000000000",
    "infinity": "fb7ff0000000000000",
    "undefined": "f7",
    "simple value": "f820",
    "break": "ff",
    "another tag": "c000",
    "keys out of order": "a2616200616100",
    "keys by bytes, not by length": "a2626161006162" + "00",
    "key twice": "a2616100616100",
    "key that is a number": "a10000",
    "key not UTF-8": "a161ff00",
    "text not UTF-8": "61ff",
    "text that is a surrogate": "63eda080",
    "text too short": "6261",
    "bytes too short": "5b7fffffffffffffff00",
    "list longer than any memory": "9bffffffffffffffff",
    "map longer than any memory": "bbffffffffffffffff",
    "link without bytes": "d82a40",
    "link that is text": "d82a6100",
    "link without leading zero": "d82a5825" + "01" + "0171122000" * 7 + "00",
    "link with CID of version 0": "d82a5823" + "00" + "1220" + "00" * 32,
    "link with another codec": "d82a5825" + "00" + "01781220" + "00" * 32,
    "link with long tag": "d9002a5825" + "00" + "01711220" + "00" * 32,
    "seventeen deep": "81" * 16 + "00",
    "a million deep": "81" * 1_000_000,
}


@pytest.mark.parametrize("data", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_dagcbor__bytes_that_no_value_encodes_to__are_refused(data: str) -> None:
    with pytest.raises(MalformedDocument):
        dagcbor.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": {1}}, object(), 2**64, -(2**64) - 1, math.nan, "\ud800", bytearray(b"a")]
)
def test_dagcbor__values_that_have_no_bytes__are_refused(value: Any) -> None:
    with pytest.raises(MalformedDocument):
        dagcbor.encode(value)


def test_dagcbor__nested_too_deep__is_refused() -> None:
    value: Any = 0
    for _ in range(15):
        value = [value]
    assert dagcbor.decode(dagcbor.encode(value)) == value
    with pytest.raises(MalformedDocument):
        dagcbor.encode([value])


def test_decode__a_list_of_a_million_numbers__is_refused() -> None:
    with pytest.raises(MalformedDocument, match="type"):
        documents.decode(dagcbor.encode([0] * (MAX_DOCUMENT - 5)))
