"""`swarm-chain deploy`: a task's documents into stores, and a coordinator onto a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from swarm_chain.cli.options import Place, Sender, place_options, sender_options, store_option
from swarm_chain.cli.output import checksum, next_steps, say, show, table
from swarm_chain.cli.params import ADDRESS, DURATION, SETTING
from swarm_chain.types import Address, Digest

if TYPE_CHECKING:
    from swarm_chain.cli.connect import Target
    from swarm_chain.core.documents import MergeSettings
    from swarm_chain.deployment import DeploymentReport
    from swarm_chain.genesis import Genesis
    from swarm_chain.tasks.base import Task
    from swarm_chain.types import SwarmConfig

F = TypeVar("F", bound=Callable[..., Any])


def _window(name: str, default: str, meaning: str) -> Callable[[F], F]:
    return click.option(name, type=DURATION, default=default, show_default=True, help=meaning)


@click.command()
@click.option(
    "--task",
    "task_name",
    metavar="NAME|FILE:CLASS",
    default="digits",
    show_default=True,
    help="What to train: a task that ships, or your own, whose source goes into the stores: my_task.py:MyTask.",
)
@click.option(
    "--merge",
    "rule",
    metavar="RULE",
    default="weighted_mean",
    show_default=True,
    help="How updates are merged, with the rule's parameters where it has any: trimmed_mean:f=1.",
)
@click.option("--max-samples", metavar="N", type=click.IntRange(min=1), help="Most samples that an update counts for.")
@click.option(
    "--max-share-bps",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=10_000,
    show_default=True,
    help="Most that one update counts for, in ten-thousandths of a merge.",
)
@click.option("--direct", is_flag=True, help="Submit updates in one step: for those who trust each other not to copy.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Fixes initial parameters and training order.")
@click.option(
    "--set", "settings", type=SETTING, multiple=True, help="A hyper-parameter, e.g. epochs=5; again for more."
)
@click.option(
    "--init",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Start from the weights in this safetensors file, such as a pretrained model's, instead of the task's seed.",
)
@click.option(
    "--name", metavar="NAME", default="default", show_default=True, help="What the deployments file calls it."
)
@click.option("--admin", type=ADDRESS, help="Who names registrars, and the first of them; without it the deployer.")
@click.option("--registrar", "registrars", type=ADDRESS, multiple=True, help="Who may also invite; again for more.")
@click.option(
    "--quorum-bps",
    metavar="N",
    type=int,
    default=5001,
    show_default=True,
    help="Share of the expected nodes that must attest to a result, in basis points.",
)
@click.option(
    "--min-updates", metavar="N", type=int, default=2, show_default=True, help="Fewest updates for a round to go on."
)
@_window("--initial-window", "10m", "First training window, and the least after a node joined or returned.")
@_window("--min-window", "30s", "Shortest training window.")
@_window("--max-window", "1d", "Longest window of any phase.")
@_window("--reveal-window", "2m", "Revealing window, before stretching.")
@_window("--merge-window", "5m", "Merging window, before stretching.")
@click.option(
    "--absence-limit",
    metavar="N",
    type=int,
    default=3,
    show_default=True,
    help="Finalised rounds without a reveal after which a node is absent.",
)
@click.option(
    "--open-registration", is_flag=True, help="Anyone may join: whoever makes the most accounts is the quorum."
)
@click.option(
    "--nodes", metavar="N", type=click.IntRange(min=1), help="Show what N nodes tolerate, besides other sizes."
)
@click.option("--dry-run", is_flag=True, help="Send and write nothing; say what would be done, and its gas.")
@store_option
@place_options
@sender_options
def deploy(
    task_name: str,
    rule: str,
    max_samples: int | None,
    max_share_bps: int,
    direct: bool,
    seed: int | None,
    settings: tuple[tuple[str, str], ...],
    init: Path | None,
    name: str,
    admin: Address | None,
    registrars: tuple[Address, ...],
    nodes: int | None,
    dry_run: bool,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
    **limits: Any,
) -> None:
    """Put a new swarm on a chain.

    Writes the task and the model to start from into the stores, deploys the contract, and writes down where it lies in
    deployments.json. Run again it does nothing; broken off it goes on where it was.
    """
    from swarm_chain.cli.connect import confirmations_of, open_signer, reach, store_specs
    from swarm_chain.deployment import deploy as run_migrations
    from swarm_chain.deployment import swarm_config
    from swarm_chain.deployment.deployer import Deployer
    from swarm_chain.deployment.deployments import Deployments
    from swarm_chain.genesis import make_genesis, start_from_file

    _check_size(nodes)
    task, merge = _task(task_name, seed, settings), _merge(rule, max_samples, max_share_bps)
    target, specs = reach(place), store_specs(stores)
    signer = open_signer(sender, target.chain_id)
    made = make_genesis(task, merge, start=start_from_file(task, init) if init else None)
    config = swarm_config(
        task_digest=made.task.digest(),
        genesis_digest=made.result.digest(),
        admin=admin or signer.address,
        is_sealed=not direct,
        **limits,
    )
    if not dry_run:
        _store(made, specs)
    report = run_migrations(
        config,
        deployer=Deployer.of(target.rpc_urls, signer, chain_id=target.chain_id),
        deployments=Deployments(),
        name=name,
        registrars=registrars,
        dry_run=dry_run,
        confirmations=confirmations_of(sender, target),
        on_progress=say,
    )
    _report(report, made, specs)
    _tolerances(config, nodes)
    if not dry_run:
        _next(report, target, stores)


def _check_size(nodes: int | None) -> None:
    """Returns if a result of that many nodes fits into one block. Raises `ConfigurationError`."""
    from swarm_chain.core.documents import MAX_REVEALED
    from swarm_chain.errors import ConfigurationError

    if nodes is not None and nodes > MAX_REVEALED:
        raise ConfigurationError(
            f"a round's result has room for {MAX_REVEALED:,} updates, not for those of {nodes:,} nodes; "
            f"plan swarms of at most {MAX_REVEALED:,}"
        )


# ----------------------------------------------------------------------------------------------------------------- task


def _task(name: str, seed: int | None, settings: Sequence[tuple[str, str]]) -> Task:
    """The task with the hyper-parameters that were given. Raises `TaskError`, `ConfigurationError`."""
    from swarm_chain.tasks import load_task

    task = load_task(name)
    training: dict[str, Any] = task.hyperparameters.document()
    for key, text in settings:
        training[key] = parse_setting(key, text, training)
    if seed is not None:
        training["seed"] = seed
    return load_task(name, training)


def parse_setting(key: str, text: str, known: Mapping[str, Any]) -> object:
    """The value of a hyper-parameter, of the type it has. Raises `ConfigurationError`.

    >>> parse_setting("epochs", "7", {"epochs": 5})
    7
    """
    from swarm_chain.errors import ConfigurationError

    if key not in known:
        raise ConfigurationError(f"this task has no hyper-parameter {key}; it has {', '.join(sorted(known))}")
    kind = type(known[key])
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        return kind(text) if kind is not bool else int("no boolean")
    except ValueError:
        raise ConfigurationError(f"{key}={text} is no {kind.__name__}; write e.g. {key}={known[key]}") from None


def _merge(rule: str, max_samples: int | None, max_share_bps: int) -> MergeSettings:
    from swarm_chain.core.documents import NO_CAP
    from swarm_chain.core.merge import parse_rule
    from swarm_chain.genesis import merge_settings

    return merge_settings(parse_rule(rule), max_samples=max_samples or NO_CAP, max_share_bps=max_share_bps)


def _store(made: Genesis, specs: Sequence[str]) -> None:
    from swarm_chain.adapters.stores import open_stores
    from swarm_chain.genesis import put_genesis

    store = open_stores(specs)
    put_genesis(made, store)
    say(f"task and first model are in {store.name}")


# --------------------------------------------------------------------------------------------------------------- report


def _report(report: DeploymentReport, made: Genesis, specs: Sequence[str]) -> None:
    for step in report.steps:
        gas = f"{step.gas:,} gas" if step.gas is not None else "gas unknown before the steps above"
        say(f"{'would do' if report.is_dry_run else 'done'}: {step.what}, {gas}")
    if not report.steps:
        say("nothing to do: it is deployed already")
    contract = report.deployment.contract
    rows = [
        ("contract", checksum(contract) if contract else "(not deployed)"),
        ("chain", str(report.deployment.chain_id)),
        ("task", f"{_hex(made.task.digest())}  {made.task.cid()}"),
        ("genesis", f"{_hex(made.result.digest())}  {made.result.cid()}"),
        ("weights", f"{made.result.weights}, {made.result.bytes:,} bytes"),
        ("store", " ".join(specs)),
    ]
    for what, value in rows:
        click.echo(f"{what:<9} {value}")


def _hex(digest: Digest) -> str:
    return "0x" + digest.hex()


def _tolerances(config: SwarmConfig, nodes: int | None) -> None:
    """Prints how many nodes may fail at each size, and what to think about."""
    from swarm_chain.core.quorum import SHOWN_SIZES, tolerances, warnings

    sizes = sorted({*SHOWN_SIZES, *([nodes] if nodes else [])})
    rows = [
        (each.nodes, each.quorum, each.required, "no round opens" if each.may_fail is None else each.may_fail)
        for each in tolerances(config, sizes)
    ]
    show(table("nodes", "quorum", "updates needed", "nodes that may fail", rows=rows), err=True)
    for warning in warnings(config):
        say(f"warning: {warning}")


def _where(target: Target) -> str:
    """The options that lead to the same chain again; none for the development chain on this machine."""
    from swarm_chain.config.chains import DEVNET

    if target.network is None:
        return "".join(f" --rpc {url}" for url in target.rpc_urls)
    return "" if target.network == DEVNET else f" --network {target.network}"


def _next(report: DeploymentReport, target: Target, stores: Sequence[str]) -> None:
    name, where = report.deployment.name, _where(target)
    store = "".join(f" --store {spec}" for spec in stores)
    is_default = name == "default"
    next_steps(
        "swarm-chain account new NAME        (each node; prints its ADDRESS)",
        f"swarm-chain invite ADDRESS{' --fund' if target.is_development else ''}"
        f"{'' if is_default else f' --contract {name}'}{where}{store}",
        "swarm-chain join CODE --data SPEC",
        "swarm-chain agent run",
        f"swarm-chain status{'' if is_default else f' {name}'} --watch{where}{store}",
    )
