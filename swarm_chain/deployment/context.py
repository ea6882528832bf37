"""What a migration works with, and the one way in which it changes anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swarm_chain.artifacts import load_artifact
from swarm_chain.deployment.deployer import Deployer, Transaction
from swarm_chain.deployment.deployments import AppliedMigration, Deployment, Deployments, PendingTransaction
from swarm_chain.deployment.migrations import Migration
from swarm_chain.errors import ChainUnavailable, DeploymentError, SwarmChainError, TransactionStuck
from swarm_chain.types import Address, BlockNumber, Gas

OnProgress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One transaction of a migration. In a dry run it was not sent, and `gas` is an estimate.

    `gas` is None where only the chain after the step before could tell.
    """

    migration: str
    what: str
    gas: Gas | None
    transaction: bytes | None


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


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _hash(receipt: Transaction) -> bytes:
    return bytes.fromhex(receipt["transactionHash"][2:])
