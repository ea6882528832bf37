"""The journal's file: formats of earlier versions, and whose it is."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from swarm_chain.agent.journal import Journal, Training
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import JournalError
from swarm_chain.types import Address, Digest, RoundNumber, Samples

FIRST_FORMAT = """
CREATE TABLE identity (chain_id INTEGER NOT NULL, coordinator BLOB NOT NULL, account BLOB NOT NULL);
CREATE TABLE adopted (result BLOB NOT NULL, weights TEXT NOT NULL);
CREATE TABLE trainings (
    base BLOB PRIMARY KEY, weights TEXT NOT NULL, bytes INTEGER NOT NULL, samples INTEGER NOT NULL,
    base_metrics TEXT NOT NULL, local_metrics TEXT NOT NULL, round INTEGER NOT NULL);
CREATE TABLE updates (
    round INTEGER PRIMARY KEY, base BLOB NOT NULL, digest BLOB NOT NULL, document BLOB NOT NULL, weights TEXT NOT NULL,
    samples INTEGER NOT NULL, salt BLOB NOT NULL, commitment BLOB NOT NULL, is_published INTEGER NOT NULL DEFAULT 0);
CREATE TABLE transactions (
    digest BLOB PRIMARY KEY, nonce INTEGER NOT NULL, raw BLOB NOT NULL, function TEXT NOT NULL,
    is_settled INTEGER NOT NULL DEFAULT 0);
PRAGMA user_version = 1;
"""
NODE, OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20)
FILE = import_bytes(b"weights").cid
TRAINING = Training(
    base=Digest(b"\x05" * 32),
    weights=FILE,
    bytes=7,
    samples=Samples(90),
    base_metrics={"loss": 0.5},
    local_metrics={"loss": 0.25},
    round=RoundNumber(3),
)


def opened(path: Path, account: Address = NODE) -> Journal:
    return Journal(path, chain_id=31337, coordinator=Address(b"\xcc" * 20), account=account)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal that an earlier version wrote, with a training in it."""
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_FORMAT)
        db.execute("INSERT INTO identity VALUES (?, ?, ?)", (31337, b"\xcc" * 20, NODE))
        row = (TRAINING.base, str(FILE), 7, 90, '{"loss": 0.5}', '{"loss": 0.25}', 3)
        db.execute("INSERT INTO trainings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.execute("INSERT INTO transactions VALUES (?, ?, ?, ?, 0)", (b"\x09" * 32, 4, b"raw", "openRound"))
    db.close()
    return path


def test_journal__of_the_first_format__is_read_and_written_on(old: Path) -> None:
    journal = opened(old)
    assert journal.training() == TRAINING
    assert [one.nonce for one in journal.unsettled()] == [4]
    remembering = replace(TRAINING, round=RoundNumber(4), memory=import_bytes(b"memory").cid)
    journal.record_training(remembering)
    journal.close()
    again = opened(old)
    assert again.training() == remembering
    again.close()


def test_journal__of_the_first_format_and_another_node__is_left_as_it_is(old: Path) -> None:
    with pytest.raises(JournalError, match="give this node a journal of its own"):
        opened(old, OTHER)
    with sqlite3.connect(old) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_journal__of_a_later_format__says_to_update(old: Path) -> None:
    with sqlite3.connect(old) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match=r"has format 99, this program writes 2; update swarm-chain"):
        opened(old)


def test_journal__opened_twice_for_another_node__names_whose_it_is(tmp_path: Path) -> None:
    opened(tmp_path / "journal.sqlite").close()
    with pytest.raises(JournalError, match="belongs to 0x0101"):
        opened(tmp_path / "journal.sqlite", OTHER)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_journal__new__is_for_its_owner_alone(tmp_path: Path, suffix: str) -> None:
    journal = opened(tmp_path / "node" / "journal.sqlite")
    journal.record_settled(1)
    mode = journal.path.with_name(journal.path.name + suffix).stat().st_mode
    journal.close()
    assert mode & 0o077 == 0


def test_journal__folder_is_a_file__says_so(tmp_path: Path) -> None:
    (tmp_path / "node").touch()
    with pytest.raises(JournalError, match=r"journal\.sqlite cannot be written \((File exists|Not a directory)\)"):
        opened(tmp_path / "node" / "journal.sqlite")
