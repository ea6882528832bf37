"""`swarm-chain demo`: a whole swarm on this machine, from nothing to an audited model."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import json_option
from swarm_chain.cli.output import checksum, next_steps, say, show, table, write_json
from swarm_chain.cli.params import SETTING
from swarm_chain.errors import TaskError

if TYPE_CHECKING:
    from swarm_chain.demo import DemoReport, DemoSettings, NodeReport, RoundSummary
    from swarm_chain.tasks.base import SplitTask

DEFAULT_FOLDER = Path("-")
"""Stands for `--keep` without a folder."""


@click.command()
@click.option("--nodes", metavar="N", type=click.IntRange(2, 100), default=4, show_default=True, help="How many nodes.")
@click.option(
    "--rounds", metavar="N", type=click.IntRange(min=1), default=15, show_default=True, help="Rounds to finalise."
)
@click.option("--task", "task_name", metavar="NAME", default="digits", show_default=True, help="What to train.")
@click.option(
    "--data",
    metavar="SPEC",
    multiple=True,
    help="A node's own data, as its task takes it: once for each node. Without it the task deals its own data out; "
    "for heart also the folder with its files.",
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
@click.option("--client", type=click.Choice(["anvil", "ganache"]), default="anvil", show_default=True, help="Program.")
@json_option
@click.pass_context
def demo(
    ctx: click.Context,
    nodes: int,
    rounds: int,
    task_name: str,
    data: tuple[str, ...],
    rule: str,
    direct: bool,
    seed: int,
    training: tuple[tuple[str, str], ...],
    keep: Path | None,
    client: str,
    json_file: Path | None,
) -> None:
    """Train a swarm on this machine, from nothing to an audited model.

    Starts a development chain, deploys the contract, registers nodes by invitation, starts an agent process for each
    with its own part of the data, and trains. Then compares the swarm with each node alone and with all data pooled,
    on test examples that nobody trained on, and audits every round. Without --keep everything is stopped and removed.

    Exit status: 0 if every round was finalised and passed the audit.
    """
    from swarm_chain.cli.demo_screen import open_screen
    from swarm_chain.core.merge import parse_rule
    from swarm_chain.demo import DemoSettings, run_demo

    task = _task(task_name, seed, training, data)
    settings = DemoSettings(
        nodes=nodes,
        rounds=rounds,
        task=task,
        rule=parse_rule(rule),
        seed=seed,
        data=() if task.sources else data,
        is_sealed=not direct,
        client="ganache" if client == "ganache" else "anvil",
    )
    with _interruptible(), open_screen(settings) as screen:
        report = run_demo(settings, keep=_folder(keep), screen=screen)
    if json_file:
        write_json(json_file, report.document())
    if str(json_file) != "-":
        _show(report)
    _say_next(report)
    ctx.exit(0 if report.is_success else 1)


def _task(name: str, seed: int, given: Sequence[tuple[str, str]], data: Sequence[str]) -> SplitTask:
    """The task, seeded, dealing out the given data if it can. Raises `TaskError` where it has no test data."""
    from swarm_chain.cli.deploy import parse_setting
    from swarm_chain.tasks import load_task
    from swarm_chain.tasks.base import SplitTask

    known = load_task(name).hyperparameters.document()
    settings = {key: parse_setting(key, text, known) for key, text in given}
    task = load_task(name, {**known, "seed": seed, **settings})
    if not isinstance(task, SplitTask):
        raise TaskError(f"the task {name} brings no test data to compare on; choose another --task")
    return task.dealing(data) if data and task.takes_sources else task


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
    from swarm_chain.cli.status import describe_metrics

    scope = report.audit.scope
    show(table("round", "audit", "outcome", "included", "excluded", "seconds", "gas", rows=_round_rows(report)))
    for finding in report.audit.all_findings:
        where = "swarm" if finding.round is None else f"round {finding.round}"
        show(f"{finding.fault.verdict}  {where}  {finding.fault}: {finding.message}")
    show(gas_table(report.audit))
    columns = ("trained", "samples", "test accuracy", "on its own: alone", "the swarm")
    show(table(*columns, rows=_accuracy_rows(report)))
    click.echo(f"the swarm's model on the test examples: {describe_metrics(report.swarm_metrics)}")
    if at_sites := _at_sites(report):
        click.echo(at_sites)
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


def _included(one: RoundSummary, settings: DemoSettings) -> str:
    count = f"{len(one.included)} of {settings.nodes}"
    missing = [name for name in settings.names if name not in one.included]
    return count if not missing or not one.included else f"{count}, without {', '.join(missing)}"


def _accuracy_rows(report: DemoReport) -> list[Sequence[object]]:
    total = sum(node.samples for node in report.nodes)
    return [
        *(_alone_row(node) for node in report.nodes),
        ("the swarm", f"{total:,}", _percent(report.swarm_accuracy), "", ""),
        ("all data pooled", f"{total:,}", _percent(report.pooled_accuracy), "", ""),
    ]


def _alone_row(node: NodeReport) -> Sequence[object]:
    shares = (node.alone_accuracy, node.alone_own_accuracy, node.swarm_own_accuracy)
    return (f"{node.name} alone", f"{node.samples:,}", *map(_percent, shares))


def _at_sites(report: DemoReport) -> str:
    """Where the swarm's model does worst, on what nodes hold out themselves, and how far that is from the best."""
    known = [(node.swarm_own_accuracy, node.name) for node in report.nodes if node.swarm_own_accuracy is not None]
    if len(known) < 2:
        return ""
    (worst, at), (best, there) = min(known), max(known)
    return (
        f"on what each holds out itself, the swarm's model is worst at {at} ({_percent(worst)}), "
        f"{100 * (best - worst):.1f} points below the best, {there}"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _say_next(report: DemoReport) -> None:
    contract = checksum(report.audit.scope.contract)
    if report.kept is None:
        next_steps(
            "swarm-chain demo --keep       (the same, and keep chain, documents and report)",
            "swarm-chain devnet            (a chain for a swarm by hand: deploy, account new, invite, join, agent run)",
        )
        return
    folder = report.kept.folder
    say(f"\n{folder} holds the report (report.json), the documents (store), nodes and logs")
    say(f"the chain goes on at {report.rpc_url}")
    where = f"--rpc {report.rpc_url} --store {report.store}"
    next_steps(
        f"swarm-chain audit {contract} {where}",
        f"swarm-chain status {contract} {where}",
        f"kill {report.kept.chain_pid}        (stops the chain; its state stays in {folder / 'devnet'})",
    )
