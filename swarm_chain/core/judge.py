"""Which updates count, and the result that follows: what the agent, the audit and a late joiner all call.

`build_result` is a function of the base, the task, what the chain says of a round, and what bytes can be had. Two
observers who can have the same bytes get the same result document and the same weights, bit for bit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from swarm_chain.core import merge as merging
from swarm_chain.core.cids import Cid, document_cid, document_digest, verify
from swarm_chain.core.documents import (
    Excluded,
    Included,
    Reason,
    ResultDocument,
    RuleChoice,
    TaskDocument,
    UpdateDocument,
)
from swarm_chain.core.step_state import read_state
from swarm_chain.core.unixfs import File
from swarm_chain.core.weights import Specs, WeightsFile, check_finite, check_shapes, model_digest
from swarm_chain.errors import (
    CidMismatch,
    Malformed,
    MalformedFile,
    MalformedWeights,
    MergeError,
    NotFinite,
    ShapeMismatch,
    StoreError,
    TooLarge,
)
from swarm_chain.types import Address, Digest, RoundNumber, Samples

# ------------------------------------------------------------------------------------------------------------ the facts


@dataclass(frozen=True, kw_only=True, slots=True)
class Reveal:
    """One update as the chain shows it. `order` is its place among the round's commits (direct: submissions)."""

    node: Address
    digest: Digest
    samples: Samples
    order: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFacts:
    """What the chain says of a round whose updates are all revealed. The reveals' own order does not matter."""

    chain: int
    contract: Address
    round: RoundNumber
    base: Digest
    reveals: tuple[Reveal, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What a round started from: the head's document, and its weights as a file that was checked against it."""

    document: ResultDocument
    weights: Path


class Library(Protocol):
    """The bytes that one observer can have: see `spool.Spool`."""

    def document(self, digest: Digest) -> bytes:
        """The block of a document. Raises a `StoreError` where it cannot be had."""

    def weights(self, file: File) -> Path:
        """A local file with these bytes, checked. Raises a `StoreError`, or `MalformedFile` where no file is there."""


# ------------------------------------------------------------------------------------------------------------ judgement

MAX_DETAIL = 500
"""Characters of a judgement's detail: it can quote its update's writer, and it goes into logs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What was found about one update. `reason` is None for one that counts; `detail` says more, for people."""

    reveal: Reveal
    document: UpdateDocument | None = None
    weights: Path | None = None
    reason: Reason | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if len(self.detail) > MAX_DETAIL:
            object.__setattr__(self, "detail", self.detail[: MAX_DETAIL - 1] + "…")


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltResult:
    """A round's result: its document, its weights as a local file, and why each update counts or does not.

    `state` is the file that the document's state links to, where the merge rule has a step.
    """

    document: ResultDocument
    weights: Path
    judgements: tuple[Judgement, ...]
    state: Path | None = None

    @property
    def unavailable(self) -> tuple[Address, ...]:
        """The nodes whose bytes could not be had."""
        return tuple(one.reveal.node for one in self.judgements if one.reason is Reason.UNAVAILABLE)


def build_result(
    *,
    task: TaskDocument,
    base: Base,
    facts: RoundFacts,
    library: Library,
    out: Path,
    withheld: Collection[Address] = (),
) -> BuiltResult:
    """The result of a round, its weights written to `out`, and what a step carries on beside it (`state_beside`).

    `withheld` names nodes to treat as unavailable whatever the library has: to re-execute a result that others
    attested, pass the nodes it excludes as `unavailable`. Where nothing is merged, the weights are the base's own
    file and `out` is not written. Raises `MergeError` where the base is not the round's or the rule cannot be used,
    a `StoreError`, `Malformed`, `ShapeMismatch` or `NotFinite` for a base's state that cannot be gone on with, and what
    `judge_updates` does.
    """
    rule = merging.rule_of(task.merge)
    _check_base(task, base, facts)
    state = _state_of(base, rule, library)
    judgements = judge_updates(task=task, base=base, facts=facts, library=library, withheld=withheld)
    counted = [one for one in judgements if one.reason is None]
    merged = merging.merge(
        [merging.Contribution(node=one.reveal.node, weights=_path(one), samples=one.reveal.samples) for one in counted],
        rule=rule,
        max_samples=task.merge.max_samples,
        max_share_bps=task.merge.max_share_bps,
        out=out,
        base=base.weights,
        state=state,
        state_out=state_beside(out),
    )
    judgements = _with_rejected(judgements, merged)
    return BuiltResult(
        document=_result(task, base, facts, judgements, merged),
        weights=base.weights if merged is None else out,
        judgements=judgements,
        state=_state_path(state, merged, out),
    )


def state_beside(out: Path) -> Path:
    """Where a merge that is written to `out` leaves what its step carries on."""
    return out.with_name(f"{out.stem}-state{out.suffix}")


def judge_updates(
    *,
    task: TaskDocument,
    base: Base,
    facts: RoundFacts,
    library: Library,
    withheld: Collection[Address] = (),
) -> tuple[Judgement, ...]:
    """A judgement for each reveal, ordered by node address, before the merge rule had its say.

    Raises a `StoreError` where a document of an update that the base names cannot be had: whether something is a
    `duplicate` hangs on it, and what is then left out as unavailable says nothing of that.
    """
    judge = _Judge(task, base, facts, library)
    first = (
        Judgement(reveal=reveal, reason=Reason.UNAVAILABLE, detail="withheld")
        if reveal.node in withheld
        else judge.alone(reveal)
        for reveal in facts.reveals
    )
    found = _without_duplicates(list(first), _named_by(base.document, library))
    return tuple(sorted(found, key=lambda one: one.reveal.node))


def judge_document(data: bytes, reveal: Reveal, facts: RoundFacts, task: TaskDocument) -> Judgement:
    """What an update's document alone shows. Raises `CidMismatch` if these are not the revealed bytes."""
    verify(document_cid(reveal.digest), data)
    try:
        update = UpdateDocument.decode(data)
    except Malformed as error:
        return Judgement(reveal=reveal, reason=Reason.MALFORMED, detail=str(error))
    for reason, said, known in (
        (Reason.WRONG_SWARM, (update.chain, update.contract.hex()), (facts.chain, facts.contract.hex())),
        (Reason.WRONG_ROUND, update.round, facts.round),
        (Reason.WRONG_NODE, update.node.hex(), reveal.node.hex()),
        (Reason.WRONG_BASE, str(update.base), str(document_cid(facts.base))),
        (Reason.WRONG_SAMPLES, update.samples, reveal.samples),
    ):
        if said != known:
            return Judgement(reveal=reveal, document=update, reason=reason, detail=f"it says {said}, not {known}")
    if update.bytes > task.update.max_bytes:
        detail = f"{update.bytes} bytes of weights where {task.update.max_bytes} are allowed"
        return Judgement(reveal=reveal, document=update, reason=Reason.TOO_LARGE, detail=detail)
    return Judgement(reveal=reveal, document=update)


def judge_weights(path: Path, expected: Specs) -> tuple[Reason, str] | None:
    """Why a file of weights cannot be merged, or None."""
    try:
        with WeightsFile(path) as weights:
            check_shapes(expected, weights.specs)
            check_finite(weights)
    except MalformedWeights as error:
        return Reason.MALFORMED, str(error)
    except ShapeMismatch as error:
        return Reason.SHAPE_MISMATCH, str(error)
    except NotFinite as error:
        return Reason.NON_FINITE, str(error)
    return None


class _Judge:
    """Judges one update at a time, by itself."""

    def __init__(self, task: TaskDocument, base: Base, facts: RoundFacts, library: Library) -> None:
        self._task, self._facts, self._library = task, facts, library
        with WeightsFile(base.weights) as weights:
            self._specs = weights.specs

    def alone(self, reveal: Reveal) -> Judgement:
        try:
            data = self._library.document(reveal.digest)
        except (StoreError, TooLarge) as error:
            return Judgement(reveal=reveal, reason=Reason.UNAVAILABLE, detail=str(error))
        judged = judge_document(data, reveal, self._facts, self._task)
        return judged if judged.reason or judged.document is None else self._fetched(reveal, judged.document)

    def _fetched(self, reveal: Reveal, update: UpdateDocument) -> Judgement:
        try:
            path = self._library.weights(File(cid=update.weights, size=update.bytes))
        except MalformedFile as error:
            return Judgement(reveal=reveal, document=update, reason=Reason.MALFORMED, detail=str(error))
        except (StoreError, TooLarge) as error:
            return Judgement(reveal=reveal, document=update, reason=Reason.UNAVAILABLE, detail=str(error))
        # A library may know the file from another update that declared its size as it is.
        if path.stat().st_size != update.bytes:
            detail = f"{update.weights} has not the {update.bytes} bytes it declares"
            return Judgement(reveal=reveal, document=update, reason=Reason.MALFORMED, detail=detail)
        reason, detail = judge_weights(path, self._specs) or (None, "")
        return Judgement(reveal=reveal, document=update, weights=path, reason=reason, detail=detail)


def compared_with(base: ResultDocument) -> tuple[Included | Excluded, ...]:
    """The base's updates that no earlier reason excluded: those that a later round's can be duplicates of."""
    compared = (Reason.DUPLICATE, Reason.REJECTED)
    return (*base.included, *(entry for entry in base.excluded if entry.reason in compared))


def _named_by(base: ResultDocument, library: Library) -> dict[Cid, set[Address]]:
    """The weights of the base's updates that are compared, and whose they are. Raises a `StoreError`."""
    owners: dict[Cid, set[Address]] = {}
    for entry in compared_with(base):
        try:
            update = UpdateDocument.decode(library.document(document_digest(entry.update)))
        except Malformed:
            continue  # No honest quorum attested to such a base; and whoever looks finds no weights to compare with.
        owners.setdefault(update.weights, set()).add(entry.node)
    return owners


def _without_duplicates(judgements: list[Judgement], owners: dict[Cid, set[Address]]) -> list[Judgement]:
    """The same judgements, those that copy another node's weights with that as their reason."""
    found = []
    for one in sorted(judgements, key=lambda one: one.reveal.order):
        if one.reason is None and one.document is not None:
            others = owners.setdefault(one.document.weights, set()) - {one.reveal.node}
            owners[one.document.weights].add(one.reveal.node)
            if others:
                detail = f"the same weights as 0x{min(others).hex()}"
                one = Judgement(
                    reveal=one.reveal,
                    document=one.document,
                    weights=one.weights,
                    reason=Reason.DUPLICATE,
                    detail=detail,
                )
        found.append(one)
    return found


# -------------------------------------------------------------------------------------------------------------- helpers


def _check_base(task: TaskDocument, base: Base, facts: RoundFacts) -> None:
    try:
        verify(document_cid(facts.base), base.document.encode())
    except CidMismatch as error:
        raise MergeError(f"round {facts.round} does not start from {base.document.cid()}; pass its base") from error
    with WeightsFile(base.weights) as weights:
        if model_digest(weights.specs) != task.model:
            raise MergeError(f"the weights of base {base.document.weights} are not the task's model; check the task")


def _state_of(base: Base, rule: merging.Recipe, library: Library) -> Path | None:
    """What the base's step carried on. Raises a `StoreError`, and what `read_state` does."""
    with WeightsFile(base.weights) as weights:
        return read_state(rule.step, base.document.state, weights.specs, library.weights)


def _state_path(before: Path | None, merged: merging.Merged | None, out: Path) -> Path | None:
    if merged is None:
        return before
    return state_beside(out) if merged.state else None


def _path(judgement: Judgement) -> Path:
    if judgement.weights is None:
        raise MergeError(f"no weights of 0x{judgement.reveal.node.hex()} at hand; fetch them first")
    return judgement.weights


def _with_rejected(judgements: tuple[Judgement, ...], merged: merging.Merged | None) -> tuple[Judgement, ...]:
    kept = merged.weights if merged else {}
    detail = "the merge rule left it out" if merged else "fewer updates than the merge rule needs"
    return tuple(
        one
        if one.reason or one.reveal.node in kept
        else Judgement(
            reveal=one.reveal, document=one.document, weights=one.weights, reason=Reason.REJECTED, detail=detail
        )
        for one in judgements
    )


def _result(
    task: TaskDocument,
    base: Base,
    facts: RoundFacts,
    judgements: tuple[Judgement, ...],
    merged: merging.Merged | None,
) -> ResultDocument:
    old = base.document
    return ResultDocument(
        chain=facts.chain,
        contract=facts.contract,
        round=facts.round,
        task=task.cid(),
        base=document_cid(facts.base),
        weights=merged.file.cid if merged else old.weights,
        bytes=merged.file.size if merged else old.bytes,
        state=(merged.state.cid if merged.state else None) if merged else old.state,
        included=tuple(
            Included(
                node=one.reveal.node,
                update=document_cid(one.reveal.digest),
                weight=merged.weights[one.reveal.node],
            )
            for one in judgements
            if merged and one.reason is None
        ),
        excluded=tuple(
            Excluded(node=one.reveal.node, update=document_cid(one.reveal.digest), reason=one.reason)
            for one in judgements
            if one.reason
        ),
        rule=RuleChoice(name=task.merge.rule, parameters=task.merge.parameters),
    )
