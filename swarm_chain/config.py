"""Where things lie, and the settings people give: the one place that reads files of settings and the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from swarm_chain.errors import ConfigurationError
from swarm_chain.tables import Table

PACKAGE = Path(__file__).parent
DEVELOPMENT_CHAINS = frozenset({31337, 1337})
"""Chain ids whose accounts anybody can use, and where nothing is worth anything."""


# --------------------------------------------------------------------------------------------------------- environment


def home() -> Path:
    """The folder for keystores, nodes and development chains: `$SWARM_CHAIN_HOME`, else `.swarm-chain` here."""
    return Path(os.environ.get("SWARM_CHAIN_HOME") or ".swarm-chain").absolute()


def password_from_environment() -> str | None:
    """`$SWARM_CHAIN_PASSWORD`, which opens keystores without asking."""
    return os.environ.get("SWARM_CHAIN_PASSWORD")


def tool_from_environment(tool: str) -> Path | None:
    """The executable that `$SWARM_CHAIN_ANVIL`, `$SWARM_CHAIN_GANACHE` or `$SWARM_CHAIN_SOLC` names.

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


# --------------------------------------------------------------------------------------------------- development chain


@dataclass(frozen=True, kw_only=True, slots=True)
class DevnetSettings:
    """What `anvil.toml` says of the development chain. `block_time` is in seconds, 0 for a block a transaction."""

    chain_id: int
    hardfork: str
    block_time: int
    gas_limit: int
    base_fee: int
    host: str
    port: int
    account_count: int
    balance: int
    mnemonic: str = field(repr=False)


def load_devnet_settings(path: Path | None = None) -> DevnetSettings:
    """The settings in `anvil.toml`: the given one, or the one that ships. Raises `ConfigurationError`."""
    top = Table.read(path or shipped("anvil.toml"))
    chain, server, accounts = top.table("chain"), top.table("server"), top.table("accounts")
    settings = DevnetSettings(
        chain_id=chain.integer("id", least=1, most=2**53 - 1),
        hardfork=chain.text("hardfork"),
        block_time=chain.integer("block_time", least=0, most=3600),
        gas_limit=chain.integer("gas_limit", least=1_000_000, most=2**53 - 1),
        base_fee=chain.integer("base_fee", least=0, most=10**15),
        host=server.text("host"),
        port=server.integer("port", least=0, most=65_535),
        account_count=accounts.integer("count", least=1, most=1_000),
        balance=accounts.integer("balance", least=0, most=10**9),
        mnemonic=accounts.text("mnemonic"),
    )
    for table in (chain, server, accounts, top):
        table.finish()
    return settings
