"""A model card: where an agreed model comes from, who took part, how it does where, and what nobody promises.

Markdown, in the order of Mitchell et al., Model Cards for Model Reporting (2019), as far as a swarm's record knows.
What a model is meant for, only its owner knows: that section is left to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import FROZEN_WEIGHTS, Excluded, Included, ResultDocument, ShippedSource, TaskDocument
from swarm_chain.core.weights import WeightsFile
from swarm_chain.models.card_metrics import metrics_section, who
from swarm_chain.models.line import Entry
from swarm_chain.models.markdown import code, escaped, table
from swarm_chain.models.reading import Agreed, SwarmReading
from swarm_chain.models.times import utc
from swarm_chain.models.weights import Fetched

_INTENDED_USE = """\
*To be written by whoever answers for this model: what it is meant for, by whom, for whom, and what it must not be used
for. Nothing in a swarm's record says it.*"""
_LIMITS = """\
* Metrics and numbers of samples are what each node says of itself, on data that nobody else has seen.
* Where the task keeps tensors private, each site measured the model together with its own: with this file alone it does
  otherwise.
* A mean over sites is of these sites' test examples; elsewhere the model may do worse, and no site's worst group need
  show in it.
* A quorum of the nodes agreed that this model follows from their updates. It did not agree that the data were right, or
  that the model is good. A quorum that colludes can agree on a bad model; `swarm-chain audit` re-runs every merge.
* A model can reveal something about the data it was trained on. No noise was added against that."""


def card_path(file: Path) -> Path:
    """Where the card of a file of weights lies: beside it."""
    return file.with_name(file.name + ".md")


def model_card(
    reading: SwarmReading, agreed: Agreed, line: Sequence[Entry], *, weights: Path, name: str, fetched: Fetched
) -> str:
    """The card of a result, as text. `line` are the results from it back to the first.

    `weights` is a file with its weights, `name` what that file will be called.
    """
    parts = [
        *_title(agreed),
        *_details(reading, agreed, line, weights, fetched),
        "",
        *_loading(name),
        "",
        "## Intended use",
        "",
        _INTENDED_USE,
        "",
        *metrics_section(agreed, line),
        "",
        *_training(agreed.task),
        "",
        *_taking_part(line),
        "",
        *_lineage(line),
        "",
        "## Limits",
        "",
        _LIMITS,
    ]
    return "\n".join(parts) + "\n"


def _title(agreed: Agreed) -> Iterator[str]:
    which = f"round {agreed.number}" if agreed.number else "the start, before any round"
    yield f"# {escaped(agreed.task.name)}: the model of {which}"
    yield ""
    yield "Trained by a swarm: organisations that kept their data, and agreed on every merge of what each had trained."
    yield ""


# -------------------------------------------------------------------------------------------------------------- details


def _details(
    reading: SwarmReading, agreed: Agreed, line: Sequence[Entry], weights: Path, fetched: Fetched
) -> Iterator[str]:
    chronicle, document, first = reading.chronicle, agreed.document, line[0]
    yield "## Model"
    yield ""
    rows = [
        ("task", f"{escaped(agreed.task.name)}, {code(agreed.task.cid())}"),
        ("task's source", _source(agreed.task)),
        ("contract", f"{code('0x' + chronicle.contract.hex())} on chain {chronicle.chain_id}"),
        ("read at block", str(reading.block_number)),
        ("round", f"{agreed.number} of {reading.head}"),
        *_agreement(agreed, first),
        ("result", f"{code('0x' + agreed.digest.hex())}, {code(agreed.cid)}"),
        ("weights", f"{code(document.weights)}, {document.bytes} bytes"),
        *([("frozen tensors", code(fetched.frozen))] if fetched.frozen else []),
        ("sha2-256 of the file", code(fetched.sha256)),
        ("tensors", _tensors(weights)),
    ]
    yield from table(("", ""), rows)


def _loading(name: str) -> Iterator[str]:
    yield "Canonical safetensors, the same bytes for everybody. Tensors that the task keeps private never leave their"
    yield "nodes, and are not in it. With the package `safetensors`:"
    yield ""
    # Indented, because the name of a file could end a fence.
    yield "    from safetensors.torch import load_file"
    yield f"    parameters = load_file({name!r})"


def _agreement(agreed: Agreed, first: Entry) -> Iterator[tuple[str, str]]:
    if agreed.round is None:
        return
    if first.finalized_at is not None:
        yield "agreed on", utc(first.finalized_at)
    yield "attested by", f"{first.attestations} nodes; a quorum was {agreed.round.quorum}"


def _source(task: TaskDocument) -> str:
    if isinstance(task.source, ShippedSource):
        return f"ships with an installed package: {escaped(task.source.name)}, version {escaped(task.source.version)}"
    return code(task.source)


def _tensors(weights: Path) -> str:
    with WeightsFile(weights) as opened:
        kinds = ", ".join(sorted({spec.dtype for spec in opened.specs}))
        return f"{len(opened.specs)}, of {sum(spec.count for spec in opened.specs)} numbers in all ({kinds})"


# ------------------------------------------------------------------------------------------------------------- training


def _training(task: TaskDocument) -> Iterator[str]:
    yield "## Training"
    yield ""
    settings = {name: value for name, value in sorted(task.training.items()) if name != FROZEN_WEIGHTS}
    yield from table(("hyper-parameter", "value"), [(escaped(key), escaped(settings[key])) for key in settings])
    yield ""
    rule = ", ".join(f"{escaped(name)} = {escaped(value)}" for name, value in sorted(task.merge.parameters.items()))
    yield f"Updates are merged by {escaped(task.merge.rule)}" + (f" ({rule})." if rule else ".")


def _taking_part(line: Sequence[Entry]) -> Iterator[str]:
    yield "## Who took part"
    yield ""
    yield "Weights are the integers by which updates were merged: training examples, capped as the task says."
    yield ""
    rows = [_parts(entry) for entry in line if entry.round != 0]
    yield from table(("round", "merged, with weight", "left out, and why"), rows)


def _parts(entry: Entry) -> Sequence[str]:
    number = "?" if entry.round is None else str(entry.round)
    if entry.document is None:
        return number, "the result's document is not at hand", ""
    return number, _list(entry.document.included, entry), _list(entry.document.excluded, entry)


def _list(parts: Sequence[Included | Excluded], entry: Entry) -> str:
    return "; ".join(f"{who(part.node, entry)} {_what(part)}" for part in parts) or "nobody"


def _what(part: Included | Excluded) -> str:
    return str(part.weight) if isinstance(part, Included) else part.reason.value


# -------------------------------------------------------------------------------------------------------------- lineage


def _lineage(line: Sequence[Entry]) -> Iterator[str]:
    yield "## Lineage"
    yield ""
    yield "Each result links to the one before it, and to every update that it merged."
    yield ""
    rows = [_link(entry) for entry in line]
    yield from table(("round", "result", "digest", "weights"), rows)
    yield ""
    if any(not entry.is_on_chain for entry in line):
        yield "A round with a question mark behind it was read from documents alone: its chain was not asked."
    yield "To check all of this: `swarm-chain audit`, with the contract's address, an RPC endpoint and a store."


def _link(entry: Entry) -> Sequence[str]:
    number = "?" if entry.round is None else f"{entry.round}{'' if entry.is_on_chain else '?'}"
    weights: Cid | None = entry.document.weights if entry.document else None
    return _in_swarm(number, entry), code(entry.cid), code("0x" + entry.digest.hex()), code(weights) if weights else ""


def _in_swarm(number: str, entry: Entry) -> str:
    first: ResultDocument | None = entry.document
    return f"{number} (from the result of an earlier swarm)" if first and first.round == 0 and first.base else number
