"""Migrations as modules: found in a folder, in order, complete."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Final

from swarm_chain import config
from swarm_chain.deployment.deployments import AppliedMigration, Deployment
from swarm_chain.errors import DeploymentError

Migration = ModuleType
"""A loaded migration: `migration.__name__` is its name."""

_FILE: Final = re.compile(r"m\d{4}_[a-z0-9_]+")


class MigrationStatus(Enum):
    """Where a migration stands in a deployment."""

    APPLIED = "applied"
    PENDING = "pending"


def load_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """The migrations of a folder in order; of the one that ships unless told. Raises `DeploymentError`."""
    paths = sorted((folder or config.shipped("migrations")).glob("m*.py"))
    numbers = [path.stem[:5] for path in paths]
    if len(set(numbers)) != len(numbers):
        raise DeploymentError(f"two migrations in {paths[0].parent} have the same number; renumber one")
    return tuple(_load(path) for path in paths)


def migration_states(
    deployment: Deployment | None, folder: Path | None = None
) -> tuple[tuple[Migration, MigrationStatus, AppliedMigration | None], ...]:
    """Every migration, with how it stands in a deployment, and its newest record there."""
    applied: Mapping[str, AppliedMigration] = {each.name: each for each in deployment.migrations} if deployment else {}
    return tuple(
        (
            migration,
            MigrationStatus.APPLIED if migration.__name__ in applied else MigrationStatus.PENDING,
            applied.get(migration.__name__),
        )
        for migration in load_migrations(folder)
    )


def _load(path: Path) -> Migration:
    if not _FILE.fullmatch(path.stem):
        raise DeploymentError(f"{path} is not named as a migration: mNNNN_what_it_does.py; rename it")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise DeploymentError(f"{path} cannot be loaded; install swarm-chain again")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise DeploymentError(f"{path} cannot be loaded: {error}; correct it") from error
    missing = [each for each in ("description", "is_due", "run") if not hasattr(module, each)]
    if missing:
        raise DeploymentError(f"{path} has no {' and no '.join(missing)}; add it")
    return module
