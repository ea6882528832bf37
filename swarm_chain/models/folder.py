"""A folder with the newest agreed model, for those who only use it.

Each model is a folder of its own, with its weights, its card and a file that says what it is. `current` is a link to
the newest. A model's folder gets its name once all of it is on disk, and `current` is replaced in one step: who follows
it once, to a path, finds whole files there, all of one round, for as long as that model is kept.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from swarm_chain.core.files import sync_folder
from swarm_chain.errors import ConfigurationError
from swarm_chain.models.reading import Agreed
from swarm_chain.types import Address

CURRENT: Final = "current"
MODEL: Final = "model.safetensors"
ABOUT: Final = "model.json"
_SWARM: Final = "swarm.json"
_VERSION: Final = re.compile(r"round-\d{6,}-[0-9a-f]{16}")
_TEMPORARY: Final = ".swarm-chain-"

Fill = Callable[[Path], None]
"""Writes a model's files into a new folder, each on disk when it returns."""


class ModelFolder:
    """One swarm's folder, which one process at a time writes to."""

    def __init__(self, root: Path, *, keep: int) -> None:
        """`keep` is how many models stay there, the newest included."""
        self.root, self._keep = root, keep

    @contextmanager
    def opened(self) -> Iterator[None]:
        """While inside, the folder is this process's. Made where it is not there.

        Raises `ConfigurationError` where it is in use, or cannot be written.
        """
        with _translated(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root, os.O_RDONLY)
        try:
            _lock(handle, self.root)
            yield
        finally:
            os.close(handle)

    def claim(self, chain_id: int, contract: Address) -> None:
        """Makes it the folder of one swarm. Raises `ConfigurationError` where it is another's, or no folder of ours."""
        ours = {"chain_id": chain_id, "contract": "0x" + contract.hex()}
        with _translated(self.root):
            found = read_json(self.root / _SWARM)
            if found is None:
                self._require_fresh()
                _write_whole(self.root / _SWARM, ours)
            elif found != ours:
                raise ConfigurationError(
                    f"{self.root} holds the models of swarm {found.get('contract')} on chain {found.get('chain_id')}; "
                    "choose another folder for this one"
                )
            for leftover in self.root.glob(f"{_TEMPORARY}*"):
                _remove(leftover)

    def holds(self, agreed: Agreed) -> bool:
        """Whether `current` is this model, and all of it is there."""
        current = self.root / CURRENT
        return current.is_symlink() and current.readlink().name == _name(agreed) and _is_whole(current, agreed)

    def add(self, agreed: Agreed, fill: Fill) -> Path:
        """Makes a model the current one, and removes those that are not kept; its own folder."""
        with _translated(self.root):
            version = self.root / _name(agreed)
            if not _is_whole(version, agreed):
                self._make(version, fill)
            self._point(version)
            self._prune(version)
            return version

    def _make(self, version: Path, fill: Fill) -> None:
        made = self.root / f"{_TEMPORARY}{secrets.token_hex(4)}"
        made.mkdir()
        try:
            fill(made)
            sync_folder(made)
            if version.exists():
                _remove(version)
            made.rename(version)
            sync_folder(self.root)
        finally:
            _remove(made)

    def _point(self, version: Path) -> None:
        link = self.root / f"{_TEMPORARY}{secrets.token_hex(4)}"
        link.symlink_to(version.name)
        link.replace(self.root / CURRENT)
        sync_folder(self.root)

    def _prune(self, current: Path) -> None:
        others = [path for path in self.root.iterdir() if _VERSION.fullmatch(path.name) and path != current]
        newest_first = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in newest_first[max(0, self._keep - 1) :]:
            _remove(path)

    def _require_fresh(self) -> None:
        current = self.root / CURRENT
        if current.exists() or current.is_symlink():
            raise ConfigurationError(
                f"{current} is there, and was not made by `swarm-chain pull`; choose an empty folder"
            )


def read_json(path: Path) -> Mapping[str, Any] | None:
    """What a small file of ours says; None where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write_whole(path: Path, document: Mapping[str, Any]) -> None:
    made = path.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}")
    made.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    made.replace(path)


def _name(agreed: Agreed) -> str:
    """A model's folder: its round, for people, and its result, because a chain can change its mind."""
    return f"round-{agreed.number:06d}-{agreed.digest.hex()[:16]}"


def _is_whole(version: Path, agreed: Agreed) -> bool:
    """Whether a model is there already, its weights unharmed."""
    said = read_json(version / ABOUT) or {}
    is_ours = said.get("result") == {"digest": "0x" + agreed.digest.hex(), "cid": str(agreed.cid)}
    return is_ours and said.get("file") == {"name": MODEL, "sha256": _sha256(version / MODEL)}


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _remove(path: Path) -> None:
    """Removes a folder or link of ours, if it is there; under its name all of it goes at once."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    elif path.exists():
        gone = path
        if not path.name.startswith(_TEMPORARY):
            gone = path.rename(path.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}"))
        shutil.rmtree(gone, ignore_errors=True)


def _lock(handle: int, root: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return  # A file system without locks: whoever starts two of them there does so at their own risk.
        raise ConfigurationError(
            f"another `swarm-chain pull` writes to {root}; end it, or choose another folder"
        ) from None


@contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{root} cannot be written: {error.strerror}; choose another folder") from error
