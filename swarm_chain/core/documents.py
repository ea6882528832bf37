"""The three documents of a swarm: the task it agreed on, a node's update, a round's result.

Canonical DAG-CBOR of at most 1 MiB, so that each is one block whose digest can stand on chain. Equal documents have
equal bytes, and bytes that no document encodes to are refused: unknown types, missing or extra keys, other kinds of
values, lists out of order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, Self, TypeVar

from swarm_chain.core import dagcbor
from swarm_chain.core.cids import Cid, Codec, cid_of, verify
from swarm_chain.core.fields import Fields, Scalar, names_of
from swarm_chain.errors import MalformedDocument
from swarm_chain.types import Address, Digest, RoundNumber, Samples

MAX_DOCUMENT = 1024 * 1024
"""Bytes of the largest document: one block."""
MAX_REVEALED = 10_000
"""Updates of a round whose result surely fits into one block, whatever becomes of them: 97 bytes each at most."""
MAX_RULE_PARAMETERS = 64 * 1024
"""Bytes of a merge rule's parameters, which each result repeats."""
IMPORTER = "unixfs-v1-2025"
ENCODING = "safetensors"
FROZEN_WEIGHTS = "frozen_weights"
"""Where a task document's `training` has the CID of the tensors that nobody trains, for tasks that have some."""

NO_CAP = (1 << 64) - 1


class Reason(StrEnum):
    """Why an update is left out of a merge, in the order in which reasons are looked for."""

    UNAVAILABLE = "unavailable"
    MALFORMED = "malformed"
    WRONG_SWARM = "wrong-swarm"
    WRONG_ROUND = "wrong-round"
    WRONG_NODE = "wrong-node"
    WRONG_BASE = "wrong-base"
    WRONG_SAMPLES = "wrong-samples"
    TOO_LARGE = "too-large"
    SHAPE_MISMATCH = "shape-mismatch"
    NON_FINITE = "non-finite"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippedSource:
    """A task whose source ships with an installed package: its name and version."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleChoice:
    """A merge rule by name, with its parameters."""

    name: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeSettings:
    """How a task merges. `source` links to the rule's source file where the rule does not ship."""

    rule: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    source: Cid | None = None
    max_samples: int = NO_CAP
    max_share_bps: int = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateSettings:
    """What a task's updates are: their encoding, and the most bytes that their weights may have."""

    max_bytes: int
    encoding: str = ENCODING


@dataclass(frozen=True, kw_only=True, slots=True)
class Included:
    """An update that went into a result, with its integer weight there."""

    node: Address
    update: Cid
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """An update that was left out of a result, and why."""

    node: Address
    update: Cid
    reason: Reason


class Document(ABC):
    """What the three documents share: canonical bytes, and the names that follow from them."""

    __slots__ = ()
    type: ClassVar[str]

    def encode(self) -> bytes:
        """The document's canonical bytes. Raises `MalformedDocument` for what could not be decoded again."""
        data = dagcbor.encode(self._value())
        # Decoding is the one place that knows what is allowed; what we write goes through it too.
        type(self).decode(data)
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The document that canonical bytes hold. Raises `MalformedDocument`, for one of another type too."""
        if len(data) > MAX_DOCUMENT:
            raise MalformedDocument(f"a document of {len(data)} bytes; it may have {MAX_DOCUMENT}")
        return cls._from(Fields(dagcbor.decode(data), cls.type, names_of(cls)))

    def cid(self) -> Cid:
        """The document's CID."""
        return cid_of(self.encode(), Codec.DAG_CBOR)

    def digest(self) -> Digest:
        """The digest that stands on chain."""
        return self.cid().digest

    def _value(self) -> dagcbor.Value:
        return {"type": self.type, **{name: _plain(getattr(self, name)) for name in names_of(type(self))}}

    @classmethod
    @abstractmethod
    def _from(cls, fields: Fields) -> Self:
        """The document with these fields, each checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDocument(Document):
    """What a swarm agreed on before it started. `model` is `weights.model_digest` of its tensors."""

    type: ClassVar[str] = "swarm-chain/task/1"

    name: str
    source: ShippedSource | Cid
    model: Digest
    training: Mapping[str, Scalar]
    merge: MergeSettings
    update: UpdateSettings
    importer: str = IMPORTER

    @classmethod
    def _from(cls, fields: Fields) -> Self:
        return cls(
            name=fields.name("name"),
            source=_source(fields),
            model=Digest(fields.data("model", 32)),
            training=fields.scalars("training"),
            merge=_merge_settings(fields.nested("merge", MergeSettings)),
            update=_update_settings(fields.nested("update", UpdateSettings)),
            importer=fields.exactly("importer", IMPORTER),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateDocument(Document):
    """What a node submits in a round: a link to its weights, and what it says about them."""

    type: ClassVar[str] = "swarm-chain/update/1"

    chain: int
    contract: Address
    round: RoundNumber
    node: Address
    base: Cid
    weights: Cid
    bytes: int
    samples: Samples
    base_metrics: Mapping[str, float]
    local_metrics: Mapping[str, float]

    @classmethod
    def _from(cls, fields: Fields) -> Self:
        return cls(
            chain=fields.uint("chain"),
            contract=fields.address("contract"),
            round=RoundNumber(fields.uint("round")),
            node=fields.address("node"),
            base=fields.document_link("base"),
            weights=fields.file_link("weights"),
            bytes=fields.uint("bytes"),
            samples=Samples(fields.uint("samples")),
            base_metrics=fields.metrics("base_metrics"),
            local_metrics=fields.metrics("local_metrics"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultDocument(Document):
    """What a round ends in. In round 0 there is no chain, contract or update; elsewhere all are there."""

    type: ClassVar[str] = "swarm-chain/result/1"

    chain: int | None
    contract: Address | None
    round: RoundNumber
    task: Cid
    base: Cid | None
    weights: Cid
    bytes: int
    state: Cid | None
    included: tuple[Included, ...]
    excluded: tuple[Excluded, ...]
    rule: RuleChoice

    @classmethod
    def _from(cls, fields: Fields) -> Self:
        result = cls(
            chain=fields.optional("chain", fields.uint),
            contract=fields.optional("contract", fields.address),
            round=RoundNumber(fields.uint("round")),
            task=fields.document_link("task"),
            base=fields.optional("base", fields.document_link),
            weights=fields.file_link("weights"),
            bytes=fields.uint("bytes"),
            state=fields.optional("state", fields.file_link),
            included=tuple(_included(entry) for entry in fields.entries("included", Included)),
            excluded=tuple(_excluded(entry) for entry in fields.entries("excluded", Excluded)),
            rule=_rule_choice(fields.nested("rule", RuleChoice)),
        )
        _check_lists(result)
        _check_round(result)
        return result


def genesis(
    task: TaskDocument, *, weights: Cid, size: int, base: Cid | None = None, state: Cid | None = None
) -> ResultDocument:
    """The result of round 0. `base` is the result of an earlier swarm that the weights come from, if any."""
    return ResultDocument(
        chain=None,
        contract=None,
        round=RoundNumber(0),
        task=task.cid(),
        base=base,
        weights=weights,
        bytes=size,
        state=state,
        included=(),
        excluded=(),
        rule=RuleChoice(name=task.merge.rule, parameters=task.merge.parameters),
    )


def decode(data: bytes) -> TaskDocument | UpdateDocument | ResultDocument:
    """The document of any type that canonical bytes hold. Raises `MalformedDocument`."""
    value = dagcbor.decode(data) if len(data) <= MAX_DOCUMENT else None
    kind = value.get("type") if isinstance(value, Mapping) else None
    for document in (TaskDocument, UpdateDocument, ResultDocument):
        if kind == document.type:
            return document.decode(data)
    raise MalformedDocument(f"type {str(kind)[:80]!r} is no document of this version; update swarm-chain")


D = TypeVar("D", bound=Document)


def read(get: Callable[..., bytes], digest_or_cid: Digest | Cid, kind: type[D]) -> D:
    """A document fetched by its digest through a store's `get`. Raises what `get` does, and `MalformedDocument`."""
    cid = digest_or_cid if isinstance(digest_or_cid, Cid) else Cid(Codec.DAG_CBOR, digest_or_cid)
    data = get(cid, max_bytes=MAX_DOCUMENT)
    verify(cid, data)
    return kind.decode(data)


# ----------------------------------------------------------------------------------------------------------- difference


def explain_difference(ours: Document, theirs: Document) -> list[str]:
    """One line for each field in which two documents differ, as `merge.rule: 'mean' here, 'krum' there`."""
    mine, other = dict(_flat(ours._value(), "")), dict(_flat(theirs._value(), ""))
    return [
        f"{path}: {_shown(mine.get(path, '(nothing)'))} here, {_shown(other.get(path, '(nothing)'))} there"
        for path in sorted(mine.keys() | other.keys())
        if _exact(mine.get(path, ...)) != _exact(other.get(path, ...))
    ]


def _exact(value: object) -> tuple[type, object]:
    # 5 and 5.0, 1 and True are equal in Python and not in a document.
    return type(value), value


def _flat(value: object, path: str) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            node = item.get("node")
            yield from _flat({key: item[key] for key in item if key != "node"}, f"{path}[{_shown(node)}]")
    else:
        yield path, value


def _shown(value: object) -> str:
    if value == "(nothing)":
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if isinstance(value, Cid) else repr(value)


# ------------------------------------------------------------------------------------------------------------- encoding


def _plain(value: object) -> dagcbor.Value:
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value) and not isinstance(value, Cid):
        return {name: _plain(getattr(value, name)) for name in names_of(type(value))}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value  # type: ignore[return-value]  # dagcbor refuses what is no value


# ------------------------------------------------------------------------------------------------------------- decoding


def _source(fields: Fields) -> ShippedSource | Cid:
    value = fields.raw("source")
    if isinstance(value, Cid):
        return fields.file_link("source")
    inner = fields.nested("source", ShippedSource)
    return ShippedSource(name=inner.name("name"), version=inner.name("version"))


def _merge_settings(fields: Fields) -> MergeSettings:
    share = fields.uint("max_share_bps", at_least=1)
    if share > 10_000:
        raise fields.error(f"max_share_bps is {share}; the whole is 10000")
    parameters = fields.scalars("parameters")
    if len(dagcbor.encode(parameters)) > MAX_RULE_PARAMETERS:
        raise fields.error(f"its rule's parameters are more than {MAX_RULE_PARAMETERS} bytes")
    return MergeSettings(
        rule=fields.name("rule"),
        parameters=parameters,
        source=fields.optional("source", fields.file_link),
        max_samples=fields.uint("max_samples", at_least=1),
        max_share_bps=share,
    )


def _update_settings(fields: Fields) -> UpdateSettings:
    return UpdateSettings(max_bytes=fields.uint("max_bytes", at_least=1), encoding=fields.exactly("encoding", ENCODING))


def _rule_choice(fields: Fields) -> RuleChoice:
    return RuleChoice(name=fields.name("name"), parameters=fields.scalars("parameters"))


def _included(fields: Fields) -> Included:
    return Included(
        node=fields.address("node"),
        update=fields.document_link("update"),
        weight=fields.uint("weight", at_least=1),
    )


def _excluded(fields: Fields) -> Excluded:
    reason = fields.raw("reason")
    if not isinstance(reason, str) or reason not in Reason.__members__.values():
        raise fields.error(f"{str(reason)[:40]!r} is no reason")
    return Excluded(node=fields.address("node"), update=fields.document_link("update"), reason=Reason(reason))


def _check_lists(result: ResultDocument) -> None:
    for entries in (result.included, result.excluded):
        nodes = [entry.node for entry in entries]
        if any(one >= other for one, other in pairwise(nodes)):
            raise MalformedDocument("a result's nodes are repeated or out of order; ask for a valid one")
    if {entry.node for entry in result.included} & {entry.node for entry in result.excluded}:
        raise MalformedDocument("a result includes and excludes the same node; ask for a valid one")


def _check_round(result: ResultDocument) -> None:
    if result.round == 0:
        if (result.chain, result.contract, result.included, result.excluded) != (None, None, (), ()):
            raise MalformedDocument("a genesis names a chain, a contract or updates; ask for a valid one")
    elif None in (result.chain, result.contract, result.base):
        raise MalformedDocument("a result after round 0 lacks chain, contract or base; ask for a valid one")
