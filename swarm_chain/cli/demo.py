"""`swarm-chain demo`: a whole swarm on this machine, from nothing to an audited model."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import json_option
from swarm_chain.cli.output import checksum, next_steps, printable, say, show, table, write_json
from swarm_chain.cli.params import SETTING
from swarm_chain.core.metrics import is_better, is_lower_better
from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from swarm_chain.demo import DemoReport, DemoSettings, NodeReport, RoundSummary
    from swarm_chain.tasks.base import Task
    from swarm_chain.types import Metrics

ACCURACY = "accuracy"
DEFAULT_FOLDER = Path("-")
"""Stands for `--keep` without a folder."""


@click.command()
@click.option(
    "--nodes",
    metavar="N",
    type=click.IntRange(2, 100),
    help="How many nodes; without it as many as the task usually has: 4, one for each --data, or a task's own number.",
)
@click.option(
    "--rounds", metavar="N", type=click.IntRange(min=1), default=15, show_default=True, help="Rounds to finalise."
)
@click.option(
    "--task",
    "task_name",
    metavar="NAME|FILE:CLASS",
    default="digits",
    show_default=True,
    help="What to train: a task that ships, or your own: my_task.py:MyTask.",
)
@click.option(
    "--data",
    metavar="SPEC",
    multiple=True,
    help="A node's own data, as its task takes it: once for each node; or once, to be dealt out to all. Without it the "
    "task deals its own out; for heart also the folder with its files.",
)
@click.option(
    "--merge",
    "rule",
    metavar="RULE",
    default="weighted_mean",
    show_default=True,
    help="How updates are merged, with the rule's parameters where it has any: trimmed_mean:f=1.",
)
@click.option("--direct", is_flag=True, help="Submit updates in one step instead of sealing them first.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Fixes who has which data, initial parameters and training order: same seed, same models.",
)
@click.option(
    "--set", "training", type=SETTING, multiple=True, help="A hyper-parameter, e.g. epochs=5; again for more."
)
@click.option(
    "--keep",
    metavar="[DIR]",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=DEFAULT_FOLDER,
    help="Keep everything in a new folder, and leave the chain running, for later commands.",
)
@click.option(
    "--report",
    "page",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page on the swarm to a file, as `swarm-chain report` does; with --keep there is one in its folder.",
)
@click.option("--client", type=click.Choice(["anvil", "ganache"]), default="anvil", show_default=True, help="Program.")
@click.option(
    "--ipfs",
    "is_on_ipfs",
    is_flag=True,
    help="Give each node a private IPFS node of its own, and no shared folder; needs `ipfs`, or SWARM_CHAIN_IPFS.",
)
@json_option
@click.pass_context
def demo(
    ctx: click.Context,
    nodes: int | None,
    rounds: int,
    task_name: str,
    data: tuple[str, ...],
    rule: str,
    direct: bool,
    seed: int,
    training: tuple[tuple[str, str], ...],
    keep: Path | None,
    page: Path | None,
    client: str,
    is_on_ipfs: bool,
    json_file: Path | None,
) -> None:
    """Train a swarm on this machine, from nothing to an audited model.

    Starts a development chain, deploys the contract, registers nodes by invitation, starts an agent process for each
    with its own part of the data, and trains. Then compares the swarm with each node alone and with all data pooled,
    on test examples that nobody trained on, and audits every round. Without --keep everything is stopped and removed.

    With --ipfs, updates cross from IPFS node to IPFS node by bitswap, and the audit reads from one that has nothing to
    begin with. These nodes talk to each other and to nobody else.

    Exit status: 0 if every round was finalised and passed the audit.
    """
    from swarm_chain.cli.demo_screen import open_screen
    from swarm_chain.core.merge import parse_rule
    from swarm_chain.demo import DemoSettings, run_demo
    from swarm_chain.reporting.file import require_replaceable, write_page

    task = _task(task_name, seed, training)
    nodes = nodes or _usual_nodes(task, data)
    task, data = _dealt(task, data, nodes=nodes, seed=seed)
    recipe = parse_rule(rule)
    recipe.require(nodes)
    for warning in recipe.warnings(nodes):
        say(f"warning: {warning}")
    settings = DemoSettings(
        nodes=nodes,
        rounds=rounds,
        task=task,
        task_name=_absolute(task_name),
        rule=recipe,
        seed=seed,
        data=data,
        is_sealed=not direct,
        client="ganache" if client == "ganache" else "anvil",
        is_on_ipfs=is_on_ipfs,
    )
    if page:
        require_replaceable(page)
    with _interruptible(), open_screen(settings) as screen:
        report = run_demo(settings, keep=_folder(keep), screen=screen, has_page=page is not None)
    if json_file:
        write_json(json_file, report.document())
    if str(json_file) != "-":
        _show(report)
    if page and report.overview:
        write_page(report.overview, page, force=True)
    _say_next(report, page)
    ctx.exit(0 if report.is_success else 1)


def _task(name: str, seed: int, given: Sequence[tuple[str, str]]) -> Task:
    """The task, seeded, with the hyper-parameters that were given. Raises `TaskError`, `ConfigurationError`."""
    from swarm_chain.cli.plans import parse_setting
    from swarm_chain.tasks import load_task

    known = load_task(name).hyperparameters.document()
    settings = {key: parse_setting(key, text, known) for key, text in given}
    return load_task(name, {**known, "seed": seed, **settings})


def _usual_nodes(task: Task, data: Sequence[str]) -> int:
    from swarm_chain.tasks.base import SplitTask

    if len(data) > 1:
        return len(data)
    return task.usual_nodes if isinstance(task, SplitTask) else SplitTask.usual_nodes


def _dealt(task: Task, data: tuple[str, ...], *, nodes: int, seed: int) -> tuple[Task, tuple[str, ...]]:
    """The task, and each node's data; none where the task deals out its own, or what lies at `data`.

    One `data` is dealt out to all by a task that knows a whole dataset. Raises `ConfigurationError`.
    """
    from swarm_chain.tasks.base import SplitTask, Task
    from swarm_chain.tasks.dealing import Share

    data = tuple(map(task.located, data))
    if isinstance(task, SplitTask):
        return (task.dealing(data), ()) if data and task.takes_sources else (task, data)
    whole = data or ((task.data_example,) if task.data_example != Task.data_example else ())
    if len(whole) != 1:
        return task, data
    if type(task).open_data is not Task.open_data:
        raise ConfigurationError(f"the task {task.name} opens each node's data by itself; give --data for each node")
    return task, tuple(str(Share(data=whole[0], part=part, of=nodes, seed=seed)) for part in range(nodes))


def _absolute(task_name: str) -> str:
    """The task's name, found from any folder where it is a file."""
    from swarm_chain.tasks.sources import TaskFile

    file = TaskFile.parse(task_name)
    if file is None:
        return task_name
    path = str(file.path.absolute())
    return path if file.class_name is None else f"{path}:{file.class_name}"


def _folder(keep: Path | None) -> Path | None:
    if keep != DEFAULT_FOLDER:
        return keep
    from swarm_chain import config

    return config.home() / "demos" / datetime.now().strftime("%Y-%m-%d-%H%M%S")


@contextmanager
def _interruptible() -> Iterator[None]:
    """While inside, being told to end is like Ctrl-C: everything that was started is stopped first."""

    def interrupt(*_: object) -> None:
        # Cleaning up is not to be interrupted again.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --------------------------------------------------------------------------------------------------------------- report


def _show(report: DemoReport) -> None:
    """Prints what came of it: rounds and their audit, gas, and at the end who is how good."""
    from swarm_chain.cli.audit import gas_table
    from swarm_chain.cli.metrics import describe_metrics
    from swarm_chain.cli.traffic import traffic_table

    scope = report.audit.scope
    show(table("round", "audit", "outcome", "included", "excluded", "seconds", "gas", rows=_round_rows(report)))
    for finding in report.audit.all_findings:
        where = "swarm" if finding.round is None else f"round {finding.round}"
        show(f"{finding.fault.verdict}  {where}  {finding.fault}: {finding.message}")
    show(gas_table(report.audit))
    show(traffic_table("node", ((node.name, node.traffic, node.data_bytes) for node in report.nodes)))
    metric = report.metric or "nothing in common"
    if report.ipfs:
        show(table("IPFS node", "blocks", "received", "sent", "bytes received", "sent", rows=_ipfs_rows(report)))
    columns = ("trained", "samples", f"test {printable(metric)}", "on its own: alone", "the swarm")
    show(table(*columns, rows=_score_rows(report)))
    click.echo(f"the swarm's model on the test examples: {describe_metrics(report.swarm_metrics)}")
    for line in (_gains(report), _at_sites(report)):
        if line:
            click.echo(line)
    click.echo(
        f"audit {report.audit.verdict}: contract {checksum(scope.contract)}, chain {scope.chain_id}, "
        f"block {scope.block_number}, {report.finalized} of {report.settings.rounds} rounds finalised, "
        f"{report.seconds:.0f} s"
    )


def _round_rows(report: DemoReport) -> list[Sequence[object]]:
    return [
        (
            one.number,
            one.verdict,
            one.outcome,
            _included(one, report.settings),
            ", ".join(f"{name} ({reason})" for name, reason in one.excluded) or "-",
            "-" if one.seconds is None else f"{one.seconds:.1f}",
            f"{one.gas:,}",
        )
        for one in report.rounds
    ]


def _ipfs_rows(report: DemoReport) -> list[Sequence[object]]:
    """What each IPFS node holds at the end, beside what it began with, and what bitswap carried."""
    return [
        (
            one.name,
            f"{one.before.blocks} → {one.after.blocks}",
            one.after.blocks_received,
            one.after.blocks_sent,
            f"{one.after.bytes_received:,}",
            f"{one.after.bytes_sent:,}",
        )
        for one in report.ipfs
    ]


def _included(one: RoundSummary, settings: DemoSettings) -> str:
    count = f"{len(one.included)} of {settings.nodes}"
    missing = [name for name in settings.names if name not in one.included]
    return count if not missing or not one.included else f"{count}, without {', '.join(missing)}"


def _score_rows(report: DemoReport) -> list[Sequence[object]]:
    """Who trained on how much, and how good that is: on the test examples, and at home."""
    total = sum(node.samples for node in report.nodes)
    return [
        *(_alone_row(node, report.metric) for node in report.nodes),
        ("the swarm", f"{total:,}", _shown(report.metric, report.swarm_metrics), "", ""),
        ("all data pooled", f"{total:,}", _shown(report.metric, report.pooled_metrics), "", ""),
    ]


def _alone_row(node: NodeReport, metric: str | None) -> Sequence[object]:
    found = (_shown(metric, metrics) for metrics in (node.alone, node.alone_own, node.swarm_own))
    return (f"{node.name} alone", f"{node.samples:,}", *found)


def _at_sites(report: DemoReport) -> str:
    """Where the swarm's model does worst, on what nodes hold out themselves, and how far that is from the best."""
    metric = report.metric
    known = [(node.swarm_own, node.name) for node in report.nodes if metric is not None and metric in node.swarm_own]
    if metric is None or len(known) < 2:
        return ""
    ranked = sorted(known, key=lambda site: site[0][metric], reverse=is_lower_better(metric))
    (worst, at), (best, there) = ranked[0], ranked[-1]
    if worst[metric] == best[metric]:
        return f"on what each holds out itself, the swarm's model does the same everywhere ({_shown(metric, best)})"
    far = abs(best[metric] - worst[metric])
    distance = f"{100 * far:.1f} points below" if metric == ACCURACY else f"{far:.4g} from"
    return (
        f"on what each holds out itself, the swarm's model is worst at {at} ({_shown(metric, worst)}), "
        f"{distance} the best, {there}"
    )


def _gains(report: DemoReport) -> str:
    """How many nodes are better off with the swarm's model than with their own, on what they hold out themselves."""
    metric = report.metric
    if metric is None:
        return ""
    known = [node for node in report.nodes if metric in node.alone_own and metric in node.swarm_own]
    if not known:
        return ""
    better = sum(is_better(metric, node.swarm_own[metric], node.alone_own[metric]) for node in known)
    return f"on what each holds out itself, {better} of {len(known)} nodes do better with the swarm's model"


def _shown(metric: str | None, metrics: Metrics) -> str:
    """A metric for people: accuracy in percent, others as they are."""
    value = None if metric is None else metrics.get(metric)
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if metric == ACCURACY else f"{value:.4f}"


def _accepting(report: DemoReport) -> str:
    """What an audit by itself needs where the merge rule is one's own."""
    merge = report.audit.merge
    return "" if merge is None or merge.source is None else f" --accept-rule 0x{merge.source.digest.hex()}"


def _say_next(report: DemoReport, page: Path | None) -> None:
    contract = checksum(report.audit.scope.contract)
    if page:
        say(f"\na page with curves, to open in a browser: {page.absolute()}")
    if report.kept is None:
        next_steps(
            "swarm-chain demo --keep       (with your other options: keeps chain, documents, report and a page)",
            "swarm-chain devnet            (a chain for a swarm by hand: deploy, account new, invite, join, agent run)",
        )
        return
    folder = report.kept.folder
    documents = "IPFS nodes (ipfs)" if report.ipfs else "documents (store)"
    say(f"\n{folder} holds the report (report.json), the {documents}, nodes and logs")
    say(f"a page with curves, to open in a browser: {folder / 'report.html'}")
    say(f"the chain goes on at {report.rpc_url}")
    where = f"--rpc {report.rpc_url} --store {shlex.quote(report.store)}"
    running = " ".join(str(one.pid) for one in report.ipfs)
    next_steps(
        f"swarm-chain audit {contract} {where}{_accepting(report)}",
        f"swarm-chain status {contract} {where}",
        f"kill {report.kept.chain_pid}        (stops the chain; its state stays in {folder / 'devnet'})",
        *([f"kill {running}        (stops the IPFS nodes; their blocks stay in {folder / 'ipfs'})"] if running else []),
    )
