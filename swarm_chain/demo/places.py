"""Where a demo's files lie. The folder is a home: SWARM_CHAIN_HOME set to it, every command finds them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarm_chain.errors import ConfigurationError, DemoFailed, SwarmChainError


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """A demo's folder. `is_kept`: it stays, and so does the chain, when the demo is done."""

    root: Path
    is_kept: bool

    @property
    def store(self) -> str:
        """The store that all nodes write to and read from, as `--store` takes it."""
        return f"local:{self.root / 'store'}"

    @property
    def deployments(self) -> Path:
        """Where the migrations write down what they deployed."""
        return self.root / "deployments.json"

    @property
    def chain(self) -> Path:
        """Where the development chain keeps its state and its log."""
        return self.root / "devnet"

    @property
    def chain_pid(self) -> Path:
        """A file with the number of the chain's process, once it is left running."""
        return self.root / "devnet" / "pid"

    @property
    def ipfs(self) -> Path:
        """Where IPFS nodes keep their repositories and logs."""
        return self.root / "ipfs"

    @property
    def report(self) -> Path:
        """The report, as `--json` writes it."""
        return self.root / "report.json"

    @property
    def page(self) -> Path:
        """The report for people, as `swarm-chain report` writes it."""
        return self.root / "report.html"

    def node(self, name: str) -> Path:
        """A node's own folder: key, data, configuration, journal, status, log."""
        return self.root / "nodes" / name


@contextmanager
def places(keep: Path | None) -> Iterator[Places]:
    """The folder to keep, or a temporary one that is gone afterwards; where a demo fails it stays, for its logs.

    Raises `DemoFailed` for an expected error of a demo that had begun, naming the folder.
    """
    root = Path(tempfile.mkdtemp(prefix="swarm-chain-demo-")) if keep is None else _empty(keep)
    try:
        yield Places(root=root, is_kept=keep is not None)
    except SwarmChainError as error:
        if any(root.rglob("*.log")):
            raise DemoFailed(f"{error}; logs are in {root}") from error
        shutil.rmtree(root, ignore_errors=True)
        raise
    except Exception:
        raise
    except BaseException:
        _forget(root, keep)
        raise
    _forget(root, keep)


def _forget(root: Path, keep: Path | None) -> None:
    if keep is None:
        shutil.rmtree(root, ignore_errors=True)


def _empty(folder: Path) -> Path:
    """The folder, made where there is none. Raises `ConfigurationError` if something lies in it."""
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty; give --keep a new folder")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used: {error.strerror}; give --keep another folder") from error
    return folder
