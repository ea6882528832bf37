"""`swarm-chain best`: the round whose model is the best, by each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.models import measured_at, open_results
from swarm_chain.cli.options import Place, json_option, place_options, read_store_option
from swarm_chain.cli.output import printable, show, table, write_json
from swarm_chain.errors import NoSuchMetric

if TYPE_CHECKING:
    from swarm_chain.models.best import Best, Ranking
    from swarm_chain.models.reading import SwarmReading
    from swarm_chain.models.scores import Scores


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@click.option("--by", metavar="METRIC", help="Rank by this metric alone; any that a node measured.")
@read_store_option
@json_option
@place_options
def best(contract: str | None, by: str | None, stores: tuple[str, ...], json_file: Path | None, place: Place) -> None:
    """Show the round whose model is the best, by each metric.

    A result is measured by the nodes that train from it next, each on what it holds out, and their updates say so:
    values are means over these nodes, weighted by how many test examples each has. The contract may be left out where
    the chain has one deployment.
    """
    from swarm_chain.models.best import rank

    reading = open_results(place, contract, stores).reading
    reading.agreed()
    ranking = rank(reading, by)
    if ranking.main is None:
        raise NoSuchMetric(_nothing(ranking))
    if json_file:
        write_json(json_file, document_of(reading, ranking))
    if str(json_file) != "-":
        for line in _lines(ranking):
            click.echo(line)
        show(
            table("metric", "the best is the", "round", "mean", "measured at", rows=[_row(one) for one in ranking.best])
        )


def _nothing(ranking: Ranking) -> str:
    problems = [problem for scores in ranking.scores.values() for problem in scores.unreadable.values()]
    if problems:
        return f"no update that measured a result can be read: {problems[0]}"
    return "no result of this swarm is scored yet: nodes measure the model that a round starts from when they train"


# --------------------------------------------------------------------------------------------------------------- people


def _lines(ranking: Ranking) -> Iterator[str]:
    from swarm_chain.core.cids import document_cid

    first = ranking.of(ranking.main) if ranking.main else None
    if first is not None:
        which = f"round {first.round}" if first.round else "the genesis, round 0"
        yield f"best      {which}, by {printable(first.metric)} {first.mean.value:.4g} ({_order(first)} is better)"
        yield f"measured  at {measured_at(first.mean.sites, first.test_samples)}, {_behind(first, ranking)}"
        yield f"result    {document_cid(first.result)}"
    yield from _head_lines(ranking)
    yield from _doubts(ranking)


def _head_lines(ranking: Ranking) -> Iterator[str]:
    if not ranking.is_head_scored:
        which = f"round {ranking.head}" if ranking.head else "the genesis"
        yield f"head      {which} is not scored yet: no update that can be read was trained from it"


def _behind(one: Best, ranking: Ranking) -> str:
    source = ranking.scores[one.round].source
    weighing = (
        "weighted by test examples" if one.mean.is_weighted else "each site once, for not all say how many it has"
    )
    return f"{_SOURCES[source.value]}; {weighing}" if source else weighing


_SOURCES = {
    "merged": "by the updates merged in the next round",
    "left-out": "by updates that were not merged in the next round",
    "aborted": "by updates of a next round that was aborted",
    "running": "by updates of the round that runs",
}


def _doubts(ranking: Ranking) -> Iterator[str]:
    """What makes means of several rounds hard to compare."""
    sites = {len(scores.metrics) for scores in ranking.scores.values() if scores.metrics}
    if len(sites) > 1:
        yield f"note      not every round was measured at as many sites: from {min(sites)} to {max(sites)}"
    unreadable = sum(len(scores.unreadable) for scores in ranking.scores.values())
    if unreadable:
        yield f"note      {unreadable} update{'' if unreadable == 1 else 's'} could not be read, and would count"


def _row(one: Best) -> Sequence[object]:
    least = "least" if one.is_lower_better else "most"
    return one.metric, least, one.round, f"{one.mean.value:.4g}", measured_at(one.mean.sites, one.test_samples)


def _order(one: Best) -> str:
    return "lower" if one.is_lower_better else "higher"


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(reading: SwarmReading, ranking: Ranking) -> Mapping[str, Any]:
    """The ranking for programs, as `schemas/best.schema.json` describes it."""
    return {
        "chain_id": reading.chronicle.chain_id,
        "contract": "0x" + reading.chronicle.contract.hex(),
        "block_number": reading.block_number,
        "compared_by": ranking.main,
        "head": {"round": ranking.head, "scored": ranking.is_head_scored},
        "best": [_best(one) for one in ranking.best],
        "rounds": [_round(number, ranking) for number in sorted(ranking.results)],
    }


def _best(one: Best) -> Mapping[str, Any]:
    return {
        "metric": one.metric,
        "better": _order(one),
        "round": one.round,
        "result": "0x" + one.result.hex(),
        "value": one.mean.value,
        "sites": one.mean.sites,
        "test_samples": one.test_samples,
        "weighted": one.mean.is_weighted,
    }


def _round(number: int, ranking: Ranking) -> Mapping[str, Any]:
    from swarm_chain.types import RoundNumber

    scores = ranking.scores[RoundNumber(number)]
    return {
        "round": number,
        "result": "0x" + ranking.results[RoundNumber(number)].hex(),
        "source": scores.source and scores.source.value,
        "means": _means(scores),
        "sites": {"0x" + node.hex(): dict(metrics) for node, metrics in sorted(scores.metrics.items())},
        "unreadable": ["0x" + node.hex() for node in sorted(scores.unreadable)],
    }


def _means(scores: Scores) -> Mapping[str, float]:
    from swarm_chain.core.metrics import whole_metrics

    found = {name: scores.mean(name) for name in whole_metrics(scores.names)}
    return {name: mean.value for name, mean in found.items() if mean is not None}
