"""Where the program lies that runs a chain: Anvil's, not its npm script, or Ganache's; and that of an IPFS node."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, get_args

from swarm_chain import config
from swarm_chain.errors import ConfigurationError, ToolMissing

Client = Literal["anvil", "ganache"]
CLIENTS: Final = get_args(Client)

_ANVIL_PACKAGE: Final = "@foundry-rs/anvil"
_SYSTEMS: Final = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def find_client(client: str) -> Path:
    """The program that runs the chain. Raises `ToolMissing`, `ConfigurationError`."""
    if client not in CLIENTS:
        raise ConfigurationError(f"unknown client {client}; choose {' or '.join(CLIENTS)}")
    candidates = _anvil_candidates() if client == "anvil" else _ganache_candidates()
    for path in candidates:
        if path is not None and os.access(path, os.X_OK) and not path.is_dir():
            return path
    install = (
        "`npm install --global @foundry-rs/anvil@1.7.1`" if client == "anvil" else "`npm install --global ganache`"
    )
    raise ToolMissing(
        f"{client} is not installed; run `npm ci` in a checkout, or {install}, "
        f"or set SWARM_CHAIN_{client.upper()} to its path"
    )


def find_ipfs() -> Path:
    """The program that runs an IPFS node: Kubo, or another with its commands. Raises `ToolMissing`."""
    named = config.tool_from_environment("ipfs")
    if named is not None:
        return named
    if (on_path := shutil.which("ipfs")) is None:
        raise ToolMissing(
            "ipfs is not installed; install Kubo (https://docs.ipfs.tech/install/command-line/), "
            "or set SWARM_CHAIN_IPFS to its path"
        )
    return Path(on_path).absolute()


def _anvil_candidates() -> Iterator[Path | None]:
    yield config.tool_from_environment("anvil")
    # The package's own `anvil` on the PATH is a node script that starts the native one and does not pass on signals.
    on_path = shutil.which("anvil")
    yield from _natives_beside(on_path)
    yield Path(on_path) if on_path else None
    native = f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"
    for modules in _node_modules():
        yield modules / native


def _natives_beside(script: str | None) -> Iterator[Path]:
    """Where npm puts the native Anvil when `script` is its node script; nothing when it is a native program."""
    real = Path(script).resolve() if script else None
    if real is not None and real.suffix in {".mjs", ".js"}:
        for folder in real.parents:
            yield folder / "node_modules" / f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"
            yield folder / f"{_ANVIL_PACKAGE}-{_platform()}/bin/anvil"


def _ganache_candidates() -> Iterator[Path | None]:
    yield config.tool_from_environment("ganache")
    for modules in _node_modules():
        yield modules / ".bin" / "ganache"
    on_path = shutil.which("ganache")
    yield Path(on_path) if on_path else None


def _node_modules() -> tuple[Path, ...]:
    return config.PACKAGE.parent / "node_modules", Path.cwd() / "node_modules"


def _platform() -> str:
    system, machine = platform.system(), platform.machine().lower()
    return f"{_SYSTEMS.get(system, system.lower())}-{_MACHINES.get(machine, machine)}"
