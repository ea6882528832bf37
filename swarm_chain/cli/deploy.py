"""`swarm-chain deploy`: a task's documents into stores, and a coordinator onto a chain."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from swarm_chain.cli.options import Place, Sender, place_options, sender_options, store_option
from swarm_chain.cli.output import checksum, next_steps, say, show, table
from swarm_chain.cli.params import ADDRESS, DURATION, SETTING
from swarm_chain.cli.plans import Wanted, first_plan, successor_plan
from swarm_chain.cli.successors import ORIGIN, open_earlier
from swarm_chain.types import Address, Digest

if TYPE_CHECKING:
    from swarm_chain.accounts import Signer
    from swarm_chain.cli.connect import Target
    from swarm_chain.cli.plans import Plan
    from swarm_chain.deployment import DeploymentReport
    from swarm_chain.ports import Chain
    from swarm_chain.types import SwarmConfig

SERVED_PORT = 8080
"""Where `store serve` listens unless told."""

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
    help="How updates are merged, with the rule's parameters where it has any: trimmed_mean:f=1; robust:f=1 for what "
    "is known to withstand most; or your own rule, whose source goes into the stores: my_rule.py:MyRule.",
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
@click.option(
    "--direct/--sealed",
    default=False,
    help="Submit updates in one step, for those who trust each other not to copy; or in two, as without.",
)
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
    "--from",
    "origin",
    type=ORIGIN,
    help="Start from an earlier swarm's head, or from its result of a round: with its task and settings unless others "
    "are given. Its nodes are invited.",
)
@click.option(
    "--from-rpc",
    metavar="URL",
    multiple=True,
    help="With --from: RPC endpoint of the chain of the earlier swarm, where that is another one; again for more.",
)
@click.option(
    "--invitations",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --from: where to write an invitation for each node of the earlier swarm. Without it, invitations/NAME.",
)
@click.option(
    "--name",
    metavar="NAME",
    default="default",
    show_default=True,
    help="What the deployments file calls it; with --from the earlier name and a number, default-2.",
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
    "--open-registration/--by-invitation",
    default=False,
    help="Anyone may join: whoever makes the most accounts is the quorum. Or only who was invited, as without.",
)
@click.option(
    "--nodes",
    metavar="N",
    type=click.IntRange(min=1),
    help="Plan for N nodes: show what they tolerate, and refuse a merge rule that they can never meet.",
)
@click.option("--dry-run", is_flag=True, help="Send and write nothing; say what would be done, and its gas.")
@store_option
@place_options
@sender_options
@click.pass_context
def deploy(
    ctx: click.Context,
    /,
    origin: tuple[str, int | None] | None,
    from_rpc: tuple[str, ...],
    folder: Path | None,
    name: str,
    registrars: tuple[Address, ...],
    nodes: int | None,
    dry_run: bool,
    stores: tuple[str, ...],
    place: Place,
    sender: Sender,
    **choices: Any,
) -> None:
    """Put a new swarm on a chain.

    Writes the task and the model to start from into the stores, deploys the contract, and writes down where it lies in
    deployments.json. Run again it does nothing; broken off it goes on where it was.

    A task and a merge rule are fixed for a swarm's life. With --from, a new swarm goes on with an earlier one's model:
    to change these, or to go back to an older model (--from default@2).
    """
    from swarm_chain.adapters.stores import open_stores
    from swarm_chain.cli.connect import confirmations_of, open_signer, reach, store_specs
    from swarm_chain.deployment import deploy as run_migrations
    from swarm_chain.deployment.deployer import Deployer
    from swarm_chain.deployment.deployments import Deployments

    _check_size(nodes)
    _check_options(ctx, origin)
    wanted = Wanted.of(ctx, **choices)
    target, specs = reach(place), store_specs(stores)
    signer = open_signer(sender, target.chain_id)
    if origin is None:
        plan = first_plan(wanted, signer.address)
    else:
        earlier = open_earlier(origin, place, from_rpc, open_stores(specs, writable=not dry_run))
        plan = successor_plan(wanted, *earlier)
    about_rule = _check_rule(plan, nodes)
    if not dry_run:
        _store(plan, specs)
    deployer = Deployer.of(target.rpc_urls, signer, chain_id=target.chain_id)
    report = run_migrations(
        plan.config,
        deployer=deployer,
        deployments=Deployments(),
        name=name if "name" in wanted.given else plan.free_name(deployer, name),
        registrars=registrars,
        dry_run=dry_run,
        confirmations=confirmations_of(sender, target),
        on_progress=say,
    )
    _report(report, plan, specs)
    _tolerances(plan.config, nodes)
    for line in about_rule:
        say(line)
    if dry_run:
        return
    if plan.earlier is None:
        _next(report, target, stores)
    else:
        _offer(plan.earlier[0], report, target, signer, specs, folder)
        _next_of_successor(report, target, stores)


def _check_options(ctx: click.Context, origin: object) -> None:
    """Refuses options that say nothing without --from, or something else than it."""
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if origin is None and given & {"from_rpc", "folder"}:
        raise click.UsageError("--from-rpc and --invitations go with --from.")
    if origin is not None and "init" in given:
        raise click.UsageError("give --from or --init, not both: a swarm starts from one model.")


def _check_size(nodes: int | None) -> None:
    """Returns if a result of that many nodes fits into one block. Raises `ConfigurationError`."""
    from swarm_chain.core.documents import MAX_REVEALED
    from swarm_chain.errors import ConfigurationError

    if nodes is not None and nodes > MAX_REVEALED:
        raise ConfigurationError(
            f"a round's result has room for {MAX_REVEALED:,} updates, not for those of {nodes:,} nodes; "
            f"plan swarms of at most {MAX_REVEALED:,}"
        )


def _check_rule(plan: Plan, nodes: int | None) -> list[str]:
    """What the merge rule needs, for people. Raises `MergeError` where so many nodes can never give it."""
    from swarm_chain.cli.merges import unused_caps
    from swarm_chain.core.merge import rule_of
    from swarm_chain.errors import RuleNotAccepted

    merge = plan.made.task.merge
    try:
        recipe = rule_of(merge)
    except RuleNotAccepted:
        return [f"the merge rule {merge.rule} is the earlier swarm's, and was not accepted here: see that it suits"]
    warnings = list(unused_caps(merge, recipe.rule, nodes))
    if nodes is not None:
        recipe.require(nodes)
        warnings += recipe.warnings(nodes)
    needed = recipe.minimum_updates
    planned = f", planned for {nodes} node{'s' * (nodes > 1)}" if nodes else ""
    changes = f"a round with fewer than {needed} update{'s' * (needed > 1)} changes nothing"
    return [f"merge: {recipe}{planned}; {changes}", *(f"warning: {warning}" for warning in warnings)]


def _store(plan: Plan, specs: Sequence[str]) -> None:
    from swarm_chain.adapters.stores import open_stores

    store = open_stores(specs)
    plan.put(store)
    say(f"task and first model are in {store.name}")


# --------------------------------------------------------------------------------------------------------------- report


def _report(report: DeploymentReport, plan: Plan, specs: Sequence[str]) -> None:
    made = plan.made
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
        *([("from", f"{plan.earlier[1].described}  {made.result.base}")] if plan.earlier else []),
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
    store = "".join(f" --store {shlex.quote(spec)}" for spec in stores)
    told, served = store, _served(target, stores)
    if served is not None:
        command, url = served
        say(f"\nfor other machines, until an agent here serves them the task: {command}")
        told = f" --store gateway:{url}"
    is_default = name == "default"
    next_steps(
        "swarm-chain account new NAME        (each node; prints its ADDRESS)",
        f"swarm-chain invite ADDRESS{' --fund' if target.is_development else ''}"
        f"{'' if is_default else f' --contract {name}'}{where}{told}",
        "swarm-chain join CODE --data SPEC",
        "swarm-chain agent run",
        f"swarm-chain status{'' if is_default else f' {name}'} --watch{where}{store}",
    )


def _served(target: Target, stores: Sequence[str]) -> tuple[str, str] | None:
    """The command that serves the task to other machines, and the URL; None where they are not, or have a store."""
    from swarm_chain.adapters.own_address import address_towards
    from swarm_chain.adapters.stores import is_folder, is_for_others
    from swarm_chain.config import is_this_machine
    from swarm_chain.core.announcements import url_of

    if all(map(is_this_machine, target.rpc_urls)) or any(map(is_for_others, stores)):
        return None
    address = address_towards(target.rpc_urls)
    host = "ADDRESS" if address is None else str(address)
    store = next((f" --store {shlex.quote(spec)}" for spec in stores if is_folder(spec)), "")
    return f"swarm-chain store serve{store} --host {host}", url_of(host, SERVED_PORT)


def _offer(
    earlier: Chain,
    report: DeploymentReport,
    target: Target,
    signer: Signer,
    specs: Sequence[str],
    folder: Path | None,
) -> None:
    """Invites the nodes of the earlier swarm, where the signer may."""
    from swarm_chain.cli.connect import Found
    from swarm_chain.cli.successors import EXPIRY, INVITATIONS, invite_all, is_registrar

    deployed = report.deployment
    if deployed.contract is None:
        return
    found = Found(target=target, contract=deployed.contract, deployed_at=deployed.block)
    if not is_registrar(found, signer.address):
        say(
            f"{signer.checksum_address} is no registrar of it, and invites nobody; a registrar does, with "
            f"`swarm-chain invite --all-of 0x{earlier.coordinator.hex()} --contract {deployed.name}{_where(target)}`"
        )
        return
    invite_all(earlier, found, signer, specs, expires=EXPIRY, folder=folder or Path(INVITATIONS) / deployed.name)


def _next_of_successor(report: DeploymentReport, target: Target, stores: Sequence[str]) -> None:
    name, where = report.deployment.name, _where(target)
    store = "".join(f" --store {shlex.quote(spec)}" for spec in stores)
    next_steps(
        "swarm-chain join CODE        (each node, with the code in its file; data as in the earlier swarm)",
        "swarm-chain agent run NODE",
        f"swarm-chain status {name} --watch{where}{store}",
        f"swarm-chain audit {name}{where}{store}",
    )
