"""`swarm-chain swarms`: every swarm that this machine knows, in a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm_chain.cli.options import json_option, read_store_option
from swarm_chain.cli.output import checksum, printable, say, show, table, terminal_width, write_json
from swarm_chain.errors import ChainError, NotACoordinator, SwarmChainError
from swarm_chain.types import BlockNumber

if TYPE_CHECKING:
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.cli.known import Known
    from swarm_chain.models.listing import Glance
    from swarm_chain.ports import UpdateStore

AT_ONCE = 32
"""Swarms that are asked at the same time."""
WIDE = 150
"""Columns of a terminal that has room for whole addresses."""


@click.command()
@click.option(
    "--rpc",
    "rpc_urls",
    metavar="URL",
    multiple=True,
    help="An RPC endpoint to ask besides those in settings and configurations; may be given again.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1, max=60),
    default=3,
    show_default=True,
    help="How long to wait for an endpoint's answer.",
)
@read_store_option
@json_option
def swarms(rpc_urls: tuple[str, ...], timeout: float, stores: tuple[str, ...], json_file: Path | None) -> None:
    """List the swarms that this machine knows, with head, metric and state.

    These are the deployments of deployments.json in this folder, the swarms of the nodes that `join` configured and
    that scripts joined, and those that `pull` keeps in a folder. All chains are asked at once; one that does not answer
    is shown as such. The metric is of the newest result that nodes have measured.
    """
    from swarm_chain.cli.known import known_swarms

    known = known_swarms(rpc_urls, stores)
    found = look_at_all(known, timeout)
    if json_file:
        write_json(json_file, {"swarms": [document_of(one) for one in found]})
    if str(json_file) == "-":
        return
    if found:
        show(swarm_table(found, width=terminal_width()))
        for problem in dict.fromkeys(one.problem for one in found if one.problem):
            click.echo(f"! {printable(problem)}")
    else:
        say("this machine knows no swarm: `swarm-chain deploy` starts one, `swarm-chain join CODE` takes part in one")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A known swarm, and what its chain said; or `problem`, why nothing."""

    known: Known
    glance: Glance | None
    problem: str | None


# --------------------------------------------------------------------------------------------------------------- asking


def look_at_all(known: Sequence[Known], timeout: float) -> list[Seen]:
    """Each swarm as its chain shows it now, in their order. Each endpoint is tried once before swarms are asked."""
    # Imported here, before there are threads: they would wait for each other at it.
    from swarm_chain.adapters import web3_chain  # noqa: F401

    urls = list(dict.fromkeys(url for one in known for url in one.rpc_urls))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        problems = dict(zip(urls, pool.map(lambda url: _problem_of(url, timeout), urls), strict=True))
        return list(pool.map(lambda one: _look_at(one, problems, timeout), known))


def _problem_of(url: str, timeout: float) -> str | None:
    """Why an endpoint cannot be asked."""
    from swarm_chain.adapters.ethereum.endpoints import Endpoints

    try:
        Endpoints([url], timeout=timeout).request("eth_chainId")
    except SwarmChainError as error:
        return str(error)
    return None


def _look_at(known: Known, problems: Mapping[str, str | None], timeout: float) -> Seen:
    """What the first endpoint says that serves the swarm's chain; else why none does."""
    from swarm_chain.models.listing import glance_at

    said: list[str] = []
    store = _store(known.stores)
    for url in known.rpc_urls:
        if problems[url] is None:
            try:
                return Seen(known=known, glance=glance_at(_connect(known, url, timeout), store), problem=None)
            except ChainError as error:
                said.append(str(error))
    # What an endpoint says tells more than that another is silent.
    said += [problem for url in known.rpc_urls if (problem := problems[url])]
    said.append(f"no endpoint of chain {known.chain_id} is known; give one with --rpc")
    return Seen(known=known, glance=None, problem=said[0])


def _connect(known: Known, url: str, timeout: float) -> Web3Chain:
    """The swarm's contract behind an endpoint. Raises `NotACoordinator` where the chain is another of the same id."""
    from swarm_chain.adapters.web3_chain import Web3Chain

    chain = Web3Chain(url, known.contract, chain_id=known.chain_id, deployed_at=known.deployed_at, timeout=timeout)
    if known.chain_start is not None and chain.block(BlockNumber(0)).hash != known.chain_start:
        raise NotACoordinator(f"{chain.endpoints} serves another chain with the id {known.chain_id}; give --rpc")
    return chain


def _store(specs: Sequence[str]) -> UpdateStore | None:
    """Those of the stores that are there."""
    from swarm_chain.adapters.composite_store import CompositeStore
    from swarm_chain.adapters.stores import open_store

    found: list[UpdateStore] = []
    for spec in specs:
        try:
            found.append(open_store(spec, writable=False))
        except SwarmChainError:
            continue
    return CompositeStore(found) if found else None


# --------------------------------------------------------------------------------------------------------------- people


def swarm_table(found: Sequence[Seen], *, width: int) -> Any:
    """A line a swarm."""
    columns = ("swarm", "chain", "contract", "head", "metric", "state", "here")
    return table(*columns, rows=[_row(one, width) for one in found])


def _row(seen: Seen, width: int) -> Sequence[object]:
    known, address = seen.known, checksum(seen.known.contract)
    return (
        ", ".join(known.names) or "-",
        known.chain_id,
        address if width >= WIDE else f"{address[:6]}…{address[-4:]}",
        _head(seen.glance),
        _metric(seen.glance),
        seen.glance.state if seen.glance else "unreachable",
        ", ".join([*known.nodes, *(str(folder) for folder in known.folders)]) or "-",
    )


def _head(glance: Glance | None) -> str:
    if glance is None:
        return "-"
    return "?" if glance.head_round is None else f"round {glance.head_round}" if glance.head_round else "genesis"


def _metric(glance: Glance | None) -> str:
    compared = glance.compared if glance else None
    return f"{compared.metric} {compared.value:.4g} (round {compared.round})" if compared else "-"


# ------------------------------------------------------------------------------------------------------------- programs


def document_of(seen: Seen) -> Mapping[str, Any]:
    """A swarm for programs, as `schemas/swarms.schema.json` describes it."""
    from swarm_chain.models.listing import document_of as glance_document

    known = seen.known
    return {
        "chain_id": known.chain_id,
        "contract": "0x" + known.contract.hex(),
        "names": known.names,
        "nodes": known.nodes,
        "folders": [str(folder) for folder in known.folders],
        "problem": seen.problem,
        "now": glance_document(seen.glance) if seen.glance else None,
    }
