"""Where things lie, and the settings people give: the one place that reads files of settings and the environment."""

from __future__ import annotations

import os
from pathlib import Path

from swarm_chain.errors import ConfigurationError

PACKAGE = Path(__file__).parent


def home() -> Path:
    """The folder for keystores, nodes and development chains: `$SWARM_CHAIN_HOME`, else `.swarm-chain` here."""
    return Path(os.environ.get("SWARM_CHAIN_HOME", ".swarm-chain")).absolute()


def shipped(name: str) -> Path:
    """Where a file of ours lies that stands at the top of a checkout: `anvil.toml`, `migrations`.

    Raises `ConfigurationError` if the installation is incomplete.
    """
    for folder in (PACKAGE / "shipped", PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise ConfigurationError(f"{name} is missing from this installation; install swarm-chain again")
