"""What a node has done, on disk before and after it is done: one SQLite file.

Killed at any instruction, a node reads here what it trained, what it staged for which round and which transactions
it signed. A lost journal costs at most the running round: chain, stores and the key are enough to go on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO

from swarm_chain.agent.disk import translated
from swarm_chain.core.cids import Cid, parse_cid
from swarm_chain.core.rounds import StagedUpdate
from swarm_chain.errors import JournalError
from swarm_chain.types import Address, Commitment, Digest, Metrics, RoundNumber, Salt, Samples

_SCHEMA = """
CREATE TABLE identity (chain_id INTEGER NOT NULL, coordinator BLOB NOT NULL, account BLOB NOT NULL);
CREATE TABLE adopted (result BLOB NOT NULL, weights TEXT NOT NULL);
CREATE TABLE trainings (
    base BLOB PRIMARY KEY, weights TEXT NOT NULL, bytes INTEGER NOT NULL, samples INTEGER NOT NULL,
    base_metrics TEXT NOT NULL, local_metrics TEXT NOT NULL, round INTEGER NOT NULL, memory TEXT);
CREATE TABLE updates (
    round INTEGER PRIMARY KEY, base BLOB NOT NULL, digest BLOB NOT NULL, document BLOB NOT NULL, weights TEXT NOT NULL,
    samples INTEGER NOT NULL, salt BLOB NOT NULL, commitment BLOB NOT NULL, is_published INTEGER NOT NULL DEFAULT 0);
CREATE TABLE transactions (
    digest BLOB PRIMARY KEY, nonce INTEGER NOT NULL, raw BLOB NOT NULL, function TEXT NOT NULL,
    is_settled INTEGER NOT NULL DEFAULT 0);
PRAGMA user_version = 2;
"""
_VERSION = 2
_UPGRADES = {1: "ALTER TABLE trainings ADD COLUMN memory TEXT; PRAGMA user_version = 2;"}
"""What makes a journal of a format one of the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What a node trained from a base: where its weights are, and how good they are.

    `memory` is the file of what the node keeps for its next training; None where that is nothing.
    """

    base: Digest
    weights: Cid
    bytes: int
    samples: Samples
    base_metrics: Metrics
    local_metrics: Metrics
    round: RoundNumber
    memory: Cid | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalledUpdate:
    """A staged update with its document's bytes and its weights."""

    staged: StagedUpdate
    document: bytes
    weights: Cid


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedTransaction:
    """A transaction that was signed, and may have been sent."""

    digest: bytes
    nonce: int
    raw: bytes
    function: str


class Journal:
    """One node's journal. Raises `JournalError` for a file of another node, another swarm or another program."""

    def __init__(self, path: Path, *, chain_id: int, coordinator: Address, account: Address) -> None:
        self.path = path
        self._lock = _locked_beside(path)
        try:
            with translated():
                self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._open(chain_id, coordinator, account)
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {path} cannot be used ({error}); move it away: at most the running round is lost"
            ) from error

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    def _open(self, chain_id: int, coordinator: Address, account: Address) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
        elif version != _VERSION and version not in _UPGRADES:
            raise JournalError(
                f"journal {self.path} has format {version}, this program writes {_VERSION}; update swarm-chain"
            )
        self._identify(chain_id, coordinator, account)
        if version in _UPGRADES:
            self._db.executescript("BEGIN;" + _UPGRADES[version] + "COMMIT;")

    def _identify(self, *ours: object) -> None:
        """Makes the journal this node's, or finds that it is."""
        found = self._db.execute("SELECT * FROM identity").fetchone()
        if found is None:
            self._db.execute("INSERT INTO identity VALUES (?, ?, ?)", ours)
        elif found != ours:
            raise JournalError(
                f"journal {self.path} belongs to 0x{found[2].hex()} in swarm 0x{found[1].hex()} on chain {found[0]}; "
                "give this node a journal of its own"
            )

    # ----------------------------------------------------------------------------------------------------- adopted head

    def adopted(self) -> tuple[Digest, Cid] | None:
        """The result whose weights this node holds, and these weights."""
        row = self._db.execute("SELECT result, weights FROM adopted").fetchone()
        return None if row is None else (Digest(row[0]), parse_cid(row[1]))

    def adopt(self, result: Digest, weights: Cid) -> None:
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM adopted")
            self._db.execute("INSERT INTO adopted VALUES (?, ?)", (result, str(weights)))

    # --------------------------------------------------------------------------------------------------------- training

    def record_training(self, training: Training) -> None:
        """Keeps the newest training only: an older base is never trained on again."""
        row = (
            training.base,
            str(training.weights),
            training.bytes,
            training.samples,
            json.dumps(dict(training.base_metrics)),
            json.dumps(dict(training.local_metrics)),
            training.round,
            None if training.memory is None else str(training.memory),
        )
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM trainings")
            self._db.execute("INSERT INTO trainings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def training(self) -> Training | None:
        row = self._db.execute("SELECT * FROM trainings").fetchone()
        if row is None:
            return None
        return Training(
            base=Digest(row[0]),
            weights=parse_cid(row[1]),
            bytes=row[2],
            samples=Samples(row[3]),
            base_metrics=json.loads(row[4]),
            local_metrics=json.loads(row[5]),
            round=RoundNumber(row[6]),
            memory=None if row[7] is None else parse_cid(row[7]),
        )

    # ---------------------------------------------------------------------------------------------------------- updates

    def stage(self, update: JournalledUpdate) -> None:
        """Keeps an update for its round: the only one, until the chain shows a commitment to it."""
        one = update.staged
        self._db.execute(
            "INSERT OR REPLACE INTO updates (round, base, digest, document, weights, samples, salt, commitment) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.round,
                one.base,
                one.digest,
                update.document,
                str(update.weights),
                one.samples,
                one.salt,
                one.commitment,
            ),
        )

    def record_published(self, round_number: RoundNumber) -> None:
        self._db.execute("UPDATE updates SET is_published = 1 WHERE round = ?", (round_number,))

    def update(self, round_number: RoundNumber) -> JournalledUpdate | None:
        row = self._db.execute("SELECT * FROM updates WHERE round = ?", (round_number,)).fetchone()
        return None if row is None else _update_of(row)

    def last_samples(self) -> Samples | None:
        """Samples behind the newest update; None before the first."""
        row = self._db.execute("SELECT samples FROM updates ORDER BY round DESC LIMIT 1").fetchone()
        return None if row is None else Samples(row[0])

    # ----------------------------------------------------------------------------------------------------- transactions

    def record_signed(self, transaction: SignedTransaction) -> None:
        """Called before a transaction is sent: after a kill it is sent again, and no second one in its place."""
        self._db.execute(
            "INSERT OR REPLACE INTO transactions (digest, nonce, raw, function) VALUES (?, ?, ?, ?)",
            (transaction.digest, transaction.nonce, transaction.raw, transaction.function),
        )

    def record_settled(self, nonce: int) -> None:
        """Called when this nonce is used, or free again: nothing signed for it is to be looked after any more."""
        self._db.execute("UPDATE transactions SET is_settled = 1 WHERE nonce <= ?", (nonce,))

    def unsettled(self) -> Sequence[SignedTransaction]:
        """What may still get into a block, by nonce; of one nonce, the newest last."""
        rows = self._db.execute(
            "SELECT digest, nonce, raw, function FROM transactions WHERE NOT is_settled ORDER BY nonce, rowid"
        )
        return [SignedTransaction(digest=row[0], nonce=row[1], raw=row[2], function=row[3]) for row in rows]


def _locked_beside(journal: Path) -> IO[bytes]:
    """A lock on a journal, which is there afterwards. Raises `JournalError` where there can be none."""
    try:
        with translated():
            journal.parent.mkdir(parents=True, exist_ok=True)
            # It holds salts, and updates before anybody may see them.
            journal.touch(mode=0o600)
            return _locked(journal.with_name(journal.name + ".lock"))
    except OSError as error:
        raise JournalError(f"journal {journal} cannot be written ({error.strerror}): give another folder") from error


def _locked(path: Path) -> IO[bytes]:
    """A file that is locked as long as it is open, whatever ends this process."""
    stream = path.open("ab")
    try:
        flock(stream, LOCK_EX | LOCK_NB)
    except OSError as error:
        stream.close()
        raise JournalError(f"another agent of this node runs already ({path} is locked); stop it first") from error
    return stream


def _update_of(row: tuple[int, bytes, bytes, bytes, str, int, bytes, bytes, int]) -> JournalledUpdate:
    staged = StagedUpdate(
        round=RoundNumber(row[0]),
        base=Digest(row[1]),
        digest=Digest(row[2]),
        samples=Samples(row[5]),
        salt=Salt(row[6]),
        commitment=Commitment(row[7]),
        is_published=bool(row[8]),
    )
    return JournalledUpdate(staged=staged, document=row[3], weights=parse_cid(row[4]))
