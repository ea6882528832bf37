"""A swarm's configuration to a swarm on a chain: every migration that is due."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from swarm_chain import config as settings
from swarm_chain.core.quorum import Tolerance, tolerances, warnings
from swarm_chain.deployment.context import Context, OnProgress, Step
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import DEFAULT_NAME, Deployment, Deployments
from swarm_chain.deployment.migrations import load_migrations
from swarm_chain.errors import DeploymentError
from swarm_chain.types import Address, Digest, Seconds, SwarmConfig

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def swarm_config(
    *,
    task_digest: Digest,
    genesis_digest: Digest,
    admin: Address,
    is_sealed: bool = True,
    quorum_bps: int = 5001,
    min_updates: int = 2,
    initial_window: int = 600,
    min_window: int = 30,
    max_window: int = 86_400,
    reveal_window: int = 120,
    merge_window: int = 300,
    absence_limit: int = 3,
    open_registration: bool = False,
) -> SwarmConfig:
    """A swarm's configuration; what is left out suits a few nodes. docs/reference/configuration.md says why."""
    return SwarmConfig(
        task_digest=task_digest,
        genesis_digest=genesis_digest,
        is_sealed=is_sealed,
        quorum_bps=quorum_bps,
        min_updates=min_updates,
        initial_window=Seconds(initial_window),
        min_window=Seconds(min_window),
        max_window=Seconds(max_window),
        reveal_window=Seconds(reveal_window),
        merge_window=Seconds(merge_window),
        absence_limit=absence_limit,
        open_registration=open_registration,
        admin=admin,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentReport:
    """What `deploy` did, or in a dry run would do. No steps: there was nothing left to do."""

    deployment: Deployment
    steps: tuple[Step, ...]
    is_dry_run: bool
    warnings: tuple[str, ...]
    tolerances: tuple[Tolerance, ...]


def deploy(
    config: SwarmConfig,
    *,
    deployer: Deployer,
    deployments: Deployments,
    name: str = DEFAULT_NAME,
    registrars: Sequence[Address] = (),
    dry_run: bool = False,
    confirmations: int | None = None,
    folder: Path | None = None,
    on_progress: OnProgress = lambda _: None,
) -> DeploymentReport:
    """Runs every migration that is due for the swarm of that name, and says what was done.

    Run again it does nothing; after a crash it goes on. A dry run sends and writes nothing, and estimates gas.
    Raises `DeploymentError`, the constructor's `Reverted`, and what sending raises.
    """
    _check_request(config, name, registrars, deployer.sender)
    migrations = load_migrations(folder)
    context = Context(
        deployment=_started(config, name, deployer, deployments, on_progress),
        deployments=deployments,
        deployer=deployer,
        registrars=registrars,
        dry_run=dry_run,
        confirmations=_usual_confirmations(deployer) if confirmations is None else confirmations,
        on_progress=on_progress,
    )
    context.settle()
    for migration in migrations:
        context.apply(migration)
    return DeploymentReport(
        deployment=context.deployment,
        steps=tuple(context.steps),
        is_dry_run=dry_run,
        warnings=warnings(config),
        tolerances=tolerances(config),
    )


def _check_request(config: SwarmConfig, name: str, registrars: Sequence[Address], sender: Address) -> None:
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            f"{name!r} cannot be a deployment's name: use 1 to 32 of a-z, 0-9, _ and -, a letter or digit first"
        )
    if set(registrars) - {config.admin} and config.admin != sender:
        raise DeploymentError(
            f"only the admin 0x{config.admin.hex()} can name registrars, and 0x{sender.hex()} deploys; "
            "deploy with the admin's account, or let the admin name them later"
        )


def _started(
    config: SwarmConfig, name: str, deployer: Deployer, deployments: Deployments, tell: OnProgress
) -> Deployment:
    """The deployment of that name to go on with: the one in the file if it is the same, else a new one."""
    fresh = Deployment(
        name=name,
        chain_id=deployer.chain_id,
        chain_start=deployer.chain_start(),
        config=config,
        deployer=deployer.sender,
    )
    found = deployments.find(fresh.chain_id, name)
    if found is None or (found.contract is None and found.pending is None):
        return fresh
    if _is_gone(found, fresh, deployer):
        _require_development_chain(found, deployments)
        tell(f"chain {fresh.chain_id} was started anew since {name} was deployed on it; deploying again")
        return fresh
    _require_same(found, fresh)
    if found.contract is None:
        _require_same_sender(found, fresh)
    return found


def _is_gone(found: Deployment, fresh: Deployment, deployer: Deployer) -> bool:
    """Whether this is another chain than the one the file speaks of. Two may start within the same second."""
    is_there = found.contract is None or deployer.has_code(found.contract)
    return found.chain_start != fresh.chain_start or not is_there


def _require_development_chain(found: Deployment, deployments: Deployments) -> None:
    if found.chain_id not in settings.DEVELOPMENT_CHAINS:
        raise DeploymentError(
            f"{deployments.path} has {found.name} on chain {found.chain_id}, and it is not on this one; "
            "check --rpc, or choose another name"
        )


def _require_same_sender(found: Deployment, fresh: Deployment) -> None:
    if found.deployer != fresh.deployer:
        raise DeploymentError(
            f"0x{found.deployer.hex()} began to deploy {found.name} and has a transaction under way; "
            "go on with that account, or choose another name"
        )


def _require_same(found: Deployment, fresh: Deployment) -> None:
    different = [
        f"{field.name} is {_shown(getattr(found.config, field.name))}, not {_shown(getattr(fresh.config, field.name))}"
        for field in fields(SwarmConfig)
        if getattr(found.config, field.name) != getattr(fresh.config, field.name)
    ]
    if different:
        raise DeploymentError(
            f"{found.name} is on chain {found.chain_id} already, or on its way, with another configuration "
            f"({'; '.join(different)}); choose another name"
        )


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _usual_confirmations(deployer: Deployer) -> int:
    return settings.default_confirmations(deployer.chain_id, deployer.urls)
