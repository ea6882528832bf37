"""`swarm-chain report`: a page on a swarm, for people without a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import Place, json_option, place_options, read_store_option
from swarm_chain.cli.output import say, write_json

if TYPE_CHECKING:
    from swarm_chain.reporting import LocalAgent, Report
    from swarm_chain.reporting.reading import OnProgress
    from swarm_chain.types import Address


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; without it report-CONTRACT.html in this folder.",
)
@click.option("--force", is_flag=True, help="Replace FILE even where it is no older report on the same swarm.")
@read_store_option
@json_option
@place_options
def report(
    contract: str | None, out: Path | None, force: bool, stores: tuple[str, ...], json_file: Path | None, place: Place
) -> None:
    """Write a page on a swarm: one HTML file, to be opened from anywhere.

    It has every metric by round and site, who took part in each round and who was left out and why, gas, and bytes. It
    needs a chain and a store, no account and no data, and loads nothing when it is looked at. It repeats what chain and
    documents say, and judges nothing: `swarm-chain audit` does. An older report on the same swarm is replaced.

    The contract may be left out where the chain has one deployment. --json - without --out writes no page.
    """
    from swarm_chain.reporting import document_of, write_page

    found = _read(place, contract, stores)
    if json_file:
        write_json(json_file, document_of(found))
    if str(json_file) != "-" or out:
        file = out or Path(f"report-0x{found.contract.hex()[:8]}.html")
        write_page(found, file, force=force)
        _tell(found, file)


def _read(place: Place, contract: str | None, stores: Sequence[str]) -> Report:
    from swarm_chain.adapters.web3_history import Web3History
    from swarm_chain.cli.connect import evidence_of, find_contract
    from swarm_chain.reporting import read_report

    found = find_contract(place, contract)
    store = evidence_of(found, stores)
    reader = Web3History(found.target.rpc_urls, found.contract)
    with _progress() as on_progress:
        agents = _local_agents(found.target.chain_id, found.contract)
        return read_report(reader, store, agents=agents, on_progress=on_progress)


def _local_agents(chain_id: int, contract: Address) -> Mapping[Address, LocalAgent]:
    """What agents of a swarm that are on this machine say of themselves, by account."""
    from swarm_chain.cli.nodes import local_agents
    from swarm_chain.reporting import LocalAgent

    return {
        account: LocalAgent(
            traffic=file.traffic,
            data_bytes=file.data_bytes,
            head=file.activity.head,
            head_metrics={name: value for name, value in file.activity.head_metrics.items() if isfinite(value)},
        )
        for account, file in local_agents(chain_id, contract).items()
    }


def _tell(found: Report, file: Path) -> None:
    click.echo(f"{file.absolute()}  ({found.finalized} rounds finalised, block {found.block_number})")
    if found.problems:
        some = "document" if len(found.problems) == 1 else "documents"
        say(f"{len(found.problems)} {some} could not be read; the page says which. Give every --store that has some")


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Shows what is being read, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("reaching the chain", total=1)
        yield lambda doing, done, total: bars.update(bar, description=doing, completed=done, total=max(1, total))
