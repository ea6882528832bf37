"""Where things lie, and what the environment says."""

from __future__ import annotations

import os
from pathlib import Path

from swarm_chain.errors import ConfigurationError

PACKAGE = Path(__file__).parent.parent


def home() -> Path:
    """The folder for keystores, nodes and development chains: `$SWARM_CHAIN_HOME`, else `.swarm-chain` here."""
    return Path(os.environ.get("SWARM_CHAIN_HOME") or ".swarm-chain").absolute()


def nodes_folder() -> Path:
    """The folder that has a folder for every node of this machine."""
    return home() / "nodes"


def settings_file() -> Path:
    """Where named networks are written down: `$SWARM_CHAIN_SETTINGS`, else `swarm-chain.toml` here."""
    return Path(os.environ.get("SWARM_CHAIN_SETTINGS") or "swarm-chain.toml").absolute()


def password_from_environment() -> str | None:
    """`$SWARM_CHAIN_PASSWORD`, which opens keystores without asking."""
    return os.environ.get("SWARM_CHAIN_PASSWORD")


def tool_from_environment(tool: str) -> Path | None:
    """The executable that one of these names: `$SWARM_CHAIN_ANVIL`, `$SWARM_CHAIN_GANACHE`, `$SWARM_CHAIN_IPFS`,
    `$SWARM_CHAIN_SOLC`.

    Raises `ConfigurationError` if there is none at that path.
    """
    variable = f"SWARM_CHAIN_{tool.upper()}"
    value = os.environ.get(variable)
    if not value:
        return None
    if not os.access(value, os.X_OK) or Path(value).is_dir():
        raise ConfigurationError(f"${variable} names {value}, which is not a program; correct it or unset it")
    return Path(value).absolute()


def shipped(name: str) -> Path:
    """Where a file of ours lies that stands at the top of a checkout: `anvil.toml`, `migrations`.

    Raises `ConfigurationError` if the installation is incomplete.
    """
    for folder in (PACKAGE / "shipped", PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise ConfigurationError(f"{name} is missing from this installation; install swarm-chain again")
