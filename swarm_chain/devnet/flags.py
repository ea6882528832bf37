"""`anvil.toml` as the flags of Anvil, and of Ganache."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from swarm_chain import children
from swarm_chain.config import DevnetSettings
from swarm_chain.devnet.programs import Client

_STATES: Final = 1000
"""Blocks whose state Anvil still knows, in memory; it keeps all blocks and logs.

Left alone it writes the whole state of each block into the user's home, and never deletes it: gigabytes in a night."""


def flags_for(client: Client, settings: DevnetSettings, state: Path | None) -> list[str]:
    """What to call the program with. Makes the folder for the state."""
    flags = _anvil_flags(settings) if client == "anvil" else _ganache_flags(settings)
    if state is not None:
        children.make_folder(state)
        flags += _state_flags(client, state)
    return flags


def _anvil_flags(settings: DevnetSettings) -> list[str]:
    flags = {
        "--chain-id": settings.chain_id,
        "--hardfork": settings.hardfork,
        "--gas-limit": settings.gas_limit,
        "--block-base-fee-per-gas": settings.base_fee,
        "--host": settings.host,
        "--port": settings.port,
        "--accounts": 0,
        "--color": "never",
        "--prune-history": _STATES,
    }
    if settings.block_time:
        flags["--block-time"] = settings.block_time
    return _as_arguments(flags)


def _ganache_flags(settings: DevnetSettings) -> list[str]:
    return _as_arguments(
        {
            "--chain.chainId": settings.chain_id,
            "--chain.networkId": settings.chain_id,
            "--chain.hardfork": settings.hardfork,
            "--miner.blockTime": settings.block_time,
            "--miner.blockGasLimit": settings.gas_limit,
            "--server.host": settings.host,
            "--server.port": settings.port,
            "--wallet.totalAccounts": 0,
        }
    )


def _as_arguments(flags: dict[str, Any]) -> list[str]:
    return [word for flag, value in flags.items() for word in (flag, str(value))]


def _state_flags(client: Client, state: Path) -> list[str]:
    if client == "anvil":
        return ["--state", str(state / "anvil-state.json")]
    return ["--database.dbPath", str(state / "ganache")]
