"""`swarm-chain migrations`: what a swarm needs on a chain, and where it was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.output import checksum, say, show, table

if TYPE_CHECKING:
    from swarm_chain.deployment.deployments import Deployment


@click.command()
def migrations() -> None:
    """List migrations and where they were applied.

    Reads deployments.json only; asks no chain. `deploy` applies what is due, and `deploy --dry-run` says what that is.
    """
    from swarm_chain.deployment import load_migrations
    from swarm_chain.deployment.deployments import Deployments

    file = Deployments()
    loaded = load_migrations()
    show(table("migration", "what it does", rows=[(each.__name__, each.description) for each in loaded]))
    deployments = file.all()
    if not deployments:
        say(f"{file.path} has no deployment; `swarm-chain deploy` makes one")
        return
    columns = ("chain", "deployment", "contract", "migration", "state", "gas")
    show(table(*columns, rows=[row for each in deployments for row in _rows(each)]))


def _rows(deployment: Deployment) -> Iterator[Sequence[str]]:
    from swarm_chain.deployment import migration_states

    contract = checksum(deployment.contract) if deployment.contract else "not deployed"
    for migration, state, applied in migration_states(deployment):
        gas = f"{applied.gas_used:,}" if applied else "-"
        yield str(deployment.chain_id), deployment.name, contract, migration.__name__, state.value, gas
