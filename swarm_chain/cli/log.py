"""`swarm-chain log`: the line of results, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.models import measured_at, open_results
from swarm_chain.cli.options import Place, json_option, place_options, read_store_option
from swarm_chain.cli.output import checksum, printable, write_json

if TYPE_CHECKING:
    from swarm_chain.models.line import Entry
    from swarm_chain.types import Address


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Show only the newest N results.")
@read_store_option
@json_option
@place_options
def log(contract: str | None, limit: int | None, stores: tuple[str, ...], json_file: Path | None, place: Place) -> None:
    """List the results that a swarm agreed on, newest first.

    A line of results is like a Git history: each links to the one before it. Where a swarm started from a result of an
    earlier one, the list goes on with that swarm's. The contract may be left out where the chain has one deployment.
    """
    from swarm_chain.models.line import line_of

    found = open_results(place, contract, stores)
    found.reading.agreed()
    entries = list(islice(line_of(found.reading, found.elsewhere), limit))
    metric = compared_in(entries)
    if json_file:
        write_json(json_file, document_of(entries, metric))
    if str(json_file) != "-":
        for line in _lines(entries, metric):
            click.echo(line)


def compared_in(entries: Sequence[Entry]) -> str | None:
    """The metric that tells results apart: one that all scored ones have."""
    from swarm_chain.core.metrics import compared_metric

    return compared_metric([entry.scores.names for entry in entries if entry.scores.metrics])


# --------------------------------------------------------------------------------------------------------------- people


def _lines(entries: Sequence[Entry], metric: str | None) -> Iterator[str]:
    swarm = None
    for place, entry in enumerate(entries):
        if place and entry.swarm != swarm:
            yield _crossing(entry)
        swarm = entry.swarm
        yield _title(entry, is_head=not place)
        for name, text in _facts(entry, metric):
            yield f"  {name:<9} {text}"
        yield ""


def _crossing(entry: Entry) -> str:
    where = "an earlier swarm" if entry.swarm is None else f"{checksum(entry.swarm[1])} on chain {entry.swarm[0]}"
    return f"--- from here on {where}\n"


def _title(entry: Entry, *, is_head: bool) -> str:
    number = "of an unknown round" if entry.round is None else f"round {entry.round}" if entry.round else "genesis"
    return click.style(f"{number}  {entry.cid}", fg="yellow") + ("  (head)" if is_head else "")


def _facts(entry: Entry, metric: str | None) -> Iterator[tuple[str, str]]:
    from swarm_chain.models.times import utc

    if entry.finalized_at is not None:
        quorum = entry.ended.quorum if entry.ended else 0
        yield "agreed on", f"{utc(entry.finalized_at)}, attested by {entry.attestations} (quorum {quorum})"
    if not entry.is_on_chain:
        yield "chain", "not asked: this is what documents say"
    if entry.problem is not None:
        yield "problem", printable(entry.problem)
    yield from _document_facts(entry)
    if metric is not None and (score := score_of(entry, metric)):
        yield "score", _score_words(metric, score)
    for round_ in entry.aborted:
        reason = round_.abort_reason.name.lower().replace("_", " ") if round_.abort_reason else ""
        yield "then", f"round {round_.number} was aborted: {reason}"


def _document_facts(entry: Entry) -> Iterator[tuple[str, str]]:
    document = entry.document
    if document is None:
        return
    yield "weights", f"{document.weights}, {document.bytes:,} bytes"
    if document.included:
        yield "merged", ", ".join(f"{_name(one.node, entry)} {one.weight:,}" for one in document.included)
    elif document.round:
        yield "merged", "nothing: the weights are those of the result before"
    if document.excluded:
        yield "left out", ", ".join(f"{_name(one.node, entry)} ({one.reason.value})" for one in document.excluded)


def _score_words(metric: str, score: Mapping[str, Any]) -> str:
    where = measured_at(score["sites"], score["test_samples"])
    return f"{printable(metric)} {score['value']:.4g} (mean of {where}; {_SOURCES[score['source']]})"


_SOURCES = {
    "merged": "by updates merged in the next round",
    "left-out": "by updates not merged in the next round",
    "aborted": "by updates of a round that was aborted",
    "running": "by updates of the round that runs",
}


def _name(node: Address, entry: Entry) -> str:
    label = entry.labels.get(node)
    return printable(label) if label else checksum(node)


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(entries: Sequence[Entry], metric: str | None) -> Mapping[str, Any]:
    """The line for programs, as `schemas/log.schema.json` describes it."""
    return {"compared_by": metric, "results": [_entry(entry, metric) for entry in entries]}


def _entry(entry: Entry, metric: str | None) -> Mapping[str, Any]:
    document = entry.document
    return {
        "round": entry.round,
        "digest": "0x" + entry.digest.hex(),
        "cid": str(entry.cid),
        "swarm": entry.swarm and {"chain_id": entry.swarm[0], "contract": "0x" + entry.swarm[1].hex()},
        "on_chain": entry.is_on_chain,
        "problem": entry.problem,
        "finalized_at": entry.finalized_at,
        "attestations": entry.attestations,
        "quorum": entry.ended and entry.ended.quorum,
        "weights": document and {"cid": str(document.weights), "bytes": document.bytes},
        "base": document and document.base and str(document.base),
        "included": [_part(one.node, entry, weight=one.weight) for one in document.included] if document else [],
        "excluded": [_part(one.node, entry, reason=one.reason.value) for one in document.excluded] if document else [],
        "score": score_of(entry, metric),
        "aborted": [
            {"round": one.number, "reason": one.abort_reason and one.abort_reason.name.lower()} for one in entry.aborted
        ],
    }


def _part(node: Address, entry: Entry, **what: object) -> Mapping[str, object]:
    return {"node": "0x" + node.hex(), "label": entry.labels.get(node), **what}


def score_of(entry: Entry, metric: str | None) -> Mapping[str, Any] | None:
    """A result's mean by a metric, and what stands behind it; None where nobody measured it."""
    mean = entry.scores.mean(metric) if metric else None
    if metric is None or mean is None or entry.scores.source is None:
        return None
    return {
        "value": mean.value,
        "sites": mean.sites,
        "test_samples": entry.scores.test_samples(metric),
        "source": entry.scores.source.value,
    }
