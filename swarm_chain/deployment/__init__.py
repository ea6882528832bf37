"""Puts a swarm on a chain by running migrations in order: what is done stays done, what broke off is taken up again.

A migration is a module `mNNNN_name.py` with

    description: str                     what it does, in a line
    is_due(context: Context) -> bool     whether it has anything to do here and now
    run(context: Context) -> None        does it, through `context` alone

`is_due` looks at the chain and the deployments file, so running again does nothing; the list of applied migrations is
for people.
"""

from swarm_chain.deployment.context import Context, Step
from swarm_chain.deployment.migrations import Migration, MigrationStatus, load_migrations, migration_states
from swarm_chain.deployment.run import DeploymentReport, deploy, swarm_config

__all__ = [
    "Context",
    "DeploymentReport",
    "Migration",
    "MigrationStatus",
    "Step",
    "deploy",
    "load_migrations",
    "migration_states",
    "swarm_config",
]
