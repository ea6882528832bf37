"""`swarm-chain agent`: one process that takes part in a swarm for one node."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import password_file_option
from swarm_chain.cli.output import printable, say
from swarm_chain.cli.params import CONDITION, SERVING

if TYPE_CHECKING:
    from swarm_chain.adapters.meter import Meter
    from swarm_chain.adapters.tensorboard import Curves
    from swarm_chain.agent.activity import Activity, OnActivity
    from swarm_chain.agent.agent import Agent
    from swarm_chain.agent.policy import Condition, Policy
    from swarm_chain.config import NodeConfig


@click.group()
def agent() -> None:
    """Take part in a swarm."""


@agent.command()
@click.argument("node", metavar="[NODE]", required=False)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The node's configuration, where it is not one that `join` wrote here.",
)
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(min=1),
    help="End when the swarm has finalised N rounds since deployment.",
)
@click.option(
    "--until",
    type=CONDITION,
    help="End when a metric of the head, on this node's held-out data, is so good: 'accuracy>=0.95', 'loss<=0.3'.",
)
@click.option(
    "--min-new-samples",
    metavar="N",
    type=click.IntRange(min=0),
    help="Sit rounds out until there are so many more samples than in the last update.",
)
@click.option(
    "--tensorboard",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write curves of metrics, samples, seconds and bytes by round, for `tensorboard --logdir DIR`.",
)
@click.option(
    "--serve",
    type=SERVING,
    help="Where peers fetch this node's blocks: auto, HOST:PORT of this machine, or off. As in its configuration.",
)
@click.option(
    "--keep-weights",
    metavar="K",
    type=click.IntRange(min=0),
    help="Keep the weights of the last K rounds only, and let go of older ones. As in the node's configuration: all.",
)
@password_file_option
def run(
    node: str | None,
    config_file: Path | None,
    rounds: int | None,
    until: Condition | None,
    min_new_samples: int | None,
    tensorboard: Path | None,
    serve: str | None,
    keep_weights: int | None,
    password_file: Path | None,
) -> None:
    """Train, submit, merge and attest, round after round, until told to end.

    NODE is a node that `join` configured here; it may be left out where there is only one. Ctrl-C lets the agent finish
    what it does and suspends its node, so that no peer waits for it; a second Ctrl-C ends it at once. Killed at any
    moment, it goes on where it was when it is started again.

    Peers on other machines fetch from this node's local store, which it serves and announces where they can reach it.
    """
    from swarm_chain.config.threads import ask_for_one_thread

    ask_for_one_thread()
    from swarm_chain.adapters.meter import Meter
    from swarm_chain.agent.disk import translated
    from swarm_chain.bootstrap import build_agent, serve_node
    from swarm_chain.cli.nodes import find_node
    from swarm_chain.config import load_node_config
    from swarm_chain.status.node import traffic_so_far

    path = find_node(node, config_file)
    config = load_node_config(path)
    config = config if serve is None else replace(config, serve=serve)
    config = config if keep_weights is None else replace(config, keep_weights=keep_weights)
    meter = Meter(
        traffic_so_far(path.parent, chain_id=config.chain_id, contract=config.contract, account=config.account)
    )
    with translated(), _showing(path, config, meter, tensorboard) as show, closing(serve_node(config)) as served:
        built = build_agent(
            config,
            password=_password(config, password_file),
            policy=_policy(config, rounds, until, min_new_samples),
            on_activity=show,
            meter=meter,
            stores=served.stores,
        )
        with _logging_to_stderr(), _ending_in_order(built) as asked:
            built.run()
            if not asked.is_set():
                served.serve_on(asked.wait)


def _password(config: NodeConfig, file: Path | None) -> str:
    from swarm_chain.cli.passwords import ask_password

    return ask_password(config.keystore.name, file or config.password_file)


def _policy(config: NodeConfig, rounds: int | None, until: Condition | None, min_new_samples: int | None) -> Policy:
    from swarm_chain.agent.policy import Policy

    return Policy(
        rounds=rounds,
        until=until,
        min_new_samples=config.min_new_samples if min_new_samples is None else min_new_samples,
        confirmations=config.confirmations,
    )


@contextmanager
def _showing(node: Path, config: NodeConfig, meter: Meter, tensorboard: Path | None) -> Iterator[OnActivity]:
    """While inside, what shows activities: the file for `status`, a line for each, curves where asked for."""
    watchers = [_status_file(node.parent, config, meter), _logger()]
    with ExitStack() as stack:
        if tensorboard is not None:
            watchers.append(stack.enter_context(closing(_curves(tensorboard, node, config, meter))))

        def show(activity: Activity) -> None:
            for watcher in watchers:
                watcher(activity)

        yield show


def _status_file(folder: Path, config: NodeConfig, meter: Meter) -> OnActivity:
    """Keeps the file that `status` reads."""
    from swarm_chain.status.node import StatusFile

    return StatusFile(
        folder,
        name=config.label or folder.name,
        chain_id=config.chain_id,
        contract=config.contract,
        account=config.account,
        data=config.data,
        traffic=meter.total,
    )


def _logger() -> OnActivity:
    """Logs a line for each thing that the agent does."""
    last = ""

    def show(activity: Activity) -> None:
        nonlocal last
        line = describe(activity)
        if line != last:
            last = line
            logging.getLogger("swarm_chain").info("%s", line)

    return show


def _curves(folder: Path, node: Path, config: NodeConfig, meter: Meter) -> Curves:
    """What writes curves: for each node and swarm a run of its own."""
    from swarm_chain.adapters.tensorboard import Curves

    run = f"{node.absolute().parent.name}-{config.contract.hex()[:8]}"
    return Curves(folder / run, traffic=meter.total)


def describe(activity: Activity) -> str:
    """An activity in one line, the same while a training goes on: `round 3: committing`."""
    from swarm_chain.cli.metrics import describe_metrics

    line = f"round {activity.round}: {activity.does}"
    if activity.does == "training" and activity.progress == 1.0 and activity.local_metrics:
        line += f" done on {activity.samples:,} samples: {describe_metrics(activity.local_metrics)}"
    if activity.does == "scoring" and activity.progress == 1.0:
        line += f" done: the head, of round {activity.head_round}, here: {describe_metrics(activity.head_metrics)}"
    return f"{line} ({printable(activity.note)})" if activity.note else line


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("swarm_chain")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _ending_in_order(agent: Agent) -> Iterator[threading.Event]:
    """While inside, the first SIGINT or SIGTERM lets the agent end in order, and a second SIGINT ends it at once.

    Gives what is set by the first.
    """
    asked = threading.Event()

    def stop(number: int, _: object) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()
        say("ending in order; Ctrl-C again ends at once, and peers then wait until this node counts as absent")
        agent.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
