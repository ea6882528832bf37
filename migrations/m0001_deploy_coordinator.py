"""The contract itself."""

from __future__ import annotations

from swarm_chain.artifacts import load_artifact
from swarm_chain.deployment import Context
from swarm_chain.deployment.deployer import creation_data

description = "deploy the swarm's coordinator"


def is_due(context: Context) -> bool:
    """Until the deployment has a contract."""
    return context.deployment.contract is None


def run(context: Context) -> None:
    """Deploys the artifact that ships, with the swarm's configuration."""
    context.create("deploy SwarmCoordinator", creation_data(load_artifact(), context.deployment.config))
