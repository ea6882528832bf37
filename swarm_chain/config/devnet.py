"""What `anvil.toml` says of the development chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from swarm_chain.config.places import shipped
from swarm_chain.config.tables import Table


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
