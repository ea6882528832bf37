"""Puts a swarm on a chain by running migrations in order: what is done stays done, what broke off is taken up again.

A migration is a module `mNNNN_name.py` with

    description: str                     what it does, in a line
    is_due(context: Context) -> bool     whether it has anything to do here and now
    run(context: Context) -> None        does it, through `context` alone

`is_due` looks at the chain and the deployments file, so running again does nothing; the list of applied migrations is
for people.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from swarm_chain import config as settings
from swarm_chain.artifacts import load_artifact
from swarm_chain.core.quorum import Tolerance, tolerances, warnings
from swarm_chain.deployer import Deployer, Transaction
from swarm_chain.deployments import (
    DEFAULT_NAME,
    AppliedMigration,
    Deployment,
    Deployments,
    PendingTransaction,
)
from swarm_chain.errors import ChainUnavailable, DeploymentError, SwarmChainError, TransactionStuck
from swarm_chain.types import Address, BlockNumber, Digest, Gas, Seconds, SwarmConfig

OnProgress = Callable[[str], None]
Migration = ModuleType
"""A loaded migration: `migration.__name__` is its name."""

_FILE: Final = re.compile(r"m\d{4}_[a-z0-9_]+")
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
class Step:
    """One transaction of a migration. In a dry run it was not sent, and `gas` is an estimate.

    `gas` is None where only the chain after the step before could tell.
    """

    migration: str
    what: str
    gas: Gas | None
    transaction: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentReport:
    """What `deploy` did, or in a dry run would do. No steps: there was nothing left to do."""

    deployment: Deployment
    steps: tuple[Step, ...]
    is_dry_run: bool
    warnings: tuple[str, ...]
    tolerances: tuple[Tolerance, ...]


class MigrationStatus(Enum):
    """Where a migration stands in a deployment."""

    APPLIED = "applied"
    PENDING = "pending"


class Context:
    """What a migration works with: the deployment so far, and the one way to change anything."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        deployments: Deployments,
        deployer: Deployer,
        registrars: Sequence[Address],
        dry_run: bool,
        confirmations: int,
        on_progress: OnProgress,
    ) -> None:
        self.deployment = deployment
        self.registrars = tuple(registrars)
        self.steps: list[Step] = []
        self._deployments = deployments
        self._deployer = deployer
        self._dry_run = dry_run
        self._confirmations = confirmations
        self._tell = on_progress
        self._migration = ""
        self._settled: tuple[PendingTransaction, Transaction] | None = None

    # ------------------------------------------------------------------------------------------------ for migrations

    @property
    def sender(self) -> Address:
        """The account that migrates."""
        return self._deployer.sender

    def read(self, function: str, *arguments: object) -> Any:
        """What a view of the deployed coordinator returns."""
        return self._deployer.read(self._require_contract(), function, *arguments)

    def create(self, what: str, data: bytes) -> None:
        """Deploys the coordinator, and writes down where it lies."""
        receipt = self._transact(what, None, data)
        if receipt is not None:
            self._save(
                artifact=load_artifact().metadata_digest,
                contract=Address(bytes.fromhex(receipt["contractAddress"][2:])),
                block=BlockNumber(_number(receipt["blockNumber"])),
                transaction=_hash(receipt),
                pending=None,
            )

    def call(self, what: str, function: str, *arguments: object) -> None:
        """Sends a call to the coordinator."""
        data = self._deployer.encode(function, *arguments)
        if self.deployment.contract is None and self._dry_run:
            self.steps.append(Step(migration=self._migration, what=what, gas=None, transaction=None))
        elif self._transact(what, self._require_contract(), data) is not None:
            self._save(pending=None)

    # --------------------------------------------------------------------------------------------------- for `deploy`

    def apply(self, migration: Migration) -> None:
        """Runs a migration, if it has anything to do, and writes down that it was run."""
        self._migration = migration.__name__
        if not migration.is_due(self):
            self._record_once()
            return
        before = len(self.steps)
        self._tell(f"{migration.__name__}: {migration.description}")
        migration.run(self)
        if not self._dry_run:
            self._record(self.steps[before:])

    def settle(self) -> None:
        """Finds out what became of a transaction that an earlier run signed and did not see the end of."""
        pending = self.deployment.pending
        if pending is None:
            return
        self._tell(f"an earlier run signed a transaction and did not see its end: {pending.migration}, {pending.step}")
        if self._dry_run:
            return
        receipt = self._deployer.resume(pending.signed, pending.nonce)
        if receipt is not None and _number(receipt["status"]) == 1:
            self._settled = (pending, receipt)
        else:
            self._save(pending=None)

    def _transact(self, what: str, to: Address | None, data: bytes) -> Transaction | None:
        """The receipt of a transaction; None in a dry run, which estimates."""
        if self._dry_run:
            estimate = self._deployer.estimate(to, data)
            self.steps.append(Step(migration=self._migration, what=what, gas=estimate, transaction=None))
            return None
        receipt = self._found(what) or self._sent(what, to, data)
        block = BlockNumber(_number(receipt["blockNumber"]))
        self._deployer.wait_for_depth(block, self._confirmations, self._tell)
        step = Step(
            migration=self._migration, what=what, gas=Gas(_number(receipt["gasUsed"])), transaction=_hash(receipt)
        )
        self.steps.append(step)
        return receipt

    def _found(self, what: str) -> Transaction | None:
        if self._settled is None:
            return None
        pending, receipt = self._settled
        return receipt if (pending.migration, pending.step) == (self._migration, what) else None

    def _sent(self, what: str, to: Address | None, data: bytes) -> Transaction:
        signed: list[bytes] = []

        def journal(raw: bytes, nonce: int) -> None:
            signed.append(raw)
            pending = PendingTransaction(migration=self._migration, step=what, nonce=nonce, signed=tuple(signed))
            self._save(pending=pending)

        self._tell(f"sending: {what}")
        try:
            return self._deployer.send(what, to, data, journal)
        except (ChainUnavailable, TransactionStuck):
            raise
        except SwarmChainError:
            if signed:
                # It is in a block and did nothing, or was refused: there is nothing to look for.
                self._save(pending=None)
            raise

    def _record_once(self) -> None:
        """Writes down a migration that has nothing to do, or whose record a crash prevented."""
        if not self._dry_run and self._migration not in {each.name for each in self.deployment.migrations}:
            self._record(())

    def _record(self, steps: Sequence[Step]) -> None:
        applied = AppliedMigration(
            name=self._migration,
            transactions=tuple(step.transaction for step in steps if step.transaction),
            gas_used=Gas(sum(step.gas or 0 for step in steps)),
        )
        self._save(migrations=(*self.deployment.migrations, applied))

    def _save(self, **changes: Any) -> None:
        self.deployment = replace(self.deployment, **changes)
        self._deployments.save(self.deployment)

    def _require_contract(self) -> Address:
        if self.deployment.contract is None:
            raise DeploymentError(f"{self._migration} needs a contract, and none is deployed; put it after m0001")
        return self.deployment.contract


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
        confirmations=settings.default_confirmations(deployer.chain_id) if confirmations is None else confirmations,
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


def load_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """The migrations of a folder in order; of the one that ships unless told. Raises `DeploymentError`."""
    paths = sorted((folder or settings.shipped("migrations")).glob("m*.py"))
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


# ------------------------------------------------------------------------------------------------------------- checking


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


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _hash(receipt: Transaction) -> bytes:
    return bytes.fromhex(receipt["transactionHash"][2:])
