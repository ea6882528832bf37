"""Notes under the home on which swarm a folder here is about, for lists: a node's, or one that models are pulled into.

Nothing hangs on a note. What cannot be written is not, and what cannot be read is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from swarm_chain import config
from swarm_chain.core.files import replacing
from swarm_chain.types import Address


class Kind(StrEnum):
    """What a folder is for, and so where its note lies."""

    PULLED = "pulled"
    JOINED = "joined"


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """The swarm of a folder, and where its chain answers and its blocks lie."""

    folder: Path
    chain_id: int
    contract: Address
    rpc_urls: Sequence[str]
    stores: Sequence[str]

    def document(self) -> dict[str, object]:
        """What a file says of it."""
        return {
            "folder": str(self.folder),
            "chain_id": self.chain_id,
            "contract": "0x" + self.contract.hex(),
            "rpc_urls": list(self.rpc_urls),
            "stores": list(self.stores),
        }


def write_note(kind: Kind, note: Note) -> None:
    """Writes it down in place of an older one on the same folder."""
    file = config.home() / kind / f"{hashlib.sha256(str(note.folder).encode()).hexdigest()[:16]}.json"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            stream.write((json.dumps(note.document(), indent=2, sort_keys=True) + "\n").encode())


def notes_on(kind: Kind) -> Iterator[Note]:
    """Those on folders that are still there."""
    for file in sorted((config.home() / kind).glob("*.json")):
        with suppress(OSError, KeyError, TypeError, ValueError):
            note = _parsed(json.loads(file.read_text(encoding="utf-8")))
            if note.folder.is_dir():
                yield note


def _parsed(said: dict[str, Any]) -> Note:
    """What a file says. Raises `KeyError`, `TypeError`, `ValueError` for one that was damaged."""
    contract = bytes.fromhex(said["contract"][2:])
    if len(contract) != 20:
        raise ValueError("no address")
    return Note(
        folder=Path(said["folder"]),
        chain_id=int(said["chain_id"]),
        contract=Address(contract),
        rpc_urls=[str(url) for url in said["rpc_urls"]],
        stores=[str(spec) for spec in said["stores"]],
    )
