"""`swarm-chain status`: a swarm at a glance, once or live."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.metrics import describe_metrics
from swarm_chain.cli.options import Place, json_option, place_options, read_store_option
from swarm_chain.cli.output import checksum, printable, show, span, table, terminal_width, write_json
from swarm_chain.types import Address, NodeStatus, Phase

if TYPE_CHECKING:
    from rich.console import RenderableType

    from swarm_chain.cli.connect import Reading
    from swarm_chain.status.node import NodeStatusFile
    from swarm_chain.status.swarm import NodeState, SwarmStatus

REFRESH = 1.0
"""Seconds between two looks of `--watch`."""
WIDE = 140
"""Columns of a terminal that has room for whole addresses."""


@click.command()
@click.argument("contract", metavar="[ADDRESS|NAME]", required=False)
@click.option(
    "--node", "node_name", metavar="NAME", help="A node here: its configuration says contract, RPC and stores."
)
@click.option("--watch", is_flag=True, help="Show it live, until Ctrl-C.")
@read_store_option
@json_option
@place_options
def status(
    contract: str | None,
    node_name: str | None,
    watch: bool,
    stores: tuple[str, ...],
    json_file: Path | None,
    place: Place,
) -> None:
    """Show what a swarm does, and what it waits for.

    The contract may be left out where the chain has one deployment. Metrics come from the nodes' own updates, on their
    own held-out data, and say at which node the agreed model does worst. Of nodes on this machine it also shows what
    their agents do right now, and how many bytes they sent and received.
    """
    from swarm_chain.cli.connect import open_reading

    if watch and json_file:
        raise click.UsageError("--watch is for people, --json for programs: give one of them.")
    reading = open_reading(place, contract, stores, node_name)
    if watch:
        _watch(reading)
        return
    found = reading.status()
    if json_file:
        from swarm_chain.status.swarm import document_of

        write_json(json_file, document_of(found, reading.activities()))
    if str(json_file) != "-":
        show(render(found, reading.activities(), width=terminal_width()))


def _watch(reading: Reading) -> None:
    from rich.live import Live

    with Live(auto_refresh=False, screen=False) as live:
        while True:
            shown = render(reading.status(), reading.activities(), width=live.console.width)
            live.update(shown, refresh=True)
            time.sleep(REFRESH)


# ------------------------------------------------------------------------------------------------------------ rendering


def render(found: SwarmStatus, activities: Mapping[Address, NodeStatusFile], *, width: int) -> RenderableType:
    """The status for people: the swarm, its round, a line a node, head by site, and what helps where it is stuck."""
    from rich.console import Group
    from rich.text import Text

    from swarm_chain.cli.sites import agent_lines, site_lines, site_table
    from swarm_chain.cli.traffic import traffic_table

    sites = found.sites(activities)
    lines = [
        *_swarm_lines(found),
        *_round_lines(found),
        *site_lines(found, sites),
        *agent_lines(found, sites, activities),
    ]
    tables = [node_table(found, activities, width=width)]
    if sites is not None and len(sites.model.metrics) > 1:
        tables.append(site_table(found, sites, is_wide=width >= WIDE))
    if activities:
        here = [(found.label_of(one.account), one.traffic, one.data_bytes) for one in activities.values()]
        tables.append(traffic_table("agent here", here))
    advice = [Text(f"! {line}") for line in found.advice]
    return Group(Text("\n".join(lines)), *tables, *advice)


def _swarm_lines(found: SwarmStatus) -> Iterable[str]:
    from swarm_chain.core.cids import document_cid

    swarm = found.view.swarm
    head = "unknown" if found.head_round is None else f"of round {found.head_round}" if found.head_round else "genesis"
    kind = "sealed" if swarm.config.is_sealed else "direct"
    yield f"swarm     {checksum(found.coordinator)} on chain {found.chain_id}, {kind}, block {found.view.block_number}"
    yield f"head      {document_cid(swarm.head)} ({head})"
    yield (
        f"nodes     {swarm.active_nodes} active; a round needs {swarm.required_updates} updates; "
        f"{swarm.finalized_rounds} rounds finalised"
    )


def _round_lines(found: SwarmStatus) -> Iterable[str]:
    current = found.view.round
    if current.round == 0:
        yield "round     none yet"
        return
    if current.phase == Phase.IDLE:
        ended = f"ended: {current.abort_reason.name.lower()}" if current.abort_reason else "finalised"
        yield f"round     {current.round} {ended}"
        return
    left = found.seconds_left or 0
    when = f"{span(left)} left" if left > 0 else "deadline passed, waits to be closed"
    yield f"round     {current.round} {current.phase.name.lower()}, {when}, {_counts(found)}"
    if found.waiting and found.waiting.nodes:
        names = ", ".join(printable(found.label_of(node)) for node in found.waiting.nodes)
        yield f"waits for {names} to {found.waiting.act}"


def _counts(found: SwarmStatus) -> str:
    current = found.view.round
    match current.phase:
        case Phase.TRAINING:
            return f"{current.commits} of {current.expected} in"
        case Phase.REVEALING:
            return f"{current.reveals} of {current.commits} revealed"
        case _:
            return f"{current.leading_attestations} of {current.quorum} attestations"


def node_table(found: SwarmStatus, activities: Mapping[Address, NodeStatusFile], *, width: int) -> RenderableType:
    """A line a node; with its address where the terminal has room."""
    columns = ("node", "status", "this round", "agent here", "samples", "newest update")
    rows = [_node_row(node, activities.get(node.address)) for node in found.nodes]
    if width < WIDE:
        return table(*columns, rows=rows)
    wide = [(row[0], checksum(node.address), *row[1:]) for node, row in zip(found.nodes, rows, strict=True)]
    return table(columns[0], "account", *columns[1:], rows=wide)


def _node_row(node: NodeState, activity: NodeStatusFile | None) -> Sequence[str]:
    update, account = node.last_update, checksum(node.address)
    return (
        node.label or f"{account[:6]}…{account[-4:]}",
        _standing(node),
        node.has_done[-1] if node.has_done else "nothing yet" if node.is_expected else "not expected",
        describe_activity(activity) if activity else "-",
        f"{update.samples:,}" if update else "-",
        f"round {update.round}: {describe_metrics(update.local_metrics, update.problem)}" if update else "-",
    )


def _standing(node: NodeState) -> str:
    if node.info.status == NodeStatus.SUSPENDED_BY_REGISTRAR:
        return "suspended by a registrar"
    word = node.info.status.name.lower()
    return f"{word}, absent" if node.info.is_absent else word


def describe_activity(file: NodeStatusFile) -> str:
    """What an agent does, in a few words: `training 45%`."""
    if not file.is_running:
        return "stopped" if file.activity.does == "stopped" else "gone: its process ended"
    activity = file.activity
    progress = f" {activity.progress:.0%}" if activity.does == "training" and activity.progress is not None else ""
    note = f" ({printable(activity.note)})" if activity.note else ""
    return f"{activity.does}{progress}{note}"
