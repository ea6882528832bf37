"""`swarm-chain lab`: what attackers leave of a model, under each merge rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import json_option
from swarm_chain.cli.output import say, show, table, write_json
from swarm_chain.cli.params import SETTING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.table import Table

    from swarm_chain.lab import LabReport
    from swarm_chain.lab.report import Cell
    from swarm_chain.tasks.base import Task

_NODES = {"digits": 10}


@click.command()
@click.option("--task", "task_name", metavar="NAME", default="digits", show_default=True, help="What is trained.")
@click.option(
    "--data",
    metavar="PATH",
    multiple=True,
    help="Where the data set lies, for tasks that do not ship it: the folder with heart's four files.",
)
@click.option(
    "--nodes",
    metavar="N",
    type=click.IntRange(2, 100),
    help="How many nodes; without it 10 for digits, and as many as the task usually has for others.",
)
@click.option(
    "--byzantine",
    metavar="F",
    type=click.IntRange(min=1),
    help="How many of them attack; without it as many as are less than a third.",
)
@click.option(
    "--alpha",
    metavar="A",
    type=click.FloatRange(min=0, min_open=True),
    help="Skews the labels of digits: 0.5 is much, 0.1 very much; without it all nodes have the same mix.",
)
@click.option(
    "--rules", metavar='"RULE …"', help="Merge rules, with a blank between two; without it those that ship, against F."
)
@click.option(
    "--attacks", metavar='"NAME …"', help="Attacks, with a blank between two; without it all. NAME+jitter adds noise."
)
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Plays each game with the seeds 0 to N - 1: other data for each node, another model to start from.",
)
@click.option(
    "--rounds", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="Rounds in each game."
)
@click.option(
    "--set", "training", type=SETTING, multiple=True, help="A hyper-parameter, e.g. epochs=5; again for more."
)
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(min=1),
    help="How many to work with, one core each; without it the cores there are.",
)
@click.option(
    "--real",
    is_flag=True,
    help="Play each game again with the contract on a development chain and an agent process for each node, audit it, "
    "and compare the weights of every round. About a minute a game.",
)
@json_option
@click.pass_context
def lab(
    ctx: click.Context,
    task_name: str,
    data: tuple[str, ...],
    nodes: int | None,
    byzantine: int | None,
    alpha: float | None,
    rules: str | None,
    attacks: str | None,
    seeds: int,
    rounds: int,
    training: tuple[tuple[str, str], ...],
    processes: int | None,
    real: bool,
    json_file: Path | None,
) -> None:
    """Attack a swarm, and show what each merge rule leaves of its model.

    Some of the nodes attack in every round. They see what the honest ones trained before they send theirs, which in a
    sealed swarm nobody can. Updates are judged and merged by the code that agents run. The tables have a row for each
    attack and a column for each rule: accuracies and losses on test examples, means over the seeds.

    A game of ten nodes and ten rounds takes a second or so: all attacks, all rules and three seeds about ten minutes on
    two cores that have nothing else to do.

    Exit status: 0; with --real 1 where agents came to other weights, or the audit did not pass.
    """
    from swarm_chain.config.threads import ask_for_one_thread

    ask_for_one_thread()
    from swarm_chain.core.merge.parallel import usable_processors
    from swarm_chain.lab import ATTACKS, LabSettings, run_lab, usual_rules

    task, nodes, byzantine = _swarm(task_name, data, training, nodes, byzantine)
    settings = LabSettings(
        task=task,
        task_name=task_name,
        nodes=nodes,
        byzantine=byzantine,
        alpha=alpha,
        rules=tuple(rules.split()) if rules is not None else usual_rules(nodes, byzantine),
        attacks=tuple(attacks.split()) if attacks is not None else tuple(ATTACKS),
        seeds=tuple(range(seeds)),
        rounds=rounds,
    )
    report = run_lab(settings, processes=processes or usable_processors(), is_real=real, on_played=_say_progress)
    # Shown first: what took minutes is not lost where the file cannot be written.
    if str(json_file) != "-":
        _show(report)
    if json_file:
        write_json(json_file, report.document())
    ctx.exit(0 if report.is_confirmed else 1)


def _swarm(
    name: str,
    data: tuple[str, ...],
    training: Sequence[tuple[str, str]],
    nodes: int | None,
    byzantine: int | None,
) -> tuple[Task, int, int]:
    """The task, the number of nodes, and how many of them attack. Raises `TaskError`, `ConfigurationError`."""
    from swarm_chain.cli.plans import parse_setting
    from swarm_chain.tasks import load_task
    from swarm_chain.tasks.base import SplitTask

    known = load_task(name).hyperparameters.document()
    task = load_task(name, {**known, **{key: parse_setting(key, text, known) for key, text in training}})
    if isinstance(task, SplitTask):
        task = task.dealing(data) if data else task
        nodes = nodes or _NODES.get(task.name, task.usual_nodes)
    nodes = nodes or SplitTask.usual_nodes
    return task, nodes, byzantine or max(1, (nodes - 1) // 3)


def _say_progress(played: int, total: int) -> None:
    say(f"played {played} of {total} games")


# --------------------------------------------------------------------------------------------------------------- report


def _show(report: LabReport) -> None:
    """Prints the tables: what is left of accuracy, of loss, and what became of whose updates."""
    settings = report.settings
    mix = "labels mixed" if settings.alpha is None else f"labels by Dirichlet {settings.alpha:g}"
    dealt = f", {mix}" if settings.task.name == "digits" else ""
    click.echo(
        f"{settings.task.name}: {settings.nodes} nodes, {settings.byzantine} of them attack{dealt}; {settings.rounds} "
        f"rounds, seeds {', '.join(map(str, settings.seeds))}; {report.seconds:.0f} s"
    )
    for number, rule in enumerate(settings.rules, 1):
        click.echo(f"  ({number}) {rule}")
    click.echo("\naccuracy in percent on the test examples, mean of the seeds")
    show(_accuracies(report))
    click.echo("loss on the test examples, mean of the seeds; - where it is no number")
    show(_grid(report, lambda cell: "-" if cell.loss is None else f"{cell.loss:.3f}", ()))
    click.echo("what rules make of honest updates, and how often attackers were merged")
    show(_treatments(report))
    for line in (*stopped(report), *_confirmations(report)):
        click.echo(line)


def _accuracies(report: LabReport) -> Table:
    from swarm_chain.lab import CLEAN

    rules = report.settings.rules
    last = (
        (CLEAN, *(_percent(report.cell(rule, CLEAN).accuracy) for rule in rules)),
        ("worst case", *(_percent(report.worst(rule).accuracy) for rule in rules)),
        (f"of {100 * report.clean:.1f} kept", *(f"{100 * report.kept(rule):.0f} %" for rule in rules)),
    )
    return _grid(report, lambda cell: _percent(cell.accuracy), last)


def _grid(report: LabReport, shown: Callable[[Cell], str], last: Iterable[Sequence[str]]) -> Table:
    """A row for each attack, a column for each rule."""
    settings = report.settings
    played = settings.attacks if last else settings.played
    rows = [(attack, *(shown(report.cell(rule, attack)) for rule in settings.rules)) for attack in played]
    columns = (f"({number})" for number in range(1, len(settings.rules) + 1))
    return table("attack", *columns, rows=[*rows, *last])


def _treatments(report: LabReport) -> Table:
    """For each rule: honest updates that it left out, or that weigh less than a tenth of their share."""
    columns = (
        "rule",
        "clean: rejected",
        "light",
        "of",
        "attacked: rejected",
        "light",
        "of",
        "attackers merged",
    )
    return table(*columns, rows=[_treatment_row(report, rule) for rule in report.settings.rules])


def _treatment_row(report: LabReport, rule: str) -> Sequence[object]:
    clean, attacked = (report.treatment(rule, clean=is_clean) for is_clean in (True, False))
    sent = sum(attacked.attackers.values())
    return (
        rule,
        *(clean.rejected, clean.light, clean.honest),
        *(attacked.rejected, attacked.light, attacked.honest),
        f"{attacked.attackers.get('included', 0)} of {sent}",
    )


def stopped(report: LabReport) -> Iterable[str]:
    """Games that ended before their last round, and why: they are scored by the model they had come to."""
    for rule in report.settings.rules:
        games = [game for game in report.games if game.rule == rule]
        reasons = [game.stopped for game in games if game.stopped is not None]
        if reasons:
            yield f"ended early: {len(reasons)} of {len(games)} games under {rule}, the first because {reasons[0]}"


def _confirmations(report: LabReport) -> Iterable[str]:
    """What contract and agents made of the same games."""
    for game in report.games:
        if game.real is not None:
            same = sum(one == other for one, other in zip(game.heads, game.real.heads, strict=False))
            yield (
                f"with contract and agents: {game.rule}, {game.attack}, seed {game.seed}: the same weights in {same} "
                f"of {len(game.heads)} rounds, audit {game.real.audit}"
            )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
