"""A node's own update: trained, staged in private, published when it may be seen."""

from __future__ import annotations

import secrets

from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal, JournalledUpdate, Training
from swarm_chain.core import weights
from swarm_chain.core.cids import Codec, cid_of, document_cid
from swarm_chain.core.commitments import commitment_to
from swarm_chain.core.documents import TaskDocument, UpdateDocument
from swarm_chain.core.publication import Publication
from swarm_chain.core.rounds import StagedUpdate
from swarm_chain.core.spool import Spool
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import MemoryLost, TooLarge, UpdateLost
from swarm_chain.ports import Chain, Progress, Trainer, UpdateStore
from swarm_chain.types import Address, ChainView, Digest, Parameters, RoundNumber, Salt, TrainingOutcome


class Contribution:
    """What this node gives to rounds, journalled at each step."""

    def __init__(
        self,
        *,
        task: TaskDocument,
        chain: Chain,
        store: UpdateStore,
        trainer: Trainer,
        spool: Spool,
        heads: Heads,
        journal: Journal,
    ) -> None:
        self._task = task
        self._chain = chain
        self._store = store
        self._trainer = trainer
        self._spool = spool
        self._heads = heads
        self._journal = journal

    def training(self) -> Training | None:
        """What was trained last, if its weights are still there."""
        training = self._journal.training()
        return training if training is not None and self._spool.holds(training.weights) else None

    def train(self, base: Digest, round_number: RoundNumber, on_progress: Progress) -> Training:
        """Trains from a base, and keeps what came out. Raises what a trainer does, and `TooLarge`."""
        outcome = self._trainer.train(
            self._heads.parameters(base), memory=self.memory(), round_number=round_number, on_progress=on_progress
        )
        return self.record(base, round_number, outcome)

    def record(self, base: Digest, round_number: RoundNumber, outcome: TrainingOutcome) -> Training:
        """Keeps what a training gave, on disk and journalled when this returns. Raises `TooLarge`."""
        file = self._spool.add(outcome.parameters)
        if file.size > self._task.update.max_bytes:
            raise TooLarge(f"an update of {file.size} bytes where the task allows {self._task.update.max_bytes}")
        training = Training(
            base=base,
            weights=file.cid,
            bytes=file.size,
            samples=outcome.samples,
            base_metrics=outcome.base_metrics,
            local_metrics=outcome.local_metrics,
            round=round_number,
            memory=self._spool.add(outcome.memory).cid if outcome.memory else None,
        )
        self._journal.record_training(training)
        return training

    def memory(self) -> Parameters:
        """What this node's last training left behind for the next; nothing before the first.

        Raises `MemoryLost` where it was there, and is no more: it is nowhere else.
        """
        return read_memory(self._journal, self._spool)

    def stage(self, view: ChainView) -> None:
        """Writes the update's document for the running round, from what was trained on the round's base."""
        training = self.training()
        if training is None or training.base != view.round.base:
            raise ValueError("nothing was trained on this round's base")
        document = self._document(training, view.round.round).encode()
        digest = cid_of(document, Codec.DAG_CBOR).digest
        salt = self._chain.salt(view.round.round) or Salt(secrets.token_bytes(32))
        staged = StagedUpdate(
            round=view.round.round,
            base=training.base,
            digest=digest,
            samples=training.samples,
            salt=salt,
            commitment=commitment_to(
                chain_id=self._chain.chain_id,
                coordinator=self._chain.coordinator,
                round_number=view.round.round,
                node=self._account,
                digest=digest,
                samples=training.samples,
                salt=salt,
            ),
            is_published=False,
        )
        self._journal.stage(JournalledUpdate(staged=staged, document=document, weights=training.weights))

    def publish(self, round_number: RoundNumber) -> None:
        """Puts weights, then document, into the stores: from now on they can be read.

        Raises what a store does, and `UpdateLost` where the staged weights are not what was committed to.
        """
        update = self._journal.update(round_number)
        if update is None:
            raise ValueError(f"nothing is staged for round {round_number}")
        path = self._spool.path(update.weights)
        if not path.exists() or import_file(path).cid != update.weights:
            raise UpdateLost(
                f"the weights staged for round {round_number} are gone or changed ({path}); sitting the round out. "
                "Look at this machine's disk"
            )
        self._store.publish(Publication(document=update.document, files=(path,)))
        self._journal.record_published(round_number)

    def _document(self, training: Training, round_number: RoundNumber) -> UpdateDocument:
        return UpdateDocument(
            chain=self._chain.chain_id,
            contract=self._chain.coordinator,
            round=round_number,
            node=self._account,
            base=document_cid(training.base),
            weights=training.weights,
            bytes=training.bytes,
            samples=training.samples,
            base_metrics=training.base_metrics,
            local_metrics=training.local_metrics,
        )

    @property
    def _account(self) -> Address:
        account = self._chain.account
        if account is None:
            raise ValueError("a contribution is made for an account")
        return account


def read_memory(journal: Journal, spool: Spool) -> Parameters:
    """What a node's last training left behind. Raises `MemoryLost`."""
    training = journal.training()
    if training is None or training.memory is None:
        return {}
    path = spool.path(training.memory)
    if not path.exists() or import_file(path).cid != training.memory:
        raise MemoryLost(
            f"what this node keeps from round to round is gone or changed ({path}): put it back from a backup, or "
            f"start anew by removing the journal {journal.path}"
        )
    return weights.load(path)
